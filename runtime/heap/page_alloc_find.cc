// The search of PageAlloc: the lowest run of free pages that is long enough.
#include <algorithm>

#include "runtime/base/bits.h"
#include "runtime/base/check.h"
#include "runtime/heap/page_alloc.h"

namespace tarn::rt {
namespace {

// The lowest region known to hold a free page. Regions come in the order of the search; each either
// lies inside the one before, which is then narrowed, or above it.
class FirstFree {
 public:
  void See(size_t page, size_t npages) {
    if (page >= end_) return;
    TARN_ASSERT(page >= base_ && npages <= end_ - page);
    base_ = page;
    end_ = page + npages;
  }
  size_t base() const { return base_; }

 private:
  size_t base_ = 0;
  size_t end_ = ~size_t{0};
};

}  // namespace

// The lowest page at or above `page` in a chunk of the heap.
size_t PageAlloc::MappedAtOrAbove(size_t page) const {
  const size_t chunk = ranges_.AtOrAbove(page / kChunkPages);
  if (chunk == ChunkRanges::kNoChunk) return kNone;
  return std::max(page, chunk * kChunkPages);
}

PageAlloc::Found PageAlloc::FindInChunk(size_t chunk, size_t npages, size_t from) const {
  const PageBits::Found found = chunks_[chunk].Find(npages, from);
  TARN_CHECK(found.page != PageBits::kNotFound);  // else I1 or I2 is broken
  return {chunk * kChunkPages + found.page, chunk * kChunkPages + found.first_free};
}

// The children of entry `parent` of the level above (all of the root level for level 0), less those
// that I2 rules out.
PageAlloc::Block PageAlloc::BlockAt(unsigned level, size_t parent) const {
  Block b;
  b.begin = level == 0 ? 0 : parent * kFanout;
  b.end = b.begin + kFanout;
  if (level == 0) {
    b.end = DivideUp(ranges_.end(), size_t{1} << (kLogFanout * kLeaf));
  }
  const size_t search_entry = search_ >> LogPages(level);
  b.first = std::clamp(search_entry, b.begin, b.end);
  return b;
}

PageAlloc::Found PageAlloc::Find(size_t npages) const {
  FirstFree first_free;
  size_t entry = 0;  // the entry being descended into
  for (unsigned level = 0; level < kLevels; ++level) {
    const unsigned log_pages = LogPages(level);
    const size_t entry_pages = size_t{1} << log_pages;
    const PageSummary* const entries = levels_[level];
    const Block block = BlockAt(level, entry);
    size_t run = 0;  // free pages that end the entries seen so far
    bool descend = false;
    for (size_t i = block.first; i < block.end; ++i) {
      const PageSummary s = entries[i];
      if (!s.HasFree()) {
        run = 0;
        continue;
      }
      first_free.See(i << log_pages, entry_pages);
      const size_t start = s.start();
      if (run + start >= npages) {
        return {(i << log_pages) - run, MappedAtOrAbove(first_free.base())};
      }
      if (s.max() >= npages) {
        entry = i;
        descend = true;
        break;
      }
      run = start == entry_pages ? run + entry_pages : s.end();
    }
    if (descend) continue;
    TARN_CHECK(level == 0);  // else I1 is broken: the parent promised a run
    return {};
  }
  const Found found = FindInChunk(entry, npages, 0);
  const size_t chunk_end = (entry + 1) * kChunkPages;
  first_free.See(found.first_free, chunk_end - found.first_free);
  return {found.page, MappedAtOrAbove(first_free.base())};
}

}  // namespace tarn::rt
