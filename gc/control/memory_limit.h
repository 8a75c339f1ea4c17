// MemoryLimitGoal: the heap goal that keeps all memory of the runtime below a soft limit.
// Not here: which goal wins (pacer.h); the hard limit, which makes allocations fail.
// I1 The goal is at least the bytes marked: asking for less would only spin.
// I2 Free pages that are still backed count as future heap, not as overhead: allocation takes them
//    before it maps more. Memory outside the heap that is charged to it (AdjustExternalMemory) is
//    part of both mapped_ready and object_bytes, so that it is heap here and not overhead.
// Locking: none; pure.
// Cost: a few instructions; computed each time a goal is needed, since its inputs change all the
// time.
#ifndef TARN_GC_CONTROL_MEMORY_LIMIT_H_
#define TARN_GC_CONTROL_MEMORY_LIMIT_H_

#include <algorithm>
#include <cstdint>

#include "gc/control/byte_math.h"

namespace tarn::rt {

inline constexpr uint64_t kNoMemoryLimit = kMaxBytes;
// Room left below the limit for what is allocated between a decision and its effect.
inline constexpr uint64_t kLimitHeadroomPercent = 3;
inline constexpr uint64_t kMinLimitHeadroomBytes = uint64_t{1} << 20;

// The byte ledger at one moment. The counters are updated independently: a driver reads them again,
// a few times, while heap_free + object_bytes > mapped_ready.
struct MemoryReading {
  uint64_t mapped_ready = 0;  // backed memory of the runtime: heap, tables, stacks
  uint64_t heap_free = 0;     // pages in no span, still backed
  uint64_t object_bytes = 0;  // allocated and not yet swept free
};

constexpr uint64_t MemoryLimitGoal(uint64_t limit, const MemoryReading& memory, uint64_t marked) {
  const uint64_t heap = SaturatingAdd(memory.heap_free, memory.object_bytes);
  const uint64_t overhead = SaturatingSub(memory.mapped_ready, heap);
  const uint64_t overage = SaturatingSub(memory.mapped_ready, limit);
  const uint64_t lost = SaturatingAdd(overhead, overage);
  if (lost >= limit) return marked;  // nothing left for the heap; the CPU limiter alone restrains
  const uint64_t goal = limit - lost;
  const uint64_t headroom = std::max(goal / 100 * kLimitHeadroomPercent, kMinLimitHeadroomBytes);
  // Below two headrooms the goal is one headroom: it must not reach zero.
  const uint64_t lowered = SaturatingSub(goal, headroom) < headroom ? headroom : goal - headroom;
  return std::max(lowered, marked);  // keeps I1
}

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_MEMORY_LIMIT_H_
