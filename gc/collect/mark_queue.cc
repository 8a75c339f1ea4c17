#include "gc/collect/mark_queue.h"

#include "runtime/base/check.h"
#include "runtime/base/futex.h"

namespace tarn::rt {

void MarkBufferStack::Push(MarkBuffer* b) {
  uint64_t head = head_.load(std::memory_order_relaxed);  // relaxed: the exchange compares
  do {
    b->next.store(Pointer(head), std::memory_order_relaxed);
    // release: pairs with the acquire in Pop; items, count and link are visible to who takes it.
  } while (!head_.compare_exchange_weak(head, Head(b, head), std::memory_order_release,
                                        std::memory_order_relaxed));
}

MarkBuffer* MarkBufferStack::Pop() {
  // acquire: pairs with the release in Push.
  uint64_t head = head_.load(std::memory_order_acquire);
  for (;;) {
    MarkBuffer* b = Pointer(head);
    if (b == nullptr || (head & kFrozen) != 0) return nullptr;
    // The link may be stale (I2 of the header).
    MarkBuffer* next = b->next.load(std::memory_order_relaxed);
    // acquire (both): pairs with the release in Push.
    const bool taken = head_.compare_exchange_weak(
        head, Head(next, head), std::memory_order_acquire, std::memory_order_acquire);
    if (taken) return b;
  }
}

// One of a batch of new buffers; the others go to the empty list.
MarkBuffer* MarkQueue::Grow() {
  void* mem = AllocateReady(*os_, kBatchBytes);
  if (mem == nullptr) Fatal("out of memory for mark buffers");
  TARN_CHECK(reinterpret_cast<uintptr_t>(mem) % sizeof(MarkBuffer) == 0);
  TARN_CHECK(reinterpret_cast<uintptr_t>(mem) >> 48 == 0);
  allocated_.fetch_add(kBatchBytes, std::memory_order_relaxed);
  auto* buffers = static_cast<MarkBuffer*>(mem);
  for (size_t i = 1; i < kBatchBytes / sizeof(MarkBuffer); ++i) empty_.Push(&buffers[i]);
  return buffers;
}

MarkBuffer* MarkQueue::TakeEmpty() {
  MarkBuffer* b = empty_.Pop();
  if (b == nullptr) b = Grow();
  b->count = 0;
  return b;
}

MarkBuffer* MarkQueue::TakeFull() {
  if (!HasFull()) return nullptr;
  MarkBuffer* b = full_.Pop();
  // seq_cst: pairs with HasFull.
  if (b != nullptr) full_count_.fetch_sub(1, std::memory_order_seq_cst);
  return b;
}

void MarkQueue::Put(MarkBuffer* b) {
  if (b->count == 0) return empty_.Push(b);
  // seq_cst, both: pairs with HasFull and published(). Before the push: who sees neither has looked
  // before this thread published anything.
  full_count_.fetch_add(1, std::memory_order_seq_cst);
  published_.fetch_add(1, std::memory_order_seq_cst);
  full_.Push(b);
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
