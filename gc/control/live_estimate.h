// LiveEstimate: how much of what a cycle marked will live on.
// What is allocated while marking runs is marked unseen (black), and most of it may be garbage already.
// If it counted as live, GOGC would allow as much again, and a program that allocates fast would have a
// heap far above live * (1 + GOGC/100). So it counts at the rate at which the heap grew before: of what
// was allocated from the start of the last cycle's marking to the start of this one's, the share by which
// the traced bytes grew. In a steady heap that is none, in a growing one all.
// Go counts all of it; its programs allocate less meanwhile.
// Locking: none; pure.
#ifndef TARN_GC_CONTROL_LIVE_ESTIMATE_H_
#define TARN_GC_CONTROL_LIVE_ESTIMATE_H_

#include <algorithm>
#include <cstdint>

namespace tarn::rt {

struct LiveEstimateInput {
  uint64_t traced = 0;         // bytes marked, without those that were allocated black
  uint64_t black = 0;          // bytes allocated black
  uint64_t last_traced = 0;    // `traced` of the cycle before; 0: there was none
  uint64_t live_at_start = 0;  // bytes in the heap when marking began
};

struct LiveEstimate {
  uint64_t live;      // bytes that are expected to live on
  uint64_t floating;  // the others that are marked: garbage that this cycle has missed
};

inline LiveEstimate EstimateLive(const LiveEstimateInput& in) {
  const uint64_t allocated =
      in.live_at_start > in.last_traced ? in.live_at_start - in.last_traced : 0;
  const uint64_t grown = in.traced > in.last_traced ? in.traced - in.last_traced : 0;
  const double share =
      allocated == 0 ? (grown == 0 ? 0.0 : 1.0)
                     : std::min(1.0, static_cast<double>(grown) / static_cast<double>(allocated));
  const auto surviving =
      std::min(in.black, static_cast<uint64_t>(share * static_cast<double>(in.black)));
  return {in.traced + surviving, in.black - surviving};
}

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_LIVE_ESTIMATE_H_
