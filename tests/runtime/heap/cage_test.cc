// The cage: reservation under refusals, growth that fails at any of its calls, look-ups at the
// edges, page entries.
#include "runtime/heap/cage.h"

#include <gtest/gtest.h>

#include "runtime/base/bits.h"
#include "tests/support/sim_memory.h"

namespace tarn::rt {
namespace {

using internal::kArenaBytes;
using internal::kPageBytes;
using internal::kPagesPerArena;

constexpr size_t kGiB = size_t{1} << 30;
constexpr size_t kMinBytes = internal::kArenasMin * kArenaBytes;
constexpr size_t kTables = 4;  // entries, spans, two bit tables
static_assert(kMinBytes == kGiB);

bool NothingKept(const SimMemory& os) {
  return os.TotalBytes(MemoryState::kReserved) == 0 && os.TotalBytes(MemoryState::kPrepared) == 0 &&
         os.TotalBytes(MemoryState::kReady) == 0;
}

// Refuses reservations above a size, as an address space limit does.
class SmallSpaceMemory final : public OsMemory {
 public:
  SmallSpaceMemory(OsMemory& base, size_t largest) : base_(base), largest_(largest) {}
  size_t PhysicalPageBytes() const override { return base_.PhysicalPageBytes(); }
  size_t HugePageBytes() const override { return base_.HugePageBytes(); }
  void* Reserve(size_t bytes, size_t align) override {
    return bytes > largest_ ? nullptr : base_.Reserve(bytes, align);
  }
  bool Map(void* p, size_t bytes) override { return base_.Map(p, bytes); }
  bool Used(void* p, size_t bytes, size_t prepared) override {
    return base_.Used(p, bytes, prepared);
  }
  Release Unused(void* p, size_t bytes, size_t ready) override {
    return base_.Unused(p, bytes, ready);
  }
  void Fault(void* p, size_t bytes, size_t ready) override { base_.Fault(p, bytes, ready); }
  void Free(void* p, size_t bytes, size_t mapped, size_t ready) override {
    base_.Free(p, bytes, mapped, ready);
  }
  int Lend(void* p, size_t bytes, void* staged) override { return base_.Lend(p, bytes, staged); }
  bool CloseLent(void* p, size_t bytes) override { return base_.CloseLent(p, bytes); }
  bool TakeBack(void* p, size_t bytes) override { return base_.TakeBack(p, bytes); }
  Holes FillHoles(void* p, size_t bytes) override { return base_.FillHoles(p, bytes); }
  void HugePage(void*, size_t) override {}
  void NoHugePage(void*, size_t) override {}
  void CollapseHugePage(void*, size_t) override {}
  void Discard(void* p, size_t bytes) override { base_.Discard(p, bytes); }
  bool Dump(void*, size_t, bool) override { return true; }
  bool ReleasedIsZero() const override { return base_.ReleasedIsZero(); }
  size_t ReadyBytes() const override { return base_.ReadyBytes(); }
  int LastError() const override { return base_.LastError(); }

 private:
  OsMemory& base_;
  const size_t largest_;
};

TEST(CageTest, SizeIsRoundedUpToArenasAndToTheMinimum) {
  SimMemory os;
  Cage small;
  ASSERT_TRUE(small.Init(os, 1));
  EXPECT_EQ(small.bytes(), kMinBytes);
  EXPECT_TRUE(IsAligned(small.base(), kArenaBytes));
  EXPECT_EQ(small.committed(), 0u);
  Cage odd;
  ASSERT_TRUE(odd.Init(os, kMinBytes + 1));
  EXPECT_EQ(odd.bytes(), kMinBytes + kArenaBytes);
}

TEST(CageTest, DefaultSizeIsAtLeastTheMinimumAndWholeArenas) {
  EXPECT_GE(Cage::DefaultBytes(), kMinBytes);
  EXPECT_EQ(Cage::DefaultBytes() % kArenaBytes, 0u);
}

TEST(CageTest, RefusedReservationIsHalvedUntilItFits) {
  for (size_t largest = kGiB; largest <= 16 * kGiB; largest *= 2) {
    SimMemory os;
    SmallSpaceMemory small(os, largest);
    Cage cage;
    ASSERT_TRUE(cage.Init(small, 16 * kGiB)) << largest;
    EXPECT_EQ(cage.bytes(), largest);
    cage.Destroy(0);
    EXPECT_TRUE(NothingKept(os)) << largest;
  }
}

TEST(CageTest, HalvingAnOddNumberOfArenasEndsAtTheMinimum) {
  SimMemory os;
  SmallSpaceMemory small(os, kMinBytes);
  Cage cage;
  ASSERT_TRUE(cage.Init(small, 3 * kGiB + 5 * kArenaBytes));  // 53 arenas, 26, then 16
  EXPECT_EQ(cage.bytes(), kMinBytes);
}

TEST(CageTest, RefusalOfTheMinimumFailsAndKeepsNothing) {
  SimMemory os;
  SmallSpaceMemory small(os, kMinBytes - 1);
  {
    Cage cage;
    EXPECT_FALSE(cage.Init(small, 16 * kGiB));
    EXPECT_EQ(cage.bytes(), 0u);
    EXPECT_FALSE(cage.Contains(0));
    EXPECT_FALSE(cage.Contains(4096));
    EXPECT_TRUE(NothingKept(os));
    EXPECT_TRUE(cage.Init(os, kMinBytes));  // a later attempt may succeed
  }
  EXPECT_TRUE(NothingKept(os));
}

TEST(CageTest, RefusalOfAnyReservationOnlyHalvesTheCage) {
  for (uint64_t nth = 1; nth <= 1 + kTables; ++nth) {
    SimMemory os;
    os.plan().FailCall(OsCall::kReserve, nth);
    {
      Cage cage;
      ASSERT_TRUE(cage.Init(os, 4 * kGiB)) << nth;
      EXPECT_EQ(cage.bytes(), 2 * kGiB) << nth;
      ASSERT_TRUE(cage.Grow(1));
      cage.SpanAt(internal::kPagesPerArena - 1)->npages = 1;  // faults unless it is mapped
    }
    EXPECT_TRUE(NothingKept(os)) << nth;
  }
}

TEST(CageTest, RefusalOfATableOfTheSmallestCageFails) {
  for (uint64_t nth = 1; nth <= 1 + kTables; ++nth) {
    SimMemory os;
    os.plan().FailCall(OsCall::kReserve, nth);
    Cage cage;
    EXPECT_FALSE(cage.Init(os, kMinBytes)) << nth;
    EXPECT_TRUE(NothingKept(os)) << nth;
  }
}

class CageGrowTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(cage_.Init(os_, kMinBytes)); }
  void* base() const { return reinterpret_cast<void*>(cage_.base()); }
  // The tables of the committed part can be written and are zero where nobody wrote.
  void CheckTables(size_t first_page, size_t npages) {
    for (size_t page = first_page; page < first_page + npages; page += 511) {
      ASSERT_EQ(cage_.Entry(page).bits(), 0u) << page;
      ASSERT_EQ(cage_.SpanAt(page)->npages, 0u) << page;
      for (unsigned which = 0; which < 2; ++which) {
        ASSERT_EQ(cage_.Bits(which, page)->load(), 0u) << page;
        cage_.Bits(which, page)[internal::kMarkBytesPerPage / 8 - 1].store(0);
      }
    }
  }
  SimMemory os_;
  Cage cage_;
};

TEST_F(CageGrowTest, GrowthPreparesArenasAndTheirTables) {
  const size_t tables_before = cage_.table_bytes();
  ASSERT_TRUE(cage_.Grow(2));
  EXPECT_EQ(cage_.committed(), 2 * kArenaBytes);
  EXPECT_EQ(cage_.committed_pages(), 2 * kPagesPerArena);
  EXPECT_EQ(os_.BytesIn(base(), cage_.bytes(), MemoryState::kPrepared), 2 * kArenaBytes);
  // 8 bytes of entry, a span, and two bit maps for each page.
  EXPECT_EQ(cage_.table_bytes() - tables_before,
            2 * kPagesPerArena * (8 + sizeof(Span) + 2 * internal::kMarkBytesPerPage));
  EXPECT_EQ(os_.TotalBytes(MemoryState::kReady), cage_.table_bytes());
  CheckTables(0, 2 * kPagesPerArena);
}

TEST_F(CageGrowTest, GrowthEndsWithTheCage) {
  EXPECT_FALSE(cage_.Grow(0));
  EXPECT_FALSE(cage_.Grow(internal::kArenasMin + 1));
  EXPECT_FALSE(cage_.Grow(~size_t{0}));
  EXPECT_FALSE(cage_.Grow((~size_t{0} / kArenaBytes) + 2));  // one arena, were it to wrap around
  EXPECT_EQ(cage_.committed(), 0u);
  ASSERT_TRUE(cage_.Grow(internal::kArenasMin - 1));
  EXPECT_FALSE(cage_.Grow(2));
  ASSERT_TRUE(cage_.Grow(1));
  EXPECT_FALSE(cage_.Grow(1));
  EXPECT_EQ(cage_.committed(), cage_.bytes());
}

// The calls of one growth: Map and Used of each table, Map of the arenas.
TEST_F(CageGrowTest, RefusalOfAnyCallChangesNothingAndALaterGrowthSucceeds) {
  ASSERT_TRUE(cage_.Grow(1));
  const size_t ready = os_.TotalBytes(MemoryState::kReady);
  const size_t tables = cage_.table_bytes();
  uint64_t nth = 1;
  for (;; ++nth) {
    const uint64_t refused = os_.plan().RefusedCount();
    os_.plan().FailAny(nth);
    const bool grown = cage_.Grow(1);
    if (os_.plan().RefusedCount() == refused) {
      EXPECT_TRUE(grown);
      break;
    }
    ASSERT_FALSE(grown) << nth;
    EXPECT_EQ(cage_.committed(), kArenaBytes) << nth;
    EXPECT_EQ(cage_.table_bytes(), tables) << nth;
    EXPECT_EQ(os_.TotalBytes(MemoryState::kReady), ready) << nth;
    EXPECT_EQ(os_.TotalBytes(MemoryState::kPrepared), kArenaBytes) << nth;
    EXPECT_FALSE(cage_.Contains(cage_.base() + kArenaBytes)) << nth;
  }
  EXPECT_EQ(nth, 2 * kTables + 2);  // each of the nine calls was refused once
  os_.plan().Clear();
  EXPECT_EQ(cage_.committed(), 2 * kArenaBytes);
  CheckTables(0, 2 * kPagesPerArena);
}

TEST_F(CageGrowTest, DestroyAfterRefusalsReturnsEverything) {
  ASSERT_TRUE(cage_.Grow(1));
  os_.plan().FailAny(5);
  EXPECT_FALSE(cage_.Grow(1));
  os_.plan().Clear();
  ASSERT_TRUE(os_.Used(base(), 3 * kPageBytes, 3 * kPageBytes));
  cage_.Destroy(3 * kPageBytes);  // the simulation checks the count
  EXPECT_TRUE(NothingKept(os_));
}

TEST_F(CageGrowTest, OnlyTheCommittedPartIsContained) {
  const uintptr_t base_address = cage_.base();
  EXPECT_FALSE(cage_.Contains(base_address));
  ASSERT_TRUE(cage_.Grow(1));
  EXPECT_TRUE(cage_.Contains(base_address));
  EXPECT_TRUE(cage_.Contains(base_address + kArenaBytes - 1));
  EXPECT_FALSE(cage_.Contains(base_address + kArenaBytes));
  EXPECT_FALSE(cage_.Contains(base_address - 1));
  EXPECT_FALSE(cage_.Contains(base_address + cage_.bytes()));
  EXPECT_FALSE(cage_.Contains(0));
  EXPECT_FALSE(cage_.Contains(1));
  EXPECT_FALSE(cage_.Contains(~uintptr_t{0}));
  int local = 0;
  EXPECT_FALSE(cage_.Contains(reinterpret_cast<uintptr_t>(&local)));
}

TEST_F(CageGrowTest, AddressesPagesAndSpansConvertIntoEachOther) {
  ASSERT_TRUE(cage_.Grow(1));
  for (const size_t page : {size_t{0}, size_t{1}, size_t{777}, kPagesPerArena - 1}) {
    const uintptr_t p = cage_.AddressOf(page);
    EXPECT_EQ(cage_.PageOf(p), page);
    EXPECT_EQ(cage_.PageOf(p + kPageBytes - 1), page);
    EXPECT_EQ(cage_.FirstPage(cage_.SpanAt(page)), page);
    EXPECT_EQ(cage_.BaseOf(cage_.SpanAt(page)), p);
  }
}

TEST_F(CageGrowTest, EntriesTellOffsetClassAndNoscanAndStayInsideTheirSpan) {
  ASSERT_TRUE(cage_.Grow(1));
  cage_.SetEntries(10, 5, 0xfffe, /*noscan=*/false);
  cage_.SetEntries(15, 1, 3, /*noscan=*/true);
  EXPECT_FALSE(cage_.Entry(9).in_use());
  EXPECT_FALSE(cage_.Entry(16).in_use());
  for (size_t i = 0; i < 5; ++i) {
    const PageEntry e = cage_.Entry(10 + i);
    EXPECT_TRUE(e.in_use());
    EXPECT_FALSE(e.noscan());
    EXPECT_EQ(e.span_class(), 0xfffe);
    EXPECT_EQ(e.offset_pages(), i);
  }
  EXPECT_TRUE(cage_.Entry(15).noscan());
  EXPECT_EQ(cage_.Entry(15).span_class(), 3);
  EXPECT_EQ(cage_.Entry(15).offset_pages(), 0u);
  cage_.ClearEntries(10, 5);
  for (size_t i = 0; i < 5; ++i) EXPECT_FALSE(cage_.Entry(10 + i).in_use());
  EXPECT_TRUE(cage_.Entry(15).in_use());
}

TEST_F(CageGrowTest, BitTablesOfNeighbouringPagesDoNotOverlap) {
  ASSERT_TRUE(cage_.Grow(1));
  constexpr size_t kWords = internal::kMarkBytesPerPage / 8;
  for (unsigned which = 0; which < 2; ++which) {
    for (size_t w = 0; w < kWords; ++w) cage_.Bits(which, 7)[w].store(~uint64_t{0});
    EXPECT_EQ(cage_.Bits(which, 6)[kWords - 1].load(), 0u);
    EXPECT_EQ(cage_.Bits(which, 8)[0].load(), 0u);
    EXPECT_EQ(cage_.Bits(1 - which, 7)[0].load(), which == 0 ? 0u : ~uint64_t{0});
  }
}

TEST(PageEntryTest, FieldsDoNotOverlap) {
  for (const size_t offset : {size_t{0}, size_t{1}, size_t{0xffffffff}}) {
    for (const uint16_t span_class : {uint16_t{1}, uint16_t{0x8000}, uint16_t{0xffff}}) {
      for (const bool noscan : {false, true}) {
        const PageEntry e = PageEntry::Make(span_class, noscan, offset);
        EXPECT_TRUE(e.in_use());
        EXPECT_EQ(e.noscan(), noscan);
        EXPECT_EQ(e.span_class(), span_class);
        EXPECT_EQ(e.offset_pages(), offset);
      }
    }
  }
  EXPECT_FALSE(PageEntry().in_use());
}

}  // namespace
}  // namespace tarn::rt
