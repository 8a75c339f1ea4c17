// PageHeap lends addresses: the ledger, the tables, and what happens when the system refuses.
#include <sys/mman.h>

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/heap/heap.h"
#include "runtime/heap/lent_span.h"
#include "runtime/heap/span_sweep.h"
#include "tests/support/sim_memory.h"

namespace tarn::rt {
namespace {

using internal::kPageBytes;

class PageHeapLentTest : public testing::Test {
 protected:
  void SetUp() override {
    heap_owner_ = std::make_unique<Heap>();
    ASSERT_TRUE(heap().Init(os_, size_t{2} << 30));
    class_ = heap().InternClass(
        0, 0, true, [](SpanClassInfo&, void*) {}, nullptr);
    ASSERT_NE(0, class_);
  }
  uint64_t Stat(std::atomic<uint64_t> HeapStats::*counter) {
    return HeapStats::Get(heap().stats().*counter);
  }
  static void* Stage(size_t bytes, int value) {
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(MAP_FAILED, p);
    std::memset(p, value, bytes);
    return p;
  }
  Span* Lend(size_t npages, size_t align_pages = 1) {
    LentPages pages;
    if (!heap().pages().TakeForLending(npages, align_pages * kPageBytes, pages)) return nullptr;
    heap().pages().Verify();  // I3
    void* staged = Stage(npages * kPageBytes, 7);
    if (heap().pages().Lend(pages, npages * kPageBytes, staged) != 0) {
      munmap(staged, npages * kPageBytes);
      heap().pages().GiveUpLent(pages);
      return nullptr;
    }
    Span* s = heap().pages().MakeLentSpan(pages, heap().classes().Info(class_), class_,
                                          heap().sweepgen());
    heap().pages().SetInnerEntries(s, true);
    heap().pages().Verify();
    heap().pages().Publish(s, true);
    heap().pages().Verify();
    return s;
  }
  void End(Span* s) {
    heap().pages().TakeBack(s, s->npages * kPageBytes);
    heap().pages().Verify();
    heap().pages().FreeSpan(s);
    heap().pages().Verify();
  }
  Span* Alloc(size_t npages) {
    Span* s = heap().pages().AllocSpan(heap().classes().Info(class_), class_, npages, nullptr,
                                       heap().sweepgen());
    if (s != nullptr) heap().pages().Publish(s, true);
    return s;
  }
  const char* At(Span* s) { return reinterpret_cast<const char*>(heap().cage().BaseOf(s)); }

  SimMemory os_;
  Heap& heap() { return *heap_owner_; }
  // A heap with lost pages cannot be given back.
  void KeepForEver() {
    static auto* kept = new std::vector<std::unique_ptr<Heap>>();
    kept->push_back(std::move(heap_owner_));
  }
  std::unique_ptr<Heap> heap_owner_;
  uint16_t class_ = 0;
};

TEST_F(PageHeapLentTest, PagesGoToTheirColumnAndBack) {
  Span* s = Lend(20);
  ASSERT_NE(nullptr, s);
  EXPECT_EQ(7, At(s)[0]);
  EXPECT_EQ(20u, Stat(&HeapStats::lent_pages));
  EXPECT_EQ(0u, Stat(&HeapStats::in_use_pages));
  EXPECT_EQ(MemoryState::kLent, os_.StateAt(At(s)));
  const size_t retained = heap().pages().RetainedBytes();
  EXPECT_EQ(0u, retained);
  End(s);
  EXPECT_EQ(0u, Stat(&HeapStats::lent_pages));
  EXPECT_EQ(Stat(&HeapStats::mapped_pages), Stat(&HeapStats::released_pages));
  EXPECT_EQ(MemoryState::kPrepared, os_.StateAt(At(s)));
}

TEST_F(PageHeapLentTest, BackedPagesAreGivenBackFirst) {
  Span* plain = Alloc(30);
  heap().pages().FreeSpan(plain);
  const uint64_t released = Stat(&HeapStats::released_pages);
  const size_t ready = os_.ReadyBytes();
  Span* s = Lend(20);
  ASSERT_EQ(plain, s);
  EXPECT_EQ(released, Stat(&HeapStats::released_pages));
  EXPECT_EQ(ready - 20 * kPageBytes, os_.ReadyBytes());
  End(s);
  EXPECT_EQ(released + 20, Stat(&HeapStats::released_pages));
}

TEST_F(PageHeapLentTest, TheScavengerLeavesThemAlone) {
  Span* s = Lend(2000);
  ASSERT_NE(nullptr, s);
  heap().pages().Scavenge(uint64_t{1} << 30, ScavengeMode::kForced);
  EXPECT_EQ(7, At(s)[2000 * kPageBytes - 1]);
  size_t chunk = 0;
  while (chunk < heap().pages().EndChunk()) heap().pages().CollapseNext(&chunk);
  EXPECT_EQ(0u, os_.plan().Count(OsCall::kCollapseHugePage));
  End(s);
}

TEST_F(PageHeapLentTest, AlignedPagesGiveTheRestBack) {
  Span* first = Lend(3);
  Span* s = Lend(512, 256);
  ASSERT_NE(nullptr, s);
  EXPECT_EQ(0u, heap().cage().FirstPage(s) % 256);
  EXPECT_EQ(515u, Stat(&HeapStats::lent_pages));
  End(s);
  End(first);
  EXPECT_EQ(Stat(&HeapStats::mapped_pages), Stat(&HeapStats::released_pages));
}

// Page indices count from the beginning of the cage, which is not so aligned.
TEST_F(PageHeapLentTest, AddressesAreAlignedNotPageNumbers) {
  constexpr size_t kGigabytePages = (size_t{1} << 30) / kPageBytes;
  Span* s = Lend(3, kGigabytePages);
  if (s == nullptr) GTEST_SKIP() << "no room in the cage";
  EXPECT_EQ(0u, heap().cage().BaseOf(s) % (size_t{1} << 30));
  End(s);
}

TEST_F(PageHeapLentTest, TablesOfALongOneCountWhenTheHeapUsesThePagesAgain) {
  constexpr size_t kPages = 100'000, kTables = kPages * (64 + 256) * 9 / 10;
  Span* warm = Alloc(kPages);
  ASSERT_NE(nullptr, warm);
  heap().pages().FreeSpan(warm);
  heap().pages().Scavenge(uint64_t{1} << 40, ScavengeMode::kForced);
  const size_t ready = os_.ReadyBytes();
  Span* s = Lend(kPages);
  EXPECT_LE(os_.ReadyBytes() + kTables, ready);
  End(s);
  EXPECT_LE(os_.ReadyBytes() + kTables, ready);
  // Nor when the pages are lent again, or are scavenged.
  End(Lend(kPages));
  Span* small = Alloc(10);
  heap().pages().FreeSpan(small);
  heap().pages().Scavenge(uint64_t{1} << 40, ScavengeMode::kForced);
  EXPECT_LE(os_.ReadyBytes() + kTables, ready);
  Span* plain = Alloc(kPages);
  EXPECT_GE(os_.ReadyBytes(), ready + kPages * kPageBytes);
  heap().pages().FreeSpan(plain);
}

TEST_F(PageHeapLentTest, APageCacheHasItsTables) {
  End(Lend(1000));
  PageCache cache;
  std::vector<Span*> spans;
  for (int i = 0; i < 500; ++i) {
    spans.push_back(heap().pages().AllocSpan(heap().classes().Info(class_), class_, 1 + i % 3,
                                             &cache, heap().sweepgen()));
    heap().pages().Publish(spans.back(), true);
  }
  heap().pages().FlushCache(cache);
  for (Span* s : spans) {
    EXPECT_EQ(MemoryState::kReady, os_.StateAt(s));
    heap().pages().FreeSpan(s);
  }
  heap().pages().Verify();
}

TEST_F(PageHeapLentTest, WhatWasWrittenBehindTheEndIsGone) {
  LentPages pages;
  ASSERT_TRUE(heap().pages().TakeForLending(3, kPageBytes, pages));
  constexpr size_t kBytes = 2 * kPageBytes + 4096;
  ASSERT_EQ(0, heap().pages().Lend(pages, kBytes, Stage(kBytes, 7)));
  Span* s =
      heap().pages().MakeLentSpan(pages, heap().classes().Info(class_), class_, heap().sweepgen());
  heap().pages().Publish(s, true);
  char* const tail = const_cast<char*>(At(s)) + kBytes;
  ASSERT_EQ(0, mprotect(tail, 4096, PROT_READ | PROT_WRITE));  // as the real memory is
  *tail = 1;
  heap().pages().TakeBack(s, kBytes);
  heap().pages().FreeSpan(s);
  Span* again = Alloc(3);
  ASSERT_EQ(s, again);
  EXPECT_EQ(0, again->needzero);
  EXPECT_EQ(0, *tail);
}

TEST_F(PageHeapLentTest, ARefusedLoanLeavesNothing) {
  os_.plan().FailCall(OsCall::kLend, 1);
  EXPECT_EQ(nullptr, Lend(50));
  heap().pages().Verify();
  EXPECT_EQ(0u, Stat(&HeapStats::lent_pages));
  EXPECT_EQ(Stat(&HeapStats::mapped_pages), Stat(&HeapStats::released_pages));
  Span* s = Lend(50);
  ASSERT_NE(nullptr, s);
  End(s);
}

TEST_F(PageHeapLentTest, WhatCannotBeTakenBackIsNeverUsedAgain) {
  Span* s = Lend(50);
  const size_t first = heap().cage().FirstPage(s);
  os_.plan().FailCall(OsCall::kTakeBack, 1);
  End(s);
  EXPECT_EQ(50u, Stat(&HeapStats::lent_pages));
  EXPECT_FALSE(heap().cage().Entry(first).in_use());
  for (int i = 0; i < 20; ++i) {
    Span* other = Lend(50);
    ASSERT_NE(nullptr, other);
    EXPECT_GE(heap().cage().FirstPage(other), first + 50);
    End(other);
  }
  KeepForEver();
}

TEST_F(PageHeapLentTest, PagesWithoutTablesAreNotHandedOut) {
  End(Lend(5000));
  const uint64_t released = Stat(&HeapStats::released_pages);
  for (uint64_t nth = 1; nth <= 3; ++nth) {
    os_.plan().FailCall(OsCall::kUsed, nth);
    EXPECT_EQ(nullptr, Alloc(5000));
    heap().pages().Verify();
    EXPECT_EQ(released, Stat(&HeapStats::released_pages));
  }
  ASSERT_NE(nullptr, Alloc(5000));
}

TEST_F(PageHeapLentTest, ChargesStopAtTheHardLimit) {
  Span* plain = Alloc(1000);
  heap().pages().FreeSpan(plain);
  auto& hard = heap().pages().limits().hard;
  hard = heap().pages().MemoryBytes() + 1000;
  EXPECT_TRUE(heap().pages().ChargeBelowHard(1000));
  // Free pages make room for the next, but not for what is more than there are.
  EXPECT_TRUE(heap().pages().ChargeBelowHard(500 * kPageBytes));
  EXPECT_FALSE(heap().pages().ChargeBelowHard(1000 * kPageBytes));
  EXPECT_FALSE(heap().pages().ChargeBelowHard(hard + 1));
  EXPECT_EQ(1000 + 500 * kPageBytes, Stat(&HeapStats::external_bytes));
  hard = MemoryLimits::kNone;
}

TEST_F(PageHeapLentTest, TheHardLimitSeesPageEntriesOnly) {
  Span* s = Lend(10);
  heap().pages().limits().hard = os_.ReadyBytes() + (size_t{1} << 20);
  Span* small = Lend(10'000);  // 80 MB of addresses
  ASSERT_NE(nullptr, small);
  EXPECT_EQ(7, At(small)[0]);
  heap().pages().limits().hard = MemoryLimits::kNone;
  End(small);
  End(s);
}

TEST_F(PageHeapLentTest, SweepingFreesTheDeadAndCountsNothing) {
  Span* s = Lend(10);
  PublishLentSpan(heap(), s, 0);
  EXPECT_EQ(0u, Stat(&HeapStats::allocated_objects));
  heap().hooks().object_freed = [](void*, uintptr_t, size_t) { FAIL() << "clobbered"; };
  heap().pages().TakeBack(s, 10 * kPageBytes);
  heap().FlipSweepgen();
  while (SweepOne(heap(), class_)) {
  }
  EXPECT_EQ(0u, Stat(&HeapStats::lent_pages));
  EXPECT_EQ(0u, Stat(&HeapStats::freed_objects));
  EXPECT_EQ(0u, Stat(&HeapStats::swept_pages));
  heap().pages().Verify();
}

}  // namespace
}  // namespace tarn::rt
