#include "runtime/heap/chunk_ranges.h"

#include <algorithm>

#include "runtime/base/check.h"

namespace tarn::rt {

size_t ChunkRanges::Find(size_t chunk) const {
  const Range* const at = std::upper_bound(ranges_, ranges_ + size_, chunk,
                                           [](size_t c, const Range& r) { return c < r.end; });
  return static_cast<size_t>(at - ranges_);
}

bool ChunkRanges::Overlaps(size_t first, size_t end) const {
  const size_t i = Find(first);
  return i != size_ && ranges_[i].first < end;
}

size_t ChunkRanges::AtOrAbove(size_t chunk) const {
  const size_t i = Find(chunk);
  return i == size_ ? kNoChunk : std::max<size_t>(chunk, ranges_[i].first);
}

void ChunkRanges::Add(size_t first, size_t end) {
  TARN_CHECK(first < end && end <= UINT32_MAX && !Overlaps(first, end));
  const size_t i = Find(first);
  const bool joins_below = i != 0 && ranges_[i - 1].end == first;
  const bool joins_above = i != size_ && ranges_[i].first == end;
  if (joins_below && joins_above) {
    ranges_[i - 1].end = ranges_[i].end;
    std::copy(ranges_ + i + 1, ranges_ + size_, ranges_ + i);
    --size_;
  } else if (joins_below) {
    ranges_[i - 1].end = static_cast<uint32_t>(end);
  } else if (joins_above) {
    ranges_[i].first = static_cast<uint32_t>(first);
  } else {
    std::copy_backward(ranges_ + i, ranges_ + size_, ranges_ + size_ + 1);
    ranges_[i] = {static_cast<uint32_t>(first), static_cast<uint32_t>(end)};
    ++size_;
  }
}

void ChunkRanges::Verify() const {
  for (size_t i = 0; i < size_; ++i) {
    TARN_CHECK(ranges_[i].first < ranges_[i].end);                // I1
    TARN_CHECK(i == 0 || ranges_[i - 1].end < ranges_[i].first);  // I1
  }
}

}  // namespace tarn::rt
