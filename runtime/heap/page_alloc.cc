#include "runtime/heap/page_alloc.h"

#include <algorithm>
#include <bit>

#include "runtime/base/bits.h"
#include "runtime/base/check.h"

namespace tarn::rt {

using internal::kPageBytes;

PageAlloc::Plan PageAlloc::MakePlan(size_t max_chunks) {
  Plan plan{};
  const auto place = [&plan](size_t bytes) {
    const size_t at = plan.bytes;
    plan.bytes += RoundUp(bytes, MetaRegion::kGranuleBytes);
    return at;
  };
  for (unsigned level = 0; level < kLevels; ++level) {
    // Below the root, whole blocks of children.
    const size_t entries = DivideUp(max_chunks, size_t{1} << (kLogFanout * (kLeaf - level)));
    plan.level_entries[level] = level == 0 ? entries : RoundUp(entries, kFanout);
    plan.level_offset[level] = place(plan.level_entries[level] * sizeof(PageSummary));
  }
  const size_t groups = DivideUp(max_chunks, 64);
  plan.groups_bytes = DivideUp(groups, 64) * sizeof(uint64_t);
  plan.groups_offset = place(plan.groups_bytes);
  plan.listed_offset = place(groups * sizeof(uint64_t));
  plan.records_offset = place(max_chunks * sizeof(uint64_t));
  plan.ranges_offset = place(ChunkRanges::Capacity(max_chunks) * sizeof(ChunkRanges::Range));
  plan.chunks_offset = place(max_chunks * sizeof(PageBits));
  return plan;
}

bool PageAlloc::Init(OsMemory& os, size_t max_chunks) {
  TARN_CHECK(0 < max_chunks && max_chunks <= kMaxChunks && max_chunks_ == 0);
  const Plan plan = MakePlan(max_chunks);
  if (!meta_.Init(os, plan.bytes)) return false;
  os.Dump(meta_.base(), RoundUp(plan.bytes, MetaRegion::kGranuleBytes), false);
  if (!meta_.EnsureReady(plan.level_offset[0], plan.level_entries[0] * sizeof(PageSummary)) ||
      !meta_.EnsureReady(plan.groups_offset, plan.groups_bytes)) {
    meta_.Destroy();
    return false;
  }
  char* const base = meta_.base();
  plan_ = plan;
  for (unsigned level = 0; level < kLevels; ++level) {
    levels_[level] = reinterpret_cast<PageSummary*>(base + plan.level_offset[level]);
  }
  chunks_ = reinterpret_cast<PageBits*>(base + plan.chunks_offset);
  ranges_ = ChunkRanges(reinterpret_cast<ChunkRanges::Range*>(base + plan.ranges_offset));
  ScavengeIndex::Tables tables;
  tables.records = reinterpret_cast<uint64_t*>(base + plan.records_offset);
  tables.listed = reinterpret_cast<uint64_t*>(base + plan.listed_offset);
  tables.groups = reinterpret_cast<uint64_t*>(base + plan.groups_offset);
  index_ = ScavengeIndex(tables);
  max_chunks_ = max_chunks;
  min_release_ = std::max<size_t>(1, os.PhysicalPageBytes() / kPageBytes);
  SetHugePageBytes(os.HugePageBytes());
  return true;
}

void PageAlloc::Destroy() {
  meta_.Destroy();
  ranges_ = ChunkRanges();
  index_ = ScavengeIndex();
  chunks_ = nullptr;
  levels_ = {};
  max_chunks_ = free_pages_ = scavenged_free_pages_ = lazily_free_pages_ = 0;
  left_out_chunks_ = left_out_runs_ = 0;
  search_ = kNone;
}

void PageAlloc::SetHugePageBytes(size_t bytes) {
  const size_t pages = bytes / kPageBytes;
  huge_pages_ = pages <= kChunkPages ? pages : 0;
}

// Makes the tables accessible for chunks [first, end), and for one more range. What a failure
// leaves accessible is zero and unused.
bool PageAlloc::EnsureTables(size_t first, size_t end) {
  const auto ensure = [this](size_t offset, size_t begin, size_t count, size_t bytes) {
    return meta_.EnsureReady(offset + begin * bytes, count * bytes);
  };
  for (unsigned level = 1; level < kLevels; ++level) {
    const unsigned shift = kLogFanout * (kLeaf - level);
    const size_t begin = RoundDown(first >> shift, kFanout);
    const size_t stop = RoundUp(((end - 1) >> shift) + 1, kFanout);
    if (!ensure(plan_.level_offset[level], begin, stop - begin, sizeof(PageSummary))) return false;
  }
  return ensure(plan_.chunks_offset, first, end - first, sizeof(PageBits)) &&
         ensure(plan_.records_offset, first, end - first, sizeof(uint64_t)) &&
         ensure(plan_.listed_offset, first / 64, (end - 1) / 64 - first / 64 + 1,
                sizeof(uint64_t)) &&
         ensure(plan_.ranges_offset, 0, ranges_.size() + 1, sizeof(ChunkRanges::Range));
}

bool PageAlloc::Grow(size_t page, size_t npages) {
  TARN_CHECK(npages != 0 && IsAligned(page | npages, kChunkPages));
  const size_t first = page / kChunkPages;
  const size_t end = (page + npages) / kChunkPages;
  TARN_CHECK(end <= max_chunks_ && !ranges_.Overlaps(first, end));
  if (!EnsureTables(first, end)) return false;
  ranges_.Add(first, end);
  for (size_t c = first; c < end; ++c) chunks_[c].scavenged.SetRange(0, kChunkPages);
  free_pages_ += npages;
  scavenged_free_pages_ += npages;
  LowerSearch(page);
  UpdateSummaries(page, npages, PageSummary::Free(kChunkPages));
  return true;
}

// keeps I2
void PageAlloc::LowerSearch(size_t page) { search_ = std::min(search_, page); }

// keeps I2; `page` is kNone or a page of the heap.
void PageAlloc::RaiseSearch(size_t page) { search_ = std::max(search_, page); }

PageAlloc::Result PageAlloc::Alloc(size_t npages) {
  TARN_CHECK(npages != 0);
  if (npages > free_pages_) return {};
  const size_t chunk = search_ / kChunkPages;
  const size_t from = search_ % kChunkPages;
  // Most requests fit into the chunk that the search starts in.
  const bool fits_here = from + npages <= kChunkPages && npages <= levels_[kLeaf][chunk].max();
  const Found found = fits_here ? FindInChunk(chunk, npages, from) : Find(npages);
  if (found.page == kNone) return {};
  const size_t scavenged = TakePages(found.page, npages);
  RaiseSearch(found.first_free);
  return {found.page, scavenged};
}

// Marks free pages in use; returns how many of them were scavenged.
size_t PageAlloc::TakePages(size_t page, size_t npages) {
  size_t scavenged = 0;
  for (size_t at = page; at < page + npages;) {
    const size_t chunk = at / kChunkPages;
    const size_t from = at % kChunkPages;
    const size_t n = std::min(kChunkPages - from, page + npages - at);
    PageBits& bits = chunks_[chunk];
    TARN_ASSERT(bits.used.CountRange(from, n) == 0);
    scavenged += bits.scavenged.CountRange(from, n);
    if (lazily_free_pages_ != 0) {
      lazily_free_pages_ -= bits.scavenged.CountBoth(bits.lazy, from, n);
    }
    bits.used.SetRange(from, n);
    bits.scavenged.ClearRange(from, n);  // keeps I3
    index_.Alloc(chunk, n);
    at += n;
  }
  free_pages_ -= npages;
  scavenged_free_pages_ -= scavenged;
  UpdateSummaries(page, npages, PageSummary());
  return scavenged;
}

void PageAlloc::Free(size_t page, size_t npages) {
  FreeEach(page, npages,
           [this](size_t chunk, size_t from, size_t n) { index_.Free(chunk, from + n - 1, n); });
}

void PageAlloc::FreeReleased(size_t page, size_t npages, std::optional<Release> how) {
  FreeEach(page, npages, [this, how](size_t chunk, size_t from, size_t n) {
    PageBits& bits = chunks_[chunk];
    bits.scavenged.SetRange(from, n);
    if (how == Release::kLazily) bits.lazy.SetRange(from, n);
    if (how == Release::kNow) bits.lazy.ClearRange(from, n);
    lazily_free_pages_ += bits.lazy.CountRange(from, n);
    index_.FreeScavenged(chunk, n);
  });
  scavenged_free_pages_ += npages;
}

// `note` is told of each chunk's part.
template <class F>
void PageAlloc::FreeEach(size_t page, size_t npages, F&& note) {
  TARN_CHECK(npages != 0);
  for (size_t at = page; at < page + npages;) {
    const size_t chunk = at / kChunkPages;
    const size_t from = at % kChunkPages;
    const size_t n = std::min(kChunkPages - from, page + npages - at);
    PageBits& bits = chunks_[chunk];
    TARN_CHECK(bits.used.CountRange(from, n) == n);
    bits.used.ClearRange(from, n);
    note(chunk, from, n);
    at += n;
  }
  free_pages_ += npages;
  LowerSearch(page);
  UpdateSummaries(page, npages, PageSummary::Free(kChunkPages));
}

PageCache PageAlloc::AllocToCache() {
  if (free_pages_ == 0) return {};
  const size_t chunk = search_ / kChunkPages;
  if (levels_[kLeaf][chunk].HasFree()) {
    return TakeBlock(FindInChunk(chunk, 1, search_ % kChunkPages).page);
  }
  return TakeBlock(Find(1).page);
}

// Takes the free pages of the 64-page block of `page`, which is free.
PageCache PageAlloc::TakeBlock(size_t page) {
  TARN_CHECK(page != kNone);
  const size_t base = RoundDown(page, PageCache::kPages);
  const size_t chunk = base / kChunkPages;
  const size_t word = base % kChunkPages / 64;
  PageBits& bits = chunks_[chunk];
  const uint64_t free = ~bits.used.Word(word);
  const uint64_t scavenged = bits.scavenged.Word(word) & free;
  const auto npages = static_cast<size_t>(std::popcount(free));
  lazily_free_pages_ -= static_cast<size_t>(std::popcount(scavenged & bits.lazy.Word(word)));
  bits.used.SetInWord(word, free);
  bits.scavenged.ClearInWord(word, free);  // keeps I3
  index_.Alloc(chunk, npages);
  free_pages_ -= npages;
  scavenged_free_pages_ -= static_cast<size_t>(std::popcount(scavenged));
  // The block was the lowest with a free page, and is full now.
  RaiseSearch(base + PageCache::kPages - 1);
  UpdateSummaries(base, PageCache::kPages, PageSummary());
  return {base, free, scavenged};
}

void PageAlloc::FlushCache(PageCache& cache) {
  const PageCache left = cache;
  cache = PageCache();
  if (left.Empty()) return;
  const size_t chunk = left.base() / kChunkPages;
  const size_t word = left.base() % kChunkPages / 64;
  const uint64_t free = left.free_bits();
  const uint64_t scavenged = left.scavenged_bits();
  PageBits& bits = chunks_[chunk];
  TARN_CHECK((bits.used.Word(word) & free) == free);
  bits.used.ClearInWord(word, free);
  bits.scavenged.SetInWord(word, scavenged);
  // What was released lazily still is, unless it was used meanwhile.
  lazily_free_pages_ += static_cast<size_t>(std::popcount(scavenged & bits.lazy.Word(word)));
  const auto released = static_cast<size_t>(std::popcount(scavenged));
  const auto dirty = static_cast<size_t>(std::popcount(free & ~scavenged));
  if (released != 0) index_.FreeScavenged(chunk, released);
  if (dirty != 0) {
    const auto top = 63 - static_cast<size_t>(std::countl_zero(free & ~scavenged));
    index_.Free(chunk, word * 64 + top, dirty);
  }
  free_pages_ += released + dirty;
  scavenged_free_pages_ += released;
  LowerSearch(left.base() + static_cast<size_t>(std::countr_zero(free)));
  UpdateSummaries(left.base(), PageCache::kPages, PageSummary());
}

// Restores I1 after the pages [page, page + npages) changed. Chunks between the first and the last
// now have the summary `middle`.
void PageAlloc::UpdateSummaries(size_t page, size_t npages, PageSummary middle) {
  size_t first = page / kChunkPages;
  size_t last = (page + npages - 1) / kChunkPages;
  bool changed = false;
  const auto store = [&changed](PageSummary& entry, PageSummary value) {
    changed |= entry != value;
    entry = value;
  };
  PageSummary* const leaf = levels_[kLeaf];
  store(leaf[first], chunks_[first].Summarize());
  for (size_t c = first + 1; c < last; ++c) store(leaf[c], middle);
  if (last != first) store(leaf[last], chunks_[last].Summarize());

  for (unsigned level = kLeaf; level-- > 0 && changed;) {
    changed = false;
    first /= kFanout;
    last /= kFanout;
    const PageSummary* const children = levels_[level + 1];
    for (size_t i = first; i <= last; ++i) {
      store(levels_[level][i], PageSummary::Merge(children + i * kFanout, LogPages(level + 1)));
    }
  }
}

}  // namespace tarn::rt
