// How long a thread that allocates at the goal waits for the collector to catch up.
//   bytes     about 200 MB a second, within bounds that keep the wait for small objects short (the
//             system adds its timer slack, 50 us) and that for large ones near what zeroing them costs
//   crowd     where threads share CPUs the wait is longer by as much: they wait for one another anyway,
//             and together they would run away from a collector that gets no more CPU than each of them
//   overrun   a heap far above its goal says that the collector does not run at all, on a machine that
//             is busy with other programs: the wait grows with the distance, so that memory stays bounded
// Who waits is woken when the collector has got further, so that the length only matters where it has
// not.
// Locking: none; pure.
#ifndef TARN_GC_CONTROL_ALLOCATION_NAP_H_
#define TARN_GC_CONTROL_ALLOCATION_NAP_H_

#include <algorithm>
#include <cstdint>

#include "gc/control/byte_math.h"

namespace tarn::rt {

struct AllocationNap {
  uint64_t bytes = 0;  // about to be allocated
  uint64_t live = 0;   // bytes in the heap
  uint64_t goal = 0;
  uint64_t threads = 1;  // that may allocate
  uint64_t procs = 1;
};

inline int64_t NapNanos(const AllocationNap& in) {
  constexpr uint64_t kNanosPerByte = 5, kMinNanos = 20'000, kMaxNanos = 1'000'000;
  const uint64_t alone =
      std::clamp(std::min(in.bytes, kMaxNanos) * kNanosPerByte, kMinNanos, kMaxNanos);
  constexpr uint64_t kMostCrowd = 64;
  const uint64_t crowd =
      std::clamp<uint64_t>(in.threads / std::max<uint64_t>(in.procs, 1), 1, kMostCrowd);
  // Growing heaps pass their goal by up to a half in the normal course of things.
  constexpr uint64_t kNormalOverrun = 4 << 20, kPerGoal = 16, kMostOverrun = 128;
  const uint64_t overrun =
      SaturatingSub(in.live, SaturatingAdd(SaturatingAdd(in.goal, in.goal / 2), kNormalOverrun));
  const uint64_t far =
      std::min(overrun, kMaxBytes / kPerGoal) * kPerGoal / std::max<uint64_t>(in.goal, 1);
  constexpr uint64_t kLongestNanos = 10'000'000;
  const uint64_t times = std::max(crowd, 1 + std::min(far, kMostOverrun));
  return static_cast<int64_t>(std::max(alone * crowd, std::min(alone * times, kLongestNanos)));
}

// What waits for destructors is more than `bound`: by how much the wait of who allocates is to be longer
// than otherwise; 0: no wait. The square lets it catch up with any rate of allocation: the thread that
// destroys may get a small share of the CPUs.
inline uint64_t BacklogTimes(uint64_t backlog, uint64_t bound) {
  constexpr uint64_t kMost = 8;
  if (backlog <= bound) return 0;
  const uint64_t over = std::min(backlog / std::max<uint64_t>(bound, 1), kMost);
  return over * over;
}

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_ALLOCATION_NAP_H_
