// CentralList: the spans of one span class that no thread owns, in four lists:
//   {partial, full} x {swept, unswept}
// I1 Every span here has owned == 0; swept spans carry the heap's generation, unswept ones
//    generation - 2.
// I2 Only Flip adds to the unswept lists: whoever has taken a span sweeps it before it comes back. So
//    when the lists have been emptied and every thread has left the runtime since the flip, nothing
//    is unswept.
// I3 Full: no free allocation bit at the time it was put here.
// Locking: one Lock per span class. Sweeping itself is done outside it, by whoever took the span.
#ifndef TARN_RUNTIME_HEAP_CENTRAL_LIST_H_
#define TARN_RUNTIME_HEAP_CENTRAL_LIST_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "runtime/base/lock.h"
#include "runtime/heap/span.h"

namespace tarn::rt {

// Singly linked through Span::next; push and pop at the head, splice in constant time.
class SpanList {
 public:
  bool Empty() const { return head_ == nullptr; }
  void Push(Span* s) {
    s->next = head_;
    if (head_ == nullptr) tail_ = s;
    head_ = s;
  }
  void PushBack(Span* s) {
    s->next = nullptr;
    if (head_ == nullptr) {
      head_ = s;
    } else {
      tail_->next = s;
    }
    tail_ = s;
  }
  Span* Pop() {
    Span* s = head_;
    if (s != nullptr) head_ = s->next;
    return s;
  }
  // Takes everything from `other`.
  void Splice(SpanList& other) {
    if (other.head_ == nullptr) return;
    other.tail_->next = head_;
    if (head_ == nullptr) tail_ = other.tail_;
    head_ = other.head_;
    other.head_ = nullptr;
  }
  Span* head() const { return head_; }

 private:
  Span* head_ = nullptr;
  Span* tail_ = nullptr;  // meaningful while head_ is not null
};

class alignas(64) CentralList {
 public:
  void PutSwept(Span* s, bool full) {
    LockHolder hold(lock_);
    swept_[full].Push(s);
  }
  // The same unless the flip has overtaken the span: false then, and nothing is done. `gen` is read
  // under the lock that Flip takes, so a span of the last generation never stays among the swept
  // ones.
  bool TryPutSwept(Span* s, bool full, const std::atomic<uint32_t>& gen) {
    LockHolder hold(lock_);
    // relaxed: the lock orders it against Flip, which comes after the change.
    if (s->sweepgen.load(std::memory_order_relaxed) != gen.load(std::memory_order_relaxed)) {
      return false;
    }
    swept_[full].Push(s);
    return true;
  }
  Span* TakeSweptPartial() {
    LockHolder hold(lock_);
    return swept_[0].Pop();
  }
  // The next span that needs sweeping, partial ones first; null if none is left.
  Span* TakeUnswept() {
    LockHolder hold(lock_);
    Span* s = unswept_[0].Pop();
    return s != nullptr ? s : unswept_[1].Pop();
  }
  // Marking has ended: all swept spans become unswept. No unswept span may be left.
  void Flip() {
    LockHolder hold(lock_);
    for (int full = 0; full < 2; ++full) unswept_[full].Splice(swept_[full]);
  }
  bool HasUnswept() {
    LockHolder hold(lock_);
    return !unswept_[0].Empty() || !unswept_[1].Empty();
  }
  template <class F>
  void ForEach(F&& f) {
    LockHolder hold(lock_);
    for (int full = 0; full < 2; ++full) {
      for (Span* s = swept_[full].head(); s != nullptr; s = s->next) f(s, true, full != 0);
      for (Span* s = unswept_[full].head(); s != nullptr; s = s->next) f(s, false, full != 0);
    }
  }

 private:
  Lock lock_;
  SpanList swept_[2] ABSL_GUARDED_BY(lock_);  // [0] partial, [1] full
  SpanList unswept_[2] ABSL_GUARDED_BY(lock_);
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_CENTRAL_LIST_H_
