#include "runtime/heap/page_summary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

TEST(PageSummaryTest, FieldsSurvivePacking) {
  const uint64_t values[] = {0, 1, 512, 4096, (1u << 20) + 1, PageSummary::kMaxPages - 1};
  for (const uint64_t start : values) {
    for (const uint64_t max : values) {
      for (const uint64_t end : values) {
        const PageSummary s(start, max, end);
        EXPECT_EQ(s.start(), start);
        EXPECT_EQ(s.max(), max);
        EXPECT_EQ(s.end(), end);
        EXPECT_EQ(s.HasFree(), start != 0 || max != 0 || end != 0);
      }
    }
  }
}

TEST(PageSummaryTest, AFreeRootRegionHasAllFieldsAtTheMaximum) {
  const PageSummary s = PageSummary::Free(PageSummary::kMaxPages);
  EXPECT_EQ(s.start(), PageSummary::kMaxPages);
  EXPECT_EQ(s.max(), PageSummary::kMaxPages);
  EXPECT_EQ(s.end(), PageSummary::kMaxPages);
  EXPECT_TRUE(s.HasFree());
}

// Of a region given page by page.
PageSummary Naive(const std::vector<bool>& is_free) {
  uint64_t start = 0;
  while (start < is_free.size() && is_free[start]) ++start;
  uint64_t max = 0;
  uint64_t run = 0;
  for (const bool f : is_free) {
    run = f ? run + 1 : 0;
    max = std::max(max, run);
  }
  return {start, max, run};
}

TEST(PageSummaryTest, MergeIsTheSummaryOfTheJoinedRegions) {
  std::mt19937_64 rng(TestSeed());
  constexpr unsigned kLogPages = 4;
  for (int round = 0; round < 20000; ++round) {
    std::vector<bool> all;
    std::array<PageSummary, PageSummary::kFanout> children;
    for (PageSummary& child : children) {
      std::vector<bool> pages(1u << kLogPages);
      // Full and free children are as likely as mixed ones.
      const uint64_t kind = rng() % 3;
      for (size_t i = 0; i < pages.size(); ++i)
        pages[i] = kind == 0 || (kind == 2 && rng() % 4 != 0);
      child = Naive(pages);
      all.insert(all.end(), pages.begin(), pages.end());
    }
    ASSERT_EQ(PageSummary::Merge(children.data(), kLogPages), Naive(all));
  }
}

TEST(PageSummaryTest, MergeOfFreeChildrenReachesTheRootMaximum) {
  std::array<PageSummary, PageSummary::kFanout> children;
  children.fill(PageSummary::Free(uint64_t{1} << 18));
  EXPECT_EQ(PageSummary::Merge(children.data(), 18), PageSummary::Free(PageSummary::kMaxPages));
  children[7] = PageSummary(5, 1000, 0);
  const PageSummary s = PageSummary::Merge(children.data(), 18);
  EXPECT_EQ(s.start(), 7 * (uint64_t{1} << 18) + 5);
  EXPECT_EQ(s.max(), s.start());
  EXPECT_EQ(s.end(), 0u);
}

}  // namespace
}  // namespace tarn::rt
