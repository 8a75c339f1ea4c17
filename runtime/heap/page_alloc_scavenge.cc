// The part of PageAlloc that gives free pages back to the system.
#include <algorithm>

#include "runtime/base/check.h"
#include "runtime/heap/page_alloc.h"

namespace tarn::rt {

size_t PageAlloc::Scavenge(size_t npages, ScavengeMode mode, ReleaseFn release, StopFn stop) {
  size_t released = 0;
  while (released < npages && !stop()) {
    const ScavengeIndex::Position at = index_.Find(mode);
    if (at.chunk == ScavengeIndex::kNoChunk) break;
    released += ScavengeChunk(at, npages - released, mode, release);
  }
  return released;
}

// The pages are in use while the lock may be dropped, so that nobody else takes them. Returns how many
// of them were scavenged.
size_t PageAlloc::HoldPages(size_t chunk, PageBits::Range range) {
  PageBits& bits = chunks_[chunk];
  const size_t scavenged = bits.scavenged.CountRange(range.page, range.npages);
  scavenged_free_pages_ -= scavenged;
  held_scavenged_pages_ += scavenged;
  if (lazily_free_pages_ != 0) {
    lazily_free_pages_ -= bits.scavenged.CountBoth(bits.lazy, range.page, range.npages);
  }
  bits.used.SetRange(range.page, range.npages);
  bits.scavenged.ClearRange(range.page, range.npages);  // keeps I3
  free_pages_ -= range.npages;
  held_pages_ += range.npages;
  UpdateSummaries(chunk * kChunkPages + range.page, range.npages, PageSummary());
  return scavenged;
}

// All of `range` is scavenged now; `released`, a part of it, in this step.
void PageAlloc::PutBackHeld(size_t chunk, PageBits::Range range, PageBits::Range released,
                            Release how) {
  PageBits& bits = chunks_[chunk];
  bits.used.ClearRange(range.page, range.npages);
  bits.scavenged.SetRange(range.page, range.npages);
  if (how == Release::kLazily) {
    bits.lazy.SetRange(released.page, released.npages);
  } else {
    bits.lazy.ClearRange(released.page, released.npages);
  }
  free_pages_ += range.npages;
  scavenged_free_pages_ += range.npages;
  lazily_free_pages_ += bits.scavenged.CountBoth(bits.lazy, range.page, range.npages);
  held_pages_ -= range.npages;
  LowerSearch(chunk * kChunkPages + range.page);
  UpdateSummaries(chunk * kChunkPages + range.page, range.npages, PageSummary());
}

size_t PageAlloc::ScavengeChunk(ScavengeIndex::Position at, size_t npages, ScavengeMode mode,
                                ReleaseFn release) {
  PageBits& bits = chunks_[at.chunk];
  // A huge page that is nearly all in use stays whole, unless memory is short.
  const size_t spare = mode == ScavengeMode::kBackground ? DenseOf(huge_pages_) : 0;
  const auto find = [&](size_t from, size_t spared) {
    return bits.FindScavengeCandidate(from, min_release_, npages, huge_pages_, spared);
  };
  PageBits::Range range;
  if (levels_[kLeaf][at.chunk].max() >= min_release_) {
    range = find(at.page, spare);
    // Pages above at.page may have been freed since the cursor was set.
    if (range.npages == 0) range = find(kChunkPages - 1, spare);
  }
  if (range.npages == 0) {
    if (spare != 0 && find(kChunkPages - 1, 0).npages != 0) {
      index_.PassOver(at.chunk);
    } else {
      index_.SetEmpty(at.chunk);  // keeps I6
    }
    return 0;
  }
  const PageBits::Range idle = bits.IdleAround(range);
  PageBits::Range held = range;
  if (idle.npages != 0) {
    held.page = std::min(range.page, idle.page);
    held.npages = std::max(range.page + range.npages, idle.page + idle.npages) - held.page;
  }
  index_.SetCollapsed(at.chunk, false);
  const size_t scavenged = HoldPages(at.chunk, held);
  const size_t base = at.chunk * kChunkPages;
  const Release how = release({base + range.page, range.npages}, {base + idle.page, idle.npages});
  held_scavenged_pages_ -= scavenged;
  PutBackHeld(at.chunk, held, range, how);
  return range.npages;
}

size_t PageAlloc::TakeDenseChunk(size_t* next_chunk) {
  constexpr size_t kMaxSteps = 256;  // the heap lock is held meanwhile
  for (size_t i = 0; i < kMaxSteps; ++i) {
    const size_t chunk = ranges_.AtOrAbove(*next_chunk);
    if (chunk == ChunkRanges::kNoChunk) {
      *next_chunk = ranges_.end();
      break;
    }
    *next_chunk = chunk + 1;
    // A chunk with released pages would be backed beyond what is accounted.
    if (!index_.WantsCollapse(chunk) || chunks_[chunk].scavenged.Count() != 0) continue;
    index_.SetCollapsed(chunk, true);
    return chunk;
  }
  return ScavengeIndex::kNoChunk;
}

}  // namespace tarn::rt
