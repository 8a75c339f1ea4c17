// GcTrace: the gctrace line, in Go's format:
//   gc N @Ts P%: a+b+c ms clock, d+e/f/g+h ms cpu, i->j->k MB, l MB goal, m MB stacks, n MB
//   globals, p P [(forced)]
// Not here: measuring; the cycle fills CycleRecord.
#ifndef TARN_GC_OBSERVE_GC_TRACE_H_
#define TARN_GC_OBSERVE_GC_TRACE_H_

#include <cstdint>
#include <string>

#include "gc/observe/pacer_trace.h"

namespace tarn::rt {

// What one cycle did. Times in nanoseconds, sizes in bytes.
struct CycleRecord {
  uint64_t number = 0;  // from 1
  bool forced = false;
  int64_t start_since_init = 0;  // when it began, since the heap was started
  double cpu_fraction = 0;       // of all CPU since then, this cycle included; 0..1
  // Longest time that a thread was kept from running at the beginning, during, and at the end.
  int64_t start_pause = 0;
  int64_t mark_wall = 0;
  int64_t end_pause = 0;
  int64_t start_cpu = 0;
  int64_t assist_cpu = 0;
  int64_t mark_cpu = 0;  // dedicated and fractional workers
  int64_t idle_cpu = 0;
  int64_t end_cpu = 0;
  uint64_t live_at_start = 0;
  uint64_t live_at_end = 0;
  uint64_t marked = 0;
  uint64_t revived = 0;  // of these: dead, kept for finalizers and destructors
  uint64_t objects = 0;
  uint64_t goal = 0;     // in force when the cycle ended
  int64_t mark_end = 0;  // when marking was over
  int64_t external_dropped =
      0;  // by then; afterwards dead mappings were unmapped, the others looked at
  uint64_t stacks = 0;
  uint64_t globals = 0;
  int procs = 0;
  PacerStart pacer_start;  // for gcpacertrace
  PacerEnd pacer_end;
};

// A duration in milliseconds as Go prints it: 10 ms and more as whole milliseconds, below with two
// significant digits and at most three decimals.
std::string TraceMillis(int64_t nanos);
// The line without a newline.
std::string GcTraceLine(const CycleRecord& r);

}  // namespace tarn::rt

#endif  // TARN_GC_OBSERVE_GC_TRACE_H_
