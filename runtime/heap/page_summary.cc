#include "runtime/heap/page_summary.h"

#include <algorithm>

namespace tarn::rt {

PageSummary PageSummary::Merge(const PageSummary* children, unsigned log_pages) {
  const uint64_t child_pages = uint64_t{1} << log_pages;
  // Without branches on the children: which of them are free follows no pattern.
  uint64_t max = 0;
  uint64_t run = 0;                   // free pages that end the children seen so far
  uint64_t start = 0;                 // free pages that start them
  uint64_t is_prefix = ~uint64_t{0};  // all ones while all of them are completely free
  for (size_t i = 0; i < kFanout; ++i) {
    const PageSummary c = children[i];
    const uint64_t child_start = c.Bits(0);
    const uint64_t is_free = -uint64_t{child_start == child_pages};
    max = std::max(std::max(max, c.Bits(kLogMaxPages)), run + child_start);
    start += child_start & is_prefix;
    is_prefix &= is_free;
    run = (run & is_free) + c.Bits(2 * kLogMaxPages);
  }
  return {start, max, run};
}

}  // namespace tarn::rt
