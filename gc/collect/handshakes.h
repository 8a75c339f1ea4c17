// The handshakes of a cycle: what each thread does at each step of the protocol. The driver runs
// them in this order, each for all threads before the next begins:
//
//   H0   sweep the spans that the thread owns            (all spans are swept then)
//   H1   barrier on; shade the value of the hazard
//   H1b  shade what the slot of the hazard holds
//   H2   mark the rest of the runs, scan stack and registers; allocate black from now on
//   F    hand over the barrier's buffer; tell whether anything new was shaded since the last F
//   H3   barrier off; allocation stays black until the flip, which its generation tells
//
// Not here: when they are run (cycle.h); what a thread does that attaches in between (mark_state.h).
// Why this order is needed, with counterexamples for each missing piece: tests/model.
// Locking: handshake functions; they take no lock that a stopped or waiting thread may hold.
#ifndef TARN_GC_COLLECT_HANDSHAKES_H_
#define TARN_GC_COLLECT_HANDSHAKES_H_

#include <atomic>
#include <cstdint>

#include "gc/collect/roots.h"
#include "gc/observe/handshake_recorder.h"
#include "gc/types/layout_table.h"
#include "runtime/heap/heap.h"
#include "runtime/thread/mutator.h"

namespace tarn::rt {

// One round: its inputs, and what the threads report. Lives on the driver's stack.
struct Round {
  Round(Heap& heap_in, const LayoutTable& layouts_in, Roots& roots_in, HandshakeRecorder& times_in)
      : heap(heap_in), layouts(layouts_in), roots(roots_in), times(times_in) {}

  Heap& heap;
  const LayoutTable& layouts;
  Roots& roots;
  HandshakeRecorder& times;
  // relaxed: summed up after the round, which orders them.
  std::atomic<uint64_t> stack_bytes{0};
  std::atomic<uint64_t> run_bytes{0};
  std::atomic<uint32_t> shaded{0};
  std::atomic<int64_t> longest{0};  // nanoseconds that the slowest thread spent in its function
};

void RunH0(Round& round);
void RunH1(Round& round);
void RunH1b(Round& round);
void RunH2(Round& round);
void RunF(Round& round);
void RunH3(Round& round);

// The work of H2 for a thread that stops, without black allocation. After H0.
void OnStopForMarking(Mutator& m, void* round);
// Scans the thread's roots again; for the end of marking when some roots have no barriers.
void OnStopForRescan(Mutator& m, void* round);
// The work of F for a thread that stops.
void OnStopForCheck(Mutator& m, void* round);

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_HANDSHAKES_H_
