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

// Bytes beyond what growing heaps pass their goal by in the normal course of things, up to a half.
inline uint64_t Overrun(uint64_t live, uint64_t goal) {
  constexpr uint64_t kNormalOverrun = 4 << 20;
  return SaturatingSub(live, SaturatingAdd(SaturatingAdd(goal, goal / 2), kNormalOverrun));
}

inline int64_t NapNanos(const AllocationNap& in) {
  constexpr uint64_t kNanosPerByte = 5, kMinNanos = 20'000, kMaxNanos = 1'000'000;
  const uint64_t alone =
      std::clamp(std::min(in.bytes, kMaxNanos) * kNanosPerByte, kMinNanos, kMaxNanos);
  constexpr uint64_t kMostCrowd = 64;
  const uint64_t crowd =
      std::clamp<uint64_t>(in.threads / std::max<uint64_t>(in.procs, 1), 1, kMostCrowd);
  constexpr uint64_t kPerGoal = 16, kMostOverrun = 128;
  const uint64_t far = std::min(Overrun(in.live, in.goal), kMaxBytes / kPerGoal) * kPerGoal /
                       std::max<uint64_t>(in.goal, 1);
  constexpr uint64_t kLongestNanos = 10'000'000;
  const uint64_t times = std::max(crowd, 1 + std::min(far, kMostOverrun));
  return static_cast<int64_t>(std::max(alone * crowd, std::min(alone * times, kLongestNanos)));
}

// Garbage waits for its destructors.
struct Backlog {
  uint64_t bytes = 0;
  uint64_t bound = 0;       // below it nobody waits
  uint64_t taken = 0;       // bytes that the thread has allocated since it last waited
  uint64_t bytes_each = 0;  // what a destructor stands for
};

// For how many destructors the thread waits, but not longer than `nanos`; it looks every
// `look_nanos`. 0 runs: no wait.
struct BacklogWait {
  uint64_t runs = 0;
  int64_t nanos = 0;
  int64_t look_nanos = 0;
};

// At the bound as much is destroyed as is allocated; above it more, by the square of how far: so
// many threads together stay near it, and so they do where the thread that destroys gets a small
// share of the CPUs, or destructors are slow, and the time runs out.
inline BacklogWait BacklogWaitFor(const Backlog& in) {
  constexpr uint64_t kMost = 8, kNanosEach = 200'000, kLooks = 16, kMinLookNanos = 20'000;
  if (in.bytes <= in.bound || in.bytes_each == 0) return {};
  const uint64_t over = std::min(in.bytes / std::max<uint64_t>(in.bound, 1), kMost);
  const uint64_t times = over * over;
  BacklogWait wait;
  wait.runs = std::max<uint64_t>(
      1, std::min(in.taken, kMaxBytes / (kMost * kMost)) * times / in.bytes_each);
  wait.nanos = static_cast<int64_t>(times * kNanosEach);
  wait.look_nanos = static_cast<int64_t>(std::max(times * kNanosEach / kLooks, kMinLookNanos));
  return wait;
}

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_ALLOCATION_NAP_H_
