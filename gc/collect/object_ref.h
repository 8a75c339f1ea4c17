// From an address to the object that holds it.
// I1 FindObject accepts any word and returns only slots that are allocated; FindTrusted takes a
//    pointer that the program stored as such, and looks at the page entry alone.
// I2 FindObject is for the time of marking, when every span is swept: beside a sweep it may miss an
//    object. FindLive may be asked at any time.
// Locking: none.
// Cost: one load for the page entry, one more for the allocation bit.
#ifndef TARN_GC_COLLECT_OBJECT_REF_H_
#define TARN_GC_COLLECT_OBJECT_REF_H_

#include <cstddef>
#include <cstdint>

#include "runtime/heap/heap.h"

namespace tarn::rt {

struct ObjectRef {
  uintptr_t base = 0;  // 0: no object
  size_t first_page = 0;
  uint32_t index = 0;
  uint16_t span_class = 0;
  bool noscan = false;

  explicit operator bool() const { return base != 0; }
};

inline ObjectRef FindTrusted(const Cage& cage, const SpanClassInfo* infos, uintptr_t p) {
  ObjectRef r;
  if (!cage.Contains(p)) return r;
  const size_t page = cage.PageOf(p);
  const PageEntry e = cage.Entry(page);
  if (!e.in_use()) return r;
  r.first_page = page - e.offset_pages();
  r.span_class = e.span_class();
  r.noscan = e.noscan();
  const SpanClassInfo& info = infos[r.span_class];
  const uintptr_t span_base = cage.AddressOf(r.first_page);
  r.index = static_cast<uint32_t>(((p - span_base) * info.magic) >> 32);
  if (r.index >= info.nelems) return r;  // the unused tail of a span
  r.base = span_base + size_t{r.index} * info.elem_bytes;
  return r;
}

inline ObjectRef FindObject(const Heap& heap, uintptr_t p) {
  ObjectRef r = FindTrusted(heap.cage(), heap.classes().infos(), p);
  if (!r) return r;
  const Span* span = heap.cage().SpanAt(r.first_page);
  // acquire: pairs with the release of SweepSpan; bits and generation belong together.
  const uint32_t gen = span->sweepgen.load(std::memory_order_acquire);
  // acquire: pairs with the release in ThreadCache::TakeRun; an allocated slot is zeroed.
  const uint64_t word = heap.cage().Bits(Heap::AllocTable(gen), r.first_page)[r.index / 64].load(
      std::memory_order_acquire);
  if (!((word >> (r.index % 64)) & 1)) r.base = 0;
  return r;
}

// A pointer that the program says is to a live object; nothing if it is not. Inside the runtime. A span
// that needs sweeping has its marks where its allocation bits will be, and sweeping leaves them alone: so
// the table follows from the heap's generation, not from the span's.
inline ObjectRef FindLive(const Heap& heap, uintptr_t p) {
  ObjectRef r = FindTrusted(heap.cage(), heap.classes().infos(), p);
  if (!r) return r;
  uint32_t gen = heap.sweepgen();
  for (;;) {
    // acquire: pairs with the release in ThreadCache::TakeRun; also keeps the generation's load behind.
    const uint64_t word = heap.cage().Bits(Heap::AllocTable(gen), r.first_page)[r.index / 64].load(
        std::memory_order_acquire);
    const uint32_t now = heap.sweepgen();
    if (now != gen) {  // the flip came in between
      gen = now;
      continue;
    }
    if (!((word >> (r.index % 64)) & 1)) r.base = 0;
    return r;
  }
}

// The size of the slot that holds the object.
inline size_t SlotBytes(const Heap& heap, const ObjectRef& r) {
  const uint32_t elem = heap.classes().Info(r.span_class).elem_bytes;
  return elem != 0 ? elem : heap.cage().SpanAt(r.first_page)->npages * internal::kPageBytes;
}

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_OBJECT_REF_H_
