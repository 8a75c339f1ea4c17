#include "gc/collect/verifier.h"

#include <bit>

#include "gc/collect/mutator_gc.h"
#include "gc/collect/object_ref.h"
#include "gc/collect/reached_set.h"
#include "gc/collect/roots.h"
#include "gc/types/value_codecs.h"
#include "runtime/base/bits.h"
#include "runtime/base/check.h"
#include "runtime/base/raw_log.h"
#include "runtime/heap/thread_cache.h"
#include "runtime/thread/thread_registry.h"
#include "tarn/describe.h"

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

[[noreturn]] void Missed(const char* what, uintptr_t parent, size_t offset, uintptr_t child) {
  RawLine()
      .Str("tarn: fatal: ")
      .Str(what)
      .Hex(parent)
      .Str(" +")
      .Dec(static_cast<int64_t>(offset))
      .Str(" -> unmarked object ")
      .Hex(child)
      .WriteTo();
  Fatal("marking missed an object");
}

// What the words of one parent lead to must be marked. Also the Tracer of objects with a Trace
// method.
class MarkCheck final : public Tracer, public LifeVisitor {
 public:
  // What is found goes to `reached`, if that is not null.
  MarkCheck(Heap& heap, const LayoutTable& layouts, MarkCheckExtent extent,
            ReachedSet* reached = nullptr)
      : Tracer(&MarkCheck::VisitPointer, &MarkCheck::VisitWords),
        heap_(heap),
        layouts_(layouts),
        extent_(extent),
        reached_(reached) {}

  void CheckObject(uintptr_t object) {
    const ObjectRef r = FindTrusted(heap_.cage(), heap_.classes().infos(), object);
    TARN_CHECK(r);
    CheckObject(*heap_.cage().SpanAt(r.first_page), r.first_page, r.index);
  }

  void CheckObject(const Span& span, size_t first, size_t index) {
    const SpanClassInfo& info = heap_.classes().Info(span.span_class);
    const Layout& layout = layouts_.Get(info.layout);
    const size_t bytes =
        info.elem_bytes != 0 ? info.elem_bytes : span.npages * internal::kPageBytes;
    parent_ = heap_.cage().AddressOf(first) + index * bytes;
    what_ = "marked object ";
    const auto* words = reinterpret_cast<const uintptr_t*>(parent_);
    const size_t count = bytes / internal::kWordBytes;
    switch (layout.kind) {
      case internal::LayoutKind::kNoScan:
        return;
      case internal::LayoutKind::kMask:
        for (size_t i = 0; i < count; ++i) {
          if (layout.HasPointer(i)) CheckChild(i, layout.codec.Decode(words[i]), false);
        }
        return;
      case internal::LayoutKind::kConservative:
        if (extent_ == MarkCheckExtent::kAll) CheckWords(words, words + count);
        return;
      case internal::LayoutKind::kCustom:
        if (!IsUnderConstruction(parent_)) layout.trace(words, *this);
        return;
    }
  }

  void Object(uintptr_t p) override { CheckRecord(p); }
  void Word(uintptr_t word) override { CheckRecord(word); }
  void Contents(uintptr_t object) override { CheckObject(object); }

  void CheckCells(const uintptr_t* begin, const uintptr_t* end) {
    parent_ = reinterpret_cast<uintptr_t>(begin);
    what_ = "root cells ";
    for (const uintptr_t* p = begin; p < end; ++p) {
      if (heap_.cage().Contains(*p)) CheckChild(static_cast<size_t>(p - begin), *p, true);
    }
  }

 private:
  void CheckRecord(uintptr_t p) {
    parent_ = 0;
    what_ = "record of an object ";
    if (heap_.cage().Contains(p)) CheckChild(0, p, true);
  }

  static void VisitPointer(Tracer* self, uintptr_t p) {
    static_cast<MarkCheck*>(self)->CheckChild(0, p, true);
  }
  static void VisitWords(Tracer* self, const void* begin, const void* end) {
    auto* check = static_cast<MarkCheck*>(self);
    if (check->extent_ != MarkCheckExtent::kAll) return;
    check->CheckWords(static_cast<const uintptr_t*>(begin), static_cast<const uintptr_t*>(end));
  }

  void CheckWords(const uintptr_t* begin, const uintptr_t* end) {
    for (const uintptr_t* p = begin; p < end; ++p) {
      const size_t word = (reinterpret_cast<uintptr_t>(p) - parent_) / internal::kWordBytes;
      CheckChild(word, *p, true);
      for (size_t c = 0; c < ValueCodecs::count(); ++c) {
        CheckChild(word, ValueCodecs::Get(c).Decode(*p), true);
      }
    }
  }

  void CheckChild(size_t word, uintptr_t p, bool conservative) {
    const ObjectRef r =
        conservative ? FindObject(heap_, p) : FindTrusted(heap_.cage(), heap_.classes().infos(), p);
    if (!r) return;
    const unsigned table = Heap::MarkTable(heap_.sweepgen());
    if (!((BitWord(heap_, table, r.first_page, r.index / 64) >> (r.index % 64)) & 1)) {
      Missed(what_, parent_, word * internal::kWordBytes, r.base);
    }
    if (reached_ != nullptr) reached_->Add(r.base);
  }

  Heap& heap_;
  const LayoutTable& layouts_;
  const MarkCheckExtent extent_;
  ReachedSet* const reached_;
  const char* what_ = "";
  uintptr_t parent_ = 0;
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
    if (!s.IsHeapMemory()) return;       // the ledger knows its pages only
    objects += count;
    bytes += count * (s.elem_bytes32 != 0 ? s.elem_bytes32 : s.npages * internal::kPageBytes);
  });
  const HeapStats& st = heap.stats();
  TARN_CHECK(HeapStats::Get(st.allocated_bytes) - HeapStats::Get(st.freed_bytes) == bytes);  // L3
  TARN_CHECK(HeapStats::Get(st.allocated_objects) - HeapStats::Get(st.freed_objects) == objects);
  uint64_t freed = 0;
  for (const std::atomic<uint64_t>& of_class : st.freed_by_class) freed += HeapStats::Get(of_class);
  TARN_CHECK(freed == HeapStats::Get(st.freed_objects));
}

void VerifyReachable(Heap& heap, const LayoutTable& layouts, const RootCells& cells,
                     const LivesToVerify& lives) {
  ReachedSet reached(heap.os(), heap.cage());
  if (!reached.ok()) return;
  MarkCheck check(heap, layouts, MarkCheckExtent::kBarriered, &reached);
  cells.ForEachBlock(
      [&](const uintptr_t* begin, const uintptr_t* end) { check.CheckCells(begin, end); });
  lives.visit(lives.arg, check);
  while (const uintptr_t object = reached.Take()) check.CheckObject(object);
}

void VerifyMarks(Heap& heap, const LayoutTable& layouts, const RootCells& cells,
                 MarkCheckExtent extent) {
  MarkCheck check(heap, layouts, extent);
  cells.ForEachBlock(
      [&](const uintptr_t* begin, const uintptr_t* end) { check.CheckCells(begin, end); });
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
