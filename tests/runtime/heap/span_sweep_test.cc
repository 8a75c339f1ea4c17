// Sweeping: marks become allocation bits, dead spans are freed, and corrupt marks abort.
#include "runtime/heap/span_sweep.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "tests/runtime/heap/heap_test_util.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

class SpanSweepTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(heap_.ok());
    cache_ = ThreadCache::New(*heap_);
    ASSERT_NE(cache_, nullptr);
    c64_ = heap_.Class(internal::SizeToClass(64));
    large_ = heap_.Class(0);
  }
  // `n` objects of 64 bytes, in spans that nobody owns.
  std::vector<void*> Objects(size_t n) {
    std::vector<void*> out;
    for (size_t i = 0; i < n; ++i) out.push_back(cache_->Allocate(c64_));
    cache_->Release(/*marking=*/false);
    cache_ = ThreadCache::New(*heap_);
    return out;
  }
  size_t PerSpan() const { return internal::kPageBytes / 64; }
  uint64_t Freed() { return HeapStats::Get(heap_->stats().freed_objects); }

  TestHeap heap_;
  ThreadCache* cache_ = nullptr;
  uint16_t c64_ = 0;
  uint16_t large_ = 0;
};

TEST_F(SpanSweepTest, MarkedObjectsStayAllocatedAndOthersDoNot) {
  const std::vector<void*> objects = Objects(PerSpan());
  for (size_t i = 0; i < objects.size(); i += 3) EXPECT_TRUE(heap_.Mark(objects[i]));
  heap_.Flip();
  Span* s = heap_.Find(objects[0]).span;
  ASSERT_TRUE(NeedsSweep(*heap_, *s));
  ASSERT_EQ(heap_->central(c64_).TakeUnswept(), s);
  const size_t left = DivideUp(objects.size(), 3);
  EXPECT_EQ(SweepSpan(*heap_, s), left);
  EXPECT_FALSE(NeedsSweep(*heap_, *s));
  for (size_t i = 0; i < objects.size(); ++i) {
    EXPECT_EQ(heap_.IsAllocated(objects[i]), i % 3 == 0) << i;
    EXPECT_FALSE(heap_.IsMarked(objects[i])) << "the next cycle begins with clear marks";
  }
  EXPECT_EQ(s->alloc_count, left);
  EXPECT_EQ(Freed(), objects.size() - left);
  EXPECT_EQ(HeapStats::Get(heap_->stats().freed_bytes), 64 * (objects.size() - left));
  EXPECT_EQ(HeapStats::Get(heap_->stats().swept_pages), 1u);
  heap_.CheckLedger();
}

// A thread that is kept from running between taking a span and putting it back may find that the
// cycle has ended and all other spans have been swept meanwhile.
TEST_F(SpanSweepTest, ASpanThatTheFlipOvertookIsSweptBeforeItGoesBack) {
  const std::vector<void*> objects = Objects(PerSpan());
  EXPECT_TRUE(heap_.Mark(objects[5]));
  Span* s = heap_->central(c64_).TakeSweptPartial();
  if (s == nullptr) {  // the span is full: it comes by way of the unswept list
    heap_.Flip();
    s = heap_->central(c64_).TakeUnswept();
    ASSERT_NE(s, nullptr);
    SweepSpan(*heap_, s);
    EXPECT_TRUE(heap_.Mark(objects[5]));
  }
  heap_.Flip();
  EXPECT_EQ(heap_.SweepLists(), 0u);
  EXPECT_FALSE(heap_->TryPutSwept(s, /*full=*/false));
  PutBack(*heap_, s);
  EXPECT_FALSE(AnyUnswept(*heap_));
  EXPECT_FALSE(NeedsSweep(*heap_, *s));
  EXPECT_EQ(s->alloc_count, 1u);
  EXPECT_TRUE(heap_.IsAllocated(objects[5]));
  EXPECT_EQ(heap_->central(c64_).TakeSweptPartial(), s);
  PutBack(*heap_, s);
}

// The two bit tables change places each time; an oracle follows every slot that was ever handed out.
TEST_F(SpanSweepTest, TablesChangePlacesOverManyGenerations) {
  std::mt19937_64 rng(TestSeed());
  std::set<void*> live;
  std::set<void*> known;
  for (int gen = 0; gen < 20; ++gen) {
    for (void* p : Objects(gen == 0 ? 3 * PerSpan() : rng() % 60)) {
      ASSERT_TRUE(live.insert(p).second) << "slot given out twice";
      known.insert(p);
    }
    heap_.CheckLedger();
    std::set<void*> kept;
    for (void* p : live) {
      ASSERT_TRUE(heap_.IsAllocated(p));
      if (rng() % 4 == 0) continue;
      kept.insert(p);
      ASSERT_TRUE(heap_.Mark(p)) << "marks were not clear in generation " << gen;
    }
    heap_.Flip();
    heap_.SweepLists();
    for (void* p : known) {
      ASSERT_EQ(heap_.IsAllocated(p), kept.count(p) != 0) << gen;
      ASSERT_FALSE(heap_.IsMarked(p)) << gen;
    }
    heap_.CheckLedger();
    live = kept;
  }
}

TEST_F(SpanSweepTest, SweptSpansGoWhereTheirCountBelongs) {
  const size_t n = PerSpan();
  const std::vector<void*> objects = Objects(3 * n);
  Span* full = heap_.Find(objects[0]).span;
  Span* partial = heap_.Find(objects[n]).span;
  Span* dead = heap_.Find(objects[2 * n]).span;
  ASSERT_TRUE(full != partial && partial != dead && full != dead);
  for (size_t i = 0; i < n; ++i) heap_.Mark(objects[i]);
  heap_.Mark(objects[n + 5]);
  const uint64_t in_use = HeapStats::Get(heap_->stats().in_use_pages);
  heap_.Flip();
  EXPECT_TRUE(SweepOne(*heap_, c64_));
  EXPECT_TRUE(SweepOne(*heap_, c64_));
  EXPECT_TRUE(SweepOne(*heap_, c64_));
  EXPECT_FALSE(SweepOne(*heap_, c64_));
  std::map<Span*, bool> lists;  // -> full
  heap_->central(c64_).ForEach([&](Span* s, bool swept, bool is_full) {
    EXPECT_TRUE(swept);
    lists[s] = is_full;
  });
  EXPECT_EQ(lists, (std::map<Span*, bool>{{full, true}, {partial, false}}));
  EXPECT_EQ(heap_.Find(objects[2 * n]).span, nullptr);
  EXPECT_EQ(HeapStats::Get(heap_->stats().in_use_pages), in_use - 1);
  heap_.CheckLedger();
  cache_->FlushPages();
  heap_->pages().Verify();
}

TEST_F(SpanSweepTest, DeadLargeObjectGivesItsPagesBackAndAMarkedOneStays) {
  void* dead = cache_->AllocateLarge(large_, 100000);
  void* kept = cache_->AllocateLarge(large_, 40000);
  ASSERT_TRUE(dead != nullptr && kept != nullptr);
  heap_.Mark(static_cast<char*>(kept) + 39999);  // by an interior pointer
  heap_.Flip();
  EXPECT_EQ(heap_.SweepLists(), 2u);
  EXPECT_EQ(heap_.Find(dead).span, nullptr);
  EXPECT_TRUE(heap_.IsAllocated(kept));
  EXPECT_EQ(HeapStats::Get(heap_->stats().in_use_pages), 5u);
  EXPECT_EQ(HeapStats::Get(heap_->stats().freed_bytes), 13 * internal::kPageBytes);
  heap_.CheckLedger();
}

TEST_F(SpanSweepTest, OnlyASpanThatLostObjectsNeedsZeroing) {
  const std::vector<void*> objects = Objects(2 * PerSpan());
  for (void* p : objects) heap_.Mark(p);
  Span* s = heap_.Find(objects[0]).span;
  Span* t = heap_.Find(objects[PerSpan()]).span;
  s->needzero = t->needzero = 0;
  heap_.Flip();
  heap_.SweepLists();
  EXPECT_EQ(s->needzero, 0);
  for (void* p : objects) {
    if (p != objects[1]) heap_.Mark(p);
  }
  heap_.Flip();
  heap_.SweepLists();
  EXPECT_EQ(s->needzero, 1);
  EXPECT_EQ(t->needzero, 0);
}

TEST_F(SpanSweepTest, AnyUnsweptSeesListsOfEveryClass) {
  EXPECT_FALSE(AnyUnswept(*heap_));
  const std::vector<void*> objects = Objects(1);
  void* big = cache_->AllocateLarge(large_, 50000);
  EXPECT_FALSE(AnyUnswept(*heap_));
  heap_.Mark(objects[0]);
  heap_.Mark(big);
  heap_.Flip();
  EXPECT_TRUE(AnyUnswept(*heap_));
  EXPECT_TRUE(SweepOne(*heap_, c64_));
  EXPECT_TRUE(AnyUnswept(*heap_));
  EXPECT_TRUE(SweepOne(*heap_, large_));
  EXPECT_FALSE(AnyUnswept(*heap_));
}

TEST_F(SpanSweepTest, OwnedSpanIsInNoListAndLeftToItsOwner) {
  void* p = cache_->Allocate(c64_);
  cache_->MarkRuns();
  heap_.Mark(p);
  heap_.Flip();
  EXPECT_FALSE(AnyUnswept(*heap_));
  EXPECT_FALSE(SweepOne(*heap_, c64_));
  EXPECT_TRUE(NeedsSweep(*heap_, *heap_.Find(p).span));
  cache_->SweepOwned();
  EXPECT_FALSE(NeedsSweep(*heap_, *heap_.Find(p).span));
  EXPECT_TRUE(heap_.IsAllocated(p));
}

struct FreedSlots {
  std::map<uintptr_t, size_t> seen;
  int twice = 0;
  static void Add(void* arg, uintptr_t p, size_t bytes) {
    auto* self = static_cast<FreedSlots*>(arg);
    if (!self->seen.emplace(p, bytes).second) ++self->twice;
  }
};

TEST_F(SpanSweepTest, HookSeesEachDeadSlotOnceAndNoOther) {
  FreedSlots freed;
  heap_->hooks().object_freed = &FreedSlots::Add;
  heap_->hooks().arg = &freed;
  const std::vector<void*> objects = Objects(PerSpan() + 10);  // the rest of a span is free
  void* big = cache_->AllocateLarge(large_, 70000);
  std::map<uintptr_t, size_t> want;
  want[reinterpret_cast<uintptr_t>(big)] = 9 * internal::kPageBytes;
  for (size_t i = 0; i < objects.size(); ++i) {
    if (i % 5 == 0) {
      heap_.Mark(objects[i]);
    } else {
      want[reinterpret_cast<uintptr_t>(objects[i])] = 64;
    }
  }
  EXPECT_TRUE(freed.seen.empty());
  heap_.Flip();
  heap_.SweepLists();
  EXPECT_EQ(freed.seen, want);
  EXPECT_EQ(freed.twice, 0);
}

TEST_F(SpanSweepTest, EveryClassIsSweptToItsLastSlot) {
  std::mt19937_64 rng(TestSeed());
  for (size_t size_class = 1; size_class < internal::kNumSizeClasses; ++size_class) {
    const uint16_t c = heap_.Class(size_class);
    std::vector<void*> objects;
    for (size_t i = 0; i < internal::ClassObjects(size_class); ++i) {
      objects.push_back(cache_->Allocate(c));
    }
    void* kept = objects[rng() % objects.size()];
    heap_.Mark(kept);
    heap_.Mark(objects.back());
    for (void* p : objects) {
      if (!heap_.IsMarked(p)) continue;
      ASSERT_TRUE(p == kept || p == objects.back());
    }
    cache_->MarkRuns();
    heap_.Flip();
    cache_->SweepOwned();
    heap_.SweepLists();
    for (void* p : objects) {
      ASSERT_EQ(heap_.IsAllocated(p), p == kept || p == objects.back()) << size_class;
    }
    cache_->Release(/*marking=*/false);
    cache_ = ThreadCache::New(*heap_);
    heap_.Flip();  // nothing is marked
    heap_.SweepLists();
    ASSERT_EQ(heap_.CountSpans(), 0u) << size_class;
    heap_.CheckLedger();
  }
}

using SpanSweepDeathTest = SpanSweepTest;

TEST_F(SpanSweepDeathTest, MarkedFreeSlotAborts) {
  const std::vector<void*> objects = Objects(PerSpan());
  void* freed = objects[70];
  for (void* p : objects) {
    if (p != freed) heap_.Mark(p);
  }
  heap_.Flip();
  heap_.SweepLists();
  for (void* p : objects) heap_.Mark(p);  // a dangling pointer was followed
  heap_.Flip();
  char want[64];
  std::snprintf(want, sizeof(want), "found pointer to free object 0x%zx of 64 bytes",
                reinterpret_cast<size_t>(freed));
  EXPECT_EXIT(SweepOne(*heap_, c64_), ::testing::KilledBySignal(SIGABRT), want);
}

TEST_F(SpanSweepDeathTest, SweptSpanIsNotSweptAgain) {
  const std::vector<void*> objects = Objects(1);
  EXPECT_EXIT(SweepSpan(*heap_, heap_.Find(objects[0]).span), ::testing::KilledBySignal(SIGABRT),
              "check failed");
}

TEST_F(SpanSweepDeathTest, SpanThatMissedACycleIsNotSwept) {
  cache_->Allocate(c64_);
  heap_.Flip();
  heap_.Flip();
  EXPECT_EXIT(cache_->SweepOwned(), ::testing::KilledBySignal(SIGABRT), "check failed");
}

}  // namespace
}  // namespace tarn::rt
