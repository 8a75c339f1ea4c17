// Scavenge requests: which pages are released, and what others may do meanwhile.
#include <gtest/gtest.h>

#include <vector>

#include "runtime/heap/page_alloc.h"
#include "tests/support/page_alloc_peer.h"
#include "tests/support/sim_memory.h"

namespace tarn::rt {
namespace {

constexpr size_t kP = kChunkPages;
constexpr size_t kAllPages = ~size_t{0};
// In the middle of blocks of every level.
constexpr size_t kBase = 0x30005;

struct Released {
  size_t request;
  size_t npages;
};
struct Scenario {
  const char* name;
  std::vector<size_t> chunks;
  std::vector<ChunkPages> used;
  std::vector<ChunkPages> scavenged;
  std::vector<Released> requests;
  std::vector<ChunkPages> scavenged_after;  // of the free pages
};

// `mp`: pages of an OS page.
std::vector<Scenario> Scenarios(size_t mp) {
  const size_t inner = kP - 2 * mp;
  return {
      {"AllFree",
       {0, 1, 2},
       {},
       {},
       {{kAllPages, 3 * kP}, {kAllPages, 0}},
       {{0, 0, kP}, {1, 0, kP}, {2, 0, kP}}},
      {"NothingLeft",
       {0},
       {{0, 0, kP / 2}},
       {{0, kP / 2, kP / 2}},
       {{kAllPages, 0}},
       {{0, kP / 2, kP / 2}}},
      {"NothingFree", {0}, {{0, 0, kP}}, {}, {{kAllPages, 0}}, {}},
      {"TopGoesFirst", {0}, {{0, mp, inner}}, {}, {{1, mp}}, {{0, kP - mp, mp}}},
      {"TopThenBottom",
       {0},
       {{0, mp, inner}},
       {},
       {{mp, mp}, {mp, mp}, {mp, 0}},
       {{0, 0, mp}, {0, kP - mp, mp}}},
      {"TwoChunks",
       {0, 1},
       {{0, mp, inner}, {1, 0, kP - 2 * mp}},
       {},
       {{2 * mp, 2 * mp}, {mp, mp}, {mp, mp}, {mp, 0}},
       {{0, 0, mp}, {0, kP - mp, mp}, {1, kP - 2 * mp, 2 * mp}}},
      {"TwoChunksDiscontiguous",
       {0, 14},
       {{0, mp, inner}, {14, 0, kP - 2 * mp}},
       {},
       {{2 * mp, 2 * mp}, {kAllPages, 2 * mp}, {mp, 0}},
       {{0, 0, mp}, {0, kP - mp, mp}, {14, kP - 2 * mp, 2 * mp}}},
      {"FarApart",
       {0, 0x1000},
       {},
       {},
       {{kAllPages, 2 * kP}, {kAllPages, 0}},
       {{0, 0, kP}, {0x1000, 0, kP}}},
  };
}

class ScavengeTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(alloc_.Init(os_, PageAlloc::kMaxChunks)); }
  void TearDown() override { alloc_.Destroy(); }

  void Build(const Scenario& s) {
    std::vector<size_t> chunks = s.chunks;
    for (auto& c : chunks) c += kBase;
    PageAllocPeer::Build(alloc_, chunks, Moved(s.used), Moved(s.scavenged));
  }
  static std::vector<ChunkPages> Moved(std::vector<ChunkPages> pages) {
    for (auto& p : pages) p.chunk += kBase;
    return pages;
  }
  size_t Scavenge(size_t npages, ScavengeMode mode = ScavengeMode::kForced) {
    const size_t got = alloc_.Scavenge(
        npages, mode,
        [&](PageAlloc::PageRange r, PageAlloc::PageRange idle) {
          released_.push_back({r.page, r.npages, idle});
          return how_;
        },
        [] { return false; });
    alloc_.Verify();
    return got;
  }
  void ExpectScavenged(const Scenario& s) {
    std::vector<ChunkPages> want = Moved(s.scavenged_after);
    for (size_t c : s.chunks) {
      c += kBase;
      for (size_t p = 0; p < kP; ++p) {
        bool in = false;
        for (const auto& w : want) in |= w.chunk == c && w.page <= p && p < w.page + w.npages;
        ASSERT_EQ(PageAllocPeer::IsScavenged(alloc_, PageOf(c, p)), in)
            << "chunk " << c << " page " << p;
      }
    }
  }

  struct Run {
    size_t page, npages;
    PageAlloc::PageRange idle;
  };
  SimMemory os_;
  PageAlloc alloc_;
  Release how_ = Release::kNow;
  std::vector<Run> released_;
};

TEST_F(ScavengeTest, RequestsReleaseFromTheTopDown) {
  for (const size_t mp : {1, 8}) {
    for (const Scenario& s : Scenarios(mp)) {
      SCOPED_TRACE(testing::Message() << s.name << ", " << mp << " pages to an OS page");
      alloc_.SetHugePageBytes(0);
      PageAllocPeer::SetMinRelease(alloc_, mp);
      Build(s);
      for (const Released& r : s.requests) EXPECT_EQ(Scavenge(r.request), r.npages);
      ExpectScavenged(s);
      alloc_.Destroy();
      SetUp();
    }
  }
}

TEST_F(ScavengeTest, BackgroundRequestsWaitForTheNextGeneration) {
  PageAllocPeer::Build(alloc_, {kBase}, {}, {});
  EXPECT_EQ(Scavenge(kAllPages, ScavengeMode::kBackground), 0u);
  alloc_.scavenge_index().NextGeneration();
  EXPECT_EQ(Scavenge(kAllPages, ScavengeMode::kBackground), kP);
}

// The background cursor stands at page 99, below pages freed in this generation: a request that has
// taken all that is below it must not declare the chunk empty.
TEST_F(ScavengeTest, PagesFreedAboveTheBackgroundCursorAreNotForgotten) {
  PageAllocPeer::Build(alloc_, {kBase}, {{kBase, 0, kP}}, {});
  alloc_.Free(PageOf(kBase, 0), 100);
  alloc_.scavenge_index().NextGeneration();
  alloc_.Free(PageOf(kBase, 300), 10);
  EXPECT_EQ(Scavenge(100, ScavengeMode::kBackground), 100u);
  ASSERT_EQ(released_.size(), 1u);
  EXPECT_EQ(released_[0].page, PageOf(kBase, 0));
  EXPECT_EQ(Scavenge(kAllPages, ScavengeMode::kBackground), 10u);
  EXPECT_EQ(alloc_.ScavengedFreePages(), 110u);
}

TEST_F(ScavengeTest, AHugePageIsReleasedWhole) {
  alloc_.SetHugePageBytes(size_t{2} << 20);
  PageAllocPeer::Build(alloc_, {kBase}, {}, {});
  EXPECT_EQ(Scavenge(1), 256u);
  ASSERT_EQ(released_.size(), 1u);
  EXPECT_EQ(released_[0].page, PageOf(kBase, 256));
}

TEST_F(ScavengeTest, AHugePageLargerThanAChunkIsIgnored) {
  alloc_.SetHugePageBytes(size_t{512} << 20);
  PageAllocPeer::Build(alloc_, {kBase}, {}, {});
  EXPECT_EQ(Scavenge(1), 1u);
}

TEST_F(ScavengeTest, TheRequestEndsWhenToldToStop) {
  alloc_.SetHugePageBytes(0);
  PageAllocPeer::Build(alloc_, {kBase, kBase + 1, kBase + 2}, {}, {});
  int calls = 0;
  const size_t got = alloc_.Scavenge(
      kAllPages, ScavengeMode::kForced,
      [](PageAlloc::PageRange, PageAlloc::PageRange) { return Release::kNow; },
      [&] { return ++calls == 2; });
  EXPECT_EQ(got, kP);
  alloc_.Verify();
}

TEST_F(ScavengeTest, PagesBeingReleasedCannotBeAllocated) {
  alloc_.SetHugePageBytes(0);
  PageAllocPeer::Build(alloc_, {kBase}, {}, {});
  size_t page = 0;
  const size_t got = alloc_.Scavenge(
      12, ScavengeMode::kForced,
      [&](PageAlloc::PageRange r, PageAlloc::PageRange) {
        page = r.page;
        const size_t n = r.npages;
        alloc_.Verify();
        EXPECT_EQ(alloc_.FreePages(), kP - n);
        EXPECT_EQ(alloc_.Alloc(kP - n + 1).page, PageAlloc::kNone);
        EXPECT_EQ(alloc_.Alloc(kP - n).page, PageOf(kBase, 0));
        EXPECT_EQ(alloc_.Alloc(1).page, PageAlloc::kNone);
        EXPECT_TRUE(alloc_.AllocToCache().Empty());
        alloc_.Verify();
        return Release::kNow;
      },
      [] { return false; });
  EXPECT_EQ(got, 12u);
  alloc_.Verify();
  const PageAlloc::Result r = alloc_.Alloc(12);
  EXPECT_EQ(r.page, page);
  EXPECT_EQ(r.scavenged, 12u);
}

TEST_F(ScavengeTest, PagesFreedDuringAReleaseAreStillFound) {
  alloc_.SetHugePageBytes(0);
  PageAllocPeer::Build(alloc_, {kBase, kBase + 1}, {{kBase, 0, kP}, {kBase + 1, 0, kP - 1}}, {});
  bool first = true;
  const size_t got = alloc_.Scavenge(
      kAllPages, ScavengeMode::kForced,
      [&](PageAlloc::PageRange, PageAlloc::PageRange) {
        if (first) alloc_.Free(PageOf(kBase, 3), 5);
        first = false;
        return Release::kNow;
      },
      [] { return false; });
  EXPECT_EQ(got, 6u);
  EXPECT_EQ(alloc_.ScavengedFreePages(), 6u);
  alloc_.Verify();
}

TEST_F(ScavengeTest, GroupsThatNothingUsesAnyMoreAreNamed) {
  alloc_.SetHugePageBytes(0);
  PageAllocPeer::Build(alloc_, {kBase, kBase + 1}, {{kBase, 100, 1}}, {{kBase + 1, 0, 40}});
  struct Step {
    size_t request, page, npages, idle_page, idle_npages;
  };
  const Step steps[] = {
      {100, kP + kP - 100, 100, kP + kP - 64, 64},  // the second group from the top is not all gone
      {28, kP + kP - 128, 28, kP + kP - 128, 64},   // now it is
      {300, kP + 84, 300, kP + 128, 256},           // the groups between
      {44, kP + 40, 44, kP, kP},                    // the whole chunk
      {kAllPages, 101, kP - 101, 128, kP - 128},    // above the page in use, then below it
  };
  for (const Step& step : steps) {
    released_.clear();
    Scavenge(step.request);
    ASSERT_FALSE(released_.empty());
    const Run& run = released_[0];
    EXPECT_EQ(run.page, PageOf(kBase, step.page));
    EXPECT_EQ(run.npages, step.npages);
    ASSERT_EQ(run.idle.npages, step.idle_npages);
    EXPECT_EQ(run.idle.page, PageOf(kBase, step.idle_page));
  }
  ASSERT_EQ(released_.size(), 2u);
  EXPECT_EQ(released_[1].npages, 100u);
  EXPECT_EQ(released_[1].idle.page, PageOf(kBase, 0));
  EXPECT_EQ(released_[1].idle.npages, 64u);
  alloc_.Free(PageOf(kBase, 100), 1);
  Scavenge(1);
  EXPECT_EQ(released_[2].idle.npages, kP);
}

TEST_F(ScavengeTest, NobodyTakesAPageOfAChunkWhoseTablesAreDropped) {
  alloc_.SetHugePageBytes(0);
  PageAllocPeer::Build(alloc_, {kBase}, {}, {{kBase, 0, 500}});
  const size_t got = alloc_.Scavenge(
      kAllPages, ScavengeMode::kForced,
      [&](PageAlloc::PageRange r, PageAlloc::PageRange idle) {
        EXPECT_EQ(r.page, PageOf(kBase, 500));
        EXPECT_EQ(r.npages, 12u);
        EXPECT_EQ(idle.page, PageOf(kBase, 0));
        EXPECT_EQ(idle.npages, kP);
        EXPECT_EQ(alloc_.HeldPages(), kP);
        EXPECT_EQ(alloc_.FreePages(), 0u);
        EXPECT_EQ(alloc_.ScavengedFreePages(), 0u);
        EXPECT_EQ(alloc_.Alloc(1).page, PageAlloc::kNone);
        EXPECT_TRUE(alloc_.AllocToCache().Empty());
        alloc_.Verify();
        return Release::kNow;
      },
      [] { return false; });
  EXPECT_EQ(got, 12u);
  EXPECT_EQ(alloc_.ScavengedFreePages(), kP);
  EXPECT_EQ(alloc_.HeldPages(), 0u);
  alloc_.Verify();
}

// Of two huge pages in a chunk one has 248 of 256 pages in use, the other one fewer.
TEST_F(ScavengeTest, ADenseHugePageStaysWholeUnlessMemoryIsShort) {
  alloc_.SetHugePageBytes(size_t{2} << 20);
  PageAllocPeer::Build(alloc_, {kBase, kBase + 1},
                       {{kBase + 1, 0, 248}, {kBase + 1, 256, 247}, {kBase, 256, 248}}, {});
  alloc_.scavenge_index().NextGeneration();
  alloc_.scavenge_index().NextGeneration();
  EXPECT_EQ(Scavenge(kAllPages, ScavengeMode::kBackground), 9u + 256u);
  EXPECT_EQ(Scavenge(kAllPages, ScavengeMode::kBackground), 0u);
  EXPECT_EQ(Scavenge(kAllPages, ScavengeMode::kForced), 8u + 8u);
}

TEST_F(ScavengeTest, ChunksLeftForTheirHugePagesAreLookedAtInTheNextGeneration) {
  alloc_.SetHugePageBytes(size_t{2} << 20);
  PageAllocPeer::Build(alloc_, {kBase}, {{kBase, 0, kP}}, {});
  alloc_.Free(PageOf(kBase, 256 + 8), 248);
  alloc_.Free(PageOf(kBase, 0), 4);
  alloc_.scavenge_index().NextGeneration();
  alloc_.scavenge_index().NextGeneration();
  EXPECT_EQ(Scavenge(kAllPages, ScavengeMode::kBackground), 248u);
  alloc_.Free(PageOf(kBase, 4), 10);
  EXPECT_EQ(Scavenge(kAllPages, ScavengeMode::kBackground), 0u);
  alloc_.scavenge_index().NextGeneration();
  EXPECT_EQ(Scavenge(kAllPages, ScavengeMode::kBackground), 14u);
}

TEST_F(ScavengeTest, LazilyFreePagesAreCountedUntilTheyAreUsedOrReleasedOtherwise) {
  alloc_.SetHugePageBytes(0);
  how_ = Release::kLazily;
  PageAllocPeer::Build(alloc_, {kBase}, {}, {{kBase, 0, 64}});
  EXPECT_EQ(Scavenge(kAllPages), kP - 64);
  EXPECT_EQ(alloc_.LazilyFreePages(), kP - 64) << "pages that were never used are not";
  const PageAlloc::Result r = alloc_.Alloc(100);
  EXPECT_EQ(r.scavenged, 100u);
  EXPECT_EQ(alloc_.LazilyFreePages(), kP - 100);
  alloc_.Free(r.page, 100);
  EXPECT_EQ(alloc_.LazilyFreePages(), kP - 100);
  how_ = Release::kNow;
  EXPECT_EQ(Scavenge(kAllPages), 100u);
  EXPECT_EQ(alloc_.LazilyFreePages(), kP - 100);
  // Through a cache, whose pages are neither.
  PageCache first = alloc_.AllocToCache();
  PageCache second = alloc_.AllocToCache();
  EXPECT_EQ(second.Alloc(8).scavenged, 8u);
  EXPECT_EQ(alloc_.LazilyFreePages(), kP - 128);
  alloc_.FlushCache(first);
  alloc_.FlushCache(second);
  EXPECT_EQ(alloc_.LazilyFreePages(), kP - 100);
  alloc_.Verify();
}

TEST_F(ScavengeTest, OnlyBackedChunksThatStayDenseAreCollapsed) {
  PageAllocPeer::Build(
      alloc_, {kBase, kBase + 1, kBase + 2, kBase + 3},
      {{kBase, 0, kP}, {kBase + 1, 0, 500}, {kBase + 2, 0, 500}, {kBase + 3, 0, 495}},
      {{kBase + 2, 511, 1}});
  size_t next = 0;
  EXPECT_EQ(alloc_.TakeDenseChunk(&next), ScavengeIndex::kNoChunk) << "dense since just now";
  alloc_.scavenge_index().NextGeneration();
  next = 0;
  EXPECT_EQ(alloc_.TakeDenseChunk(&next), kBase);
  EXPECT_EQ(alloc_.TakeDenseChunk(&next), kBase + 1);
  EXPECT_EQ(alloc_.TakeDenseChunk(&next), ScavengeIndex::kNoChunk);
  next = 0;
  EXPECT_EQ(alloc_.TakeDenseChunk(&next), ScavengeIndex::kNoChunk) << "done before";
  EXPECT_EQ(Scavenge(kAllPages), 17u + 11u + 12u);
  alloc_.Free(PageOf(kBase, 0), 1);
  EXPECT_EQ(Scavenge(1), 1u);
  EXPECT_EQ(alloc_.Alloc(1).page, PageOf(kBase, 0));
  alloc_.scavenge_index().NextGeneration();
  next = 0;
  EXPECT_EQ(alloc_.TakeDenseChunk(&next), kBase) << "a part was released meanwhile";
}

}  // namespace
}  // namespace tarn::rt
