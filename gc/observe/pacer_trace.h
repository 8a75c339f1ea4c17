// The gcpacertrace lines, in Go's format:
//   pacer: assist ratio=R (scan S MB in A->B MB) workers=D+F               when marking starts
//   pacer: U% CPU (25 exp.) for H+K+G B work (E B exp.) in T B -> L B (goal delta D, cons/mark C)
//                                                                           when it has ended
//   pacer: sweep done at heap size X MB; allocated Y MB during sweep; swept P pages at R pages/byte
// Not here: the numbers (gc/control/pacer.h).
#ifndef TARN_GC_OBSERVE_PACER_TRACE_H_
#define TARN_GC_OBSERVE_PACER_TRACE_H_

#include <cstdint>
#include <string>

namespace tarn::rt {

// Sizes in bytes.
struct PacerStart {
  double assist_ratio = 0;  // scan work per byte allocated
  uint64_t scan = 0;        // scannable heap
  uint64_t live = 0;
  uint64_t goal = 0;
  int dedicated = 0;
  double fractional = 0;  // in CPUs
};
struct PacerEnd {
  double utilization = 0;  // 0..1
  uint64_t heap_work = 0, stack_work = 0, globals_work = 0, expected_work = 0;
  uint64_t triggered = 0;
  uint64_t live = 0;
  uint64_t goal = 0;
  double cons_mark = 0;  // in force for this cycle
};
struct PacerSweep {
  uint64_t live = 0;
  uint64_t live_at_start = 0;  // of sweeping
  uint64_t pages = 0;
  double pages_per_byte = 0;
};

// The lines without a newline.
std::string PacerStartLine(const PacerStart& s);
std::string PacerEndLine(const PacerEnd& e);
std::string PacerSweepLine(const PacerSweep& s);

}  // namespace tarn::rt

#endif  // TARN_GC_OBSERVE_PACER_TRACE_H_
