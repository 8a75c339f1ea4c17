// PageAlloc: hands out runs of heap pages, address-ordered first fit, and knows which free pages
// the system holds (scavenged: released, or never used). Pages are numbered from the base of the
// cage; nothing here touches the pages themselves.
// Structure: a chunk (512 pages) has three bitmaps; above them a tree of summaries (free pages at
// the start, at the end, longest run), each level packing 8 regions into one. The root level has as
// many entries as the cage needs. A search descends from the root into the first region that can
// hold the request.
// Not here: making pages accessible (page_heap.h), spans, how much to release and when (the
// scavenger).
// I1 The summary of a chunk is that of its bitmap; a parent is the merge of its children; entries of
//    regions that the heap did not grow into are zero.
// I2 No page below search_ is free. search_ lies in a chunk of the heap, or is kNone: no page is
//    free.
// I3 A page in use has its scavenged bit clear.
// I4 free_pages_, scavenged_free_pages_ and lazily_free_pages_ count what the bitmaps say.
// I5 The scavenge index counts the pages in use of each chunk, without those that Scavenge holds.
// I6 A chunk that the scavenge index does not list has nothing to release.
// I7 left_out_chunks_ chunks have a record that says left out, in left_out_runs_ runs; a run more is begun
//    only below kMaxLeftOutRuns.
// Locking: external; every call needs the heap lock. Scavenge calls back to let the caller drop it.
// Cost: a search is O(levels * 8 + root entries), an allocation or free rewrites at most 5 summaries
// of each end. Tables: about 210 bytes per chunk of 4 MiB, mapped where the heap has grown.
#ifndef TARN_RUNTIME_HEAP_PAGE_ALLOC_H_
#define TARN_RUNTIME_HEAP_PAGE_ALLOC_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "runtime/heap/chunk_ranges.h"
#include "runtime/heap/meta_region.h"
#include "runtime/heap/page_bits.h"
#include "runtime/heap/page_cache.h"
#include "runtime/heap/page_summary.h"
#include "runtime/heap/scavenge_index.h"
#include "runtime/os/os_memory.h"

namespace tarn::rt {

class PageAlloc {
 public:
  using Result = PageRun;
  static constexpr size_t kNone = kNoPage;
  // 48 bits of address space.
  static constexpr size_t kMaxChunks = size_t{1} << 26;

  struct PageRange {
    size_t page = 0;
    size_t npages = 0;
  };
  // Gives free pages back to the system. `idle`: whole groups of 64 pages around them, or their whole
  // chunk, of which afterwards no page is in use or backed; until the return nobody takes one of them,
  // so that tables about them can be dropped as well. May be empty. Called with the heap lock held;
  // may drop and retake it.
  using ReleaseFn = absl::FunctionRef<Release(PageRange pages, PageRange idle)>;
  // True to end a scavenge request early. Called with the heap lock held.
  using StopFn = absl::FunctionRef<bool()>;

  constexpr PageAlloc() = default;
  PageAlloc(const PageAlloc&) = delete;
  PageAlloc& operator=(const PageAlloc&) = delete;

  // Reserves the tables for pages [0, max_chunks * 512). False, with nothing kept, when the system
  // refuses. `os` must outlive this.
  [[nodiscard]] bool Init(OsMemory& os, size_t max_chunks);
  // Returns the tables to the system. For failed set-up and tests: the heap of a process never
  // ends.
  void Destroy();

  // Adds [page, page + npages), whole chunks of Prepared memory, as free and scavenged. False, with
  // nothing changed, when the tables cannot be mapped.
  [[nodiscard]] bool Grow(size_t page, size_t npages);

  // The lowest run of `npages` free pages.
  Result Alloc(size_t npages);
  // Frees pages in use, of one or several allocations.
  void Free(size_t page, size_t npages);
  // The same for pages that the system holds: all given back in the way `how`, or, without it, as they
  // were when they were allocated.
  void FreeReleased(size_t page, size_t npages, std::optional<Release> how);

  // Takes all free pages of the 64-page block that holds the lowest free page. Empty if none is
  // free.
  PageCache AllocToCache();
  // Returns what is left in the cache, and empties it.
  void FlushCache(PageCache& cache);

  // Releases free pages, top down, until at least `npages` are released, `stop` says so, or nothing
  // is left that `mode` allows. Returns the number released; it may exceed the request to keep a
  // huge page whole.
  size_t Scavenge(size_t npages, ScavengeMode mode, ReleaseFn release, StopFn stop);
  // One step of it: at most about `npages` from one chunk. Returns 0 if `at` has nothing to give.
  size_t ScavengeChunk(ScavengeIndex::Position at, size_t npages, ScavengeMode mode,
                       ReleaseFn release);
  // For huge pages: the next chunk to collapse at or above *next_chunk, all of it backed and nearly
  // all in use for a while (scavenge_index.h); kNoChunk if there is none before *next_chunk, which it
  // moves, has gone a bounded number of chunks.
  size_t TakeDenseChunk(size_t* next_chunk);
  ScavengeIndex& scavenge_index() { return index_; }

  // For core dumps (page_dump.cc): marks the highest run of chunks below chunk *below that are all free
  // and not left out yet, and returns it; moves *below to where to go on, 0 at the end. Empty if there
  // is none within a bounded number of chunks; short runs and what exceeds kMaxLeftOutRuns do not count.
  PageRange LeaveOutNext(size_t* below);
  // True if a page of the range lies in a chunk that is marked.
  bool AnyLeftOut(size_t page, size_t npages) const;
  // Whole chunks that hold all marked ones of the range, and some above, or the whole runs. Empty if
  // none is marked.
  PageRange LeftOutAround(size_t page, size_t npages, bool whole_run) const;
  void SetLeftOut(PageRange chunks, bool left_out);
  // Each run has a mapping, and splits another: a process has 65 530.
  static constexpr size_t kMaxLeftOutRuns = 1000;

  // 0 turns huge pages off. Set from the system by Init.
  void SetHugePageBytes(size_t bytes);

  size_t FreePages() const { return free_pages_; }
  // Of FreePages(), those that the system holds.
  size_t ScavengedFreePages() const { return scavenged_free_pages_; }
  // Of ScavengedFreePages(), those that the system may still hold in memory.
  size_t LazilyFreePages() const { return lazily_free_pages_; }
  // Pages that a release keeps from being allocated: neither free nor in use; and those of them that
  // the system holds already.
  size_t HeldPages() const { return held_pages_; }
  size_t HeldScavengedPages() const { return held_scavenged_pages_; }
  const ChunkRanges& ranges() const { return ranges_; }
  // Bytes of tables made accessible so far.
  size_t TableBytes() const { return meta_.ready_bytes(); }

  // Walks all invariants; aborts if one does not hold.
  void Verify() const;

 private:
  friend struct PageAllocPeer;

  static constexpr unsigned kLevels = 5;
  static constexpr unsigned kLeaf = kLevels - 1;
  static constexpr unsigned kLogFanout = PageSummary::kLogFanout;
  static constexpr size_t kFanout = PageSummary::kFanout;
  static constexpr unsigned kLogChunkPages = 9;

  // log2 of the pages that an entry of `level` covers.
  static constexpr unsigned LogPages(unsigned level) {
    return kLogChunkPages + (kLeaf - level) * kLogFanout;
  }
  static_assert(size_t{1} << kLogChunkPages == kChunkPages);
  static_assert(kLogChunkPages + kLeaf * kLogFanout == PageSummary::kLogMaxPages);

  // Where the tables lie in meta_.
  struct Plan {
    std::array<size_t, kLevels> level_offset;
    std::array<size_t, kLevels> level_entries;
    size_t chunks_offset, records_offset, listed_offset, groups_offset, ranges_offset;
    size_t groups_bytes;
    size_t bytes;
  };
  static Plan MakePlan(size_t max_chunks);

  // The pages that a search found, and the lowest free page that it saw.
  struct Found {
    size_t page = kNone;
    size_t first_free = kNone;
  };
  // Entries of one level that the search has to look at.
  struct Block {
    size_t begin, first, end;
  };

  [[nodiscard]] bool EnsureTables(size_t first_chunk, size_t end_chunk);
  Found Find(size_t npages) const;
  Found FindInChunk(size_t chunk, size_t npages, size_t from) const;
  Block BlockAt(unsigned level, size_t parent) const;
  size_t MappedAtOrAbove(size_t page) const;
  void RaiseSearch(size_t page);
  void LowerSearch(size_t page);

  size_t TakePages(size_t page, size_t npages);
  size_t HoldPages(size_t chunk, PageBits::Range range);
  void PutBackHeld(size_t chunk, PageBits::Range range, PageBits::Range released, Release how);
  PageCache TakeBlock(size_t page);
  template <class F>
  void FreeEach(size_t page, size_t npages, F&& note);
  void UpdateSummaries(size_t page, size_t npages, PageSummary middle);

  bool IsLeftOut(size_t chunk) const;
  bool CanLeaveOut(size_t chunk) const;
  // Runs of marked chunks that begin in chunks [first, end).
  size_t LeftOutRunsFrom(size_t first, size_t end) const;

  size_t VerifyChunk(size_t chunk) const;
  void VerifyLevel(unsigned level) const;
  bool CoversHeap(unsigned level, size_t entry) const;

  PageBits* chunks_ = nullptr;
  std::array<PageSummary*, kLevels> levels_{};
  Plan plan_{};
  size_t max_chunks_ = 0;
  size_t search_ = kNone;
  size_t free_pages_ = 0;
  size_t scavenged_free_pages_ = 0;
  size_t lazily_free_pages_ = 0;
  size_t held_pages_ = 0;  // marked in use by ScavengeChunk while they are released
  size_t held_scavenged_pages_ = 0;
  size_t left_out_chunks_ = 0;
  size_t left_out_runs_ = 0;
  size_t min_release_ = 1;  // pages of one OS page, at least one
  size_t huge_pages_ = 0;   // pages of one huge page, 0 if there is none or it exceeds a chunk
  ChunkRanges ranges_;
  ScavengeIndex index_;
  MetaRegion meta_;
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_PAGE_ALLOC_H_
