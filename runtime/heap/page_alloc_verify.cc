// PageAlloc::Verify: each invariant of page_alloc.h, walked over the chunks of the heap.
#include <algorithm>

#include "runtime/base/bits.h"
#include "runtime/base/check.h"
#include "runtime/heap/page_alloc.h"

namespace tarn::rt {

void PageAlloc::Verify() const {
  ranges_.Verify();
  size_t free = 0;
  size_t scavenged = 0;
  size_t lazy = 0;
  size_t held = 0;
  size_t left_out = 0;
  size_t runs = 0;
  for (size_t i = 0; i < ranges_.size(); ++i) {
    runs += LeftOutRunsFrom(ranges_[i].first, ranges_[i].end);
    for (size_t c = ranges_[i].first; c < ranges_[i].end; ++c) {
      left_out += IsLeftOut(c) ? 1 : 0;
      free += VerifyChunk(c);
      scavenged += chunks_[c].scavenged.Count();
      lazy += chunks_[c].scavenged.CountBoth(chunks_[c].lazy, 0, kChunkPages);
      held += chunks_[c].used.Count() - index_.record(c).inuse;
    }
  }
  TARN_CHECK(free == free_pages_);                 // I4
  TARN_CHECK(scavenged == scavenged_free_pages_);  // I4, with I3
  TARN_CHECK(lazy == lazily_free_pages_);          // I4
  TARN_CHECK(held == held_pages_);                 // I5
  TARN_CHECK(left_out == left_out_chunks_);        // I7
  TARN_CHECK(runs == left_out_runs_);              // I7
  index_.VerifyCursor(max_chunks_);
  for (unsigned level = 0; level < kLevels; ++level) VerifyLevel(level);
  TARN_CHECK(search_ == kNone || ranges_.Contains(search_ / kChunkPages));  // I2
  TARN_CHECK(search_ != kNone || free == 0);                                // I2
}

// Returns the number of free pages.
size_t PageAlloc::VerifyChunk(size_t chunk) const {
  const PageBits& bits = chunks_[chunk];
  const size_t used = bits.used.Count();
  for (size_t w = 0; w < kChunkWords; ++w) {
    TARN_CHECK((bits.used.Word(w) & bits.scavenged.Word(w)) == 0);  // I3
  }
  const PageBits::Found lowest = bits.Find(1, 0);
  TARN_CHECK(lowest.page == PageBits::kNotFound ||
             chunk * kChunkPages + lowest.page >= search_);  // I2
  TARN_CHECK(levels_[kLeaf][chunk] == bits.Summarize());     // I1
  index_.VerifyChunk(chunk, used, held_pages_);
  const bool is_listed = (index_.record(chunk).flags & ScavengeRecord::kHasFree) != 0;
  TARN_CHECK(is_listed ||
             bits.FindScavengeCandidate(kChunkPages - 1, min_release_, 0, 0).npages == 0);  // I6
  return kChunkPages - used;
}

// True if the heap has grown into the region of the entry.
bool PageAlloc::CoversHeap(unsigned level, size_t entry) const {
  const unsigned shift = kLogFanout * (kLeaf - level);
  const size_t chunk = ranges_.AtOrAbove(entry << shift);
  return chunk != ChunkRanges::kNoChunk && chunk >> shift == entry;
}

// Checks the entries of `level` in all blocks that hold an entry of the heap. VerifyChunk checks
// the leaves of the heap itself.
void PageAlloc::VerifyLevel(unsigned level) const {
  const unsigned shift = kLogFanout * (kLeaf - level);
  size_t next = 0;  // entries below it are checked
  for (size_t r = 0; r < ranges_.size(); ++r) {
    const size_t first = RoundDown(size_t{ranges_[r].first} >> shift, kFanout);
    const size_t last = RoundUp(((size_t{ranges_[r].end} - 1) >> shift) + 1, kFanout);
    const size_t end = std::min(last, plan_.level_entries[level]);
    for (size_t i = std::max(next, first); i < end; ++i) {
      const PageSummary s = levels_[level][i];
      if (!CoversHeap(level, i)) {
        TARN_CHECK(!s.HasFree());  // I1
      } else if (level != kLeaf) {
        const PageSummary* const children = levels_[level + 1] + i * kFanout;
        TARN_CHECK(s == PageSummary::Merge(children, LogPages(level + 1)));  // I1
      }
    }
    next = std::max(next, end);
  }
}

}  // namespace tarn::rt
