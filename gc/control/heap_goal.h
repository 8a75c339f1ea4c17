// Heap goal from GOGC: pure arithmetic.
// Source: Go's pacer (goal = live + (live + stacks + globals) * GOGC / 100, at least 4 MiB * GOGC /
// 100); floating garbage is tarn's.
#ifndef TARN_GC_CONTROL_HEAP_GOAL_H_
#define TARN_GC_CONTROL_HEAP_GOAL_H_

#include <algorithm>
#include <cstdint>

#include "gc/control/byte_math.h"

namespace tarn::rt {

inline constexpr uint64_t kMinHeapBytes = uint64_t{4} << 20;  // at GOGC=100
inline constexpr uint64_t kNoGoal = ~uint64_t{0};

struct HeapGoalInput {
  int gc_percent = 100;   // negative: off
  uint64_t marked = 0;    // bytes that the last cycle marked and that count as live
  uint64_t stacks = 0;    // bytes of stacks that it scanned
  uint64_t globals = 0;   // bytes of roots that it scanned
  uint64_t floating = 0;  // bytes that it marked besides (live_estimate.h)
};

// a * percent / 100 without overflow, saturating at kNoGoal.
inline uint64_t PercentOf(uint64_t a, uint64_t percent) {
  uint64_t whole;
  if (__builtin_mul_overflow(a / 100, percent, &whole)) return kNoGoal;
  uint64_t sum;
  return __builtin_add_overflow(whole, a % 100 * percent / 100, &sum) ? kNoGoal : sum;
}

// Bytes at which the heap should be when the next cycle ends; kNoGoal when collection is off.
inline uint64_t HeapGoal(const HeapGoalInput& in) {
  if (in.gc_percent < 0) return kNoGoal;
  const auto percent = static_cast<uint64_t>(in.gc_percent);
  const uint64_t growth = PercentOf(in.marked + in.stacks + in.globals, percent);
  const uint64_t goal = growth > kNoGoal - in.marked ? kNoGoal : in.marked + growth;
  const uint64_t minimum = PercentOf(kMinHeapBytes, percent);
  // Floating garbage takes nothing of the room, or cycles would follow one another without a pause; but
  // it gets no share of its own.
  const uint64_t least = SaturatingAdd(goal, in.floating);
  // For the same reason a heap that holds hardly anything else has some room: that of half the
  // minimum, or more where there is more to mark again, but not more than that of the minimum.
  const uint64_t room = std::max(minimum / 2, std::min(minimum, in.floating / 2));
  const uint64_t used = SaturatingAdd(in.floating, in.marked);
  return std::max({minimum, least, SaturatingAdd(used, room)});
}

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_HEAP_GOAL_H_
