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
#include "runtime/heap/span_walk.h"
#include "runtime/heap/thread_cache.h"
#include "runtime/thread/thread_registry.h"
#include "tarn/describe.h"

namespace tarn::rt {
namespace {

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
        if (!IsUnderConstruction(parent_)) {
          layout.trace(words, *this);
        } else if (extent_ == MarkCheckExtent::kAll) {
          CheckWords(words, words + count);
        }
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

// What must hold for the marks of a span.
enum class MarksRule { kAny, kNone, kAllocated };

MarksRule RuleFor(VerifyPoint point, bool is_swept) {
  if (point == VerifyPoint::kAnyTime) return MarksRule::kAny;
  return is_swept && point != VerifyPoint::kMarked ? MarksRule::kNone : MarksRule::kAllocated;
}

bool MayBeUnswept(const Span& s, VerifyPoint point) {
  switch (point) {
    case VerifyPoint::kAnyTime:
    case VerifyPoint::kFlipped:
      return true;
    case VerifyPoint::kAllSwept:
    case VerifyPoint::kMarked:
      return false;
    case VerifyPoint::kSwept:
      return s.owned.load(std::memory_order_relaxed) != 0;  // relaxed: stopped
  }
  return false;
}

// I1 and I3 of central_list.h; and that all `spans` that no thread owns are in lists (span.h). An
// unswept list may hold spans that were swept before the flip put them there.
void VerifyLists(Heap& heap, size_t spans) {
  const uint32_t now = heap.sweepgen();
  size_t listed = 0;
  for (size_t c = 1; c < heap.classes().End(); ++c) {
    heap.central(static_cast<uint16_t>(c)).ForEach([&](const Span* s, bool swept, bool full) {
      ++listed;
      TARN_CHECK(listed <= spans);  // ends a list that is a ring
      TARN_CHECK(s->npages != 0 && s->span_class == c);
      TARN_CHECK(s->owned.load(std::memory_order_relaxed) == 0);  // relaxed: stopped
      TARN_CHECK(!swept || s->sweepgen.load(std::memory_order_relaxed) == now);
      TARN_CHECK(!full || s->alloc_count == s->nelems);
    });
  }
  TARN_CHECK(listed == spans);
}

// I1 of thread_cache.h, for a span that a thread owns and the run that it takes objects from.
void VerifyRun(Heap& heap, const Span& span, const internal::Run& run, VerifyPoint point) {
  // relaxed (all): stopped.
  TARN_CHECK(span.owned.load(std::memory_order_relaxed) == 1);
  const uintptr_t cursor = run.cursor.load(std::memory_order_relaxed);
  if (cursor >= run.limit) return;
  const size_t first = heap.cage().FirstPage(&span);
  const uintptr_t base = heap.cage().AddressOf(first);
  TARN_CHECK(cursor >= base && run.limit <= base + uint64_t{span.nelems} * span.elem_bytes32);
  TARN_CHECK((cursor - base) % span.elem_bytes32 == 0 &&
             (run.limit - base) % span.elem_bytes32 == 0);
  const uint32_t gen = span.sweepgen.load(std::memory_order_relaxed);
  const bool are_marked = RuleFor(point, gen == heap.sweepgen()) == MarksRule::kAllocated;
  for (size_t i = (cursor - base) / span.elem_bytes32; i < (run.limit - base) / span.elem_bytes32;
       ++i) {
    TARN_CHECK((BitWord(heap, Heap::AllocTable(gen), first, i / 64) >> (i % 64)) & 1);
    TARN_CHECK(!are_marked ||
               ((BitWord(heap, Heap::MarkTable(gen), first, i / 64) >> (i % 64)) & 1));
  }
  for (uintptr_t p = cursor; p < run.limit; p += internal::kWordBytes) {
    TARN_CHECK(*reinterpret_cast<const uintptr_t*>(p) == 0);
  }
}

}  // namespace

void VerifyThreads(const Heap& heap, const MarkState& state) {
  // relaxed (all): stopped.
  const bool is_on = state.barrier_on.load(std::memory_order_relaxed) != 0;
  const bool is_black = state.black_gen.load(std::memory_order_relaxed) == heap.sweepgen();
  ThreadRegistry::Get().ForEach([&](Mutator& m) {
    TARN_CHECK((m.block()->barrier_on.load(std::memory_order_relaxed) != 0) == is_on);
    if (m.cache != nullptr) TARN_CHECK((m.cache->black_gen() == heap.sweepgen()) == is_black);
  });
}

void VerifyHeap(Heap& heap, VerifyPoint point) {
  ThreadRegistry::Get().ForEach([](Mutator& m) {
    if (m.cache != nullptr) m.cache->FlushPages();
  });
  heap.pages().Verify();
  uint64_t bytes = 0, objects = 0;
  size_t spans = 0;
  ForEachSpan(heap.cage(), [&](const Span& s, size_t first) {
    const uint32_t gen = s.sweepgen.load(std::memory_order_relaxed);
    TARN_CHECK(gen == heap.sweepgen() || gen + 2 == heap.sweepgen());
    TARN_CHECK(gen == heap.sweepgen() || MayBeUnswept(s, point));
    const MarksRule marks = RuleFor(point, gen == heap.sweepgen());
    size_t count = 0;
    for (size_t w = 0; w < DivideUp(s.nelems, 64); ++w) {
      const uint64_t bits = BitWord(heap, Heap::AllocTable(gen), first, w);
      const uint64_t marked = BitWord(heap, Heap::MarkTable(gen), first, w);
      const size_t in_word = s.nelems - w * 64;
      TARN_CHECK((bits & ~BitRange(0, in_word < 64 ? static_cast<unsigned>(in_word) : 64)) == 0);
      TARN_CHECK(marks != MarksRule::kNone || marked == 0);
      TARN_CHECK(marks != MarksRule::kAllocated || (marked & ~bits) == 0);
      count += static_cast<size_t>(std::popcount(bits));
    }
    TARN_CHECK(count == s.alloc_count);  // I1 of span.h
    // relaxed: stopped. Those that are not owned must be in lists, mappings like others.
    if (s.owned.load(std::memory_order_relaxed) == 0) ++spans;
    if (!s.IsHeapMemory()) return;  // the ledger knows its pages only
    objects += count;
    bytes += count * (s.elem_bytes32 != 0 ? s.elem_bytes32 : s.npages * internal::kPageBytes);
  });
  if (point != VerifyPoint::kAnyTime) VerifyLists(heap, spans);
  ThreadRegistry::Get().ForEach([&](Mutator& m) {
    if (m.cache == nullptr) return;
    m.cache->ForEachOwned([&](Span* s, internal::Run& run) { VerifyRun(heap, *s, run, point); });
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
  ForEachSpan(heap.cage(), [&](const Span& s, size_t first) {
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
