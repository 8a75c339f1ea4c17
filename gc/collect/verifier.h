// Verifier: walks whole structures while the world is stopped and aborts at the first violated
// invariant.
//   VerifyHeap       bits against counts, spans against page entries and lists, threads' runs, the ledger;
//                    with GODEBUG=verify=1 at the end of each phase (VerifyPoint)
//   VerifyThreads    every attached thread is in the state that MarkState says
//   VerifyReachable  what root cells and records lead to, by pointers with barriers, is marked: a second trace
//   VerifyMarks      every pointer of a marked object or a root cell leads to a marked object (marking
//                    missed nothing)
// Cost: proportional to the heap. Debug modes and tests only.
#ifndef TARN_GC_COLLECT_VERIFIER_H_
#define TARN_GC_COLLECT_VERIFIER_H_

#include "gc/collect/mark_state.h"
#include "gc/collect/root_cells.h"
#include "gc/life/special.h"
#include "gc/types/layout_table.h"
#include "runtime/heap/heap.h"

namespace tarn::rt {

// Where in a cycle the walk takes place. Mutators have run since the phase ended: only what they keep
// true is asked for.
//
//               unswept spans     marks of swept spans   marks of unswept spans
//   kAnyTime    any               -                      -
//   kAllSwept   none              none                   -
//   kMarked     none              on allocated slots     -
//   kFlipped    any               none                   on allocated slots
//   kSwept      threads' own      none                   on allocated slots
//
// Where marks are on allocated slots, all slots of runs that are not used yet are marked: the sweep
// leaves them to their threads.
enum class VerifyPoint {
  kAnyTime,   // whenever the driver neither sweeps nor flips
  kAllSwept,  // after H0
  kMarked,    // marking is over; or all runs are marked and the rest is to be
  kFlipped,   // the marks are those to sweep by
  kSwept,     // the driver has swept all lists
};

// The world is stopped, and what the caller says about the phase is true.
void VerifyHeap(Heap& heap, VerifyPoint point);
// The world is stopped, between two rounds of handshakes.
void VerifyThreads(const Heap& heap, const MarkState& state);

// Roots beside the cells: calls `visit`, which tells what the records of objects keep alive.
struct LivesToVerify {
  void (*visit)(void* arg, LifeVisitor& visitor);
  void* arg;
};

// Which objects' pointers are looked at.
enum class MarkCheckExtent {
  kBarriered,  // those that are written with barriers: right whenever no grey object is left
  kAll,  // all words of conservative objects and of those under construction, too: right after
         // those have been scanned under this stop
};
// The world is stopped and marking is said to be over, whatever the threads' buffers still hold: those
// objects are marked or dead. Does nothing when there is no memory for it.
void VerifyReachable(Heap& heap, const LayoutTable& layouts, const RootCells& cells,
                     const LivesToVerify& lives);
// The world is stopped and no grey object is left.
void VerifyMarks(Heap& heap, const LayoutTable& layouts, const RootCells& cells,
                 MarkCheckExtent extent);

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_VERIFIER_H_
