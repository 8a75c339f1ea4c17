#include "gc/collect/mark_queue.h"

#include "runtime/base/check.h"
#include "runtime/base/futex.h"

namespace tarn::rt {

MarkBuffer* MarkQueue::TakeEmpty() {
  LockHolder hold(lock_);
  if (empty_ == nullptr) {
    void* mem = AllocateReady(*os_, kBatchBytes);
    if (mem == nullptr) Fatal("out of memory for mark buffers");
    allocated_.fetch_add(kBatchBytes, std::memory_order_relaxed);
    auto* buffers = static_cast<MarkBuffer*>(mem);
    for (size_t i = 0; i < kBatchBytes / sizeof(MarkBuffer); ++i) {
      buffers[i].next = empty_;
      empty_ = &buffers[i];
    }
  }
  MarkBuffer* b = empty_;
  empty_ = b->next;
  b->next = nullptr;
  b->count = 0;
  return b;
}

MarkBuffer* MarkQueue::TakeFull() {
  if (!HasFull()) return nullptr;
  LockHolder hold(lock_);
  MarkBuffer* b = full_;
  if (b == nullptr) return nullptr;
  full_ = b->next;
  b->next = nullptr;
  // seq_cst: pairs with HasFull.
  full_count_.fetch_sub(1, std::memory_order_seq_cst);
  return b;
}

void MarkQueue::Put(MarkBuffer* b) {
  const bool full = b->count != 0;
  {
    LockHolder hold(lock_);
    MarkBuffer*& list = full ? full_ : empty_;
    b->next = list;
    list = b;
    if (!full) return;
    // seq_cst: pairs with HasFull and published(); the order of the two does not matter.
    full_count_.fetch_add(1, std::memory_order_seq_cst);
    published_.fetch_add(1, std::memory_order_seq_cst);
  }
  // relaxed: a waiter that is not seen sleeps for its time-out at most.
  if (hungry_.load(std::memory_order_relaxed) != 0) FutexWake(published_, 1);
}

void MarkQueue::WaitForPublished(uint32_t seen, int64_t nanos) {
  hungry_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a hint for producers
  FutexWait(published_, seen, nanos);
  hungry_.fetch_sub(1, std::memory_order_relaxed);
}

void MarkQueue::WakeWaiters() { FutexWake(published_, 1 << 20); }

}  // namespace tarn::rt
