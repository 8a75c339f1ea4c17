// The byte ledger (heap_stats.h): its sums after each step of a life of the heap, and with each
// system call refused.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <vector>

#include "runtime/heap/heap_stats.h"
#include "runtime/thread/sanitizer.h"
#include "tests/runtime/heap/heap_test_util.h"

namespace tarn::rt {
namespace {

using internal::kPageBytes;

class LedgerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(heap_.ok());
    cache_ = ThreadCache::New(*heap_);
    ASSERT_NE(cache_, nullptr);
    c64_ = heap_.Class(internal::SizeToClass(64));
    large_ = heap_.Class(0);
  }
  uint64_t Stat(std::atomic<uint64_t> HeapStats::*field) {
    return HeapStats::Get(heap_->stats().*field);
  }
  // As the collector does when marking has ended.
  void EndCycle() {
    cache_->FlushLive();
    cache_->MarkRuns();
    const uint64_t marked = heap_.Count(/*marks=*/true).bytes;
    heap_.Flip();
    heap_->stats().live.store(marked);
  }

  TestHeap heap_;
  ThreadCache* cache_ = nullptr;
  uint16_t c64_ = 0, large_ = 0;
};

TEST_F(LedgerTest, EmptyHeapHasEmptyColumns) {
  heap_.CheckLedger();
  EXPECT_EQ(Stat(&HeapStats::mapped_pages), 0u);
  EXPECT_EQ(Stat(&HeapStats::in_use_pages), 0u);
  EXPECT_EQ(Stat(&HeapStats::live), 0u);
  EXPECT_EQ(Stat(&HeapStats::trigger), ~uint64_t{0});
}

TEST_F(LedgerTest, PagesMoveBetweenTheColumns) {
  ASSERT_NE(cache_->AllocateLarge(large_, 20 * kPageBytes), nullptr);
  EXPECT_EQ(Stat(&HeapStats::mapped_pages), internal::kChunkPages);
  EXPECT_EQ(Stat(&HeapStats::in_use_pages), 20u);
  EXPECT_EQ(Stat(&HeapStats::released_pages), internal::kChunkPages - 20);
  heap_.CheckLedger();
  heap_.Flip();
  heap_.SweepLists();
  EXPECT_EQ(Stat(&HeapStats::in_use_pages), 0u);
  EXPECT_EQ(Stat(&HeapStats::released_pages), internal::kChunkPages - 20) << "free, but backed";
  EXPECT_EQ(Stat(&HeapStats::swept_pages), 20u);
  heap_.CheckLedger();
}

TEST_F(LedgerTest, SumsHoldBetweenFlipAndSweep) {
  std::vector<void*> objects;
  for (int i = 0; i < 1000; ++i) objects.push_back(cache_->Allocate(c64_));
  heap_.CheckLedger();
  for (size_t i = 0; i < objects.size(); i += 2) heap_.Mark(objects[i]);
  EndCycle();
  heap_.CheckLedger();
  while (SweepOne(*heap_, c64_)) heap_.CheckLedger();
  cache_->SweepOwned();
  heap_.CheckLedger();
  EXPECT_EQ(Stat(&HeapStats::freed_objects), 500u);
  cache_->Release(/*marking=*/false);
  heap_.CheckLedger();
  EXPECT_EQ(Stat(&HeapStats::allocated_objects) - Stat(&HeapStats::freed_objects), 500u);
}

TEST_F(LedgerTest, LiveIsWhatWasMarkedAndWhatWasTakenSince) {
  std::vector<void*> objects;
  for (int i = 0; i < 300; ++i) objects.push_back(cache_->Allocate(c64_));
  cache_->FlushLive();
  EXPECT_EQ(Stat(&HeapStats::live), 3 * kPageBytes);
  for (size_t i = 0; i < 100; ++i) heap_.Mark(objects[i]);
  EndCycle();
  const uint64_t rest = 3 * kPageBytes - 300 * 64;  // of the third run
  EXPECT_EQ(Stat(&HeapStats::live), 100 * 64 + rest);
  cache_->AllocateLarge(large_, 50000);
  EXPECT_EQ(Stat(&HeapStats::live), 100 * 64 + rest + 7 * kPageBytes);
  cache_->Release(/*marking=*/false);
  EXPECT_EQ(Stat(&HeapStats::live), 100 * 64 + 7 * kPageBytes) << "the rest was given back";
  heap_.CheckLedger();
}

TEST_F(LedgerTest, TinyObjectsAreOneObjectOfTheLedgerPerBlock) {
  const uint16_t c16 = heap_.Class(internal::SizeToClass(16));
  cache_->SetMaxRunSlots(1);
  for (int i = 0; i < 40; ++i) cache_->AllocateTiny(c16, 4, 4);
  EXPECT_EQ(Stat(&HeapStats::tiny_allocs), 40u);
  EXPECT_EQ(Stat(&HeapStats::allocated_objects), 10u);
  EXPECT_EQ(Stat(&HeapStats::allocated_bytes), 160u);
  heap_.CheckLedger();
}

// --- Every system call of a life refused once, and from some call on for ever.

struct Life {
  explicit Life(TestHeap& h) : heap(h) {
    for (size_t c = 0; c < internal::kNumSizeClasses; c += 3) {
      classes.push_back(heap.Class(c, 1, false));
    }
  }

  // Objects of all classes over a few cycles, half of them dropped each time; goes on after nulls.
  void Run() {
    for (int cycle = 0; cycle < 3; ++cycle) {
      if (cache == nullptr) cache = ThreadCache::New(*heap);
      for (int i = 0; i < 250 && cache != nullptr; ++i) {
        Allocate(classes[static_cast<size_t>(i * 7 + cycle) % classes.size()],
                 40000 + static_cast<size_t>(i) * 200);
      }
      Cycle();
      if (cycle == 1 && cache != nullptr) {
        cache->Release(/*marking=*/false);
        cache = nullptr;
      }
    }
  }

  void Allocate(uint16_t c, size_t large_bytes) {
    const bool is_large = heap->classes().Info(c).elem_bytes == 0;
    auto* p = static_cast<uint64_t*>(is_large ? cache->AllocateLarge(c, large_bytes)
                                              : cache->Allocate(c));
    if (p == nullptr) {
      ++nulls;
      return;
    }
    ASSERT_TRUE(AllZero(p, heap.Find(p).bytes));
    std::memset(p, 0xee, heap.Find(p).bytes);
    *p = ++serial;
    ASSERT_TRUE(live.emplace(p, serial).second);
  }

  void Cycle() {
    for (auto it = live.begin(); it != live.end();) {
      ASSERT_EQ(*it->first, it->second) << "contents lost";
      ASSERT_TRUE(heap.IsAllocated(it->first));
      if (it->second % 2 == 0) {
        it = live.erase(it);
      } else {
        heap.Mark(it->first);
        ++it;
      }
    }
    if (cache != nullptr) cache->MarkRuns();
    heap.Flip();
    heap.CheckLedger();
    if (cache != nullptr) cache->SweepOwned();
    heap.SweepLists();
    heap.CheckLedger();
  }

  // Nothing was lost: without objects, all pages are free again.
  void End() {
    if (cache == nullptr) cache = ThreadCache::New(*heap);
    ASSERT_NE(cache, nullptr);
    const size_t before = nulls;
    for (const uint16_t c : classes) Allocate(c, 90000);
    ASSERT_EQ(nulls, before);
    live.clear();
    Cycle();
    cache->Release(/*marking=*/false);
    heap.CheckLedger();
    ASSERT_EQ(HeapStats::Get(heap->stats().in_use_pages), 0u);
    heap->pages().Verify();
  }

  TestHeap& heap;
  std::vector<uint16_t> classes;
  ThreadCache* cache = nullptr;
  std::map<uint64_t*, uint64_t> live;
  uint64_t serial = 0;
  size_t nulls = 0;
};

// False if there are fewer than `nth` calls.
bool LiveRefused(uint64_t nth, uint64_t count) {
  SCOPED_TRACE(nth);
  TestHeap heap;
  EXPECT_TRUE(heap.ok());
  Life life(heap);
  heap.os.plan().FailAny(nth, count);
  life.Run();
  const bool refused = heap.os.plan().RefusedCount() != 0;
  EXPECT_TRUE(refused || life.nulls == 0);
  heap.os.plan().Clear();
  life.End();
  return refused && !::testing::Test::HasFatalFailure();
}

// ThreadSanitizer makes mapping so slow that it sees only every fifth point.
constexpr uint64_t kStep = TARN_TSAN ? 5 : 1;

TEST(LedgerRefusalTest, EachCallRefusedOnceKeepsTheSums) {
  uint64_t nth = 1;
  while (LiveRefused(nth, 1)) nth += kStep;
  EXPECT_GT(nth, 100u);
}

TEST(LedgerRefusalTest, EveryCallRefusedFromSomePointOnKeepsTheSums) {
  // Every seventh point, for time: refusals for ever differ less from each other.
  uint64_t nth = 1;
  while (LiveRefused(nth, FailurePlan::kForever)) nth += 7 * kStep;
  EXPECT_GT(nth, 100u);
}

}  // namespace
}  // namespace tarn::rt
