// One thread's allocation state: runs, give-back, colours, tiny and large objects, refusals.
#include "runtime/heap/thread_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "tests/runtime/heap/heap_test_util.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

using internal::ClassObjects;
using internal::kClassBytes;
using internal::kNumSizeClasses;
using internal::kPageBytes;

class ThreadCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(heap_.ok());
    cache_ = ThreadCache::New(*heap_);
    ASSERT_NE(cache_, nullptr);
    c16_ = heap_.Class(internal::SizeToClass(16));
    c64_ = heap_.Class(internal::SizeToClass(64));
    large_ = heap_.Class(0);
  }
  uintptr_t Cursor(uint16_t c) { return cache_->runs()[c].cursor.load(); }
  uintptr_t Limit(uint16_t c) { return cache_->runs()[c].limit; }
  size_t RunSlots(uint16_t c) {
    return (Limit(c) - Cursor(c)) / heap_->classes().Info(c).elem_bytes;
  }
  void Renew() {
    cache_->Release(/*marking=*/false);
    cache_ = ThreadCache::New(*heap_);
  }
  // Objects of a whole span of `c`, filled with 0xff; nobody owns the span.
  std::vector<char*> DirtySpan(uint16_t c) {
    const SpanClassInfo& info = heap_->classes().Info(c);
    std::vector<char*> out;
    for (size_t i = 0; i < info.nelems; ++i) {
      out.push_back(static_cast<char*>(cache_->Allocate(c)));
      std::memset(out.back(), 0xff, info.elem_bytes);
    }
    Renew();
    return out;
  }
  uint64_t Stat(std::atomic<uint64_t> HeapStats::*field) {
    return HeapStats::Get(heap_->stats().*field);
  }

  TestHeap heap_;
  ThreadCache* cache_ = nullptr;
  uint16_t c16_ = 0, c64_ = 0, large_ = 0;
};

// --- Runs

TEST_F(ThreadCacheTest, FirstRunOfAFreshSpanIsAsLongAsAllowed) {
  for (size_t size_class = 1; size_class < kNumSizeClasses; ++size_class) {
    const uint16_t c = heap_.Class(size_class);
    const size_t bytes = kClassBytes[size_class];
    char* p = static_cast<char*>(cache_->Refill(c));
    ASSERT_NE(p, nullptr);
    const size_t want = std::min(ClassObjects(size_class), std::max<size_t>(1, kPageBytes / bytes));
    EXPECT_EQ(Cursor(c), reinterpret_cast<uintptr_t>(p) + bytes) << size_class;
    EXPECT_EQ(Limit(c), reinterpret_cast<uintptr_t>(p) + want * bytes) << size_class;
    EXPECT_TRUE(AllZero(p, want * bytes));
    for (size_t i = 0; i < want; ++i) EXPECT_TRUE(heap_.IsAllocated(p + i * bytes)) << i;
    EXPECT_EQ(heap_.Find(p).span->alloc_count, want);
  }
  heap_.CheckLedger();
}

TEST_F(ThreadCacheTest, AllocateBumpsTheCursorAndRefillsAtTheLimit) {
  char* p = static_cast<char*>(cache_->Allocate(c64_));
  const uintptr_t limit = Limit(c64_);
  char* last = p;
  while (Cursor(c64_) != limit) {
    char* q = static_cast<char*>(cache_->Allocate(c64_));
    ASSERT_EQ(q, last + 64);
    ASSERT_EQ(Limit(c64_), limit);
    last = q;
  }
  EXPECT_EQ(reinterpret_cast<uintptr_t>(last) + 64, limit);
  EXPECT_EQ(Stat(&HeapStats::allocated_objects), kPageBytes / 64);
  char* next = static_cast<char*>(cache_->Allocate(c64_));
  EXPECT_NE(heap_.Find(next).span, heap_.Find(p).span);
  EXPECT_NE(Limit(c64_), limit);
}

TEST_F(ThreadCacheTest, CountersChangePerRunNotPerObject) {
  cache_->Allocate(c64_);
  const uint64_t bytes = Stat(&HeapStats::allocated_bytes);
  EXPECT_EQ(bytes, kPageBytes);
  cache_->Allocate(c64_);
  EXPECT_EQ(Stat(&HeapStats::allocated_bytes), bytes);
  const ThreadCache::Unused unused = cache_->UnusedInRuns();
  EXPECT_EQ(unused.slots, kPageBytes / 64 - 2);
  EXPECT_EQ(unused.bytes, kPageBytes - 2 * 64);
}

// For random patterns of free slots, against a search slot by slot.
TEST_F(ThreadCacheTest, RunsAreMaximalZeroedStretchesInAddressOrder) {
  std::mt19937_64 rng(TestSeed());
  for (const size_t bytes : {8, 16, 48, 64, 640, 1408, 2688, 6784, 8192, 9472, 28672, 32768}) {
    const uint16_t c = heap_.Class(internal::SizeToClass(bytes));
    const std::vector<char*> slots = DirtySpan(c);
    const size_t n = slots.size();
    const unsigned density = 1 + static_cast<unsigned>(rng() % 20);
    std::vector<bool> used(n);
    for (size_t i = 0; i < n; ++i) {
      used[i] = i == n / 2 || rng() % 20 < density;  // at least one, or the span would be freed
      if (used[i]) heap_.Mark(slots[i]);
    }
    heap_.Flip();
    heap_.SweepLists();
    const size_t longest = std::max<size_t>(1, kPageBytes / bytes);
    for (size_t i = 0; i < n;) {
      if (used[i]) {
        ++i;
        continue;
      }
      size_t end = i;
      while (end < n && !used[end] && end - i < longest) ++end;
      ASSERT_EQ(cache_->Refill(c), slots[i]) << bytes << " slot " << i;
      ASSERT_EQ(Limit(c), reinterpret_cast<uintptr_t>(slots[i]) + (end - i) * bytes) << bytes;
      ASSERT_TRUE(AllZero(slots[i], (end - i) * bytes));
      i = end;
    }
    for (size_t i = 0; i < n; ++i) {
      ASSERT_EQ(AllZero(slots[i], bytes), !used[i]) << bytes << " slot " << i;
      ASSERT_TRUE(heap_.IsAllocated(slots[i]));
    }
    heap_.CheckLedger();
    Renew();
  }
}

TEST_F(ThreadCacheTest, MaxRunSlotsShortensRunsUntilItIsReset) {
  cache_->SetMaxRunSlots(1);
  char* p = static_cast<char*>(cache_->Refill(c64_));
  EXPECT_EQ(RunSlots(c64_), 0u);
  EXPECT_EQ(Stat(&HeapStats::allocated_objects), 1u);
  cache_->SetMaxRunSlots(5);
  EXPECT_EQ(cache_->Refill(c64_), p + 64);
  EXPECT_EQ(RunSlots(c64_), 4u);
  cache_->SetMaxRunSlots(0);
  while (RunSlots(c64_) != 0) cache_->Allocate(c64_);
  EXPECT_EQ(cache_->Refill(c64_), p + 6 * 64);
  EXPECT_EQ(RunSlots(c64_), kPageBytes / 64 - 7);
}

// --- Where the next span comes from

TEST_F(ThreadCacheTest, PartialSweptSpansAreUsedBeforeNewOnes) {
  const std::vector<char*> slots = DirtySpan(c64_);
  heap_.Mark(slots[0]);
  heap_.Flip();
  heap_.SweepLists();
  const uint64_t in_use = Stat(&HeapStats::in_use_pages);
  EXPECT_EQ(cache_->Allocate(c64_), slots[1]);
  EXPECT_EQ(Stat(&HeapStats::in_use_pages), in_use);
}

TEST_F(ThreadCacheTest, UnsweptSpansAreSweptBeforeNewOnesAreTaken) {
  const std::vector<char*> slots = DirtySpan(c64_);
  const std::vector<char*> full = DirtySpan(c64_);
  for (char* p : full) heap_.Mark(p);
  heap_.Mark(slots[0]);
  heap_.Flip();
  EXPECT_EQ(cache_->Allocate(c64_), slots[1]);
  EXPECT_EQ(Stat(&HeapStats::in_use_pages), 2u);
  EXPECT_TRUE(AllZero(slots[1], 64));
}

TEST_F(ThreadCacheTest, OneRefillSweepsABoundedNumberOfFullSpans) {
  const uint16_t c = heap_.Class(kNumSizeClasses - 1);
  constexpr size_t kSpans = 150;
  for (size_t i = 0; i < kSpans; ++i) {
    for (char* p : DirtySpan(c)) heap_.Mark(p);
  }
  heap_.Flip();
  ASSERT_NE(cache_->Allocate(c), nullptr);
  size_t unswept = 0;
  heap_.ForEachSpan([&](Span* s, size_t) { unswept += NeedsSweep(*heap_, *s); });
  EXPECT_EQ(unswept, kSpans - 100);
}

TEST_F(ThreadCacheTest, DeadSpanFoundUnsweptIsReusedWhole) {
  const std::vector<char*> slots = DirtySpan(c64_);
  heap_.Flip();
  EXPECT_EQ(cache_->Allocate(c64_), slots[0]);
  EXPECT_EQ(RunSlots(c64_), kPageBytes / 64 - 1);
  EXPECT_TRUE(AllZero(slots[0], kPageBytes));
  heap_.CheckLedger();
}

// --- Release

TEST_F(ThreadCacheTest, ReleaseGivesUnusedSlotsBack) {
  char* p = static_cast<char*>(cache_->Allocate(c64_));
  char* q = static_cast<char*>(cache_->Allocate(c64_));
  Renew();
  EXPECT_TRUE(heap_.IsAllocated(p));
  EXPECT_TRUE(heap_.IsAllocated(q));
  EXPECT_FALSE(heap_.IsAllocated(q + 64));
  EXPECT_EQ(heap_.Find(p).span->alloc_count, 2u);
  EXPECT_EQ(heap_.Find(p).span->owned.load(), 0u);
  EXPECT_EQ(Stat(&HeapStats::allocated_objects), 2u);
  EXPECT_EQ(Stat(&HeapStats::live), 2 * 64u);
  heap_.CheckLedger();
  EXPECT_EQ(cache_->Allocate(c64_), q + 64) << "the next owner goes on there";
}

TEST_F(ThreadCacheTest, ReleaseOfAnUnusedSpanFreesIt) {
  cache_->SetMaxRunSlots(3);
  char* p = static_cast<char*>(cache_->Refill(c64_));
  // As if the slot had not been taken yet.
  cache_->runs()[c64_].cursor.store(reinterpret_cast<uintptr_t>(p));
  Renew();
  EXPECT_EQ(heap_.Find(p).span, nullptr);
  EXPECT_EQ(Stat(&HeapStats::in_use_pages), 0u);
  EXPECT_EQ(Stat(&HeapStats::live), 0u);
  heap_.CheckLedger();
  heap_->pages().Verify();
}

TEST_F(ThreadCacheTest, ReleaseWhileMarkingKeepsUnusedSlotsAllocated) {
  char* p = static_cast<char*>(cache_->Allocate(c64_));
  cache_->MarkRuns();
  cache_->Release(/*marking=*/true);
  for (size_t i = 0; i < kPageBytes / 64; ++i) ASSERT_TRUE(heap_.IsAllocated(p + i * 64));
  heap_.CheckLedger();
  heap_.Mark(p);
  heap_.Flip();  // aborts later if a marked slot had become free
  heap_.SweepLists();
  EXPECT_TRUE(heap_.IsAllocated(p + 64));
  heap_.Flip();
  heap_.SweepLists();
  EXPECT_EQ(heap_.CountSpans(), 0u);
}

TEST_F(ThreadCacheTest, ReleaseSweepsOwnedSpansFirst) {
  char* p = static_cast<char*>(cache_->Allocate(c64_));
  char* q = static_cast<char*>(cache_->Allocate(c64_));
  cache_->MarkRuns();
  heap_.Mark(q);
  heap_.Flip();
  Renew();
  EXPECT_FALSE(heap_.IsAllocated(p));
  EXPECT_TRUE(heap_.IsAllocated(q));
  EXPECT_FALSE(heap_.IsAllocated(q + 64));
  EXPECT_FALSE(AnyUnswept(*heap_));
  heap_.CheckLedger();
  EXPECT_EQ(cache_->Allocate(c64_), p);
}

TEST_F(ThreadCacheTest, ReleaseReturnsThePagesOfItsCache) {
  cache_->Allocate(c64_);
  EXPECT_DEATH(heap_->pages().Verify(), "check failed") << "pages lie in the thread's cache";
  cache_->FlushPages();
  heap_->pages().Verify();
  cache_->Allocate(heap_.Class(3));
  Renew();
  heap_->pages().Verify();
}

TEST_F(ThreadCacheTest, ReleasedCacheIsRecycledAsNew) {
  cache_->SetBlack(heap_->sweepgen());
  cache_->SetMaxRunSlots(1);
  cache_->AllocateTiny(c16_, 3, 1);
  ThreadCache* const old = cache_;
  cache_->Release(/*marking=*/true);
  cache_ = ThreadCache::New(*heap_);
  EXPECT_EQ(cache_, old);
  EXPECT_EQ(cache_->black_gen(), 0u);
  EXPECT_EQ(cache_->TryTiny(1, 1), nullptr);
  EXPECT_EQ(cache_->UnusedInRuns().slots, 0u);
  for (uint16_t c = 0; c < heap_->classes().End(); ++c) EXPECT_EQ(Limit(c), 0u);
  char* p = static_cast<char*>(cache_->Allocate(c64_));
  EXPECT_EQ(RunSlots(c64_), kPageBytes / 64 - 1);
  EXPECT_FALSE(heap_.IsMarked(p));
}

TEST(ThreadCacheHeapsTest, RecycledCacheNeverBelongsToAnotherHeap) {
  TestHeap a;
  ThreadCache* of_a = ThreadCache::New(*a);
  of_a->Release(/*marking=*/false);
  TestHeap b;
  ThreadCache* of_b = ThreadCache::New(*b);
  ASSERT_NE(of_b, of_a);
  const void* p = of_b->Allocate(b.Class(5));
  EXPECT_NE(b.Find(p).span, nullptr);
  EXPECT_EQ(ThreadCache::New(*a), of_a);
}

// --- Colours

TEST_F(ThreadCacheTest, WhiteRunsAreNotMarked) {
  char* p = static_cast<char*>(cache_->Allocate(c64_));
  void* big = cache_->AllocateLarge(large_, 40000);
  for (size_t i = 0; i < kPageBytes / 64; ++i) ASSERT_FALSE(heap_.IsMarked(p + i * 64));
  EXPECT_FALSE(heap_.IsMarked(big));
}

TEST_F(ThreadCacheTest, BlackRunsAndLargeObjectsAreMarkedWhenTaken) {
  const std::vector<char*> slots = DirtySpan(c64_);
  for (const size_t i : {0, 60, 70}) heap_.Mark(slots[i]);
  heap_.Flip();
  heap_.SweepLists();
  cache_->SetBlack(heap_->sweepgen());
  ASSERT_EQ(cache_->Refill(c64_), slots[1]);
  for (size_t i = 0; i < slots.size(); ++i) {
    ASSERT_EQ(heap_.IsMarked(slots[i]), i > 0 && i < 60) << i;
  }
  void* big = cache_->AllocateLarge(large_, 40000);
  EXPECT_TRUE(heap_.IsMarked(big));
  cache_->SetBlack(0);
  while (RunSlots(c64_) != 0) cache_->Allocate(c64_);
  ASSERT_EQ(cache_->Refill(c64_), slots[61]);
  EXPECT_FALSE(heap_.IsMarked(slots[61]));
  EXPECT_FALSE(heap_.IsMarked(cache_->AllocateLarge(large_, 40000)));
}

TEST_F(ThreadCacheTest, ObjectsTakenWhileBlackSurviveTheCycle) {
  cache_->SetBlack(heap_->sweepgen());
  std::vector<void*> objects;
  for (int i = 0; i < 300; ++i) objects.push_back(cache_->Allocate(c64_));
  objects.push_back(cache_->AllocateLarge(large_, 50000));
  cache_->SetBlack(0);
  heap_.Flip();
  cache_->SweepOwned();
  heap_.SweepLists();
  for (void* p : objects) EXPECT_TRUE(heap_.IsAllocated(p));
  EXPECT_EQ(Stat(&HeapStats::freed_objects), 0u);
}

TEST_F(ThreadCacheTest, MarkRunsMarksExactlyTheRestOfEachRun) {
  struct Taken {
    uint16_t c;
    char* first;
    size_t used, slots;
  };
  std::vector<Taken> taken;
  uint64_t want_bytes = 0;
  for (size_t size_class = 1; size_class < kNumSizeClasses; ++size_class) {
    const uint16_t c = heap_.Class(size_class, 1, false);
    char* first = static_cast<char*>(cache_->Refill(c));
    const size_t slots = 1 + RunSlots(c);
    const size_t used = 1 + size_class * 37 % slots;
    for (size_t i = 1; i < used; ++i) cache_->Allocate(c);
    taken.push_back({c, first, used, slots});
    want_bytes += (slots - used) * kClassBytes[size_class];
  }
  EXPECT_EQ(cache_->MarkRuns(), want_bytes);
  uint64_t marked = 0;
  for (const Taken& t : taken) {
    const size_t bytes = heap_->classes().Info(t.c).elem_bytes;
    const size_t nelems = heap_->classes().Info(t.c).nelems;
    for (size_t i = 0; i < nelems; ++i) {
      ASSERT_EQ(heap_.IsMarked(t.first + i * bytes), i >= t.used && i < t.slots)
          << bytes << " slot " << i;
    }
    marked += (t.slots - t.used) * bytes;
  }
  EXPECT_EQ(heap_.Count(/*marks=*/true).bytes, marked) << "nothing else is marked";
}

TEST_F(ThreadCacheTest, MarkRunsMarksTheTinyBlock) {
  cache_->SetMaxRunSlots(1);
  char* other = static_cast<char*>(cache_->Allocate(c16_));
  char* p = static_cast<char*>(cache_->AllocateTiny(c16_, 5, 1));
  EXPECT_EQ(cache_->MarkRuns(), internal::kTinyBytes);
  EXPECT_TRUE(heap_.IsMarked(p));
  EXPECT_FALSE(heap_.IsMarked(other));
  EXPECT_EQ(heap_.Count(/*marks=*/true).objects, 1u);
  heap_.Flip();
  cache_->SweepOwned();
  char* q = static_cast<char*>(cache_->AllocateTiny(c16_, 5, 1));
  EXPECT_EQ(q, p + 5) << "the block is still shared after the cycle";
  EXPECT_TRUE(heap_.IsAllocated(q));
}

// --- Cycles while runs are in use

TEST_F(ThreadCacheTest, RunGoesOnOverAFlip) {
  std::vector<char*> objects;
  for (int i = 0; i < 10; ++i) objects.push_back(static_cast<char*>(cache_->Allocate(c64_)));
  const uintptr_t limit = Limit(c64_);
  for (int cycle = 0; cycle < 5; ++cycle) {
    cache_->MarkRuns();
    char* kept = objects.back();
    heap_.Mark(kept);
    heap_.Flip();
    if (cycle % 2 == 0) cache_->SweepOwned();
    char* next = static_cast<char*>(cache_->Allocate(c64_));
    EXPECT_EQ(next, kept + 64);
    EXPECT_EQ(Limit(c64_), limit);
    EXPECT_TRUE(AllZero(next, 64));
    std::memset(next, 0xff, 64);
    objects.push_back(next);
    cache_->SweepOwned();
    EXPECT_TRUE(heap_.IsAllocated(kept));
    EXPECT_TRUE(heap_.IsAllocated(next));
    EXPECT_FALSE(heap_.IsAllocated(objects[objects.size() - 3]));
    heap_.CheckLedger();
  }
}

TEST_F(ThreadCacheTest, RefillAfterAFlipFindsTheSlotsThatDied) {
  std::vector<char*> objects;
  for (size_t i = 0; i < kPageBytes / 64; ++i) {
    objects.push_back(static_cast<char*>(cache_->Allocate(c64_)));
    std::memset(objects.back(), 0xff, 64);
  }
  EXPECT_EQ(RunSlots(c64_), 0u);
  cache_->MarkRuns();
  for (const size_t i : {3, 4, 100}) heap_.Mark(objects[i]);
  heap_.Flip();
  EXPECT_EQ(cache_->Refill(c64_), objects[0]) << "the owner swept its span";
  EXPECT_EQ(RunSlots(c64_), 2u);
  EXPECT_TRUE(AllZero(objects[0], 3 * 64));
  EXPECT_FALSE(AllZero(objects[3], 64));
  heap_.CheckLedger();
}

TEST_F(ThreadCacheTest, SweepOwnedSweepsEveryOwnedSpanOnce) {
  for (size_t size_class = 1; size_class < kNumSizeClasses; size_class += 5) {
    cache_->Allocate(heap_.Class(size_class));
  }
  size_t owned = 0;
  cache_->ForEachOwned([&](Span*, internal::Run&) { ++owned; });
  EXPECT_EQ(owned, DivideUp(kNumSizeClasses - 1, 5));
  cache_->SweepOwned();  // nothing to do: aborts if it swept
  cache_->MarkRuns();
  heap_.Flip();
  cache_->SweepOwned();
  cache_->ForEachOwned([&](Span* s, internal::Run&) {
    EXPECT_FALSE(NeedsSweep(*heap_, *s));
    EXPECT_EQ(s->owned.load(), 1u);
  });
  cache_->SweepOwned();
  heap_.CheckLedger();
}

// --- Tiny objects

TEST_F(ThreadCacheTest, TinyObjectsShareABlockAsAlignmentAllows) {
  char* a = static_cast<char*>(cache_->AllocateTiny(c16_, 1, 1));
  char* b = static_cast<char*>(cache_->AllocateTiny(c16_, 2, 2));
  char* c = static_cast<char*>(cache_->AllocateTiny(c16_, 4, 4));
  char* d = static_cast<char*>(cache_->AllocateTiny(c16_, 8, 8));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a) % 16, 0u);
  EXPECT_EQ(b, a + 2);
  EXPECT_EQ(c, a + 4);
  EXPECT_EQ(d, a + 8);
  EXPECT_EQ(Stat(&HeapStats::tiny_allocs), 4u);
  EXPECT_EQ(heap_.Find(d).base, reinterpret_cast<uintptr_t>(a)) << "an interior pointer";
  char* e = static_cast<char*>(cache_->AllocateTiny(c16_, 1, 1));
  EXPECT_EQ(e, a + 16) << "the block was full";
}

TEST_F(ThreadCacheTest, TinyObjectsNeverOverlapAndAreAlignedAndZero) {
  std::mt19937_64 rng(TestSeed());
  std::set<uintptr_t> taken;
  for (int i = 0; i < 3000; ++i) {
    const size_t align = size_t{1} << rng() % 4;
    const size_t bytes = 1 + rng() % 15;
    char* p = static_cast<char*>(cache_->AllocateTiny(c16_, bytes, align));
    const auto at = reinterpret_cast<uintptr_t>(p);
    ASSERT_EQ(at % align, 0u);
    ASSERT_EQ(at / 16, (at + bytes - 1) / 16) << "crosses its block";
    ASSERT_TRUE(AllZero(p, bytes));
    std::memset(p, 0xff, bytes);
    for (size_t b = 0; b < bytes; ++b) ASSERT_TRUE(taken.insert(at + b).second);
  }
  EXPECT_EQ(Stat(&HeapStats::tiny_allocs), 3000u);
}

TEST_F(ThreadCacheTest, BlockWithMoreRoomIsKept) {
  char* a = static_cast<char*>(cache_->AllocateTiny(c16_, 10, 1));  // 6 left
  char* b = static_cast<char*>(cache_->AllocateTiny(c16_, 12, 1));  // 4 left: a's block is kept
  EXPECT_EQ(b, a + 16);
  EXPECT_EQ(cache_->AllocateTiny(c16_, 6, 1), a + 10);
  char* c = static_cast<char*>(cache_->AllocateTiny(c16_, 4, 4));  // 12 left: the new one is kept
  EXPECT_EQ(c, a + 32);
  EXPECT_EQ(cache_->AllocateTiny(c16_, 12, 4), c + 4);
}

TEST_F(ThreadCacheTest, TryTinyTakesNoSlot) {
  EXPECT_EQ(cache_->TryTiny(1, 1), nullptr);
  EXPECT_EQ(Stat(&HeapStats::allocated_objects), 0u);
  char* a = static_cast<char*>(cache_->AllocateTiny(c16_, 9, 1));
  const uintptr_t cursor = Cursor(c16_);
  EXPECT_EQ(cache_->TryTiny(8, 1), nullptr);
  EXPECT_EQ(cache_->TryTiny(4, 8), nullptr);
  EXPECT_EQ(cache_->TryTiny(4, 4), a + 12);
  EXPECT_EQ(cache_->TryTiny(1, 1), nullptr);
  EXPECT_EQ(Cursor(c16_), cursor);
  EXPECT_EQ(Stat(&HeapStats::tiny_allocs), 2u);
}

// --- Large objects

TEST_F(ThreadCacheTest, LargeObjectIsASpanOfItsOwn) {
  for (const size_t bytes : {size_t{1}, kPageBytes, kPageBytes + 1, size_t{3} << 20}) {
    char* p = static_cast<char*>(cache_->AllocateLarge(large_, bytes));
    ASSERT_NE(p, nullptr);
    const size_t npages = DivideUp(bytes, kPageBytes);
    const Slot slot = heap_.Find(p + npages * kPageBytes - 1);
    EXPECT_EQ(slot.base, reinterpret_cast<uintptr_t>(p));
    EXPECT_EQ(slot.bytes, npages * kPageBytes);
    EXPECT_EQ(slot.span->alloc_count, 1u);
    EXPECT_TRUE(heap_.IsAllocated(p));
    EXPECT_TRUE(AllZero(p, npages * kPageBytes));
  }
  EXPECT_EQ(Stat(&HeapStats::large_objects), 4u);
  EXPECT_EQ(Stat(&HeapStats::live), Stat(&HeapStats::allocated_bytes));
  heap_.CheckLedger();
}

TEST_F(ThreadCacheTest, LargeObjectOnUsedPagesIsZeroed) {
  char* p = static_cast<char*>(cache_->AllocateLarge(large_, 25 * kPageBytes));
  std::memset(p, 0xff, 25 * kPageBytes);
  heap_.Flip();
  heap_.SweepLists();
  char* q = static_cast<char*>(cache_->AllocateLarge(large_, 30 * kPageBytes));
  ASSERT_EQ(q, p) << "the test expects the pages to be used again";
  EXPECT_TRUE(AllZero(q, 30 * kPageBytes));
}

// Zeroing takes long enough for whole cycles to pass.
TEST_F(ThreadCacheTest, LargeObjectBelongsToTheGenerationInWhichItIsPublished) {
  static TestHeap* heap = nullptr;
  heap = &heap_;
  char* p = static_cast<char*>(cache_->AllocateLarge(large_, 25 * kPageBytes));
  heap_.Flip();
  heap_.SweepLists();
  char* q =
      static_cast<char*>(cache_->AllocateLarge(large_, 25 * kPageBytes, [](void* at, size_t n) {
        std::memset(at, 0, n);
        for (int i = 0; i < 3; ++i) {
          heap->Flip();
          heap->SweepLists();
        }
      }));
  ASSERT_EQ(q, p) << "the test expects the pages to be used again";
  EXPECT_TRUE(heap_.IsAllocated(q));
  EXPECT_FALSE(heap_.IsMarked(q));
  heap_.CheckLedger();
  heap_.Mark(q);
  heap_.Flip();
  heap_.SweepLists();
  EXPECT_TRUE(heap_.IsAllocated(q));
  heap_.Flip();
  heap_.SweepLists();
  EXPECT_FALSE(heap_.IsAllocated(q));
  heap_.CheckLedger();
}

// A second thread waits for the page entry and reads at once what it leads to.
TEST_F(ThreadCacheTest, LargeObjectIsZeroedBeforeItIsPublished) {
  constexpr size_t kBytes = size_t{4} << 20;
  constexpr int kRounds = 20;
  char* p = static_cast<char*>(cache_->AllocateLarge(large_, kBytes));
  const Cage& cage = heap_->cage();
  const size_t page = cage.PageOf(reinterpret_cast<uintptr_t>(p));
  std::atomic<int> armed{-1};
  std::atomic<int> looked{-1};
  std::atomic<int> dirty{0};
  std::thread observer([&] {
    for (int round = 0; round < kRounds; ++round) {
      while (armed.load() != round) std::this_thread::yield();
      while (!cage.Entry(page).in_use()) {
      }
      // From the end: what is zeroed last.
      for (size_t at = kBytes; at != 0; at -= 512) {
        if (p[at - 1] != 0) {
          dirty.fetch_add(1);
          break;
        }
      }
      looked.store(round);
    }
  });
  for (int round = 0; round < kRounds; ++round) {
    std::memset(p, 0xff, kBytes);
    heap_.Flip();
    heap_.SweepLists();
    ASSERT_FALSE(cage.Entry(page).in_use());
    armed.store(round);
    ASSERT_EQ(cache_->AllocateLarge(large_, kBytes), p);
    while (looked.load() != round) std::this_thread::yield();
  }
  observer.join();
  EXPECT_EQ(dirty.load(), 0);
}

TEST_F(ThreadCacheTest, ImpossibleSizesAreNull) {
  EXPECT_EQ(cache_->AllocateLarge(large_, ~size_t{0}), nullptr);
  EXPECT_EQ(cache_->AllocateLarge(large_, ~size_t{0} - kPageBytes), nullptr);
  EXPECT_EQ(cache_->AllocateLarge(large_, kTestCageBytes + 1), nullptr);
  EXPECT_EQ(Stat(&HeapStats::allocated_objects), 0u);
  heap_.CheckLedger();
}

// --- Live bytes

TEST_F(ThreadCacheTest, LiveBytesAreFlushedInBatches) {
  EXPECT_FALSE(cache_->WantsFlush());
  cache_->Refill(c64_);
  EXPECT_FALSE(cache_->WantsFlush());
  EXPECT_EQ(Stat(&HeapStats::live), 0u);
  while (RunSlots(c64_) != 0) cache_->Allocate(c64_);
  cache_->Refill(c64_);
  EXPECT_TRUE(cache_->WantsFlush());
  cache_->FlushLive();
  EXPECT_FALSE(cache_->WantsFlush());
  EXPECT_EQ(Stat(&HeapStats::live), 2 * kPageBytes);
}

// --- Refusals of the system

TEST(ThreadCacheRefusalTest, NewIsNullWhenAnyCallIsRefusedAndKeepsNothing) {
  uint64_t nth = 1;
  for (;; ++nth) {
    TestHeap heap;
    ASSERT_TRUE(heap.ok());
    const size_t reserved = heap.os.TotalBytes(MemoryState::kReserved);
    const size_t ready = heap.os.TotalBytes(MemoryState::kReady);
    heap.os.plan().FailAny(nth);
    if (ThreadCache::New(*heap) != nullptr) break;
    EXPECT_EQ(heap.os.TotalBytes(MemoryState::kReserved), reserved) << nth;
    EXPECT_EQ(heap.os.TotalBytes(MemoryState::kReady), ready) << nth;
    heap.os.plan().Clear();
    EXPECT_NE(ThreadCache::New(*heap), nullptr);
  }
  EXPECT_EQ(nth, 4u);
}

TEST_F(ThreadCacheTest, RefusedRefillIsNullAndChangesNothing) {
  char* p = static_cast<char*>(cache_->Allocate(c64_));
  while (RunSlots(c64_) != 0) cache_->Allocate(c64_);
  const uint64_t bytes = Stat(&HeapStats::allocated_bytes);
  heap_.os.plan().FailAny(1, FailurePlan::kForever);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(cache_->Allocate(c64_), nullptr);
    EXPECT_EQ(cache_->Allocate(heap_.Class(9)), nullptr);
    EXPECT_EQ(cache_->AllocateLarge(large_, 100000), nullptr);
    EXPECT_EQ(cache_->AllocateTiny(c16_, 3, 1), nullptr);
  }
  EXPECT_EQ(Stat(&HeapStats::allocated_bytes), bytes);
  EXPECT_EQ(Stat(&HeapStats::tiny_allocs), 0u);
  EXPECT_TRUE(heap_.IsAllocated(p));
  heap_.CheckLedger();
  heap_.os.plan().Clear();
  EXPECT_NE(cache_->Allocate(c64_), nullptr);
  EXPECT_NE(cache_->AllocateTiny(c16_, 3, 1), nullptr);
  cache_->FlushPages();
  heap_->pages().Verify();
}

TEST_F(ThreadCacheTest, DeadSlotsAreFoundAlthoughTheSystemRefuses) {
  const std::vector<char*> slots = DirtySpan(c64_);
  heap_.Mark(slots[9]);
  heap_.Flip();
  heap_.os.plan().FailAny(1, FailurePlan::kForever);
  EXPECT_EQ(cache_->Allocate(c64_), slots[0]);
}

}  // namespace
}  // namespace tarn::rt
