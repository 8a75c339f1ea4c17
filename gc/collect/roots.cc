#include "gc/collect/roots.h"

#include <algorithm>

#include "gc/collect/mutator_gc.h"
#include "gc/collect/object_ref.h"
#include "gc/types/layout_table.h"
#include "gc/types/value_codecs.h"
#include "runtime/base/bits.h"
#include "runtime/base/check.h"
#include "runtime/heap/span_walk.h"
#include "runtime/thread/sanitizer.h"
#include "runtime/thread/thread_registry.h"
#include "tarn/describe.h"

namespace tarn::rt {
namespace {

// Passes what a callback reports to a sink and counts it.
class SinkVisitor final : public RootVisitor {
 public:
  SinkVisitor(const Heap& heap, MarkSink& sink)
      : RootVisitor(&SinkVisitor::Take), heap_(heap), sink_(sink) {}
  uint64_t bytes() const { return bytes_; }

 private:
  static void Take(RootVisitor* self, const uintptr_t* begin, const uintptr_t* end) {
    auto* v = static_cast<SinkVisitor*>(self);
    v->bytes_ += static_cast<uint64_t>(end - begin) * sizeof(uintptr_t);
    ScanWordsConservatively(v->heap_, begin, end, v->sink_);
  }

  const Heap& heap_;
  MarkSink& sink_;
  uint64_t bytes_ = 0;
};

void TakeWord(const Heap& heap, uintptr_t w, MarkSink& sink) {
  if (!heap.cage().Contains(w)) return;
  if (const ObjectRef r = FindObject(heap, w)) sink.Push(r.base);
}

// Passes what a Trace method visits to a sink.
class SinkTracer final : public Tracer {
 public:
  SinkTracer(const Heap& heap, MarkSink& sink)
      : Tracer(&SinkTracer::TakePointer, &SinkTracer::TakeWords), heap_(heap), sink_(sink) {}

 private:
  static void TakePointer(Tracer* self, uintptr_t p) {
    auto* t = static_cast<SinkTracer*>(self);
    TakeWord(t->heap_, p, t->sink_);
  }
  static void TakeWords(Tracer* self, const void* begin, const void* end) {
    auto* t = static_cast<SinkTracer*>(self);
    ScanWordsConservatively(t->heap_, static_cast<const uintptr_t*>(begin),
                            static_cast<const uintptr_t*>(end), t->sink_);
  }

  const Heap& heap_;
  MarkSink& sink_;
};

}  // namespace

TARN_NO_SANITIZE_STACK void ScanWordsConservatively(const Heap& heap, const uintptr_t* begin,
                                                    const uintptr_t* end, MarkSink& sink) {
  const size_t codecs = ValueCodecs::count();
  for (const uintptr_t* p = begin; p < end; ++p) {
    // volatile: the words are somebody's stack; one load each, whatever they are.
    const uintptr_t w = *static_cast<const volatile uintptr_t*>(p);
    TakeWord(heap, w, sink);
    for (size_t i = 0; i < codecs; ++i) {
      if (const uintptr_t d = ValueCodecs::Get(i).Decode(w)) TakeWord(heap, d, sink);
    }
  }
}

bool IsUnderConstruction(uintptr_t object) {
  bool found = false;
  ThreadRegistry::Get().ForEach([&](Mutator& m) {
    if (m.gc == nullptr) return;
    for (const auto* c = m.gc->constructing; c != nullptr; c = c->next) {
      found |= object == kAnyObject || reinterpret_cast<uintptr_t>(c->object) == object;
    }
  });
  return found;
}

namespace {

// Objects under construction are marked here and now: the marker must not call their Trace method.
void MarkAndScanConstructing(Heap& heap, const MutatorGc& gc, RootVisitor& visitor) {
  for (const auto* c = gc.constructing; c != nullptr; c = c->next) {
    const ObjectRef r = FindObject(heap, reinterpret_cast<uintptr_t>(c->object));
    if (!r) continue;
    // relaxed: a mark bit publishes nothing.
    heap.cage().Bits(Heap::MarkTable(heap.sweepgen()), r.first_page)[r.index / 64].fetch_or(
        uint64_t{1} << (r.index % 64), std::memory_order_relaxed);
    const auto* words = reinterpret_cast<const uintptr_t*>(r.base);
    visitor.Words(words, words + SlotBytes(heap, r) / sizeof(uintptr_t));
  }
}

// Unlinks and returns the node of (callback, arg); aborts if there is none.
CallbackNode* Unlink(CallbackNode** list, RootCallback callback, void* arg) {
  for (CallbackNode** link = list; *link != nullptr; link = &(*link)->next) {
    CallbackNode* n = *link;
    if (n->callback != callback || n->arg != arg) continue;
    *link = n->next;
    return n;
  }
  Fatal("no such root callback is registered");
}

}  // namespace

uint64_t Roots::ScanThread(Mutator& m) const {
  MarkSink& sink = m.gc->sink;
  uint64_t bytes = 0;
  m.ForEachRootRange([&](const uintptr_t* begin, const uintptr_t* end) TARN_NO_SANITIZE_STACK {
    bytes += static_cast<uint64_t>(end - begin) * sizeof(uintptr_t);
    ScanWordsConservatively(*heap_, begin, end, sink);
  });
  SinkVisitor visitor(*heap_, sink);
  for (CallbackNode* n = m.gc->roots; n != nullptr; n = n->next) n->callback(visitor, n->arg);
  if (m.options().precise_roots) visitor.Pointer(m.gc->fresh);
  MarkAndScanConstructing(*heap_, *m.gc, visitor);
  for (const internal::HeldWords* h = m.gc->held; h != nullptr; h = h->next) {
    ScanWordsConservatively(*heap_, h->words, h->words + h->count, sink);
  }
  sink.Flush();
  return bytes + visitor.bytes();
}

void Roots::ScanConstructing(MarkSink& sink) const {
  SinkVisitor visitor(*heap_, sink);
  ThreadRegistry::Get().ForEach([&](Mutator& m) {
    if (m.gc != nullptr) MarkAndScanConstructing(*heap_, *m.gc, visitor);
  });
  sink.Flush();
}

uint64_t Roots::ScanCells(MarkSink& sink) const {
  uint64_t bytes = 0;
  cells_.ForEachBlock([&](const uintptr_t* begin, const uintptr_t* end) {
    bytes += static_cast<uint64_t>(end - begin) * sizeof(uintptr_t);
    for (const uintptr_t* p = begin; p < end; ++p) {
      // relaxed: a racing store shades both values.
      TakeWord(*heap_, __atomic_load_n(p, __ATOMIC_RELAXED), sink);
    }
  });
  sink.Flush();
  return bytes;
}

// A piece at a time: who removes a range waits for the lock, and may then unmap the memory.
uint64_t Roots::ScanRanges(MarkSink& sink) {
  constexpr uintptr_t kPieceBytes = 64 << 10;
  uint64_t bytes = 0;
  for (uintptr_t from = 0;;) {
    LockHolder hold(lock_);
    const Range* next = nullptr;  // the lowest that ends behind `from`
    for (const Range* r = ranges_; r != nullptr; r = r->next) {
      if (r->end > from && (next == nullptr || r->begin < next->begin)) next = r;
    }
    if (next == nullptr) return bytes;
    const uintptr_t begin = std::max(from, next->begin);
    const uintptr_t end = next->end - begin <= kPieceBytes ? next->end : begin + kPieceBytes;
    ScanWordsConservatively(*heap_, reinterpret_cast<const uintptr_t*>(begin),
                            reinterpret_cast<const uintptr_t*>(end), sink);
    bytes += end - begin;
    from = end;
  }
}

bool Roots::IsUnbarriered(uint16_t span_class) const {
  const auto kind = static_cast<MarkKind>(heap_->classes().Info(span_class).mark_kind);
  return kind == MarkKind::kConservative ||
         (kind == MarkKind::kCustom && layouts_->HasUnbarrieredTrace());
}

bool Roots::HasUnbarriered() {
  {
    LockHolder hold(lock_);
    if (ranges_ != nullptr || callbacks_ != nullptr || removed_) return true;
  }
  const size_t end = heap_->classes().End();
  for (size_t c = 1; c < end; ++c) {
    if (IsUnbarriered(static_cast<uint16_t>(c))) return true;
  }
  return false;
}

void Roots::ScanUnbarrieredObject(uintptr_t base, size_t bytes, const SpanClassInfo& info,
                                  MarkSink& sink) const {
  if (static_cast<MarkKind>(info.mark_kind) == MarkKind::kCustom) {
    SinkTracer tracer(*heap_, sink);
    layouts_->Get(info.layout).trace(reinterpret_cast<const void*>(base), tracer);
  } else {
    const auto* words = reinterpret_cast<const uintptr_t*>(base);
    ScanWordsConservatively(*heap_, words, words + bytes / sizeof(uintptr_t), sink);
  }
}

void Roots::ScanUnbarrieredObjects(MarkSink& sink) const {
  const bool any_under_construction = IsUnderConstruction(kAnyObject);
  const Cage& cage = heap_->cage();
  const unsigned table = Heap::MarkTable(heap_->sweepgen());
  ForEachSpan(cage, [&](const Span& s, size_t first) {
    if (!IsUnbarriered(s.span_class)) return;
    const bool may_be_half_made =
        any_under_construction &&
        static_cast<MarkKind>(heap_->classes().Info(s.span_class).mark_kind) == MarkKind::kCustom;
    const size_t elem = s.elem_bytes32 != 0 ? s.elem_bytes32 : s.npages * internal::kPageBytes;
    for (size_t i = 0; i < s.nelems; ++i) {
      // relaxed: the world is stopped.
      const uint64_t marks = cage.Bits(table, first)[i / 64].load(std::memory_order_relaxed);
      if (!((marks >> (i % 64)) & 1)) continue;
      const uintptr_t base = cage.AddressOf(first) + i * elem;
      // Its thread's scan has taken its words; a Trace method would see members half made.
      if (may_be_half_made && IsUnderConstruction(base)) continue;
      ScanUnbarrieredObject(base, elem, heap_->classes().Info(s.span_class), sink);
    }
  });
}

uint64_t Roots::ScanUnbarriered(MarkSink& sink) const {
  for (const Range* r = ranges_; r != nullptr; r = r->next) {
    ScanWordsConservatively(*heap_, reinterpret_cast<const uintptr_t*>(r->begin),
                            reinterpret_cast<const uintptr_t*>(r->end), sink);
  }
  SinkVisitor visitor(*heap_, sink);
  for (const CallbackNode* c = callbacks_; c != nullptr; c = c->next) c->callback(visitor, c->arg);
  ScanUnbarrieredObjects(sink);
  sink.Flush();
  return visitor.bytes();
}

void Roots::AddRange(uintptr_t begin, uintptr_t end) {
  if (!IsAligned(begin, sizeof(uintptr_t)) || !IsAligned(end, sizeof(uintptr_t))) {
    FatalValue("root range is not aligned to words:", begin);
  }
  if (begin >= end) FatalValue("root range is empty:", begin);
  LockHolder hold(lock_);
  for (const Range* r = ranges_; r != nullptr; r = r->next) {
    if (begin < r->end && r->begin < end) FatalValue("root range overlaps another:", begin);
  }
  Range* node = range_pool_.New(begin, end, ranges_);
  if (node == nullptr) Fatal("out of memory for root ranges");
  ranges_ = node;
}

void Roots::ForgetRemoved() {
  LockHolder hold(lock_);
  removed_ = false;
}

void Roots::RemoveRange(uintptr_t begin) {
  LockHolder hold(lock_);
  removed_ = true;
  for (Range** link = &ranges_; *link != nullptr; link = &(*link)->next) {
    Range* r = *link;
    if (r->begin != begin) continue;
    *link = r->next;
    return range_pool_.Delete(r);
  }
  FatalValue("no root range starts at", begin);
}

void Roots::AddCallback(RootCallback callback, void* arg) {
  LockHolder hold(lock_);
  CallbackNode* node = callback_pool_.New(callback, arg, callbacks_);
  if (node == nullptr) Fatal("out of memory for root callbacks");
  callbacks_ = node;
}

void Roots::RemoveCallback(RootCallback callback, void* arg) {
  LockHolder hold(lock_);
  removed_ = true;
  callback_pool_.Delete(Unlink(&callbacks_, callback, arg));
}

void Roots::AddThreadCallback(MutatorGc& gc, RootCallback callback, void* arg) {
  CallbackNode* node = callback_pool_.New(callback, arg, gc.roots);
  if (node == nullptr) Fatal("out of memory for root callbacks");
  gc.roots = node;
}

void Roots::RemoveThreadCallback(MutatorGc& gc, RootCallback callback, void* arg) {
  callback_pool_.Delete(Unlink(&gc.roots, callback, arg));
}

void Roots::ClearThreadCallbacks(MutatorGc& gc) {
  while (CallbackNode* n = gc.roots) {
    gc.roots = n->next;
    callback_pool_.Delete(n);
  }
}

}  // namespace tarn::rt
