// Spans out of pages: what a fresh span looks like, when its memory must be zeroed, growth over
// chunks and arenas, and every system call refused once.
#include "runtime/heap/page_heap.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "runtime/base/check.h"
#include "runtime/os/os_memory_linux.h"
#include "runtime/thread/sanitizer.h"
#include "tests/support/sim_memory.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

using internal::kChunkPages;
using internal::kPageBytes;
using internal::kPagesPerArena;

constexpr size_t kGiB = size_t{1} << 30;
constexpr uint32_t kGen = 2;

bool NothingKept(const SimMemory& os) {
  return os.TotalBytes(MemoryState::kReserved) == 0 && os.TotalBytes(MemoryState::kPrepared) == 0 &&
         os.TotalBytes(MemoryState::kReady) == 0;
}

class PageHeapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(classes_.Init(class_memory_));
    large_ = Class(0);
    ASSERT_TRUE(heap_->Init(os_, kGiB));
  }
  uint16_t Class(size_t size_class) {
    return classes_.Intern(size_class, 0, true, nullptr, nullptr);
  }
  Span* Alloc(size_t npages, PageCache* cache = nullptr) {
    Span* s = heap_->AllocSpan(classes_.Info(large_), large_, npages, cache, kGen);
    if (s != nullptr) heap_->Publish(s, true);
    return s;
  }
  Span* AllocSmall(size_t size_class, PageCache* cache = nullptr) {
    const uint16_t c = Class(size_class);
    const SpanClassInfo& info = classes_.Info(c);
    Span* s = heap_->AllocSpan(info, c, info.npages, cache, kGen);
    if (s != nullptr) heap_->Publish(s, info.noscan);
    return s;
  }
  char* Memory(const Span* s) { return reinterpret_cast<char*>(heap_->cage().BaseOf(s)); }
  uint64_t Stat(std::atomic<uint64_t> HeapStats::*field) {
    return HeapStats::Get(heap_->stats().*field);
  }
  size_t ReadyBytes() {
    const Cage& cage = heap_->cage();
    return os_.BytesIn(reinterpret_cast<void*>(cage.base()), cage.bytes(), MemoryState::kReady);
  }

  SimMemory os_;
  LinuxMemory class_memory_;
  SpanClassTable classes_;
  std::unique_ptr<PageHeap> heap_ = std::make_unique<PageHeap>();
  uint16_t large_ = 0;
};

TEST_F(PageHeapTest, FreshSpanIsEmptyUnownedAndReady) {
  const uint16_t c = Class(internal::SizeToClass(48));
  const SpanClassInfo& info = classes_.Info(c);
  Span* s = heap_->AllocSpan(info, c, info.npages, nullptr, 6);
  ASSERT_NE(s, nullptr);
  EXPECT_EQ(s->npages, info.npages);
  EXPECT_EQ(s->nelems, kPageBytes / 48);
  EXPECT_EQ(s->elem_bytes32, 48u);
  EXPECT_EQ(s->span_class, c);
  EXPECT_EQ(s->alloc_count, 0u);
  EXPECT_EQ(s->search_index, 0u);
  EXPECT_EQ(s->needzero, 0);
  EXPECT_EQ(s->owned.load(), 0u);
  EXPECT_EQ(s->sweepgen.load(), 6u);
  EXPECT_EQ(ReadyBytes(), kPageBytes);
  EXPECT_EQ(Memory(s)[0], 0);
  const size_t page = heap_->cage().FirstPage(s);
  EXPECT_FALSE(heap_->cage().Entry(page).in_use()) << "seen before it was published";
  heap_->Publish(s, info.noscan);
  EXPECT_TRUE(heap_->cage().Entry(page).in_use());
  heap_->Verify();
}

TEST_F(PageHeapTest, PublishedSpanIsFoundFromEachOfItsPagesUntilItIsFreed) {
  Span* before = Alloc(1);
  Span* s = Alloc(700);  // crosses a chunk
  Span* after = Alloc(1);
  ASSERT_TRUE(before != nullptr && s != nullptr && after != nullptr);
  const size_t first = heap_->cage().FirstPage(s);
  for (size_t i = 0; i < 700; ++i) {
    const PageEntry e = heap_->cage().Entry(first + i);
    ASSERT_TRUE(e.in_use());
    ASSERT_EQ(e.offset_pages(), i);
    ASSERT_EQ(e.span_class(), large_);
    ASSERT_TRUE(e.noscan());
  }
  heap_->FreeSpan(s);
  for (size_t i = 0; i < 700; ++i) ASSERT_FALSE(heap_->cage().Entry(first + i).in_use());
  EXPECT_TRUE(heap_->cage().Entry(heap_->cage().FirstPage(before)).in_use());
  EXPECT_TRUE(heap_->cage().Entry(heap_->cage().FirstPage(after)).in_use());
  heap_->Verify();
}

TEST_F(PageHeapTest, FreedSpanLeavesNoBitsBehind) {
  Span* s = AllocSmall(1);  // 8 bytes: the most bits a page can have
  ASSERT_NE(s, nullptr);
  const size_t first = heap_->cage().FirstPage(s);
  const size_t words = s->nelems / 64;
  for (unsigned which = 0; which < 2; ++which) {
    for (size_t w = 0; w < words; ++w) heap_->cage().Bits(which, first)[w].store(~uint64_t{0});
  }
  heap_->FreeSpan(s);
  EXPECT_EQ(s->npages, 0u);
  for (unsigned which = 0; which < 2; ++which) {
    for (size_t w = 0; w < words; ++w) {
      ASSERT_EQ(heap_->cage().Bits(which, first)[w].load(), 0u) << which << " " << w;
    }
  }
}

TEST_F(PageHeapTest, OnlyAnEntirelyFreshSpanNeedsNoZeroing) {
  Span* used = Alloc(2);
  ASSERT_NE(used, nullptr);
  EXPECT_EQ(used->needzero, 0);
  std::memset(Memory(used), 0xff, 2 * kPageBytes);
  heap_->FreeSpan(used);
  const uint64_t released = Stat(&HeapStats::released_pages);
  Span* mixed = Alloc(4);  // two used, two fresh
  ASSERT_EQ(mixed, used);
  EXPECT_EQ(mixed->needzero, 1);
  EXPECT_EQ(Stat(&HeapStats::released_pages), released - 2);
  Span* fresh = Alloc(4);
  ASSERT_NE(fresh, nullptr);
  EXPECT_EQ(fresh->needzero, 0);
  heap_->FreeSpan(mixed);
  Span* reused = Alloc(1);
  ASSERT_EQ(reused, mixed);
  EXPECT_EQ(reused->needzero, 1);
  heap_->Verify();
}

TEST_F(PageHeapTest, SpanFromThePageCacheIsZeroOnlyIfItsPagesAreFresh) {
  PageCache cache;
  Span* a = Alloc(3, &cache);
  ASSERT_NE(a, nullptr);
  EXPECT_FALSE(cache.Empty());
  EXPECT_EQ(a->needzero, 0);
  std::memset(Memory(a), 0xff, 3 * kPageBytes);
  heap_->FreeSpan(a);
  heap_->FlushCache(cache);
  heap_->Verify();
  Span* b = Alloc(3, &cache);
  ASSERT_EQ(b, a);
  EXPECT_EQ(b->needzero, 1);
  Span* c = Alloc(3, &cache);
  EXPECT_EQ(c->needzero, 0);
  EXPECT_EQ(Memory(c)[3 * kPageBytes - 1], 0);
}

TEST(PageHeapOptionsTest, NothingIsFreshWhereReleasedMemoryKeepsItsContents) {
  SimMemory::Options options;
  options.released_is_zero = false;
  SimMemory os(options);
  LinuxMemory class_memory;
  SpanClassTable classes;
  ASSERT_TRUE(classes.Init(class_memory));
  const uint16_t c = classes.Intern(0, 0, true, nullptr, nullptr);
  PageHeap heap;
  ASSERT_TRUE(heap.Init(os, kGiB));
  Span* s = heap.AllocSpan(classes.Info(c), c, 1, nullptr, kGen);
  ASSERT_NE(s, nullptr);
  EXPECT_EQ(s->needzero, 1);
}

TEST_F(PageHeapTest, SpansCrossChunksAndArenas) {
  std::vector<Span*> spans;
  for (const size_t npages :
       {kChunkPages - 1, size_t{2}, kChunkPages + 1, kPagesPerArena - 1, kPagesPerArena + 1}) {
    Span* s = Alloc(npages);
    ASSERT_NE(s, nullptr) << npages;
    for (size_t i = 0; i < npages; ++i) Memory(s)[i * kPageBytes] = 1;  // faults unless Ready
    Memory(s)[npages * kPageBytes - 1] = 1;
    spans.push_back(s);
    heap_->Verify();
  }
  for (Span* s : spans) heap_->FreeSpan(s);
  heap_->Verify();
  EXPECT_EQ(Stat(&HeapStats::in_use_pages), 0u);
}

TEST_F(PageHeapTest, SpansNeverOverlap) {
  std::mt19937_64 rng(TestSeed());
  PageCache caches[2];
  std::map<size_t, size_t> taken;  // first page -> one past the last
  for (int i = 0; i < 2000; ++i) {
    const size_t npages = rng() % 10 == 0 ? 1 + rng() % 700 : 1 + rng() % 20;
    PageCache* cache = rng() % 3 == 0 ? nullptr : &caches[rng() % 2];
    Span* s = rng() % 3 != 0 || taken.empty() ? Alloc(npages, cache) : nullptr;
    if (s != nullptr) {
      const size_t first = heap_->cage().FirstPage(s);
      const auto next = taken.lower_bound(first);
      ASSERT_TRUE(next == taken.end() || first + npages <= next->first);
      ASSERT_TRUE(next == taken.begin() || std::prev(next)->second <= first);
      taken[first] = first + npages;
    } else if (!taken.empty()) {
      const auto it = std::next(taken.begin(), static_cast<ptrdiff_t>(rng() % taken.size()));
      heap_->FreeSpan(heap_->cage().SpanAt(it->first));
      taken.erase(it);
    }
  }
  for (PageCache& cache : caches) heap_->FlushCache(cache);
  heap_->Verify();
}

TEST_F(PageHeapTest, CageCanBeUsedUpToItsLastPage) {
  const size_t all = heap_->cage().bytes() / kPageBytes;
  EXPECT_EQ(Alloc(0), nullptr);
  EXPECT_EQ(Alloc(all + 1), nullptr);
  EXPECT_EQ(Alloc(~size_t{0}), nullptr);
  EXPECT_EQ(Stat(&HeapStats::mapped_pages), 0u);
  Span* s = Alloc(all);
  ASSERT_NE(s, nullptr);
  Memory(s)[all * kPageBytes - 1] = 1;
  PageCache cache;
  EXPECT_EQ(Alloc(1), nullptr);
  EXPECT_EQ(Alloc(1, &cache), nullptr);
  EXPECT_TRUE(cache.Empty());
  heap_->Verify();
  heap_->FreeSpan(s);
  EXPECT_NE(Alloc(1, &cache), nullptr);
  heap_->FlushCache(cache);
  heap_->Verify();
}

TEST_F(PageHeapTest, LargeRequestsBypassTheCacheAndSmallOnesEmptyIt) {
  PageCache cache;
  ASSERT_NE(Alloc(PageCache::kMaxRequest, &cache), nullptr);
  EXPECT_TRUE(cache.Empty());
  // The block has 64 pages, 16 of which are taken.
  for (int i = 0; i < 48; ++i) ASSERT_NE(Alloc(1, &cache), nullptr);
  EXPECT_TRUE(cache.Empty());
  EXPECT_EQ(Stat(&HeapStats::in_use_pages), 64u);
  heap_->Verify();
}

TEST_F(PageHeapTest, RequestThatDoesNotFitTheCacheIsServedBesideIt) {
  PageCache cache;
  ASSERT_NE(Alloc(1, &cache), nullptr);
  for (int i = 0; i < 5; ++i) ASSERT_NE(Alloc(12, &cache), nullptr);  // 61 of 64 pages
  ASSERT_FALSE(cache.Empty());
  Span* s = Alloc(12, &cache);
  ASSERT_NE(s, nullptr);
  EXPECT_GE(heap_->cage().FirstPage(s), 64u);
  EXPECT_FALSE(cache.Empty());
  heap_->FlushCache(cache);
  heap_->FlushCache(cache);  // of an empty cache: nothing
  heap_->Verify();
}

TEST_F(PageHeapTest, VerifyNoticesADisagreementOfTheLedger) {
  Span* s = Alloc(3);
  ASSERT_NE(s, nullptr);
  heap_->Verify();
  EXPECT_DEATH(
      {
        HeapStats::Add(heap_->stats().in_use_pages, 1);
        heap_->Verify();
      },
      "check failed");
  EXPECT_DEATH(
      {
        HeapStats::Sub(heap_->stats().released_pages, 1);
        heap_->Verify();
      },
      "check failed");
  EXPECT_DEATH(
      {
        heap_->cage().ClearEntries(heap_->cage().FirstPage(s) + 1, 1);
        heap_->Verify();
      },
      "check failed");
}

// --- Every call of the system refused once, and from some call on for ever.

// A fixed workload that goes on after each null, with contents that tell if pages were lost, given
// out twice, or not accessible.
class Workload {
 public:
  explicit Workload(SimMemory& os) : os_(os) {
    TARN_CHECK(classes_.Init(class_memory_));
    large_ = classes_.Intern(0, 0, true, nullptr, nullptr);
  }

  bool Init() { return heap_->Init(os_, 2 * kGiB); }
  void Run() {
    const size_t sizes[] = {1, 1, 3, 17, 2, 64, 600, 5, 1, 9000, 12, 1, 520, 30, 2, 9, 1, 4000, 7};
    for (int round = 0; round < 3; ++round) {
      for (const size_t npages : sizes) Alloc(npages + static_cast<size_t>(round));
      for (size_t i = 0; i < spans_.size(); i += 2) Free(i);
    }
  }
  // Everything works again, and nothing was lost.
  void Recover() {
    const size_t before = spans_.size();
    for (const size_t npages : {size_t{1}, size_t{40}, size_t{9000}}) Alloc(npages);
    ASSERT_EQ(spans_.size(), before + 3);
    CheckSound();
    while (!spans_.empty()) Free(spans_.size() - 1);
    CheckSound();
    ASSERT_EQ(HeapStats::Get(heap_->stats().in_use_pages), 0u);
    // One piece again: what was grown can be had as one span.
    const size_t all = HeapStats::Get(heap_->stats().mapped_pages);
    Alloc(all);
    ASSERT_EQ(spans_.size(), 1u);
    ASSERT_EQ(heap_->cage().FirstPage(spans_[0]), 0u);
    ASSERT_EQ(HeapStats::Get(heap_->stats().released_pages), 0u);
    Free(0);
    CheckSound();
  }
  void CheckSound() {
    for (PageCache& cache : caches_) heap_->FlushCache(cache);
    heap_->Verify();
    const HeapStats& stats = heap_->stats();
    const Cage& cage = heap_->cage();
    ASSERT_EQ(
        os_.BytesIn(reinterpret_cast<void*>(cage.base()), cage.bytes(), MemoryState::kReady),
        (HeapStats::Get(stats.mapped_pages) - HeapStats::Get(stats.released_pages)) * kPageBytes);
  }
  void Destroy() { heap_.reset(); }
  size_t nulls() const { return nulls_; }

 private:
  uint64_t* Word(Span* s, size_t page) {
    return reinterpret_cast<uint64_t*>(heap_->cage().BaseOf(s) + page * kPageBytes);
  }
  // Of large spans only some pages are touched.
  static size_t Step(size_t npages) { return npages <= 32 ? 1 : npages / 16; }
  void Alloc(size_t npages) {
    ++turn_;
    PageCache* cache = turn_ % 3 == 0 ? nullptr : &caches_[turn_ % 3 - 1];
    Span* s = heap_->AllocSpan(classes_.Info(large_), large_, npages, cache, kGen);
    if (s == nullptr) {
      ++nulls_;
      return;
    }
    for (size_t i = 0; i < npages; i += Step(npages)) {
      ASSERT_TRUE(s->needzero || *Word(s, i) == 0) << i;
      *Word(s, i) = reinterpret_cast<uint64_t>(s) + i;
    }
    heap_->Publish(s, true);
    spans_.push_back(s);
  }
  void Free(size_t at) {
    Span* s = spans_[at];
    for (size_t i = 0; i < s->npages; i += Step(s->npages)) {
      ASSERT_EQ(*Word(s, i), reinterpret_cast<uint64_t>(s) + i) << i;
    }
    heap_->FreeSpan(s);
    spans_[at] = spans_.back();
    spans_.pop_back();
  }

  SimMemory& os_;
  LinuxMemory class_memory_;
  SpanClassTable classes_;
  std::unique_ptr<PageHeap> heap_ = std::make_unique<PageHeap>();
  uint16_t large_ = 0;
  PageCache caches_[2];
  size_t turn_ = 0;
  size_t nulls_ = 0;
  std::vector<Span*> spans_;
};

// Runs the workload with call `nth` refused; false if there are fewer calls.
bool RunRefused(uint64_t nth, uint64_t count) {
  SCOPED_TRACE(nth);
  SimMemory os;
  os.plan().FailAny(nth, count);
  bool refused = true;
  {
    Workload work(os);
    const bool init = work.Init();
    if (init) {
      work.Run();
      refused = os.plan().RefusedCount() != 0;
      os.plan().Clear();
      work.CheckSound();
      work.Recover();
    } else {
      EXPECT_TRUE(NothingKept(os));
      os.plan().Clear();
      EXPECT_TRUE(work.Init()) << "a later attempt";
      work.Run();
      EXPECT_EQ(work.nulls(), 0u);
      work.Recover();
    }
    EXPECT_TRUE(refused || work.nulls() == 0);
    work.Destroy();
  }
  EXPECT_TRUE(NothingKept(os));
  return refused && !::testing::Test::HasFatalFailure();
}

// ThreadSanitizer makes mapping so slow that it sees only every fifth point.
constexpr uint64_t kStep = TARN_TSAN ? 5 : 1;

TEST(PageHeapRefusalTest, EachCallRefusedOnceLosesNothing) {
  uint64_t nth = 1;
  while (RunRefused(nth, 1)) nth += kStep;
  EXPECT_GT(nth, 50u);
}

TEST(PageHeapRefusalTest, EveryCallRefusedFromSomePointOnLosesNothing) {
  uint64_t nth = 1;
  while (RunRefused(nth, FailurePlan::kForever)) nth += kStep;
  EXPECT_GT(nth, 50u);
}

}  // namespace
}  // namespace tarn::rt
