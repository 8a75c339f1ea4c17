// SweepPace: how many pages must be swept for each byte allocated, so that sweeping ends before the
// next cycle begins.
// Not here: sweeping, counting swept pages.
// I1 If every allocation sweeps what it owes first, nothing is unswept when the heap is 1 MiB below
//    the trigger.
// Locking: none; a value that the driver publishes.
#ifndef TARN_GC_CONTROL_SWEEP_PACE_H_
#define TARN_GC_CONTROL_SWEEP_PACE_H_

#include <algorithm>
#include <cstdint>

#include "gc/control/byte_math.h"

namespace tarn::rt {

// Sweeping is paced to end this far below the trigger; also the least distance from the live heap
// to a trigger that is set before sweeping is done.
inline constexpr uint64_t kSweepMinDistanceBytes = uint64_t{1} << 20;

struct SweepPace {
  double pages_per_byte = 0;  // 0: nothing left to sweep
  uint64_t live_basis = 0;    // live heap and pages swept when the pace was set
  uint64_t swept_basis = 0;

  // `page_bytes` bounds the distance from below: a trigger that is already near asks for all at once.
  static SweepPace From(uint64_t pages_in_use, uint64_t pages_swept, uint64_t live,
                        uint64_t trigger, uint64_t page_bytes) {
    SweepPace pace{0, live, pages_swept};
    if (pages_in_use <= pages_swept) return pace;
    const uint64_t distance = SaturatingSub(trigger, SaturatingAdd(live, kSweepMinDistanceBytes));
    pace.pages_per_byte = static_cast<double>(pages_in_use - pages_swept) /
                          static_cast<double>(std::max(distance, page_bytes));
    return pace;
  }

  // Pages that must have been swept, counted as pages_swept is, before `bytes` more are allocated.
  // `will_sweep`: pages that the caller sweeps anyway. A live heap below the basis (the pace was set
  // anew meanwhile) counts as no distance.
  uint64_t Target(uint64_t live, uint64_t bytes, uint64_t will_sweep) const {
    const double distance =
        static_cast<double>(SaturatingAdd(SaturatingSub(live, live_basis), bytes));
    const uint64_t owed = SaturatingSub(ToBytes(pages_per_byte * distance), will_sweep);
    return SaturatingAdd(swept_basis, owed);
  }
};

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_SWEEP_PACE_H_
