#include "gc/collect/verifier.h"

#include <bit>

#include "gc/collect/object_ref.h"
#include "gc/types/value_codecs.h"
#include "runtime/base/bits.h"
#include "runtime/base/check.h"
#include "runtime/base/raw_log.h"
#include "runtime/heap/thread_cache.h"
#include "runtime/thread/thread_registry.h"

namespace tarn::rt {
namespace {

// f(span, first page) for every span in use.
template <class F>
void ForEachSpan(Heap& heap, F&& f) {
  Cage& cage = heap.cage();
  for (size_t page = 0; page < cage.committed_pages();) {
    const PageEntry e = cage.Entry(page);
    if (!e.in_use()) {
      ++page;
      continue;
    }
    TARN_CHECK(e.offset_pages() == 0);
    const Span* s = cage.SpanAt(page);
    f(*s, page);
    page += s->npages;
  }
}

uint64_t BitWord(Heap& heap, unsigned table, size_t first, size_t w) {
  return heap.cage().Bits(table, first)[w].load(std::memory_order_relaxed);  // relaxed: stopped
}

[[noreturn]] void Missed(uintptr_t parent, size_t offset, uintptr_t child) {
  RawLine()
      .Str("tarn: fatal: marked object ")
      .Hex(parent)
      .Str(" +")
      .Dec(static_cast<int64_t>(offset))
      .Str(" points to unmarked object ")
      .Hex(child)
      .WriteTo();
  Fatal("marking missed an object");
}

class MarkCheck {
 public:
  MarkCheck(Heap& heap, const LayoutTable& layouts) : heap_(heap), layouts_(layouts) {}

  void CheckObject(const Span& span, size_t first, size_t index) {
    const SpanClassInfo& info = heap_.classes().Info(span.span_class);
    const Layout& layout = layouts_.Get(info.layout);
    const size_t bytes =
        info.elem_bytes != 0 ? info.elem_bytes : span.npages * internal::kPageBytes;
    const uintptr_t base = heap_.cage().AddressOf(first) + index * bytes;
    for (size_t i = 0; i < bytes / internal::kWordBytes; ++i) {
      const uintptr_t word = reinterpret_cast<const uintptr_t*>(base)[i];
      if (layout.kind == internal::LayoutKind::kMask) {
        if (layout.HasPointer(i)) CheckChild(base, i, layout.codec.Decode(word), false);
      } else if (layout.kind == internal::LayoutKind::kConservative) {
        CheckChild(base, i, word, true);
        for (size_t c = 0; c < ValueCodecs::count(); ++c) {
          CheckChild(base, i, ValueCodecs::Get(c).Decode(word), true);
        }
      }
    }
  }

 private:
  void CheckChild(uintptr_t parent, size_t word, uintptr_t p, bool conservative) {
    const ObjectRef r =
        conservative ? FindObject(heap_, p) : FindTrusted(heap_.cage(), heap_.classes().infos(), p);
    if (!r) return;
    const unsigned table = Heap::MarkTable(heap_.sweepgen());
    if (!((BitWord(heap_, table, r.first_page, r.index / 64) >> (r.index % 64)) & 1)) {
      Missed(parent, word * internal::kWordBytes, r.base);
    }
  }

  Heap& heap_;
  const LayoutTable& layouts_;
};

}  // namespace

void VerifyHeap(Heap& heap) {
  ThreadRegistry::Get().ForEach([](Mutator& m) {
    if (m.cache != nullptr) m.cache->FlushPages();
  });
  heap.pages().Verify();
  uint64_t bytes = 0, objects = 0;
  ForEachSpan(heap, [&](const Span& s, size_t first) {
    const uint32_t gen = s.sweepgen.load(std::memory_order_relaxed);
    TARN_CHECK(gen == heap.sweepgen() || gen + 2 == heap.sweepgen());
    size_t count = 0;
    for (size_t w = 0; w < DivideUp(s.nelems, 64); ++w) {
      const uint64_t bits = BitWord(heap, Heap::AllocTable(gen), first, w);
      const size_t in_word = s.nelems - w * 64;
      TARN_CHECK((bits & ~BitRange(0, in_word < 64 ? static_cast<unsigned>(in_word) : 64)) == 0);
      count += static_cast<size_t>(std::popcount(bits));
    }
    TARN_CHECK(count == s.alloc_count);  // I1 of span.h
    objects += count;
    bytes += count * (s.elem_bytes32 != 0 ? s.elem_bytes32 : s.npages * internal::kPageBytes);
  });
  const HeapStats& st = heap.stats();
  TARN_CHECK(HeapStats::Get(st.allocated_bytes) - HeapStats::Get(st.freed_bytes) == bytes);  // L3
  TARN_CHECK(HeapStats::Get(st.allocated_objects) - HeapStats::Get(st.freed_objects) == objects);
}

void VerifyMarks(Heap& heap, const LayoutTable& layouts) {
  MarkCheck check(heap, layouts);
  ForEachSpan(heap, [&](const Span& s, size_t first) {
    const uint32_t gen = s.sweepgen.load(std::memory_order_relaxed);
    for (size_t w = 0; w < DivideUp(s.nelems, 64); ++w) {
      uint64_t marks = BitWord(heap, Heap::MarkTable(gen), first, w);
      TARN_CHECK((marks & ~BitWord(heap, Heap::AllocTable(gen), first, w)) == 0);
      for (; marks != 0; marks &= marks - 1) {
        check.CheckObject(s, first, w * 64 + static_cast<size_t>(std::countr_zero(marks)));
      }
    }
  });
}

}  // namespace tarn::rt
