// ScavengeGoal: how many bytes of the heap the system may go on to back.
//   from the heap goal   the heap's use when the last cycle ended, scaled by how the goal changed, plus
//                        10 % so that the next cycle finds pages without a page fault
//   from the limit       what keeps all memory of the runtime below 95 % of the soft limit
// The scavenger works while the heap retains more than either.
// Not here: how fast (scavenge_pacer.h), which pages (runtime/heap/scavenge_index.h).
// I1 A goal that the heap meets already is kNoScavengeGoal: nothing to do until the next commit.
// Locking: none; pure. Cost: a few instructions per commit.
#ifndef TARN_GC_CONTROL_SCAVENGE_GOAL_H_
#define TARN_GC_CONTROL_SCAVENGE_GOAL_H_

#include <algorithm>
#include <cstdint>

#include "gc/control/byte_math.h"
#include "gc/control/heap_goal.h"
#include "gc/control/memory_limit.h"

namespace tarn::rt {

inline constexpr uint64_t kNoScavengeGoal = ~uint64_t{0};
inline constexpr uint64_t kRetainExtraPercent = 10;
inline constexpr uint64_t kLimitRetainPercent = 95;

// The heap as the last cycle left it, and its goal now. Bytes.
struct RetainInput {
  uint64_t in_use = 0;     // in spans when marking ended: the peak of the cycle
  uint64_t goal = 0;       // heap goal now
  uint64_t last_goal = 0;  // heap goal when the cycle ended; 0: there was none yet
};

// `retained`: in spans and free, all backed. `page_bytes`: an OS page, less than which is no excess.
inline uint64_t PercentRetainGoal(const RetainInput& in, uint64_t retained, uint64_t page_bytes) {
  if (in.last_goal == 0) return kNoScavengeGoal;
  // Without automatic collections there is no goal to follow, before or now: anything so large is none.
  constexpr uint64_t kLargestGoal = kMaxBytes / 8;
  const bool has_ratio = in.goal < kLargestGoal && in.last_goal < kLargestGoal;
  const double ratio =
      has_ratio ? static_cast<double>(in.goal) / static_cast<double>(in.last_goal) : 1.0;
  const uint64_t scaled = ToBytes(static_cast<double>(in.in_use) * ratio);
  const uint64_t wanted = SaturatingAdd(scaled, scaled / (100 / kRetainExtraPercent));
  const uint64_t goal = SaturatingAdd(wanted, page_bytes - 1) / page_bytes * page_bytes;
  return SaturatingSub(retained, goal) < page_bytes ? kNoScavengeGoal : goal;  // keeps I1
}

// `mapped_ready`: all backed memory of the runtime, of which `retained` is the heap. What is not heap
// cannot be given back, so the heap has to make room for it.
inline uint64_t LimitRetainGoal(uint64_t limit, uint64_t mapped_ready, uint64_t retained) {
  if (limit >= kNoMemoryLimit) return kNoScavengeGoal;
  const uint64_t ready_goal = PercentOf(limit, kLimitRetainPercent);
  if (mapped_ready <= ready_goal) return kNoScavengeGoal;  // keeps I1
  return SaturatingSub(retained, mapped_ready - ready_goal);
}

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_SCAVENGE_GOAL_H_
