// Verifier: walks whole structures while the world is stopped and aborts at the first violated
// invariant.
//   VerifyHeap   bits against counts, spans against page entries, the ledger (GODEBUG=verify=1)
//   VerifyMarks  every pointer of a marked object leads to a marked object (marking missed nothing)
// Cost: proportional to the heap. Debug modes and tests only.
#ifndef TARN_GC_COLLECT_VERIFIER_H_
#define TARN_GC_COLLECT_VERIFIER_H_

#include "gc/types/layout_table.h"
#include "runtime/heap/heap.h"

namespace tarn::rt {

// All spans are swept, or all but those in threads' hands; the world is stopped.
void VerifyHeap(Heap& heap);
// At mark termination, before the flip. Layouts with a trace function are not followed.
void VerifyMarks(Heap& heap, const LayoutTable& layouts);

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_VERIFIER_H_
