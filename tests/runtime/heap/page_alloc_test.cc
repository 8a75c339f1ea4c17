// What PageAlloc hands out, scenario by scenario, at several places of a 48-bit space.
#include "runtime/heap/page_alloc.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/page_alloc_peer.h"
#include "tests/support/sim_memory.h"

namespace tarn::rt {
namespace {

constexpr size_t kP = kChunkPages;
constexpr size_t kFail = PageAlloc::kNone;

// A page of a scenario: `page` of the scenario's chunk `chunk`.
struct At {
  size_t chunk;
  size_t page;
};
struct Request {
  size_t npages;
  At at;
  size_t scavenged;
  bool fails = false;
};
Request Ok(size_t npages, size_t chunk, size_t page, size_t scavenged = 0) {
  return {npages, {chunk, page}, scavenged};
}
Request Fail(size_t npages) { return {npages, {0, 0}, 0, true}; }

struct Scenario {
  const char* name;
  std::vector<size_t> chunks;
  std::vector<ChunkPages> used;
  std::vector<ChunkPages> scavenged;
  std::vector<Request> requests;
};

std::vector<size_t> Chunks(size_t n) {
  std::vector<size_t> chunks;
  for (size_t i = 0; i < n; ++i) chunks.push_back(i);
  return chunks;
}

std::vector<Scenario> Scenarios() {
  return {
      {"AllFree1",
       {0},
       {},
       {{0, 0, 1}, {0, 2, 2}},
       {Ok(1, 0, 0, 1), Ok(1, 0, 1), Ok(1, 0, 2, 1), Ok(1, 0, 3, 1), Ok(1, 0, 4)}},
      {"ManyArena1",
       Chunks(3),
       {{0, 0, kP}, {1, 0, kP}, {2, 0, kP - 1}},
       {{0, 0, kP}, {1, 0, kP}, {2, 0, kP}},
       {Ok(1, 2, kP - 1, 1)}},
      {"NotContiguous1", {0, 255}, {{0, 0, kP}}, {{0, 0, kP}, {255, 0, kP}}, {Ok(1, 255, 0, 1)}},
      {"AllFree2",
       {0},
       {},
       {{0, 0, 3}, {0, 7, 1}},
       {Ok(2, 0, 0, 2), Ok(2, 0, 2, 1), Ok(2, 0, 4), Ok(2, 0, 6, 1), Ok(2, 0, 8)}},
      {"Straddle2",
       Chunks(2),
       {{0, 0, kP - 1}, {1, 1, kP - 1}},
       {{0, kP - 1, 1}},
       {Ok(2, 0, kP - 1, 1)}},
      {"AllFree5",
       {0},
       {},
       {{0, 0, 8}, {0, 9, 1}, {0, 17, 5}},
       {Ok(5, 0, 0, 5), Ok(5, 0, 5, 4), Ok(5, 0, 10), Ok(5, 0, 15, 3), Ok(5, 0, 20, 2)}},
      {"AllFree64",
       {0},
       {},
       {{0, 21, 1}, {0, 63, 65}},
       {Ok(64, 0, 0, 2), Ok(64, 0, 64, 64), Ok(64, 0, 128)}},
      {"AllFree65", {0}, {}, {{0, 129, 1}}, {Ok(65, 0, 0), Ok(65, 0, 65, 1), Ok(65, 0, 130)}},
      {"ExhaustPMinus3",
       {0},
       {},
       {{0, 10, 1}},
       {Ok(kP - 3, 0, 0, 1), Fail(kP - 3), Ok(1, 0, kP - 3), Ok(2, 0, kP - 2), Fail(1),
        Fail(kP - 3)}},
      {"AllFreeP", {0}, {}, {{0, 0, 1}, {0, kP - 1, 1}}, {Ok(kP, 0, 0, 2), Fail(kP), Fail(1)}},
      {"StraddleP",
       Chunks(2),
       {{0, 0, kP / 2}, {1, kP / 2, kP / 2}},
       {{1, 3, 100}},
       {Ok(kP, 0, kP / 2, 100), Fail(kP), Fail(1)}},
      {"StraddlePPlus1",
       Chunks(2),
       {{0, 0, kP / 2}},
       {{0, 0, kP}, {1, 0, kP}},
       {Ok(kP + 1, 0, kP / 2, kP + 1), Fail(kP), Ok(1, 1, kP / 2 + 1, 1)}},
      {"AllFreePx2", Chunks(2), {}, {}, {Ok(2 * kP, 0, 0), Fail(2 * kP), Fail(1)}},
      {"NotContiguousPx2",
       {0, 64, 65},
       {},
       {{0, 0, kP}},
       {Ok(2 * kP, 64, 0, 0), Ok(21, 0, 0, 21), Ok(1, 0, 21, 1)}},
      {"StraddlePx2",
       Chunks(3),
       {{0, 0, kP / 2}, {2, kP / 2, kP / 2}},
       {{0, 0, 7}, {1, 3, 5}, {1, 121, 10}, {2, kP / 2 + 12, 2}},
       {Ok(2 * kP, 0, kP / 2, 15), Fail(2 * kP), Fail(1)}},
      {"StraddlePx5Quarters",
       Chunks(4),
       {{0, 0, kP}, {1, 0, 3 * kP / 4}, {2, 0, 3 * kP / 4}},
       {{0, 0, kP}, {1, kP / 2, kP / 4 + 1}, {2, kP / 3, 1}, {3, 2 * kP / 3, 1}},
       {Ok(kP / 4 * 5, 2, 3 * kP / 4, 1), Fail(kP / 4 * 5), Ok(1, 1, 3 * kP / 4, 1)}},
      {"AllFreePx7Plus5",
       Chunks(8),
       {},
       {{0, 50, 1},
        {1, 31, 1},
        {2, 7, 1},
        {3, 200, 1},
        {4, 3, 1},
        {5, 51, 1},
        {6, 20, 1},
        {7, 1, 1}},
       {Ok(7 * kP + 5, 0, 0, 8), Fail(7 * kP + 5), Ok(1, 7, 5)}},
  };
}

class PageAllocTest : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(alloc_.Init(os_, PageAlloc::kMaxChunks));
    alloc_.SetHugePageBytes(0);
  }
  void TearDown() override {
    alloc_.Destroy();
    EXPECT_EQ(os_.TotalBytes(MemoryState::kReserved), 0u);
    EXPECT_EQ(os_.TotalBytes(MemoryState::kReady), 0u);
  }
  void Reset() {
    alloc_.Destroy();
    SetUp();
  }
  // Chunk 0 of the scenarios.
  size_t Base() const { return GetParam(); }

  void Build(const std::vector<size_t>& chunks, const std::vector<ChunkPages>& used,
             const std::vector<ChunkPages>& scavenged) {
    std::vector<size_t> c = chunks;
    std::vector<ChunkPages> u = used;
    std::vector<ChunkPages> s = scavenged;
    for (auto& x : c) x += Base();
    for (auto& x : u) x.chunk += Base();
    for (auto& x : s) x.chunk += Base();
    PageAllocPeer::Build(alloc_, c, u, s);
  }
  void Run(const Request& r) {
    const PageAlloc::Result got = alloc_.Alloc(r.npages);
    const size_t want = r.fails ? kFail : PageOf(Base() + r.at.chunk, r.at.page);
    EXPECT_EQ(got.page, want) << "for " << r.npages << " pages";
    EXPECT_EQ(got.scavenged, r.scavenged) << "for " << r.npages << " pages";
    alloc_.Verify();
  }

  SimMemory os_;
  PageAlloc alloc_;
};

// At the bottom, in the middle of blocks of every level, at a border of the root level.
INSTANTIATE_TEST_SUITE_P(Places, PageAllocTest,
                         ::testing::Values(0, 0x30000, 0x7ff5, (size_t{1} << 24) - 2,
                                           (size_t{1} << 26) - 256));

TEST_P(PageAllocTest, RequestsAreServedFirstFitWithTheirScavengedPagesCounted) {
  for (const Scenario& s : Scenarios()) {
    SCOPED_TRACE(s.name);
    Build(s.chunks, s.used, s.scavenged);
    for (const Request& r : s.requests) Run(r);
    Reset();
  }
}

TEST_P(PageAllocTest, EqualRequestsFillTheHeapWithoutGaps) {
  for (const size_t n : {1, 2, 3, 4, 5, 8, 16, 64, 1024, 1025, 2048, 2049}) {
    SCOPED_TRACE(n);
    Build(Chunks(4), {}, {});
    for (size_t i = 0; i < 4 * kP / n; ++i) {
      ASSERT_EQ(alloc_.Alloc(n).page, PageOf(Base(), 0) + n * i);
    }
    EXPECT_EQ(alloc_.Alloc(n).page, kFail);
    alloc_.Verify();
    Reset();
  }
}

TEST_P(PageAllocTest, FreeLeavesExactlyTheComplement) {
  std::vector<ChunkPages> used;
  for (size_t c = 0; c < 9; ++c) used.push_back({c, 0, kP});
  for (const size_t n : {1, 2, 5, 64, 65, 512, 513, 1024, 3589}) {
    for (const size_t from : {0, 1, 63, 256, 300, 511}) {
      SCOPED_TRACE(testing::Message() << n << " pages from " << from);
      Build(Chunks(9), used, {});
      const size_t page = PageOf(Base(), from);
      alloc_.Free(page, n);
      alloc_.Verify();
      EXPECT_EQ(alloc_.FreePages(), n);
      for (size_t p = PageOf(Base(), 0); p < PageOf(Base() + 9, 0); ++p) {
        ASSERT_EQ(PageAllocPeer::IsUsed(alloc_, p), p < page || p >= page + n);
      }
      EXPECT_EQ(alloc_.Alloc(n + 1).page, kFail);
      EXPECT_EQ(alloc_.Alloc(n).page, page);
      EXPECT_EQ(alloc_.Alloc(1).page, kFail);
      Reset();
    }
  }
}

TEST_P(PageAllocTest, FreedPagesAreFoundAgain) {
  Build(Chunks(8), {}, {});
  for (int i = 0; i < 3; ++i) {
    Run(Ok(8 * kP, 0, 0));
    Run(Fail(1));
    alloc_.Free(PageOf(Base(), 0), 8 * kP);
    alloc_.Verify();
  }
  Run(Ok(1, 0, 0));
  alloc_.Free(PageOf(Base(), 0), 1);
  Run(Ok(8 * kP, 0, 0));
}

TEST_P(PageAllocTest, GrownMemoryIsFreeAndScavenged) {
  ASSERT_TRUE(alloc_.Grow(PageOf(Base(), 0), 2 * kP));
  alloc_.Verify();
  EXPECT_EQ(alloc_.FreePages(), 2 * kP);
  EXPECT_EQ(alloc_.ScavengedFreePages(), 2 * kP);
  Run(Ok(kP + 1, 0, 0, kP + 1));
  Run(Ok(kP - 1, 1, 1, kP - 1));
  Run(Fail(1));
}

TEST_P(PageAllocTest, PagesFreedAsScavengedAreScavenged) {
  Build(Chunks(2), {{0, 0, 2 * kP}}, {});
  alloc_.FreeReleased(PageOf(Base(), 500), 100, Release::kNow);
  alloc_.Verify();
  EXPECT_EQ(alloc_.ScavengedFreePages(), 100u);
  alloc_.Free(PageOf(Base() + 1, 88), 4);
  Run(Ok(104, 0, 500, 100));
}

TEST_P(PageAllocTest, GrowingBelowMovesTheSearchDown) {
  Build({2}, {}, {});
  Run(Ok(1, 2, 0));
  ASSERT_TRUE(alloc_.Grow(PageOf(Base(), 0), kP));
  alloc_.Verify();
  Run(Ok(1, 0, 0, 1));
  ASSERT_TRUE(alloc_.Grow(PageOf(Base() + 1, 0), kP));
  // Now one run from the first chunk into the third's used page.
  Run(Ok(kP + kP - 1, 0, 1, kP + kP - 1));
}

class SparsePageAllocTest : public PageAllocTest {};
INSTANTIATE_TEST_SUITE_P(Bottom, SparsePageAllocTest, ::testing::Values(0));

TEST_P(SparsePageAllocTest, SearchAddressStaysMappedAcrossAGap) {
  constexpr size_t kSecond = (size_t{1} << 20) + 0x503;
  constexpr size_t kThird = size_t{1} << 21;
  Build({0, kSecond, kThird}, {{0, 0, kP - 1}, {kSecond, 0, 502}, {kSecond, 511, 1}}, {});
  Run(Ok(1, 0, kP - 1));
  Run(Ok(100, kThird, 0));
  EXPECT_EQ(PageAllocPeer::Search(alloc_), PageOf(kSecond, 0));
  Run(Ok(9, kSecond, 502));
}

TEST_P(SparsePageAllocTest, MappedSummariesMayEndAtATableBorder) {
  // The last chunk whose leaf summary lies in the first granule of the table, and one far away.
  constexpr size_t kFirst = MetaRegion::kGranuleBytes / sizeof(PageSummary) - 1;
  constexpr size_t kSecond = kFirst + (size_t{1} << 20);
  Build({kFirst, kSecond}, {}, {});
  Run(Ok(kP - 1, kFirst, 0));
  Run(Ok(1, kFirst, kP - 1));
  Run(Ok(1, kSecond, 0));
  Run(Ok(kP - 1, kSecond, 1));
  Run(Fail(1));
}

TEST_P(SparsePageAllocTest, ARunThatCoversAWholeRootEntryIsFound) {
  constexpr size_t kRootChunks = 4096;
  ASSERT_TRUE(alloc_.Grow(0, PageOf(3 * kRootChunks, 0)));
  alloc_.Verify();
  Run(Ok(1, 0, 0, 1));
  constexpr size_t kMost = 3 * kRootChunks * kP - 1;
  Run(Fail(kMost + 1));
  Run(Ok(kMost, 0, 1, kMost));
  Run(Fail(1));
  alloc_.Free(PageOf(kRootChunks, 0), kRootChunks * kP);
  Run(Ok(kRootChunks * kP, kRootChunks, 0));
}

TEST_P(SparsePageAllocTest, TheLastChunkOfA48BitSpaceCanBeUsed) {
  ASSERT_TRUE(alloc_.Grow(PageOf(PageAlloc::kMaxChunks - 1, 0), kP));
  Run(Ok(kP, PageAlloc::kMaxChunks - 1, 0, kP));
  Run(Fail(1));
}

TEST(PageAllocSizeTest, ASpaceThatFillsNoBlockWorks) {
  for (const size_t chunks : {1, 7, 9, 511, 4095, 4097}) {
    SCOPED_TRACE(chunks);
    SimMemory os;
    PageAlloc a;
    ASSERT_TRUE(a.Init(os, chunks));
    ASSERT_TRUE(a.Grow(0, PageOf(chunks, 0)));
    a.Verify();
    EXPECT_EQ(a.Alloc(PageOf(chunks, 0)).page, 0u);
    EXPECT_EQ(a.Alloc(1).page, kFail);
    a.Verify();
    a.Destroy();
  }
}

TEST(PageAllocSizeTest, TablesOfASmallHeapInATebibyteAreSmall) {
  SimMemory os;
  PageAlloc a;
  ASSERT_TRUE(a.Init(os, size_t{1} << 18));
  ASSERT_TRUE(a.Grow(0, 16 * kP));
  EXPECT_LE(a.TableBytes(), 1u << 20);
  a.Destroy();
}

TEST(PageAllocFailureTest, EveryRefusedCallLeavesTheAllocatorUnchanged) {
  // Refuse the n-th system call of set-up and of two growths, for every n until none is refused.
  uint64_t n = 0;
  uint64_t refused = 0;
  do {
    ++n;
    SimMemory os;
    PageAlloc a;
    os.plan().FailAny(n);
    if (!a.Init(os, PageAlloc::kMaxChunks)) {
      EXPECT_EQ(os.TotalBytes(MemoryState::kReserved), 0u);
      EXPECT_EQ(os.TotalBytes(MemoryState::kReady), 0u);
      ASSERT_TRUE(a.Init(os, PageAlloc::kMaxChunks));
    }
    size_t grown = 0;
    for (const size_t chunk : {size_t{100}, size_t{1} << 25}) {
      if (!a.Grow(PageOf(chunk, 0), 2 * kP)) {
        EXPECT_EQ(a.ranges().size(), grown);
        EXPECT_EQ(a.FreePages(), grown * 2 * kP);
        a.Verify();
        ASSERT_TRUE(a.Grow(PageOf(chunk, 0), 2 * kP));
      }
      ++grown;
      a.Verify();
    }
    EXPECT_EQ(a.Alloc(2 * kP).page, PageOf(100, 0));
    EXPECT_EQ(a.Alloc(2 * kP).page, PageOf(size_t{1} << 25, 0));
    a.Destroy();
    EXPECT_EQ(os.TotalBytes(MemoryState::kReady), 0u);
    EXPECT_EQ(os.TotalBytes(MemoryState::kReserved), 0u);
    refused = os.plan().RefusedCount();
  } while (refused != 0);
  EXPECT_GT(n, 10u);
}

TEST(PageAllocDeathTest, MisuseIsFatal) {
  SimMemory os;
  PageAlloc a;
  ASSERT_TRUE(a.Init(os, 16));
  ASSERT_TRUE(a.Grow(0, 2 * kP));
  ASSERT_EQ(a.Alloc(10).page, 0u);
  EXPECT_DEATH(a.Free(5, 6), "check failed");
  a.Free(0, 10);
  EXPECT_DEATH(a.Free(0, 1), "check failed");
  EXPECT_DEATH(static_cast<void>(a.Grow(kP, kP)), "check failed");
  EXPECT_DEATH(static_cast<void>(a.Grow(16 * kP, kP)), "check failed");
  EXPECT_DEATH(static_cast<void>(a.Grow(3 * kP + 1, kP)), "check failed");
  a.Destroy();
}

TEST(PageAllocDeathTest, VerifySeesBrokenState) {
  SimMemory os;
  PageAlloc a;
  ASSERT_TRUE(a.Init(os, 16));
  ASSERT_TRUE(a.Grow(0, 2 * kP));
  ASSERT_EQ(a.Alloc(10).page, 0u);
  a.Verify();
  PageBits& bits = PageAllocPeer::Bits(a, 0);
  EXPECT_DEATH(
      {
        bits.used.ClearRange(3, 1);
        a.Verify();
      },
      "check failed");
  EXPECT_DEATH(
      {
        bits.scavenged.SetRange(3, 1);
        a.Verify();
      },
      "check failed");
  EXPECT_DEATH(
      {
        bits.scavenged.ClearRange(20, 1);
        a.Verify();
      },
      "check failed");
  EXPECT_DEATH(
      {
        bits.used.SetRange(20, 1);
        a.Verify();
      },
      "check failed");
  a.Verify();
  a.Destroy();
}

}  // namespace
}  // namespace tarn::rt
