// TriggerFor: the size of the heap at which a cycle starts so that it ends at the goal.
// Not here: the goal (heap_goal.h, memory_limit.h), the runway (pacer.h).
// I1 trigger <= goal whenever marked <= goal, and marked <= trigger.
// I2 The trigger does not fall when the goal rises.
// Locking: none; pure.
#ifndef TARN_GC_CONTROL_TRIGGER_H_
#define TARN_GC_CONTROL_TRIGGER_H_

#include <algorithm>
#include <cstdint>

#include "gc/control/byte_math.h"

namespace tarn::rt {

// The trigger lies between these fractions of the way from the marked heap to the goal. Earlier: a
// nearly permanent cycle allocates black and grows the footprint, so more CPU is preferred. Later:
// the cycle has no room to react.
inline constexpr uint64_t kTriggerUnits = 64;
inline constexpr uint64_t kMinTriggerUnits = 45;  // 0.70
inline constexpr uint64_t kMaxTriggerUnits = 61;  // 0.95
// Large heaps keep at most this between latest trigger and goal: 5 % of them would be wasted.
inline constexpr uint64_t kMaxTriggerGapBytes = uint64_t{4} << 20;

// A goal, and the size below which no cycle may start whatever the runway.
struct GoalBounds {
  uint64_t goal;
  uint64_t min_trigger;
};

// `runway`: bytes that the program is expected to allocate while the cycle runs.
constexpr uint64_t TriggerFor(const GoalBounds& bounds, uint64_t marked, uint64_t runway) {
  const uint64_t goal = bounds.goal;
  if (marked >= goal) return goal;  // continuous collection
  const uint64_t unit = (goal - marked) / kTriggerUnits;
  const uint64_t low =
      std::max({bounds.min_trigger, marked, SaturatingAdd(marked, unit * kMinTriggerUnits)});
  uint64_t high = SaturatingAdd(marked, unit * kMaxTriggerUnits);
  if (goal > kMaxTriggerGapBytes) high = std::max(high, goal - kMaxTriggerGapBytes);
  high = std::max(high, low);
  return runway > goal ? low : std::clamp(goal - runway, low, high);
}

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_TRIGGER_H_
