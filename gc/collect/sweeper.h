// Sweeper: which spans are swept when. Lazily, allocation sweeps what it needs
// (runtime/heap/thread_cache.h); here is the rest: everything must be swept before the next cycle
// marks.
// Not here: sweeping one span (runtime/heap/span_sweep.h).
// Locking: none of its own. Several threads may sweep at once.
#ifndef TARN_GC_COLLECT_SWEEPER_H_
#define TARN_GC_COLLECT_SWEEPER_H_

#include <cstddef>

#include "runtime/heap/heap.h"

namespace tarn::rt {

// Sweeps every span that no thread owns. Returns the number of spans swept here.
size_t SweepAll(Heap& heap);

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_SWEEPER_H_
