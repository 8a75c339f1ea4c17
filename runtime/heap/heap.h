// Heap: everything below the collector, owned by one object and passed down: page heap, span
// classes, central lists, the sweep generation.
// Not here: threads (runtime/thread), marking and policy (gc/).
// I1 sweepgen is even and changes only while no span is unswept and marking has just ended (see
//    span.h).
#ifndef TARN_RUNTIME_HEAP_HEAP_H_
#define TARN_RUNTIME_HEAP_HEAP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "runtime/base/lock.h"
#include "runtime/heap/central_list.h"
#include "runtime/heap/heap_hooks.h"
#include "runtime/heap/page_heap.h"
#include "runtime/heap/span_class.h"

namespace tarn::rt {

class ThreadCache;

// Caches of threads that are gone, kept for the next ones (thread_cache.h).
struct FreeCaches {
  Lock lock;
  ThreadCache* head ABSL_GUARDED_BY(lock) = nullptr;
};

class Heap {
 public:
  Heap() = default;
  ~Heap() { lists_.Destroy(); }
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  // False when the system refuses; nothing else may be called then.
  [[nodiscard]] bool Init(OsMemory& os, size_t cage_bytes);

  PageHeap& pages() { return pages_; }
  Cage& cage() { return pages_.cage(); }
  const Cage& cage() const { return pages_.cage(); }
  HeapStats& stats() { return pages_.stats(); }
  const HeapStats& stats() const { return pages_.stats(); }
  // SpanClassTable::Intern, with a central list for the class.
  uint16_t InternClass(size_t size_class, uint16_t layout, bool noscan,
                       void (*fill)(SpanClassInfo& info, void* arg), void* arg);
  const SpanClassTable& classes() const { return classes_; }
  CentralList& central(uint16_t span_class) { return central_[span_class]; }
  HeapHooks& hooks() { return hooks_; }
  FreeCaches& free_caches() { return free_caches_; }
  OsMemory& os() { return *os_; }

  uint32_t sweepgen() const {
    // acquire: pairs with the release in FlipSweepgen; whoever sees the new generation sees final
    // marks.
    return sweepgen_.load(std::memory_order_acquire);
  }
  // Puts a swept span back into its class's list; false when the flip has made it unswept.
  bool TryPutSwept(Span* s, bool full) {
    return central_[s->span_class].TryPutSwept(s, full, sweepgen_);
  }

  // Which of the two bit tables holds allocation bits of spans of generation `gen`; marks are in
  // the other.
  static unsigned AllocTable(uint32_t gen) { return (gen >> 1) & 1; }
  static unsigned MarkTable(uint32_t gen) { return AllocTable(gen) ^ 1; }

  // Marking has ended: marks become allocation bits, every span needs sweeping. All spans are
  // swept.
  void FlipSweepgen();

 private:
  OsMemory* os_ = nullptr;
  PageHeap pages_;
  HeapHooks hooks_;
  FreeCaches free_caches_;
  std::atomic<uint32_t> sweepgen_{2};
  SpanClassTable classes_;
  Lock class_lock_;  // outside the lock of classes_
  MetaRegion lists_ ABSL_GUARDED_BY(class_lock_);
  CentralList* central_ = nullptr;  // kMaxSpanClasses, ready up to classes_.End()
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_HEAP_H_
