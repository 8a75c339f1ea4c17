// PageCache alone, and how PageAlloc fills and flushes it.
#include "runtime/heap/page_cache.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "tests/support/page_alloc_peer.h"
#include "tests/support/sim_memory.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

constexpr uint64_t kAll = ~uint64_t{0};
constexpr size_t kBase = 64 * 1000;

struct Step {
  size_t npages;
  size_t page;  // kNoPage: fails
  size_t scavenged;
};
Step Ok(size_t npages, size_t page, size_t scavenged) { return {npages, page, scavenged}; }
Step Fail(size_t npages) { return {npages, kNoPage, 0}; }

struct AllocCase {
  const char* name;
  uint64_t free;
  uint64_t scavenged;
  std::vector<Step> steps;
};

std::vector<AllocCase> AllocCases() {
  return {
      {"Empty", 0, 0, {Fail(1), Fail(2), Fail(64)}},
      {"LowestPage", 1, 1, {Ok(1, 0, 1), Fail(1), Fail(10)}},
      {"HighestPage", uint64_t{1} << 63, 1, {Ok(1, 63, 0), Fail(1)}},
      {"Scattered",
       0x20005555,
       0x5505,
       {Fail(2), Ok(1, 0, 1), Ok(1, 2, 1), Ok(1, 4, 0), Ok(1, 6, 0), Ok(1, 8, 1), Ok(1, 10, 1),
        Ok(1, 12, 1), Ok(1, 14, 1), Ok(1, 29, 0), Fail(1)}},
      {"LowestPair", 3, uint64_t{2} << 62, {Ok(2, 0, 0), Fail(1)}},
      {"HighestPair", uint64_t{3} << 62, uint64_t{3} << 62, {Ok(2, 62, 2), Fail(1)}},
      {"Pairs",
       uint64_t{0x3333} << 31,
       uint64_t{0x3030} << 31,
       {Ok(2, 31, 0), Ok(2, 35, 2), Ok(2, 39, 0), Ok(2, 43, 2), Fail(2)}},
      {"OneRun", BitRange(10, 63), BitRange(10, 26), {Ok(53, 10, 16), Fail(1)}},
      {"AllInTwo", kAll, BitRange(10, 26), {Ok(53, 0, 16), Fail(53), Ok(1, 53, 0)}},
      {"AllAtOnce", kAll, kAll, {Ok(64, 0, 64), Fail(64), Fail(1)}},
      {"Mixed", kAll, kAll, {Ok(5, 0, 5),  Ok(7, 5, 7),  Ok(1, 12, 1), Ok(23, 13, 23), Fail(63),
                             Ok(3, 36, 3), Ok(3, 39, 3), Ok(3, 42, 3), Ok(12, 45, 12), Fail(11),
                             Ok(4, 57, 4), Fail(4),      Fail(6),      Fail(36),       Ok(2, 61, 2),
                             Fail(3),      Ok(1, 63, 1), Fail(4),      Fail(2),        Fail(62),
                             Fail(1)}},
  };
}

TEST(PageCacheTest, RequestsAreServedFirstFit) {
  for (const AllocCase& c : AllocCases()) {
    SCOPED_TRACE(c.name);
    PageCache cache(kBase, c.free, c.scavenged);
    for (const Step& s : c.steps) {
      const PageRun got = cache.Alloc(s.npages);
      EXPECT_EQ(got.page, s.page == kNoPage ? kNoPage : kBase + s.page) << s.npages << " pages";
      EXPECT_EQ(got.scavenged, s.scavenged) << s.npages << " pages";
    }
  }
}

class PageCacheFillTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(alloc_.Init(os_, PageAlloc::kMaxChunks)); }
  void TearDown() override { alloc_.Destroy(); }
  void Build(const std::vector<ChunkPages>& used, const std::vector<ChunkPages>& scavenged) {
    std::vector<ChunkPages> u = used;
    std::vector<ChunkPages> s = scavenged;
    for (auto& x : u) x.chunk += kChunk;
    for (auto& x : s) x.chunk += kChunk;
    PageAllocPeer::Build(alloc_, {kChunk}, u, s);
  }
  void ExpectFill(size_t page, uint64_t free, uint64_t scavenged) {
    const PageCache cache = alloc_.AllocToCache();
    EXPECT_EQ(cache.base(), PageOf(kChunk, page));
    EXPECT_EQ(cache.free_bits(), free);
    EXPECT_EQ(cache.scavenged_bits(), scavenged);
    alloc_.Verify();
  }
  size_t UsedPages() const { return kChunkPages - alloc_.FreePages(); }

  static constexpr size_t kChunk = 0x30001;
  SimMemory os_;
  PageAlloc alloc_;
};

TEST_F(PageCacheFillTest, AFreeChunkIsTakenBlockByBlock) {
  Build({}, {{0, 1, 1}, {0, 64, 64}});
  ExpectFill(0, kAll, 0x2);
  ExpectFill(64, kAll, kAll);
  ExpectFill(128, kAll, 0);
  ExpectFill(192, kAll, 0);
  EXPECT_EQ(UsedPages(), 4u * 64);
}

TEST_F(PageCacheFillTest, OnlyFreePagesOfABlockAreTaken) {
  Build({{0, 0, 32}, {0, 33, 31}, {0, 96, 32}}, {{0, 1, 4}, {0, 31, 5}, {0, 66, 2}});
  ExpectFill(0, uint64_t{1} << 32, uint64_t{1} << 32);
  ExpectFill(64, BitRange(0, 32), 0xc);
  ExpectFill(128, kAll, 0);
  EXPECT_EQ(alloc_.ScavengedFreePages(), 0u);
}

TEST_F(PageCacheFillTest, ScavengedBitsMoveWithTheFreePages) {
  Build({{0, 0, 1}, {0, 10, 2}}, {{0, 0, 4}, {0, 11, 1}});
  ExpectFill(0, ~(uint64_t{1} | uint64_t{3} << 10), 0xe);
}

TEST_F(PageCacheFillTest, AFullHeapGivesAnEmptyCache) {
  Build({{0, 0, kChunkPages}}, {});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(alloc_.AllocToCache().Empty());
  alloc_.Verify();
}

TEST_F(PageCacheFillTest, ABlockInALaterChunkIsFound) {
  PageAllocPeer::Build(alloc_, {kChunk, kChunk + 70000}, {{kChunk, 0, kChunkPages}}, {});
  const PageCache cache = alloc_.AllocToCache();
  EXPECT_EQ(cache.base(), PageOf(kChunk + 70000, 0));
  EXPECT_EQ(cache.free_bits(), kAll);
  alloc_.Verify();
}

TEST_F(PageCacheFillTest, FlushRestoresExactlyTheBitsOfTheCache) {
  const uint64_t seed = TestSeed();
  std::mt19937_64 rng(seed);
  Build({{0, 0, kChunkPages}}, {});
  for (int i = 0; i < 102; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << " round " << i);
    const uint64_t free = i == 0 ? 0 : i == 1 ? kAll : rng();
    const uint64_t scavenged = free & rng();
    const size_t block = rng() % (kChunkPages / 64);
    PageCache cache(PageOf(kChunk, block * 64), free, scavenged);
    alloc_.FlushCache(cache);
    EXPECT_TRUE(cache.Empty());
    alloc_.Verify();
    PageBits& bits = PageAllocPeer::Bits(alloc_, kChunk);
    for (size_t w = 0; w < kChunkWords; ++w) {
      EXPECT_EQ(bits.used.Word(w), w == block ? ~free : kAll);
      EXPECT_EQ(bits.scavenged.Word(w), w == block ? scavenged : 0);
    }
    if (free == 0) continue;
    // The next fill takes the same pages again.
    const PageCache again = alloc_.AllocToCache();
    EXPECT_EQ(again.free_bits(), free);
    EXPECT_EQ(again.scavenged_bits(), scavenged);
    alloc_.Verify();
  }
}

TEST_F(PageCacheFillTest, PagesFlushedBelowTheSearchAreFoundFirst) {
  Build({}, {});
  PageCache cache = alloc_.AllocToCache();
  EXPECT_EQ(cache.Alloc(3).page, PageOf(kChunk, 0));
  EXPECT_EQ(alloc_.Alloc(1).page, PageOf(kChunk, 64));
  alloc_.FlushCache(cache);
  EXPECT_EQ(alloc_.Alloc(1).page, PageOf(kChunk, 3));
  alloc_.Verify();
}

}  // namespace
}  // namespace tarn::rt
