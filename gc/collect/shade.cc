#include "gc/collect/shade.h"

#include "gc/collect/object_ref.h"
#include "gc/types/value_codecs.h"

namespace tarn::rt {

void Shade(const Heap& heap, MutatorGc& gc, uintptr_t p) {
  const ObjectRef r = FindObject(heap, p);
  if (!r) return;
  const std::atomic<uint64_t>& word =
      heap.cage().Bits(Heap::MarkTable(heap.sweepgen()), r.first_page)[r.index / 64];
  // relaxed: a set bit stays set during the cycle, and whoever set it scans the object.
  if ((word.load(std::memory_order_relaxed) >> (r.index % 64)) & 1) return;
  gc.sink.Push(r.base);
  gc.shaded = true;
}

void ShadeAny(const Heap& heap, MutatorGc& gc, uintptr_t word) {
  Shade(heap, gc, word);
  for (size_t i = 0; i < ValueCodecs::count(); ++i) {
    if (const uintptr_t p = ValueCodecs::Get(i).Decode(word)) Shade(heap, gc, p);
  }
}

}  // namespace tarn::rt
