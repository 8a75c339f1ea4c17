// The arithmetic of assists: what a thread that allocates while marking runs owes, in bytes, and how
// much it marks for that.
//   balance < 0   debt in bytes; > 0 credit. Zero at the start of each cycle.
//   pool          scan work (bytes) that background markers did and nobody has been credited with
// Not here: the ratio (pacer.h), marking, the queue of threads that wait for credit.
// I1 One assist asks for at most MaxAssistWork(bytes) of work: the larger of 64 KiB and 8 times the
//    bytes just charged. What exceeds that stays debt.
// I2 No rounding leaves a paid debt open: each payment rounds up by one byte.
// I3 Stealing takes at most what the pool holds, and never from an empty pool.
// Locking: none; plain numbers. The pool is the driver's; a race that makes it negative is harmless.
//
// Why this bound. A mark costs about 20 ns per 64-byte object, so 64 KiB are 20 us: a fifth of the
// longest time that a thread shall be kept from running. A thread is charged per run, at most 8 KiB,
// so the bound only bites at more than 8 units of work per byte, which the pacer asks for when the
// goal is nearly reached. Everybody who allocates then still marks 8 bytes per byte allocated: the
// heap passes the goal by at most an eighth of the scan work that is left, the size of overshoot that
// the pacer plans with (pacer.cc, kMaxOvershoot). The second term says the same for large objects,
// whose allocation takes long anyway.
#ifndef TARN_GC_CONTROL_ASSIST_CREDIT_H_
#define TARN_GC_CONTROL_ASSIST_CREDIT_H_

#include <algorithm>
#include <cstdint>

#include "gc/control/byte_math.h"

namespace tarn::rt {

// Small debts are rounded up to this much work, and the surplus is credit: entering an assist has a
// cost of its own.
inline constexpr int64_t kOverAssistWork = int64_t{64} << 10;
inline constexpr int64_t kMaxAssistWorkPerByte = 8;
// Markers keep up to this much work to themselves before they add it to the pool.
inline constexpr int64_t kCreditSlackWork = 2000;
// Assist time is added to the global counter in pieces of at least this.
inline constexpr int64_t kAssistTimeSlackNanos = 5000;

// Scan work owed per byte allocated, and its inverse. The two are published separately and need not
// match exactly.
struct AssistRatio {
  double work_per_byte = 0;
  double bytes_per_work = 0;
};

constexpr int64_t MaxAssistWork(int64_t charged_bytes) {
  return std::max(kOverAssistWork, ToSigned(ToBytes(static_cast<double>(charged_bytes) *
                                                    static_cast<double>(kMaxAssistWorkPerByte))));
}

// What one assist is to do: `work` to find or steal, worth `bytes`.
struct AssistDemand {
  int64_t work = 0;
  int64_t bytes = 0;
};

// Bytes that `work` pays for (keeps I2).
inline int64_t BytesFor(int64_t work, const AssistRatio& ratio) {
  const uint64_t bytes = ToBytes(static_cast<double>(work) * ratio.bytes_per_work);
  return ToSigned(SaturatingAdd(bytes, 1));
}

// Work that `bytes` are worth: a debt, or the credit that a finishing thread returns to the pool.
inline int64_t WorkFor(int64_t bytes, const AssistRatio& ratio) {
  return ToSigned(ToBytes(static_cast<double>(bytes) * ratio.work_per_byte));
}

// For a balance below zero, after `charged_bytes` were subtracted from it.
inline AssistDemand DemandFor(int64_t balance, int64_t charged_bytes, const AssistRatio& ratio) {
  if (balance >= 0) return {};
  const int64_t debt = -std::max(balance, -ToSigned(kMaxBytes));
  const int64_t exact = WorkFor(debt, ratio);
  const int64_t cap = MaxAssistWork(charged_bytes);
  if (exact > cap) return {cap, BytesFor(cap, ratio)};  // keeps I1
  if (exact >= kOverAssistWork) return {exact, debt};
  return {kOverAssistWork, std::max(debt, BytesFor(kOverAssistWork, ratio))};
}

// What stealing from the pool yields: subtract `work` from the pool, add `bytes` to the balance.
inline AssistDemand StealFor(int64_t pool, const AssistDemand& demand, const AssistRatio& ratio) {
  if (pool <= 0 || demand.work <= 0) return {};  // keeps I3
  if (pool < demand.work) return {pool, BytesFor(pool, ratio)};
  return demand;
}

// A marker hands `work` to a thread that waits with a balance below zero: `bytes` go to the balance,
// `work` of the result was used up. The debt is paid if the balance is no longer negative.
inline AssistDemand PayDebt(int64_t balance, int64_t work, const AssistRatio& ratio) {
  if (balance >= 0 || work <= 0) return {};
  const int64_t debt = -std::max(balance, -ToSigned(kMaxBytes));
  const int64_t worth = BytesFor(work, ratio);
  if (worth < debt) return {work, worth};
  return {std::min(work, WorkFor(debt, ratio)), debt};
}

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_ASSIST_CREDIT_H_
