// MarkQueue: grey items on their way between threads, in buffers of a fixed size: full ones and empty
// ones, each kind in a lock-free stack.
// Not here: what an item means (marker.h).
// I1 A buffer is in one list or in one thread's hands. A buffer in the full list has items.
// I2 Buffers are aligned to their size and never unmapped, so a thread may read the link of one that
//    another has taken meanwhile; the tag beside the head pointer changes with every operation, and
//    the exchange fails then.
// Why lock-free: a helper at idle priority that is preempted while it holds a lock would keep every
// thread that assists or flushes its barrier's buffer waiting.
// Locking: none. Memory comes from the OS seam, never from malloc.
// Cost: one exchange per buffer of kItems.
#ifndef TARN_GC_COLLECT_MARK_QUEUE_H_
#define TARN_GC_COLLECT_MARK_QUEUE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/os/os_memory.h"

namespace tarn::rt {

// Low bits of an item (I1 of marker.h).
inline constexpr uintptr_t kItemTagMask = 7;
inline constexpr uintptr_t kSliceTag = 1;
inline constexpr uintptr_t kContentsTag = 2;

struct MarkBuffer {
  static constexpr size_t kItems = 510;
  std::atomic<MarkBuffer*> next;  // relaxed: ordered by the head of the list
  uint64_t count;
  uintptr_t items[kItems];
};
static_assert(sizeof(MarkBuffer) == 4096);

// A stack of buffers.
// Source: R. K. Treiber, "Systems programming: coping with parallelism", with a tag against reuse.
class MarkBufferStack {
 public:
  void Push(MarkBuffer* b);
  MarkBuffer* Pop();  // null if there is none, or if the stack is frozen
  // From the return of Freeze to Thaw nothing is taken, not even by those that have begun to.
  // relaxed (both): the exchange of one who was about to take fails on the new value; a buffer's content
  // is ordered by its push.
  void Freeze() { head_.fetch_or(kFrozen, std::memory_order_relaxed); }
  void Thaw() { head_.fetch_and(~kFrozen, std::memory_order_relaxed); }

 private:
  static constexpr unsigned kShift = 12;  // buffers are aligned to 4096
  static constexpr unsigned kPointerBits = 36;
  static constexpr uint64_t kFrozen = uint64_t{1} << kPointerBits;
  static constexpr unsigned kTagShift = kPointerBits + 1;
  static MarkBuffer* Pointer(uint64_t head) {
    return reinterpret_cast<MarkBuffer*>((head & (kFrozen - 1)) << kShift);
  }
  // `b` with the tag after `old`'s.
  static uint64_t Head(const MarkBuffer* b, uint64_t old) {
    return reinterpret_cast<uintptr_t>(b) >> kShift | (old & kFrozen) |
           ((old >> kTagShift) + 1) << kTagShift;
  }

  std::atomic<uint64_t> head_{0};
};

class MarkQueue {
 public:
  void Init(OsMemory& os) { os_ = &os; }

  // An empty buffer. Aborts when the system refuses memory: marking cannot go on without.
  MarkBuffer* TakeEmpty();
  // Null if there is none.
  MarkBuffer* TakeFull();
  // Publishes a buffer that may be partly filled; an empty one is recycled.
  void Put(MarkBuffer* b);
  // Between the two nothing can be taken, so nothing new is marked; what is put stays until then.
  void Freeze() { full_.Freeze(); }
  void Thaw() { full_.Thaw(); }
  // Marking is over: recycles what is left.
  void DropFull() {
    while (MarkBuffer* b = TakeFull()) {
      b->count = 0;
      Put(b);
    }
  }
  // False only if all that was put was taken; true too early or too late by a moment.
  bool HasFull() const {
    // seq_cst: pairs with the count of active helpers in MarkWorkers::Finished.
    return full_count_.load(std::memory_order_seq_cst) != 0;
  }
  // Counts buffers with items ever put: unchanged means nobody published anything. seq_cst: pairs
  // with the operations on full_count_ and on MarkWorkers' count of active helpers.
  uint32_t published() const { return published_.load(std::memory_order_seq_cst); }
  // Sleeps until something is published after `seen`, at most `nanos`; may return early.
  void WaitForPublished(uint32_t seen, int64_t nanos);
  void WakeWaiters();
  // In a child after fork(): those that waited are gone.
  void ForgetWaiters() { hungry_.store(0, std::memory_order_relaxed); }
  // Whether somebody waits for work, or has asked for it since the last HearAsk: markers share then.
  // relaxed (all three): hints.
  bool WantsWork() const {
    return hungry_.load(std::memory_order_relaxed) != 0 ||
           asked_.load(std::memory_order_relaxed) != 0;
  }
  void Ask() { asked_.store(1, std::memory_order_relaxed); }
  void HearAsk() { asked_.store(0, std::memory_order_relaxed); }
  size_t allocated_bytes() const { return allocated_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kBatchBytes = 64 << 10;

  MarkBuffer* Grow();

  OsMemory* os_ = nullptr;
  MarkBufferStack full_;
  MarkBufferStack empty_;
  std::atomic<size_t> full_count_{0};   // at least the number of buffers in full_
  std::atomic<uint32_t> published_{0};  // futex
  std::atomic<uint32_t> hungry_{0};     // consumers that wait
  std::atomic<uint32_t> asked_{0};
  std::atomic<size_t> allocated_{0};
};

// The producer's side: collects items and publishes full buffers.
class MarkSink {
 public:
  explicit MarkSink(MarkQueue& queue) : queue_(&queue) {}
  MarkSink(const MarkSink&) = delete;
  MarkSink& operator=(const MarkSink&) = delete;
  ~MarkSink() { Flush(); }

  void Push(uintptr_t item) {
    if (buffer_ == nullptr) buffer_ = queue_->TakeEmpty();
    buffer_->items[buffer_->count++] = item;
    if (buffer_->count == MarkBuffer::kItems) Flush();
  }
  void Flush() {
    if (buffer_ != nullptr) queue_->Put(buffer_);
    buffer_ = nullptr;
  }
  // Forgets the items: those that are not marked when marking is over are dead.
  void Drop() {
    if (buffer_ != nullptr) buffer_->count = 0;
  }

 private:
  MarkQueue* queue_;
  MarkBuffer* buffer_ = nullptr;
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_MARK_QUEUE_H_
