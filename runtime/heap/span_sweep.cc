#include "runtime/heap/span_sweep.h"

#include <bit>

#include "runtime/base/bits.h"
#include "runtime/base/check.h"
#include "runtime/base/raw_log.h"

namespace tarn::rt {
namespace {

[[noreturn]] void FoundPointerToFreeObject(Heap& heap, const Span& span, size_t word,
                                           uint64_t bits) {
  const uintptr_t base = heap.cage().BaseOf(&span);
  const size_t index = word * 64 + static_cast<size_t>(std::countr_zero(bits));
  RawLine()
      .Str("tarn: fatal: found pointer to free object ")
      .Hex(base + index * span.elem_bytes32)
      .Str(" of ")
      .Dec(span.elem_bytes32)
      .Str(" bytes, span class ")
      .Dec(span.span_class)
      .Str(": a freed object was reachable (dangling pointer, or a pointer stored without barrier)")
      .WriteTo();
  Fatal("heap corrupted");
}

void CallFreedHook(Heap& heap, const Span& span, size_t word, uint64_t dead) {
  const uintptr_t base = heap.cage().BaseOf(&span);
  const size_t bytes =
      span.elem_bytes32 != 0 ? span.elem_bytes32 : span.npages * internal::kPageBytes;
  for (; dead != 0; dead &= dead - 1) {
    const size_t index = word * 64 + static_cast<size_t>(std::countr_zero(dead));
    heap.hooks().object_freed(heap.hooks().arg, base + index * bytes, bytes);
  }
}

}  // namespace

uint32_t SweepSpan(Heap& heap, Span* span) {
  const uint32_t gen = span->sweepgen.load(std::memory_order_relaxed);
  const uint32_t now = heap.sweepgen();
  TARN_CHECK(gen + 2 == now);
  const size_t first = heap.cage().FirstPage(span);
  std::atomic<uint64_t>* alloc = heap.cage().Bits(Heap::AllocTable(gen), first);
  const std::atomic<uint64_t>* marks = heap.cage().Bits(Heap::MarkTable(gen), first);
  const bool is_heap = span->IsHeapMemory();
  const bool hook = heap.hooks().object_freed != nullptr && is_heap;
  uint32_t left = 0;
  for (size_t w = 0; w < DivideUp(span->nelems, 64); ++w) {
    // relaxed: marking has ended (acquire of the generation), and the span is ours.
    const uint64_t m = marks[w].load(std::memory_order_relaxed);
    const uint64_t a = alloc[w].load(std::memory_order_relaxed);
    if (m & ~a) FoundPointerToFreeObject(heap, *span, w, m & ~a);
    if (hook && (a & ~m) != 0) CallFreedHook(heap, *span, w, a & ~m);
    left += static_cast<uint32_t>(std::popcount(m));
    alloc[w].store(0, std::memory_order_relaxed);  // the mark table of the next cycle
  }
  const uint32_t freed = span->alloc_count - left;
  if (freed != 0 && is_heap) {
    const uint64_t elem =
        span->elem_bytes32 != 0 ? span->elem_bytes32 : span->npages * internal::kPageBytes;
    span->needzero = 1;
    HeapStats::Add(heap.stats().freed_objects, freed);
    const size_t size_class = heap.classes().Info(span->span_class).size_class;
    HeapStats::Add(heap.stats().freed_by_class[size_class], freed);
    HeapStats::Add(heap.stats().freed_bytes, freed * elem);
  }
  if (is_heap) HeapStats::Add(heap.stats().swept_pages, span->npages);
  span->alloc_count = left;
  span->search_index = 0;
  // release: pairs with the acquire of whoever checks the generation; bits and counts are final.
  span->sweepgen.store(now, std::memory_order_release);
  return left;
}

void PutBack(Heap& heap, Span* span) {
  // It fails at most once: a cycle cannot end before the caller has left the runtime.
  while (!heap.TryPutSwept(span, span->alloc_count == span->nelems)) SweepSpan(heap, span);
}

bool SweepOne(Heap& heap, uint16_t span_class) {
  CentralList& central = heap.central(span_class);
  Span* s = central.TakeUnswept();
  if (s == nullptr) return false;
  // While the lists are being flipped, a span may have been swept before it came here.
  const uint32_t left = NeedsSweep(heap, *s) ? SweepSpan(heap, s) : s->alloc_count;
  if (left == 0) {
    heap.pages().FreeSpan(s);
  } else {
    PutBack(heap, s);
  }
  return true;
}

bool AnyUnswept(Heap& heap) {
  const size_t end = heap.classes().End();
  for (size_t c = 1; c < end; ++c) {
    if (heap.central(static_cast<uint16_t>(c)).HasUnswept()) return true;
  }
  return false;
}

}  // namespace tarn::rt
