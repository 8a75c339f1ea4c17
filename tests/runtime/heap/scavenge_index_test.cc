// Which chunk the scavenge index proposes, in which order, after frees and generations.
#include "runtime/heap/scavenge_index.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/support/page_alloc_peer.h"

namespace tarn::rt {

struct ScavengeIndexPeer {
  static void SetRecord(ScavengeIndex& index, size_t chunk, const ScavengeRecord& r) {
    index.Store(chunk, r);
  }
};

namespace {

constexpr size_t kLast = kChunkPages - 1;
constexpr size_t kChunks = 64;
constexpr ScavengeMode kModes[] = {ScavengeMode::kBackground, ScavengeMode::kForced};

// From page `page` of `chunk` to page `last_page` of `last_chunk`, inclusive.
struct Mark {
  size_t chunk, page, last_chunk, last_page;
};
struct Found {
  size_t chunk, page;
};
struct IndexCase {
  const char* name;
  std::vector<Mark> marks;
  std::vector<Found> found;
};

// Chunks from `top` down to `bottom`, from their last pages.
std::vector<Found> Down(size_t top, size_t top_page, size_t bottom) {
  std::vector<Found> out;
  for (size_t c = top + 1; c-- > bottom;) out.push_back({c, c == top ? top_page : kLast});
  return out;
}

std::vector<IndexCase> IndexCases() {
  return {
      {"OnePage", {{0, 3, 0, 3}}, {{0, 3}}},
      {"FirstPage", {{0, 0, 0, 0}}, {{0, 0}}},
      {"PagesOfOneChunk", {{0, 9, 0, 13}}, {{0, 13}}},
      {"WholeChunk", {{0, 0, 0, kLast}}, {{0, kLast}}},
      {"TwoChunks", {{0, 128, 1, 127}}, {{1, 127}, {0, kLast}}},
      {"TwoChunksHigher", {{7, 128, 8, 128}}, {{8, 128}, {7, kLast}}},
      {"EightChunks", {{6, 11, 13, 14}}, Down(13, 14, 6)},
      {"HalfFromTheBottom", {{0, 0, 31, kLast}}, Down(31, kLast, 0)},
      {"HalfFromTheThird", {{3, 0, 34, kLast}}, Down(34, kLast, 3)},
      {"Twice", {{0, 128, 1, 127}, {0, 128, 1, 127}}, {{1, 127}, {0, kLast}}},
      {"Overlapping", {{4, 0, 30, kLast}, {5, 0, 35, kLast}}, Down(35, kLast, 4)},
  };
}

class ScavengeIndexTest : public ::testing::Test {
 protected:
  ScavengeIndexTest() : records_(kChunks), listed_(kChunks / 64 + 1), groups_(1) {
    ScavengeIndex::Tables tables;
    tables.records = records_.data();
    tables.listed = listed_.data();
    tables.groups = groups_.data();
    index_ = ScavengeIndex(tables);
    // Dense in the last generation, and nothing to release.
    ScavengeRecord dense;
    dense.last_inuse = kChunkPages;
    for (size_t c = 0; c < kChunks; ++c) ScavengeIndexPeer::SetRecord(index_, c, dense);
  }

  void MarkFree(const Mark& m) {
    for (size_t c = m.chunk; c <= m.last_chunk; ++c) {
      const size_t first = c == m.chunk ? m.page : 0;
      const size_t last = c == m.last_chunk ? m.last_page : kLast;
      index_.Alloc(c, last - first + 1);
      index_.Free(c, last, last - first + 1);
    }
  }
  void ExpectFound(ScavengeMode mode, const Found& want) {
    const ScavengeIndex::Position got = index_.Find(mode);
    EXPECT_EQ(got.chunk, want.chunk);
    EXPECT_EQ(got.page, want.page);
    if (got.chunk != ScavengeIndex::kNoChunk) index_.SetEmpty(got.chunk);
  }
  void ExpectNothing(ScavengeMode mode) {
    EXPECT_EQ(index_.Find(mode).chunk, ScavengeIndex::kNoChunk);
  }
  void VerifyAll() {
    for (size_t c = 0; c < kChunks; ++c) index_.VerifyChunk(c, index_.record(c).inuse, 0);
  }

  std::vector<uint64_t> records_, listed_, groups_;
  ScavengeIndex index_;
};

TEST_F(ScavengeIndexTest, AnEmptyIndexProposesNothing) {
  for (const ScavengeMode mode : kModes) ExpectNothing(mode);
  index_.NextGeneration();
  for (const ScavengeMode mode : kModes) ExpectNothing(mode);
}

TEST_F(ScavengeIndexTest, ForcedSearchGoesFromTheTopDownAtOnce) {
  for (const IndexCase& c : IndexCases()) {
    SCOPED_TRACE(c.name);
    for (const Mark& m : c.marks) MarkFree(m);
    VerifyAll();
    for (const Found& f : c.found) ExpectFound(ScavengeMode::kForced, f);
    ExpectNothing(ScavengeMode::kForced);
    VerifyAll();
  }
}

TEST_F(ScavengeIndexTest, BackgroundSearchWaitsForTheNextGeneration) {
  for (const IndexCase& c : IndexCases()) {
    SCOPED_TRACE(c.name);
    for (const Mark& m : c.marks) MarkFree(m);
    ExpectNothing(ScavengeMode::kBackground);
    index_.NextGeneration();
    for (const Found& f : c.found) ExpectFound(ScavengeMode::kBackground, f);
    ExpectNothing(ScavengeMode::kBackground);
    VerifyAll();
  }
}

TEST_F(ScavengeIndexTest, MarkingAndFindingMayAlternate) {
  for (size_t c = 0; c < 32; ++c) {
    MarkFree({c, 0, c, kLast});
    index_.NextGeneration();
    ExpectFound(ScavengeMode::kBackground, {c, kLast});
    ExpectNothing(ScavengeMode::kBackground);
  }
  for (size_t c = 0; c < 32; ++c) {
    MarkFree({c, 0, c, kLast});
    ExpectFound(ScavengeMode::kForced, {c, kLast});
    ExpectNothing(ScavengeMode::kForced);
  }
}

TEST_F(ScavengeIndexTest, AFreeBelowTheCursorOfARunningSearchIsFound) {
  MarkFree({40, 0, 40, kLast});
  ExpectFound(ScavengeMode::kForced, {40, kLast});
  MarkFree({10, 0, 10, 7});
  MarkFree({20, 0, 20, 7});
  ExpectFound(ScavengeMode::kForced, {20, kLast});
  ExpectFound(ScavengeMode::kForced, {10, kLast});
  ExpectNothing(ScavengeMode::kForced);
}

TEST_F(ScavengeIndexTest, DenseChunksAreSparedInTheBackground) {
  const auto use = [&](size_t chunk, size_t inuse, size_t last_inuse, uint32_t gen) {
    ScavengeRecord r;
    r.inuse = static_cast<uint16_t>(inuse);
    r.last_inuse = static_cast<uint16_t>(last_inuse);
    r.gen = gen;
    r.flags = ScavengeRecord::kHasFree;
    ScavengeIndexPeer::SetRecord(index_, chunk, r);
  };
  MarkFree({50, 0, 50, kLast});  // sets the cursors
  index_.NextGeneration();
  index_.NextGeneration();
  ExpectFound(ScavengeMode::kBackground, {50, kLast});
  constexpr size_t kDense = ScavengeIndex::kDensePages;
  static_assert(kDense == 496);
  use(49, kDense, 0, 2);           // dense now
  use(48, kDense - 1, kDense, 2);  // dense at the end of the last generation
  use(47, kDense, 0, 1);           // dense then and unchanged
  use(46, kDense - 1, kDense, 1);  // dense two generations ago
  use(45, kDense - 1, kDense - 1, 2);
  ExpectFound(ScavengeMode::kBackground, {46, kLast});
  ExpectFound(ScavengeMode::kBackground, {45, kLast});
  ExpectNothing(ScavengeMode::kBackground);
  for (const size_t c : {49, 48, 47}) ExpectFound(ScavengeMode::kForced, {c, kLast});
  ExpectNothing(ScavengeMode::kForced);
}

TEST_F(ScavengeIndexTest, AFullChunkIsNotListedUntilAPageIsFreed) {
  index_.Alloc(5, kChunkPages);
  EXPECT_EQ(index_.record(5).flags, 0);
  index_.FreeScavenged(5, 100);
  ExpectNothing(ScavengeMode::kForced);
  index_.Free(5, 7, 1);
  VerifyAll();
  ExpectFound(ScavengeMode::kForced, {5, 7});
  EXPECT_EQ(index_.record(5).inuse, kChunkPages - 101);
}

TEST_F(ScavengeIndexTest, UseOfTheLastGenerationIsRemembered) {
  index_.Alloc(5, 100);
  index_.NextGeneration();
  index_.Alloc(5, 50);
  EXPECT_EQ(index_.record(5).last_inuse, 100);
  EXPECT_EQ(index_.record(5).inuse, 150);
  index_.NextGeneration();
  index_.Free(5, 3, 20);
  EXPECT_EQ(index_.record(5).last_inuse, 150);
  EXPECT_EQ(index_.record(5).inuse, 130);
}

TEST(ScavengeIndexLargeTest, ChunksFarApartAreFoundFromTheTopDown) {
  constexpr size_t kMany = 300'000;
  std::vector<uint64_t> records(kMany), listed(kMany / 64 + 1), groups(kMany / 4096 + 1);
  ScavengeIndex::Tables tables;
  tables.records = records.data();
  tables.listed = listed.data();
  tables.groups = groups.data();
  ScavengeIndex index(tables);
  const std::vector<size_t> chunks = {299'999, 299'968, 266'240, 266'239, 4096, 4095, 64, 63, 0};
  for (const size_t c : chunks) {
    index.Alloc(c, kChunkPages);
    index.Free(c, 9, 10);
  }
  for (const size_t c : chunks) {
    const ScavengeIndex::Position got = index.Find(ScavengeMode::kForced);
    EXPECT_EQ(got.chunk, c);
    index.SetEmpty(c);
  }
  EXPECT_EQ(index.Find(ScavengeMode::kForced).chunk, ScavengeIndex::kNoChunk);
}

TEST(ScavengeRecordTest, FieldsSurvivePacking) {
  const ScavengeRecord records[] = {
      {512, 512, 1918237402, 3}, {12, 0, ~uint32_t{0}, 0}, {0, 512, 0, 63}, {0, 0, 0, 0}};
  for (const ScavengeRecord& r : records) {
    const ScavengeRecord got = ScavengeRecord::Unpack(r.Pack());
    EXPECT_EQ(got.inuse, r.inuse);
    EXPECT_EQ(got.last_inuse, r.last_inuse);
    EXPECT_EQ(got.gen, r.gen);
    EXPECT_EQ(got.flags, r.flags);
  }
}

}  // namespace
}  // namespace tarn::rt
