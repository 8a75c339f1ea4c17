#include "gc/collect/assist.h"

#include <algorithm>

#include "runtime/base/clock.h"

namespace tarn::rt {
namespace {

// Without a goal a unit of work pays for any number of bytes.
void AddCredit(int64_t& balance, int64_t bytes) {
  if (__builtin_add_overflow(balance, bytes, &balance)) balance = INT64_MAX;
}

}  // namespace

void Assists::Begin(uint32_t cycle, const AssistRatio& ratio) {
  SetRatio(ratio);
  stolen_.store(0, std::memory_order_relaxed);
  assist_scanned_.store(0, std::memory_order_relaxed);
  cycle_time_.store(0, std::memory_order_relaxed);
  cycle_.store(cycle, std::memory_order_relaxed);
}

void Assists::End() { cycle_.store(0, std::memory_order_relaxed); }

void Assists::SetRatio(const AssistRatio& ratio) {
  work_per_byte_.store(ratio.work_per_byte, std::memory_order_relaxed);
  bytes_per_work_.store(ratio.bytes_per_work, std::memory_order_relaxed);
}

AssistRatio Assists::ratio() const {
  return {work_per_byte_.load(std::memory_order_relaxed),
          bytes_per_work_.load(std::memory_order_relaxed)};
}

// The pool is what background workers have scanned and no assist has been credited with.
int64_t Assists::Steal(const AssistDemand& demand, const AssistRatio& ratio, int64_t& balance) {
  const uint64_t scanned = workers_.totals().scanned.load(std::memory_order_relaxed) -
                           assist_scanned_.load(std::memory_order_relaxed);
  const auto pool =
      static_cast<int64_t>(scanned) - static_cast<int64_t>(stolen_.load(std::memory_order_relaxed));
  const AssistDemand got = StealFor(pool, demand, ratio);
  if (got.work <= 0) return 0;
  // A race lets two threads steal the same work once; the pool is then negative for a while.
  stolen_.fetch_add(static_cast<uint64_t>(got.work), std::memory_order_relaxed);
  AddCredit(balance, got.bytes);
  return got.work;
}

void Assists::Owe(MutatorGc& gc, uint64_t bytes) {
  const uint32_t cycle = cycle_.load(std::memory_order_relaxed);
  if (gc.assist_cycle != cycle) {
    gc.assist_cycle = cycle;
    gc.assist_balance = 0;
  }
  constexpr int64_t kMaxDebt = int64_t{1} << 60;  // two of them fit
  gc.assist_balance -= std::min(ToSigned(bytes), kMaxDebt);
  gc.assist_balance = std::max(gc.assist_balance, -kMaxDebt);
}

bool Assists::ChargeSlow(MutatorGc& gc, uint64_t bytes) {
  Owe(gc, bytes);
  if (gc.assist_balance >= 0 || limited_.load(std::memory_order_relaxed) != 0) return true;
  const AssistRatio r = ratio();
  const AssistDemand demand = DemandFor(gc.assist_balance, static_cast<int64_t>(bytes), r);
  const int64_t stolen = Steal(demand, r, gc.assist_balance);
  const int64_t left = demand.work - stolen;
  if (left <= 0) return gc.assist_balance >= 0;
  const int64_t start = MonotonicNanos();
  // What other threads do while this one waits for a CPU is not the collector's.
  const int64_t cpu_start = ThreadCpuNanos();
  Marker marker(heap_, layouts_, queue_, &specials_);
  marker.Start(/*exclusive=*/false);
  MarkStats stats;
  for (;;) {
    const uint64_t piece = std::min(kPieceWork, static_cast<uint64_t>(left) - stats.scanned);
    const bool dry = marker.Drain(/*share=*/false, piece);
    stats.Add(marker.TakeStats());
    if (dry) queue_.Ask();
    if (dry || stats.scanned >= static_cast<uint64_t>(left)) break;
    if (MonotonicNanos() - start > kMaxNanos) break;  // keeps I1
  }
  marker.Flush();
  // Keeps I3. Not if there was nothing to hold: a thread that looks for work in vain all the time
  // would keep marking from ending.
  if (marker.work() != 0) gc.shaded = true;
  assist_scanned_.fetch_add(stats.scanned, std::memory_order_relaxed);
  workers_.AddAssist(stats);
  AddCredit(gc.assist_balance, BytesFor(static_cast<int64_t>(stats.scanned), r));
  const int64_t took = ThreadCpuNanos() - cpu_start;
  time_.fetch_add(took, std::memory_order_relaxed);
  cycle_time_.fetch_add(took, std::memory_order_relaxed);
  return gc.assist_balance >= 0;
}

}  // namespace tarn::rt
