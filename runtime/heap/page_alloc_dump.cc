// The part of PageAlloc that knows which chunks are left out of core dumps (page_dump.cc has the rest).
#include <algorithm>

#include "runtime/base/check.h"
#include "runtime/heap/page_alloc.h"

namespace tarn::rt {

namespace {

// 16 MiB: a smaller heap makes no system call for its core dumps.
constexpr size_t kLeastChunks = 4;
// So many come back at once, so that allocation makes one call for 16 MiB.
constexpr size_t kAheadChunks = 4;
// At most so much is looked at under one hold of the heap lock.
constexpr size_t kMaxSteps = 256;

}  // namespace

bool PageAlloc::IsLeftOut(size_t chunk) const {
  return ranges_.Contains(chunk) && (index_.record(chunk).flags & ScavengeRecord::kLeftOut) != 0;
}

// Nothing of the chunk is in use, and what is free may be backed: otherwise there is nothing to leave out.
bool PageAlloc::CanLeaveOut(size_t chunk) const {
  const ScavengeRecord r = index_.record(chunk);
  const unsigned flags = r.flags & (ScavengeRecord::kHasFree | ScavengeRecord::kLeftOut);
  // The record does not count what Scavenge holds.
  return r.inuse == 0 && flags == ScavengeRecord::kHasFree && chunks_[chunk].used.Count() == 0;
}

PageAlloc::PageRange PageAlloc::LeaveOutNext(size_t* below) {
  size_t end = std::min(*below, ranges_.end());
  if (left_out_runs_ >= kMaxLeftOutRuns) end = 0;  // keeps I7
  size_t first = end;                              // [first, end) can be left out
  for (size_t i = 0; i < kMaxSteps; ++i) {
    const size_t chunk = index_.ListedBelow(first);
    const bool is_free = chunk != ScavengeIndex::kNoChunk && CanLeaveOut(chunk);
    if (is_free && chunk + 1 == first) {
      first = chunk;
      continue;
    }
    if (end - first >= kLeastChunks) break;
    if (chunk == ScavengeIndex::kNoChunk) {
      first = end = 0;
      break;
    }
    first = chunk;
    end = is_free ? chunk + 1 : chunk;
  }
  *below = first;
  if (end - first < kLeastChunks) return {};
  const PageRange run = {first * kChunkPages, (end - first) * kChunkPages};
  SetLeftOut(run, true);
  return run;
}

bool PageAlloc::AnyLeftOut(size_t page, size_t npages) const {
  if (left_out_chunks_ == 0) return false;
  for (size_t c = page / kChunkPages; c <= (page + npages - 1) / kChunkPages; ++c) {
    if (IsLeftOut(c)) return true;
  }
  return false;
}

PageAlloc::PageRange PageAlloc::LeftOutAround(size_t page, size_t npages, bool whole_run) const {
  size_t first = page / kChunkPages;
  size_t end = (page + npages - 1) / kChunkPages + 1;
  while (first < end && !IsLeftOut(first)) ++first;
  if (first == end) return {};
  while (!IsLeftOut(end - 1)) --end;
  // Where a border more would be one too many, all above comes along.
  const bool all_above = whole_run || left_out_runs_ >= kMaxLeftOutRuns;  // keeps I7
  while ((all_above || end - first < kAheadChunks) && IsLeftOut(end)) ++end;
  while (whole_run && first > 0 && IsLeftOut(first - 1)) --first;
  return {first * kChunkPages, (end - first) * kChunkPages};
}

void PageAlloc::SetLeftOut(PageRange chunks, bool left_out) {
  const size_t first = chunks.page / kChunkPages;
  const size_t end = first + chunks.npages / kChunkPages;
  // Runs that begin in it or right above it: others stay as they are.
  left_out_runs_ -= LeftOutRunsFrom(first, end + 1);
  for (size_t c = first; c < end; ++c) {
    if (IsLeftOut(c) == left_out) continue;
    index_.SetLeftOut(c, left_out);
    left_out ? ++left_out_chunks_ : --left_out_chunks_;
  }
  left_out_runs_ += LeftOutRunsFrom(first, end + 1);
}

size_t PageAlloc::LeftOutRunsFrom(size_t first, size_t end) const {
  size_t runs = 0;
  bool was = first > 0 && IsLeftOut(first - 1);
  for (size_t c = first; c < end; ++c) {
    const bool is = IsLeftOut(c);
    runs += is && !was ? 1 : 0;
    was = is;
  }
  return runs;
}

}  // namespace tarn::rt
