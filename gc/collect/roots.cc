#include "gc/collect/roots.h"

#include <algorithm>

#include "gc/collect/mutator_gc.h"
#include "gc/collect/object_ref.h"
#include "runtime/base/bits.h"
#include "runtime/base/check.h"
#include "runtime/thread/sanitizer.h"

namespace tarn::rt {
namespace {

// Passes what a callback reports to a sink and counts it.
class SinkVisitor final : public RootVisitor {
 public:
  SinkVisitor(const Heap& heap, const LayoutTable& layouts, MarkSink& sink)
      : RootVisitor(&SinkVisitor::Take), heap_(heap), layouts_(layouts), sink_(sink) {}
  uint64_t bytes() const { return bytes_; }

 private:
  static void Take(RootVisitor* self, const uintptr_t* begin, const uintptr_t* end) {
    auto* v = static_cast<SinkVisitor*>(self);
    v->bytes_ += static_cast<uint64_t>(end - begin) * sizeof(uintptr_t);
    ScanWordsConservatively(v->heap_, v->layouts_, begin, end, v->sink_);
  }

  const Heap& heap_;
  const LayoutTable& layouts_;
  MarkSink& sink_;
  uint64_t bytes_ = 0;
};

void TakeWord(const Heap& heap, uintptr_t w, MarkSink& sink) {
  if (!heap.cage().Contains(w)) return;
  if (const ObjectRef r = FindObject(heap, w)) sink.Push(r.base);
}

}  // namespace

TARN_NO_SANITIZE_STACK void ScanWordsConservatively(const Heap& heap, const LayoutTable& layouts,
                                                    const uintptr_t* begin, const uintptr_t* end,
                                                    MarkSink& sink) {
  const size_t codecs = layouts.high_codec_count();
  for (const uintptr_t* p = begin; p < end; ++p) {
    // volatile: the words are somebody's stack; one load each, whatever they are.
    const uintptr_t w = *static_cast<const volatile uintptr_t*>(p);
    TakeWord(heap, w, sink);
    for (size_t i = 0; i < codecs; ++i) {
      if (const uintptr_t d = layouts.high_codec(i).Decode(w)) TakeWord(heap, d, sink);
    }
  }
}

uint64_t Roots::ScanThread(Mutator& m) const {
  MarkSink& sink = m.gc->sink;
  uint64_t bytes = 0;
  m.ForEachRootRange([&](const uintptr_t* begin, const uintptr_t* end) TARN_NO_SANITIZE_STACK {
    bytes += static_cast<uint64_t>(end - begin) * sizeof(uintptr_t);
    ScanWordsConservatively(*heap_, *layouts_, begin, end, sink);
  });
  SinkVisitor visitor(*heap_, *layouts_, sink);
  for (ThreadRootNode* n = m.gc->roots; n != nullptr; n = n->next) n->callback(visitor, n->arg);
  for (const auto* c = m.gc->constructing; c != nullptr; c = c->next) {
    const ObjectRef r = FindObject(*heap_, reinterpret_cast<uintptr_t>(c->object));
    if (!r) continue;
    const auto* words = reinterpret_cast<const uintptr_t*>(r.base);
    visitor.Words(words, words + SlotBytes(*heap_, r) / sizeof(uintptr_t));
  }
  sink.Flush();
  return bytes + visitor.bytes();
}

uint64_t Roots::ScanGlobal(MarkSink& sink) const {
  uint64_t bytes = 0;
  cells_.ForEachBlock([&](const uintptr_t* begin, const uintptr_t* end) {
    bytes += static_cast<uint64_t>(end - begin) * sizeof(uintptr_t);
    for (const uintptr_t* p = begin; p < end; ++p) TakeWord(*heap_, *p, sink);
  });
  for (const Range& r : ranges_) {
    bytes += r.end - r.begin;
    ScanWordsConservatively(*heap_, *layouts_, reinterpret_cast<const uintptr_t*>(r.begin),
                            reinterpret_cast<const uintptr_t*>(r.end), sink);
  }
  SinkVisitor visitor(*heap_, *layouts_, sink);
  for (const Callback& c : callbacks_) c.callback(visitor, c.arg);
  sink.Flush();
  return bytes + visitor.bytes();
}

void Roots::AddRange(uintptr_t begin, uintptr_t end) {
  if (!IsAligned(begin, sizeof(uintptr_t)) || !IsAligned(end, sizeof(uintptr_t))) {
    FatalValue("root range is not aligned to words:", begin);
  }
  if (begin >= end) FatalValue("root range is empty:", begin);
  LockHolder hold(lock_);
  for (const Range& r : ranges_) {
    if (begin < r.end && r.begin < end) FatalValue("root range overlaps another:", begin);
  }
  ranges_.push_back({begin, end});
}

void Roots::RemoveRange(uintptr_t begin) {
  LockHolder hold(lock_);
  const auto it = std::find_if(ranges_.begin(), ranges_.end(),
                               [&](const Range& r) { return r.begin == begin; });
  if (it == ranges_.end()) FatalValue("no root range starts at", begin);
  *it = ranges_.back();
  ranges_.pop_back();
}

void Roots::AddCallback(RootCallback callback, void* arg) {
  LockHolder hold(lock_);
  callbacks_.push_back({callback, arg});
}

void Roots::RemoveCallback(RootCallback callback, void* arg) {
  LockHolder hold(lock_);
  const auto it = std::find_if(callbacks_.begin(), callbacks_.end(), [&](const Callback& c) {
    return c.callback == callback && c.arg == arg;
  });
  if (it == callbacks_.end()) Fatal("no such root callback is registered");
  *it = callbacks_.back();
  callbacks_.pop_back();
}

}  // namespace tarn::rt
