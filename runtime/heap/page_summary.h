// PageSummary: for a region, how many free pages start it, end it, and the length of its longest
// free run, in one word. Not here: which pages are free (page_bits.h); where summaries are kept
// (page_alloc.h). I1 start, end <= max; a region that is completely free has all three equal to its
// size. I2 Zero means "no free page", so memory never written describes a region that is full or
// absent. Layout: start in bits 0-20, max in bits 21-41, end in bits 42-62. 2^21 needs one bit more
// than a field has; only the completely free root region reaches it, and it is written as bit 63
// alone.
#ifndef TARN_RUNTIME_HEAP_PAGE_SUMMARY_H_
#define TARN_RUNTIME_HEAP_PAGE_SUMMARY_H_

#include <cstddef>
#include <cstdint>

namespace tarn::rt {

class PageSummary {
 public:
  static constexpr unsigned kLogMaxPages = 21;
  static constexpr uint64_t kMaxPages = uint64_t{1} << kLogMaxPages;
  // Regions that form one region of the level above.
  static constexpr unsigned kLogFanout = 3;
  static constexpr size_t kFanout = size_t{1} << kLogFanout;

  constexpr PageSummary() = default;
  constexpr PageSummary(uint64_t start, uint64_t max, uint64_t end)
      : raw_(max == kMaxPages ? kAllFreeBit
                              : start | (max << kLogMaxPages) | (end << (2 * kLogMaxPages))) {}
  // Of a region with `pages` pages, all free.
  static constexpr PageSummary Free(uint64_t pages) { return {pages, pages, pages}; }

  constexpr uint64_t start() const { return Field(0); }
  constexpr uint64_t max() const { return Field(kLogMaxPages); }
  constexpr uint64_t end() const { return Field(2 * kLogMaxPages); }
  constexpr bool HasFree() const { return raw_ != 0; }
  constexpr bool operator==(const PageSummary&) const = default;

  // Of the region formed by kFanout neighbouring regions of 2^log_pages pages each, log_pages
  // <= 18.
  static PageSummary Merge(const PageSummary* children, unsigned log_pages);

 private:
  static constexpr uint64_t kAllFreeBit = uint64_t{1} << 63;

  constexpr uint64_t Field(unsigned shift) const {
    return (raw_ & kAllFreeBit) != 0 ? kMaxPages : Bits(shift);
  }
  // The field of a region smaller than 2^21 pages.
  constexpr uint64_t Bits(unsigned shift) const { return (raw_ >> shift) & (kMaxPages - 1); }

  uint64_t raw_ = 0;
};

static_assert(sizeof(PageSummary) == 8);

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_PAGE_SUMMARY_H_
