// The page heap at its limits, over simulated memory: what is released, what is refused, and that
// nothing is lost on the way.
#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "tests/runtime/heap/heap_test_util.h"

namespace tarn::rt {
namespace {

using internal::kChunkPages;
using internal::kPageBytes;

class PageHeapLimitsTest : public testing::Test {
 protected:
  PageHeapLimitsTest() { class_ = h_.Class(0); }

  PageHeap& pages() { return h_->pages(); }
  MemoryLimits& limits() { return pages().limits(); }
  Span* Alloc(size_t npages, SoftLimit at_soft = SoftLimit::kPass) {
    Span* s = pages().AllocSpan(h_->classes().Info(class_), class_, npages, nullptr, h_->sweepgen(),
                                at_soft);
    if (s != nullptr) {
      s->nelems = 1;
      pages().Publish(s, true);
    }
    return s;
  }
  // Sets limits so far above what is in use now.
  void Leave(std::atomic<uint64_t>& limit, size_t npages) {
    limit.store(pages().MemoryBytes() + npages * kPageBytes);
  }
  uint64_t Released() { return HeapStats::Get(h_->stats().released_pages); }
  void Check() {
    pages().Verify();
    EXPECT_EQ(pages().MemoryBytes(),
              h_.os.TotalBytes(MemoryState::kReady) + HeapStats::Get(h_->stats().external_bytes));
    h_.CheckLedger();
  }

  TestHeap h_;
  uint16_t class_;
};

TEST_F(PageHeapLimitsTest, ScavengeReleasesFreePagesAndTheLedgerSaysSo) {
  Span* a = Alloc(100);
  Span* b = Alloc(100);
  pages().FreeSpan(a);
  const uint64_t before = pages().MemoryBytes();
  EXPECT_EQ(pages().Scavenge(10 * kPageBytes, ScavengeMode::kForced), 10 * kPageBytes);
  EXPECT_EQ(pages().MemoryBytes(), before - 10 * kPageBytes);
  EXPECT_EQ(pages().Scavenge(~uint64_t{0}, ScavengeMode::kForced), 90 * kPageBytes);
  EXPECT_EQ(pages().Scavenge(kPageBytes, ScavengeMode::kForced), 0u);
  Check();
  pages().FreeSpan(b);
}

TEST_F(PageHeapLimitsTest, ASpanAboveTheSoftLimitMakesRoomFirst) {
  Span* a = Alloc(64);
  Span* b = Alloc(64);  // above it nothing is backed
  pages().FreeSpan(a);
  Leave(limits().soft, 0);
  // 128 pages fit above b only: they are not backed yet, and the free ones below go.
  Span* c = Alloc(128, SoftLimit::kRefuse);
  EXPECT_EQ(c, nullptr) << "64 of 128 pages could be made room for";
  EXPECT_EQ(HeapStats::Get(limits().soft_refusals), 1u);
  c = Alloc(64 + 1, SoftLimit::kRefuse);
  EXPECT_EQ(c, nullptr) << "one page short";
  Check();
  // The free pages were released: there is room for as many.
  c = Alloc(64, SoftLimit::kRefuse);
  ASSERT_NE(c, nullptr);
  EXPECT_LE(pages().MemoryBytes(), limits().soft.load());
  Span* d = Alloc(128, SoftLimit::kPass);
  ASSERT_NE(d, nullptr) << "the soft limit gives way to who may pass";
  EXPECT_GT(pages().MemoryBytes(), limits().soft.load());
  Check();
  for (Span* s : {b, c, d}) pages().FreeSpan(s);
}

TEST_F(PageHeapLimitsTest, NothingIsReleasedOrRefusedWhileTheCollectorIsLimited) {
  Span* a = Alloc(64);
  Span* b = Alloc(1);
  pages().FreeSpan(a);
  Leave(limits().soft, 0);
  limits().is_gc_limited.store(1);
  const uint64_t released = Released();
  Span* c = Alloc(128, SoftLimit::kRefuse);
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(Released(), released - 128);
  for (Span* s : {b, c}) pages().FreeSpan(s);
}

TEST_F(PageHeapLimitsTest, TheHardLimitIsNeverPassed) {
  Span* first = Alloc(1);
  Leave(limits().hard, 300);
  std::vector<Span*> spans;
  while (Span* s = Alloc(1 + spans.size() % 7)) {
    spans.push_back(s);
    ASSERT_LE(pages().MemoryBytes(), limits().hard.load());
  }
  EXPECT_GE(pages().MemoryBytes() + 7 * kPageBytes, limits().hard.load());
  EXPECT_GE(HeapStats::Get(limits().hard_refusals), 1u);
  EXPECT_EQ(Alloc(301), nullptr);
  Check();
  // What is freed can be had again, in another shape.
  for (Span* s : spans) pages().FreeSpan(s);
  Span* large = Alloc(300);
  ASSERT_NE(large, nullptr);
  EXPECT_LE(pages().MemoryBytes(), limits().hard.load());
  Check();
  pages().FreeSpan(large);
  pages().FreeSpan(first);
}

TEST_F(PageHeapLimitsTest, ExternalBytesCountAtBothLimits) {
  Span* a = Alloc(1);
  Leave(limits().hard, 100);
  HeapStats::Add(h_->stats().external_bytes, 60 * kPageBytes);
  EXPECT_EQ(Alloc(41), nullptr);
  Span* b = Alloc(40);
  ASSERT_NE(b, nullptr);
  HeapStats::Sub(h_->stats().external_bytes, 60 * kPageBytes);
  Span* c = Alloc(60);
  ASSERT_NE(c, nullptr);
  for (Span* s : {a, b, c}) pages().FreeSpan(s);
}

TEST_F(PageHeapLimitsTest, TablesForALargerHeapCountBeforeTheyAreMade) {
  Span* a = Alloc(internal::kPagesPerArena);
  limits().hard.store(pages().MemoryBytes());
  EXPECT_EQ(Alloc(1), nullptr) << "needs another arena";
  Check();
  limits().hard.store(MemoryLimits::kNone);
  Span* b = Alloc(1);
  ASSERT_NE(b, nullptr);
  // Free pages are given up for the tables.
  pages().FreeSpan(a);
  limits().hard.store(pages().MemoryBytes());
  Span* c = Alloc(internal::kPagesPerArena / 2 * 3);
  EXPECT_EQ(c, nullptr) << "more than there is";
  c = Alloc(internal::kPagesPerArena / 2);
  ASSERT_NE(c, nullptr);
  Check();
  for (Span* s : {b, c}) pages().FreeSpan(s);
}

// Every call that can be refused is, once, at a heap that works at its limits.
TEST_F(PageHeapLimitsTest, InjectedRefusalsLoseNothing) {
  for (uint64_t nth = 1; nth < 40; ++nth) {
    SCOPED_TRACE(nth);
    std::vector<Span*> spans;
    pages().Scavenge(~uint64_t{0}, ScavengeMode::kForced);  // so that spans ask the system
    Leave(limits().soft, 200);
    Leave(limits().hard, 400);
    h_.os.plan().FailAny(nth);
    for (size_t i = 0; i < 60; ++i) {
      Span* s = Alloc(1 + i % 30, i % 2 == 0 ? SoftLimit::kRefuse : SoftLimit::kPass);
      if (s != nullptr) spans.push_back(s);
      if (i % 3 == 2 && !spans.empty()) {
        pages().FreeSpan(spans[i % spans.size()]);
        spans.erase(spans.begin() + static_cast<ptrdiff_t>(i % spans.size()));
      }
      ASSERT_LE(pages().MemoryBytes(), limits().hard.load());
    }
    h_.os.plan().Clear();
    Check();
    for (Span* s : spans) pages().FreeSpan(s);
    Check();
  }
  EXPECT_GT(h_.os.plan().RefusedCount(), 10u);
}

TEST_F(PageHeapLimitsTest, AnExcessThatAppearsAtOnceIsReleasedInPieces) {
  // 32 MiB of free runs that are too short for what is asked for below.
  constexpr size_t kRun = 128;
  std::vector<Span*> spans;
  for (size_t i = 0; i < 64; ++i) spans.push_back(Alloc(kRun));
  for (size_t i = 0; i < spans.size(); i += 2) pages().FreeSpan(spans[i]);
  uint64_t last = pages().MemoryBytes();
  limits().soft.store(last - 16 * kChunkPages / 4 * kPageBytes);
  int steps = 0;
  for (; last > limits().soft.load() && steps < 20; ++steps) {
    ASSERT_NE(Alloc(kRun + 8, SoftLimit::kRefuse), nullptr) << "more was released than is taken";
    const uint64_t now = pages().MemoryBytes();
    EXPECT_LT(now, last);
    EXPECT_GE(now + 2 * kChunkPages * kPageBytes, last) << "not all of it";
    last = now;
  }
  EXPECT_GT(steps, 2);
  EXPECT_LE(last, limits().soft.load());
  Check();
}

TEST_F(PageHeapLimitsTest, TablesDoNotGrowForWhatWillBeRefused) {
  Alloc(1);
  const uint64_t tables = h_->cage().table_bytes();
  Leave(limits().hard, 3 * internal::kPagesPerArena);
  EXPECT_EQ(Alloc(4 * internal::kPagesPerArena), nullptr);
  EXPECT_EQ(h_->cage().table_bytes(), tables);
  EXPECT_EQ(HeapStats::Get(limits().hard_refusals), 1u);
  EXPECT_NE(Alloc(2 * internal::kPagesPerArena), nullptr);
  Check();
}

// Where OS pages are larger than heap pages, a run that is refused need not be whole OS pages.
TEST(PageHeapLimitsLargePagesTest, ARefusedRunInsideAnOsPageIsNotLost) {
  for (const size_t os_page : {size_t{16} << 10, size_t{64} << 10}) {
    SCOPED_TRACE(os_page);
    SimMemory::Options options;
    options.physical_page_bytes = os_page;
    TestHeap h(options);
    PageHeap& pages = h->pages();
    const uint16_t c = h.Class(0);
    const auto alloc = [&](size_t npages, SoftLimit at_soft) {
      Span* s = pages.AllocSpan(h->classes().Info(c), c, npages, nullptr, h->sweepgen(), at_soft);
      if (s != nullptr) {
        s->nelems = 1;
        pages.Publish(s, true);
      }
      return s;
    };
    std::vector<Span*> spans;
    for (const size_t npages : {1, 2, 3, 7, 9, 1}) spans.push_back(alloc(npages, SoftLimit::kPass));
    pages.FreeSpan(spans[2]);
    pages.FreeSpan(spans[4]);
    pages.Scavenge(~uint64_t{0}, ScavengeMode::kForced);
    for (const size_t npages : {1, 2, 3, 5, 8, 11, 30}) {
      pages.limits().soft.store(pages.MemoryBytes());
      const uint64_t refusals = HeapStats::Get(pages.limits().soft_refusals);
      Span* s = alloc(npages, SoftLimit::kRefuse);
      if (s == nullptr) {
        EXPECT_EQ(HeapStats::Get(pages.limits().soft_refusals), refusals + 1);
      }
      pages.Verify();
      h.CheckLedger();
      EXPECT_EQ(pages.MemoryBytes(), h.os.TotalBytes(MemoryState::kReady));
      if (s != nullptr) pages.FreeSpan(s);
    }
    EXPECT_NE(HeapStats::Get(pages.limits().soft_refusals), 0u);
    pages.limits().soft.store(MemoryLimits::kNone);
    Span* s = alloc(100, SoftLimit::kPass);
    ASSERT_NE(s, nullptr);
    std::memset(reinterpret_cast<void*>(h->cage().BaseOf(s)), 7, 100 * kPageBytes);
    pages.Verify();
  }
}

}  // namespace
}  // namespace tarn::rt
