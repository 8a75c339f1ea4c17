// Span: a run of pages that holds objects of one size class and one layout (or one large object).
// Spans live in a flat side table indexed by their first page, so a Span needs no allocation, its
// address never dangles, and page number and Span convert into each other by arithmetic.
//
// State is told by owner and sweep generation together. With h the heap's generation (even, += 2
// when a cycle's marking ends) and s the span's:
//   s == h      swept: allocation bits are in table (s >> 1) & 1; the other table is clear, or
//               being marked
//   s == h - 2  needs sweeping: allocation bits as before, the marks of the last cycle in the other
//               table
// A span is in exactly one place: owned by a thread (owned == 1, in no list), in a list of its span
// class, in the hands of whoever took it from there to sweep it, or free (npages == 0).
// I1 popcount of the allocation bits == alloc_count.
// I2 both bit tables are clear over the pages of a free span, and it has no side records.
// Locking: lists under the span class's lock; the other fields belong to whoever took the span.
#ifndef TARN_RUNTIME_HEAP_SPAN_H_
#define TARN_RUNTIME_HEAP_SPAN_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tarn::rt {

// Whose memory is at the pages of a span.
//   kHeap       the heap's: what all spans are made of but those whose addresses a mapping has
//   kLent       a mapping's (page_heap_lent.cc)
//   kTakenBack  the heap's again, Prepared and not touched since: the object is dead, and sweeping the
//               span frees it
//   kLost       nobody knows: the system refused to take it back. Never used again
// Only the collector's driver moves it, while marking is over and the marks are not yet allocation bits;
// before a span is published, whoever makes it.
enum class SpanBacking : uint8_t { kHeap, kLent, kTakenBack, kLost };

struct Span {
  std::atomic<uint32_t> sweepgen;
  std::atomic<uint32_t> owned;  // 1 while a thread cache holds it; relaxed: read by checks only
  uint32_t npages;
  uint32_t nelems;
  uint32_t alloc_count;
  uint16_t span_class;
  uint8_t needzero;  // slots that are not allocated may hold old contents
  // relaxed: a marker that is led here by a stale word may see either value; sweeping sees the last one,
  // which the new generation publishes.
  std::atomic<SpanBacking> backing;
  uint32_t search_index;  // slots below are taken or were passed over since the last sweep
  uint32_t elem_bytes32;  // element size; large objects: see npages
  Span* next;
  // Side records of the span's objects (gc/life/specials.h), which this layer never looks at. relaxed:
  // written and read under the lock of the layer above. Null when the span is freed.
  std::atomic<void*> specials;
  // kLent: the mapping (gc/life/mappings.h). relaxed: as `specials`.
  std::atomic<void*> mapping;
  uint64_t reserved;

  bool IsHeapMemory() const {
    return backing.load(std::memory_order_relaxed) == SpanBacking::kHeap;
  }
};
static_assert(sizeof(Span) == 64, "one cache line per span");

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_SPAN_H_
