// TestHeap: a Heap over simulated memory, with what the heap tests ask again and again: from an
// address to its slot, mark and allocation bits, and the ledger.
// Not here: conservative look-up as the collector does it (gc/collect/object_ref.h).
// Locking: none; Slot look-ups are safe beside other threads, walks are not.
#ifndef TARN_TESTS_RUNTIME_HEAP_HEAP_TEST_UTIL_H_
#define TARN_TESTS_RUNTIME_HEAP_HEAP_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <memory>
#include <vector>

#include "runtime/base/bits.h"
#include "runtime/heap/heap.h"
#include "runtime/heap/span_sweep.h"
#include "runtime/heap/thread_cache.h"
#include "tests/support/sim_memory.h"

namespace tarn::rt {

inline constexpr size_t kTestCageBytes = internal::kArenasMin * internal::kArenaBytes;

// One slot of a span in use.
struct Slot {
  Span* span = nullptr;  // null: the address is in no slot
  size_t first_page = 0;
  size_t index = 0;
  uintptr_t base = 0;
  size_t bytes = 0;
};

inline size_t ElementBytes(const Span& s) {
  return s.elem_bytes32 != 0 ? s.elem_bytes32 : s.npages * internal::kPageBytes;
}

struct Held {
  uint64_t bytes = 0, objects = 0;
};

class TestHeap {
 public:
  explicit TestHeap(const SimMemory::Options& options = {}, size_t cage_bytes = kTestCageBytes)
      : os(options), heap_(std::make_unique<Heap>()) {
    ok_ = heap_->Init(os, cage_bytes);
  }

  bool ok() const { return ok_; }
  Heap& operator*() { return *heap_; }
  Heap* operator->() { return heap_.get(); }
  // Ends the heap before the memory, whose destructor would hide what the heap did not return.
  void Destroy() { heap_.reset(); }

  // 0 if the system refuses memory for a new one.
  uint16_t Class(size_t size_class, uint16_t layout = 0, bool noscan = true) {
    return heap_->InternClass(size_class, layout, noscan, nullptr, nullptr);
  }

  Slot Find(uintptr_t p) const {
    const Cage& cage = heap_->cage();
    if (!cage.Contains(p)) return {};
    const size_t page = cage.PageOf(p);
    const PageEntry e = cage.Entry(page);
    if (!e.in_use()) return {};
    const size_t first = page - e.offset_pages();
    const SpanClassInfo& info = heap_->classes().Info(e.span_class());
    const uintptr_t start = cage.AddressOf(first);
    const size_t index = ((p - start) * info.magic) >> 32;
    if (index >= info.nelems) return {};
    Span* s = cage.SpanAt(first);
    return {s, first, index, start + index * ElementBytes(*s), ElementBytes(*s)};
  }
  Slot Find(const void* p) const { return Find(reinterpret_cast<uintptr_t>(p)); }

  bool IsAllocated(const void* p) const { return Test(Find(p), /*marks=*/false); }
  bool IsMarked(const void* p) const { return Test(Find(p), /*marks=*/true); }
  // True if the object was not marked before.
  bool Mark(const void* p) {
    const Slot s = Find(p);
    EXPECT_NE(s.span, nullptr);
    const uint64_t bit = uint64_t{1} << (s.index % 64);
    // relaxed: marks carry no other data.
    return (Word(s, true)->fetch_or(bit, std::memory_order_relaxed) & bit) == 0;
  }

  // Calls f(span, first page) for every span whose pages are published.
  template <class F>
  void ForEachSpan(F&& f) const {
    const Cage& cage = heap_->cage();
    const size_t end = HeapStats::Get(heap_->stats().mapped_pages);
    for (size_t page = 0; page < end;) {
      if (!cage.Entry(page).in_use()) {
        ++page;
        continue;
      }
      Span* s = cage.SpanAt(page);
      f(s, page);
      page += s->npages;
    }
  }

  // Sums over the allocation bits (marks: the mark bits) of all spans.
  Held Count(bool marks = false) const {
    Held held;
    ForEachSpan([&](Span* s, size_t first) {
      const size_t n = CountSpan(*s, first, marks);
      EXPECT_TRUE(marks || n == s->alloc_count) << "I1 of span.h, page " << first;
      held.objects += n;
      held.bytes += n * ElementBytes(*s);
    });
    return held;
  }
  size_t CountSpan(const Span& s, size_t first, bool marks) const {
    size_t n = 0;
    const std::atomic<uint64_t>* bits = BitsOf(s, first, marks);
    for (size_t w = 0; w < DivideUp(s.nelems, 64); ++w) {
      n += static_cast<size_t>(std::popcount(bits[w].load(std::memory_order_relaxed)));
    }
    return n;
  }
  size_t CountSpans() const {
    size_t n = 0;
    ForEachSpan([&](Span*, size_t) { ++n; });
    return n;
  }

  // The byte ledger against the bits and against what the system says. No other thread allocates.
  void CheckLedger() {
    const HeapStats& stats = heap_->stats();
    const Held held = Count();
    ASSERT_EQ(HeapStats::Get(stats.allocated_bytes) - HeapStats::Get(stats.freed_bytes), held.bytes)
        << "L3";
    ASSERT_EQ(HeapStats::Get(stats.allocated_objects) - HeapStats::Get(stats.freed_objects),
              held.objects)
        << "L3";
    uint64_t pages = 0;
    ForEachSpan([&](Span* s, size_t) { pages += s->npages; });
    const uint64_t mapped = HeapStats::Get(stats.mapped_pages);
    const uint64_t released = HeapStats::Get(stats.released_pages);
    ASSERT_EQ(HeapStats::Get(stats.in_use_pages), pages) << "L1";
    ASSERT_LE(pages + released, mapped) << "L1";
    const Cage& cage = heap_->cage();
    ASSERT_EQ(os.BytesIn(reinterpret_cast<void*>(cage.base()), cage.bytes(), MemoryState::kReady),
              (mapped - released) * internal::kPageBytes)
        << "L1";
  }

  // Ends a cycle: marks become allocation bits.
  void Flip() { heap_->FlipSweepgen(); }
  // Sweeps every span that is in a list; returns how many.
  size_t SweepLists() {
    size_t n = 0;
    for (size_t c = 1; c < heap_->classes().End(); ++c) {
      while (SweepOne(*heap_, static_cast<uint16_t>(c))) ++n;
    }
    return n;
  }

  SimMemory os;

 private:
  std::atomic<uint64_t>* BitsOf(const Span& s, size_t first, bool marks) const {
    // relaxed: the generation of a span changes only when it is swept.
    const uint32_t gen = s.sweepgen.load(std::memory_order_relaxed);
    return heap_->cage().Bits(marks ? Heap::MarkTable(gen) : Heap::AllocTable(gen), first);
  }
  std::atomic<uint64_t>* Word(const Slot& s, bool marks) const {
    return BitsOf(*s.span, s.first_page, marks) + s.index / 64;
  }
  bool Test(const Slot& s, bool marks) const {
    if (s.span == nullptr) return false;
    return (Word(s, marks)->load(std::memory_order_relaxed) >> (s.index % 64) & 1) != 0;
  }

  std::unique_ptr<Heap> heap_;
  bool ok_ = false;
};

inline bool AllZero(const void* p, size_t bytes) {
  const char* c = static_cast<const char*>(p);
  return bytes == 0 || (c[0] == 0 && std::memcmp(c, c + 1, bytes - 1) == 0);
}

}  // namespace tarn::rt

#endif  // TARN_TESTS_RUNTIME_HEAP_HEAP_TEST_UTIL_H_
