#include "runtime/heap/lent_span.h"

#include "runtime/base/check.h"
#include "runtime/heap/span_sweep.h"

namespace tarn::rt {

void PublishLentSpan(Heap& heap, Span* span, uint32_t black_gen) {
  Cage& cage = heap.cage();
  const size_t first = cage.FirstPage(span);
  const uint32_t gen = heap.sweepgen();
  TARN_CHECK(heap.classes().Info(span->span_class).noscan != 0);
  // relaxed (all): published by SetEntries.
  span->sweepgen.store(gen, std::memory_order_relaxed);
  cage.Bits(Heap::AllocTable(gen), first)->store(1, std::memory_order_relaxed);
  if (black_gen == gen) {
    cage.Bits(Heap::MarkTable(gen), first)->store(1, std::memory_order_relaxed);
  }
  span->alloc_count = 1;
  heap.pages().Publish(span, /*noscan=*/true);
  PutBack(heap, span);
}

}  // namespace tarn::rt
