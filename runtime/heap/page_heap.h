// PageHeap: spans out of pages. Owns the cage and the page allocator, grows the heap, keeps the
// page columns of the ledger.
// Not here: which slots of a span are free (thread_cache.h, span_sweep.h).
// I1 A page is in a span (entry in use), in a thread's page cache, or free in the page allocator.
// I2 The ledger's released and lazily free pages change under the heap lock together with the page
//    allocator's, except that an allocation subtracts what it took a moment later.
// I3 Pages that are handed out are in core dumps (page_dump.cc).
// Locking: lock_ ("heap lock") guards the page allocator and growth; a page cache belongs to its
// thread. No system call that gives memory back, or changes what core dumps hold, runs under it.
// dump_lock_ (page_dump.cc) is taken before it.
// Cost: from the page cache no lock; else one lock and O(levels) summary updates; in memory that core
// dumps leave out, one system call per 16 MiB.
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

// Pages on their way into a span whose addresses a mapping gets.
struct LentPages {
  size_t page = kNoPage;  // what the span will have
  size_t npages = 0;
  PageRun run{};  // what was taken: more, if the pages are to be aligned
  size_t run_pages = 0;
  Release how = Release::kNow;    // in which way those that had been in use were given back
  bool are_edges_backed = false;  // the run without the pages is not released
};

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
  // The same if nobody holds the heap lock: for handshakes, which should not wait.
  void TryFlushCache(PageCache& cache);

  // --- Addresses for mappings (page_heap_lent.cc), in this order ---

  // Inside the runtime. Pages for a span, at an address that is a multiple of `align_bytes` (a
  // power of two, whole pages). False when the cage is used up, the system refuses memory for
  // tables, or the hard limit does.
  [[nodiscard]] bool TakeForLending(size_t npages, size_t align_bytes, LentPages& pages);
  // The first `bytes` of the pages become what is mapped at `staged`. May take as long as the system
  // takes, and needs no lock: call it as a blocked thread. 0, or the errno with which the system
  // refuses.
  [[nodiscard]] int Lend(LentPages& pages, size_t bytes, void* staged);
  // Inside the runtime, one of the two: the span, as AllocSpan makes one; or nothing, when Lend failed.
  Span* MakeLentSpan(const LentPages& pages, const SpanClassInfo& info, uint16_t span_class,
                     uint32_t sweepgen);
  void GiveUpLent(const LentPages& pages);
  // Between MakeLentSpan and Publish, as a blocked thread: the page entries that Publish, and later
  // FreeSpan, leave alone. They name a span without an allocated object.
  void SetInnerEntries(Span* span, bool noscan);
  static size_t OuterPages(const Span* span);  // the others are inner ones
  // What is mapped at the first `bytes` of the span ends, and access faults. The span stays as it is.
  [[nodiscard]] bool CloseLent(Span* span, size_t bytes) {
    return os_->CloseLent(reinterpret_cast<void*>(cage_.BaseOf(span)), bytes);
  }
  // The driver: the object in the span is dead. What is mapped at its first `bytes` ends, and the span is
  // fit for FreeSpan; if the system refuses, FreeSpan will not free its pages, and the result is false.
  bool TakeBack(Span* span, size_t bytes);
  // The same for one of which a part is gone: nothing is done to what is there instead, ever.
  void Abandon(Span* span) { EndLent(span, SpanBacking::kLost); }

  // Gives free pages back to the system, the highest first, until at least `bytes` are released,
  // nothing is left that `mode` allows, or `stop` (called with the heap lock) says so. Returns the
  // bytes released: more than asked for where a huge page would be broken otherwise. The system is
  // called without the heap lock; what is being released can be neither allocated nor freed
  // meanwhile. Thread-safe; the caller holds no lock that the heap lock may be taken under, and is
  // inside the runtime or no mutator.
  uint64_t Scavenge(uint64_t bytes, ScavengeMode mode, PageAlloc::StopFn stop = NeverStop());
  // A cycle has ended: what is in use now is its peak.
  void NextScavengeGeneration();
  // Bytes of the heap that the system backs: spans and free pages.
  uint64_t RetainedBytes() const;
  // Makes the next chunk that is all backed and nearly all in use, at or above *next_chunk, consist
  // of huge pages, if the system can. May take milliseconds. Moves *next_chunk; returns the bytes
  // looked at as a candidate, 0 if there was none. False positives cost one system call.
  uint64_t CollapseNext(size_t* next_chunk);
  // Chunks of which nothing is in use are left out of core dumps until something is. For the end of a
  // sweep: a few system calls, none with the heap lock. The caller is as that of Scavenge.
  void LeaveFreeOutOfDumps();
  // One above the last chunk.
  size_t EndChunk();

  Cage& cage() { return cage_; }
  const Cage& cage() const { return cage_; }
  HeapStats& stats() { return stats_; }
  const HeapStats& stats() const { return stats_; }
  MemoryLimits& limits() { return limits_; }
  // What limits are compared with.
  uint64_t MemoryBytes() const;
  // Releases free pages as far as `more` bytes would pass the soft limit. False if that is not
  // enough and the caller is to wait for the collector instead. Inside the runtime.
  bool MakeRoomBelowSoft(uint64_t more, SoftLimit at_soft);
  // Charges memory outside the heap, in one step with the look at the hard limit. False, and
  // nothing is charged, if that is passed, also after free pages were released. Inside the runtime.
  [[nodiscard]] bool ChargeBelowHard(uint64_t bytes) ABSL_LOCKS_EXCLUDED(hard_lock_);

  // Aborts if the page allocator, the page entries and the ledger disagree. World stopped and page
  // caches flushed, or no other thread.
  void Verify();

 private:
  static PageAlloc::StopFn NeverStop();
  PageAlloc::Result AllocPages(size_t npages, PageCache* cache);
  PageAlloc::Result AllocPagesLocked(size_t npages) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  PageAlloc::Result AllocFromCacheLocked(size_t npages, PageCache& cache)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void Include(size_t page, size_t npages) ABSL_LOCKS_EXCLUDED(dump_lock_, lock_);
  bool SetDumped(PageAlloc::PageRange pages, bool wanted);
  bool GrowLocked(size_t npages, SpanBacking what = SpanBacking::kHeap)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  // Pages that the system refused to back go back to the page allocator.
  void GiveUpPages(PageAlloc::Result r, size_t npages);
  void GiveUpPartOfOsPages(PageAlloc::Result r, size_t npages);
  void ClearBits(Span* span);
  Release ReleasePages(PageAlloc::PageRange pages, PageAlloc::PageRange idle);
  void PublishLazilyFreeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  bool BackPages(const PageAlloc::Result& r, size_t npages, SoftLimit at_soft);
  bool UseBelowHard(void* p, size_t bytes, uint64_t more) ABSL_LOCKS_EXCLUDED(hard_lock_);
  uint64_t GrowthExcess(size_t npages, SpanBacking what = SpanBacking::kHeap) const;
  PageAlloc::Result AllocForLending(size_t npages, size_t align_bytes);
  size_t AlignedPage(size_t page, size_t align_bytes) const;
  void FreeEdgeLocked(const LentPages& pages, size_t from, size_t to)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void FreeEdgesLocked(const LentPages& pages) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void FreeLentSpan(Span* span);
  void EndLent(Span* span, SpanBacking backing);
  bool HasLent(size_t page) const;
  static void InitSpan(Span* s, const SpanClassInfo& info, uint16_t span_class, size_t npages,
                       uint32_t sweepgen);
  bool MakeRoomForGrowth(size_t npages);

  OsMemory* os_ = nullptr;
  Cage cage_;
  HeapStats stats_;
  MemoryLimits limits_;
  Lock hard_lock_;  // nothing is locked inside it
  Lock dump_lock_ ABSL_ACQUIRED_BEFORE(lock_);
  Lock lock_;
  PageAlloc pages_ ABSL_GUARDED_BY(lock_);
  size_t grown_pages_ ABSL_GUARDED_BY(lock_) = 0;
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_PAGE_HEAP_H_
