// PageHeap: spans out of pages. Owns the cage and the page allocator, grows the heap, keeps the
// page columns of the ledger.
// Not here: which slots of a span are free (thread_cache.h, span_sweep.h).
// I1 A page is in a span (entry in use), in a thread's page cache, or free in the page allocator.
// Locking: lock_ ("heap lock") guards the page allocator and growth; a page cache belongs to its
// thread.
// Cost: from the page cache no lock; else one lock and O(levels) summary updates.
#ifndef TARN_RUNTIME_HEAP_PAGE_HEAP_H_
#define TARN_RUNTIME_HEAP_PAGE_HEAP_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "runtime/base/lock.h"
#include "runtime/heap/cage.h"
#include "runtime/heap/heap_stats.h"
#include "runtime/heap/memory_limits.h"
#include "runtime/heap/page_alloc.h"
#include "runtime/heap/page_cache.h"
#include "runtime/heap/span_class.h"

namespace tarn::rt {

class PageHeap {
 public:
  PageHeap() = default;
  ~PageHeap();
  PageHeap(const PageHeap&) = delete;
  PageHeap& operator=(const PageHeap&) = delete;

  // False if even the smallest cage cannot be reserved; nothing is kept then.
  [[nodiscard]] bool Init(OsMemory& os, size_t cage_bytes);

  // A span of `npages` for `span_class`, with clear bits, owned by nobody and in no list,
  // generation `sweepgen`. Its page entries are not set: Publish does that when its memory is fit
  // to be looked at. `cache` may be null. Null when the cage is used up, the system refuses memory,
  // or a limit does.
  Span* AllocSpan(const SpanClassInfo& info, uint16_t span_class, size_t npages, PageCache* cache,
                  uint32_t sweepgen, SoftLimit at_soft = SoftLimit::kPass);
  // From now on pointers into the span are recognised.
  void Publish(Span* span, bool noscan);
  // The span holds no live object and is in no list.
  void FreeSpan(Span* span);
  void FlushCache(PageCache& cache);
  // Gives at least `bytes` of free pages back to the system, or what `mode` allows. Returns the bytes
  // released. Not inside the heap lock.
  uint64_t Scavenge(uint64_t bytes, ScavengeMode mode);

  Cage& cage() { return cage_; }
  const Cage& cage() const { return cage_; }
  HeapStats& stats() { return stats_; }
  const HeapStats& stats() const { return stats_; }
  MemoryLimits& limits() { return limits_; }
  // What limits are compared with.
  uint64_t MemoryBytes() const;

  // Aborts if the page allocator, the page entries and the ledger disagree. World stopped and page
  // caches flushed, or no other thread.
  void Verify();

 private:
  PageAlloc::Result AllocPages(size_t npages, PageCache* cache);
  PageAlloc::Result AllocPagesLocked(size_t npages) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  bool GrowLocked(size_t npages) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  // Pages that the system refused to back go back to the page allocator.
  void GiveUpPages(PageAlloc::Result r, size_t npages);
  void ClearBits(Span* span);
  void ReleasePages(size_t page, size_t npages) ABSL_NO_THREAD_SAFETY_ANALYSIS;
  bool BackPages(const PageAlloc::Result& r, size_t npages, SoftLimit at_soft);
  bool MakeRoomBelowSoft(uint64_t more, SoftLimit at_soft);
  bool UseBelowHard(void* p, size_t bytes, uint64_t more) ABSL_LOCKS_EXCLUDED(hard_lock_);
  bool MayGrowTables(size_t arenas) const;
  bool MakeRoomForGrowth(size_t npages);

  OsMemory* os_ = nullptr;
  Cage cage_;
  HeapStats stats_;
  MemoryLimits limits_;
  Lock hard_lock_;  // nothing is locked inside it
  Lock lock_;
  PageAlloc pages_ ABSL_GUARDED_BY(lock_);
  size_t grown_pages_ ABSL_GUARDED_BY(lock_) = 0;
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_PAGE_HEAP_H_
