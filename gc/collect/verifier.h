// Verifier: walks whole structures while the world is stopped and aborts at the first violated
// invariant.
//   VerifyHeap       bits against counts, spans against page entries, the ledger (GODEBUG=verify=1)
//   VerifyReachable  what root cells and records lead to, by pointers with barriers, is marked: a second trace
//   VerifyMarks      every pointer of a marked object or a root cell leads to a marked object (marking
//                    missed nothing)
// Cost: proportional to the heap. Debug modes and tests only.
#ifndef TARN_GC_COLLECT_VERIFIER_H_
#define TARN_GC_COLLECT_VERIFIER_H_

#include "gc/collect/root_cells.h"
#include "gc/life/special.h"
#include "gc/types/layout_table.h"
#include "runtime/heap/heap.h"

namespace tarn::rt {

// All spans are swept, or all but those in threads' hands; the world is stopped.
void VerifyHeap(Heap& heap);

// Roots beside the cells: calls `visit`, which tells what the records of objects keep alive.
struct LivesToVerify {
  void (*visit)(void* arg, LifeVisitor& visitor);
  void* arg;
};

// Which objects' pointers are looked at.
enum class MarkCheckExtent {
  kBarriered,  // those that are written with barriers: right whenever no grey object is left
  kAll,        // conservative objects, too: right after those have been scanned under this stop
};
// The world is stopped and marking is said to be over, whatever the threads' buffers still hold: those
// objects are marked or dead. Does nothing when there is no memory for it.
void VerifyReachable(Heap& heap, const LayoutTable& layouts, const RootCells& cells,
                     const LivesToVerify& lives);
// The world is stopped and no grey object is left. Objects under construction are not followed.
void VerifyMarks(Heap& heap, const LayoutTable& layouts, const RootCells& cells,
                 MarkCheckExtent extent);

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_VERIFIER_H_
