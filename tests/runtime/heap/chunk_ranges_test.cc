#include "runtime/heap/chunk_ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "runtime/heap/page_alloc.h"
#include "tests/support/sim_memory.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

using Range = ChunkRanges::Range;

struct GrowCase {
  const char* name;
  std::vector<size_t> chunks;
  std::vector<Range> want;
};

std::vector<GrowCase> GrowCases() {
  std::vector<GrowCase> cases = {
      {"One", {0}, {{0, 1}}},
      {"Contiguous2", {0, 1}, {{0, 2}}},
      {"Contiguous5", {0, 1, 2, 3, 4}, {{0, 5}}},
      {"Discontiguous", {0, 2, 4}, {{0, 1}, {2, 3}, {4, 5}}},
      {"Mixed", {0, 1, 2, 4}, {{0, 3}, {4, 5}}},
      {"Wild", {0, 1, 0x10, 0x21}, {{0, 2}, {0x10, 0x11}, {0x21, 0x22}}},
      {"TebibyteGap", {0, 0x40000}, {{0, 1}, {0x40000, 0x40001}}},
  };
  GrowCase many{"ManySeparate", {}, {}};
  for (uint32_t i = 0; i < 33; ++i) {
    many.chunks.push_back(i * 2);
    many.want.push_back({i * 2, i * 2 + 1});
  }
  cases.push_back(many);
  return cases;
}

std::vector<Range> Contents(const ChunkRanges& r) {
  std::vector<Range> out;
  for (size_t i = 0; i < r.size(); ++i) out.push_back(r[i]);
  return out;
}

// In ascending, descending and interleaved order.
std::vector<std::vector<size_t>> Orders(const std::vector<size_t>& chunks) {
  std::vector<size_t> down(chunks.rbegin(), chunks.rend());
  std::vector<size_t> mixed;
  for (size_t i = 0; i < chunks.size(); i += 2) mixed.push_back(chunks[i]);
  for (size_t i = 1; i < chunks.size(); i += 2) mixed.push_back(chunks[i]);
  return {chunks, down, mixed};
}

TEST(ChunkRangesTest, GrownChunksFormTheFewestRanges) {
  for (const GrowCase& c : GrowCases()) {
    for (const size_t base : {size_t{0}, size_t{0x30000}}) {
      std::vector<Range> want = c.want;
      for (Range& r : want) {
        r.first += static_cast<uint32_t>(base);
        r.end += static_cast<uint32_t>(base);
      }
      for (const auto& order : Orders(c.chunks)) {
        SCOPED_TRACE(c.name);
        SimMemory os;
        PageAlloc a;
        ASSERT_TRUE(a.Init(os, PageAlloc::kMaxChunks));
        for (const size_t chunk : order) {
          ASSERT_TRUE(a.Grow((base + chunk) * kChunkPages, kChunkPages));
          a.Verify();
        }
        EXPECT_EQ(Contents(a.ranges()), want);
        a.Destroy();
      }
    }
  }
}

TEST(ChunkRangesTest, LookUpsAgreeWithASet) {
  std::mt19937_64 rng(TestSeed());
  for (int round = 0; round < 200; ++round) {
    constexpr size_t kChunks = 200;
    std::vector<Range> storage(ChunkRanges::Capacity(kChunks) + 1);
    ChunkRanges ranges(storage.data());
    std::set<size_t> chunks;
    for (int i = 0; i < 60; ++i) {
      const size_t first = rng() % kChunks;
      const size_t end = std::min<size_t>(kChunks, first + rng() % 5 + 1);
      const auto next = chunks.lower_bound(first);
      const bool overlaps = next != chunks.end() && *next < end;
      ASSERT_EQ(ranges.Overlaps(first, end), overlaps);
      if (overlaps) continue;
      ranges.Add(first, end);
      for (size_t c = first; c < end; ++c) chunks.insert(c);
      ranges.Verify();
      size_t count = 0;
      for (size_t r = 0; r < ranges.size(); ++r) count += ranges[r].end - ranges[r].first;
      ASSERT_EQ(count, chunks.size());
      ASSERT_EQ(ranges.end(), *chunks.rbegin() + 1);
    }
    for (size_t c = 0; c <= kChunks; ++c) {
      const auto at = chunks.lower_bound(c);
      ASSERT_EQ(ranges.AtOrAbove(c), at == chunks.end() ? ChunkRanges::kNoChunk : *at);
      ASSERT_EQ(ranges.Contains(c), chunks.count(c) != 0);
    }
  }
}

TEST(ChunkRangesDeathTest, OverlapIsFatal) {
  std::vector<Range> storage(10);
  ChunkRanges ranges(storage.data());
  ranges.Add(5, 8);
  EXPECT_DEATH(ranges.Add(7, 9), "check failed");
  EXPECT_DEATH(ranges.Add(0, 6), "check failed");
  EXPECT_DEATH(ranges.Add(9, 9), "check failed");
}

}  // namespace
}  // namespace tarn::rt
