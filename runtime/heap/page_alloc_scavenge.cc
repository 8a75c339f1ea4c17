// The part of PageAlloc that gives free pages back to the system.
#include "runtime/base/check.h"
#include "runtime/heap/page_alloc.h"

namespace tarn::rt {

size_t PageAlloc::Scavenge(size_t npages, ScavengeMode mode, ReleaseFn release, StopFn stop) {
  size_t released = 0;
  while (released < npages && !stop()) {
    const ScavengeIndex::Position at = index_.Find(mode);
    if (at.chunk == ScavengeIndex::kNoChunk) break;
    released += ScavengeChunk(at, npages - released, release);
  }
  return released;
}

size_t PageAlloc::ScavengeChunk(ScavengeIndex::Position at, size_t npages, ReleaseFn release) {
  PageBits& bits = chunks_[at.chunk];
  PageBits::Range range;
  if (levels_[kLeaf][at.chunk].max() >= min_release_) {
    range = bits.FindScavengeCandidate(at.page, min_release_, npages, huge_pages_);
    // Pages above at.page may have been freed since the cursor was set.
    if (range.npages == 0) {
      range = bits.FindScavengeCandidate(kChunkPages - 1, min_release_, npages, huge_pages_);
    }
  }
  if (range.npages == 0) {
    index_.SetEmpty(at.chunk);  // keeps I6
    return 0;
  }
  const size_t page = at.chunk * kChunkPages + range.page;

  // In use while the lock may be dropped, so that nobody else takes the pages.
  bits.used.SetRange(range.page, range.npages);
  free_pages_ -= range.npages;
  held_pages_ += range.npages;
  UpdateSummaries(page, range.npages, PageSummary());

  release(page, range.npages);

  bits.used.ClearRange(range.page, range.npages);
  bits.scavenged.SetRange(range.page, range.npages);
  free_pages_ += range.npages;
  scavenged_free_pages_ += range.npages;
  held_pages_ -= range.npages;
  LowerSearch(page);
  UpdateSummaries(page, range.npages, PageSummary());
  return range.npages;
}

}  // namespace tarn::rt
