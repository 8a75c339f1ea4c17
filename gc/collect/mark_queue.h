// MarkQueue: grey work in buffers. Producers fill a private buffer and publish it when full;
// consumers take whole buffers. A work item is an address, its low three bits are a tag (objects
// are 8-byte aligned).
// Not here: what an item means to the marker (marker.h).
// I1 A buffer is in exactly one place: private to a producer or consumer, in `full_`, or in
//    `empty_`.
// Locking: one Lock around both lists. Its holders are in the runtime, in a handshake, or no
// mutators, so a stopped thread never holds it. Memory comes from the OS seam, never from malloc.
// Cost: one lock operation per buffer of kItems.
#ifndef TARN_GC_COLLECT_MARK_QUEUE_H_
#define TARN_GC_COLLECT_MARK_QUEUE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "runtime/base/lock.h"
#include "runtime/os/os_memory.h"

namespace tarn::rt {

struct MarkBuffer {
  static constexpr size_t kItems = 510;
  MarkBuffer* next;
  uint64_t count;
  uintptr_t items[kItems];
};
static_assert(sizeof(MarkBuffer) == 4096);

class MarkQueue {
 public:
  void Init(OsMemory& os) { os_ = &os; }

  // An empty buffer. Aborts when the system refuses memory: marking cannot go on without.
  MarkBuffer* TakeEmpty();
  // Null if there is none.
  MarkBuffer* TakeFull();
  // Publishes a buffer that may be partly filled; an empty one is recycled.
  void Put(MarkBuffer* b);
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

  OsMemory* os_ = nullptr;
  Lock lock_;
  MarkBuffer* full_ ABSL_GUARDED_BY(lock_) = nullptr;
  MarkBuffer* empty_ ABSL_GUARDED_BY(lock_) = nullptr;
  std::atomic<size_t> full_count_{0};
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

 private:
  MarkQueue* queue_;
  MarkBuffer* buffer_ = nullptr;
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_MARK_QUEUE_H_
