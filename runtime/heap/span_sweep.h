// Sweeping of one span: its marks become its allocation bits.
// Not here: which span to sweep when (gc/collect/sweeper.h); what happens to the swept span
// (callers).
// Locking: the caller took the span (from a list, or owns it), so nobody else touches its bits.
// Cost: two words per 64 objects; objects themselves are not touched (except by the clobber hook).
#ifndef TARN_RUNTIME_HEAP_SPAN_SWEEP_H_
#define TARN_RUNTIME_HEAP_SPAN_SWEEP_H_

#include "runtime/heap/heap.h"

namespace tarn::rt {

// True if the span still carries the marks of the last cycle.
inline bool NeedsSweep(const Heap& heap, const Span& span) {
  return span.sweepgen.load(std::memory_order_relaxed) != heap.sweepgen();
}

// Sweeps `span`, which needs it. Returns the number of objects left. Aborts when a free slot is
// marked: some pointer to a freed object was followed.
uint32_t SweepSpan(Heap& heap, Span* span);

// Puts a span that the caller took back into its class's list, swept. Keeps I2 of central_list.h.
void PutBack(Heap& heap, Span* span);

// Takes one unswept span of `span_class` from its list, sweeps it and frees it or puts it back as
// swept. False when none was left.
bool SweepOne(Heap& heap, uint16_t span_class);

// True if any list holds an unswept span.
bool AnyUnswept(Heap& heap);

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_SPAN_SWEEP_H_
