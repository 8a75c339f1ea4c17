#include "runtime/heap/page_summary.h"

#include <algorithm>

namespace tarn::rt {

PageSummary PageSummary::Merge(const PageSummary* children, size_t n, unsigned log_pages) {
  const uint64_t child_pages = uint64_t{1} << log_pages;
  uint64_t start = 0;
  uint64_t max = 0;
  uint64_t run = 0;  // free pages that end the children seen so far
  bool all_free = true;
  for (size_t i = 0; i < n; ++i) {
    const PageSummary c = children[i];
    const uint64_t child_start = c.start();
    if (all_free) start += child_start;
    max = std::max({max, c.max(), run + child_start});
    if (child_start == child_pages) {
      run += child_pages;
    } else {
      all_free = false;
      run = c.end();
    }
  }
  return {start, max, run};
}

}  // namespace tarn::rt
