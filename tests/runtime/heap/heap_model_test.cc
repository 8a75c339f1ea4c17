// The whole heap core against an oracle: several thread caches used from one thread allocate and
// drop objects of random classes while cycles mark, flip and sweep lazily in random order. After
// each operation the ledger must agree with the bits, and the objects that the oracle remembers
// must be allocated, whole, and apart from each other.
// Marking is the test's: it marks what it remembers, at random times before the flip.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include "runtime/thread/sanitizer.h"
#include "tests/runtime/heap/heap_test_util.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

using internal::kPageBytes;

constexpr size_t kCaches = 3;
constexpr size_t kMaxLive = 2500;
constexpr int kSteps = TARN_TSAN ? 700 : 2500;

struct Object {
  size_t bytes;
  unsigned char fill;
};

class HeapModel {
 public:
  explicit HeapModel(uint64_t seed) : rng_(seed) {
    for (size_t layout = 0; layout < 3; ++layout) {
      for (size_t c = 0; c < internal::kNumSizeClasses; c += 1 + Below(5)) {
        classes_.push_back(heap_.Class(c, static_cast<uint16_t>(layout), layout == 0));
      }
    }
    c16_ = heap_.Class(internal::SizeToClass(16), 0, true);
    large_ = heap_.Class(0, 0, true);
    for (Thread& t : threads_) t.cache = ThreadCache::New(*heap_);
  }

  void Step() {
    const uint64_t dice = Below(1000);
    if (dice < 700) {
      Allocate(threads_[Below(kCaches)]);
    } else if (dice < 800) {
      Drop(1 + Below(8));
    } else if (dice < 870) {
      SweepOne(*heap_, classes_[Below(classes_.size())]);
    } else if (dice < 900) {
      threads_[Below(kCaches)].cache->SetMaxRunSlots(
          Below(2) == 0 ? 0 : static_cast<uint32_t>(1 + Below(9)));
    } else if (dice < 910) {
      Renew(threads_[Below(kCaches)]);
    } else if (dice < 925) {
      threads_[Below(kCaches)].cache->FlushPages();
    } else if (dice < 940) {
      threads_[Below(kCaches)].cache->SweepOwned();
    } else if (dice < 985) {
      MoveCycle();
    } else {
      CheckContents(20);
    }
    if (live_.size() > kMaxLive) Drop(kMaxLive / 2);
    CheckSums();
  }

  // Everything dropped, two cycles later: nothing is in use.
  void End() {
    if (marking_) EndMarking();
    CheckContents(live_.size());
    BeginMarking();
    EndMarking();
    FinishSweep();
    for (Thread& t : threads_) t.cache->Release(/*marking=*/false);
    CheckExactlyLive();
    live_.clear();
    heap_.Flip();
    heap_.SweepLists();
    ASSERT_EQ(heap_.CountSpans(), 0u);
    ASSERT_EQ(Stat(&HeapStats::in_use_pages), 0u);
    ASSERT_EQ(Stat(&HeapStats::allocated_bytes), Stat(&HeapStats::freed_bytes));
    heap_->pages().Verify();
  }

  int cycles() const { return cycles_; }

 private:
  struct Thread {
    ThreadCache* cache = nullptr;
    bool black = false;
  };

  uint64_t Below(uint64_t n) { return rng_() % n; }
  uint64_t Stat(std::atomic<uint64_t> HeapStats::*field) {
    return HeapStats::Get(heap_->stats().*field);
  }

  void Allocate(Thread& t) {
    const uint64_t dice = Below(100);
    if (dice < 15) {
      const size_t align = size_t{1} << Below(4);
      const size_t bytes = 1 + Below(15);
      Remember(t.cache->AllocateTiny(c16_, bytes, align), bytes, align);
    } else if (dice < 18) {
      const size_t bytes = 1 + Below(40 * kPageBytes);
      Remember(t.cache->AllocateLarge(large_, bytes), RoundUp(bytes, kPageBytes), kPageBytes);
    } else {
      const uint16_t c = classes_[Below(classes_.size())];
      const size_t bytes = heap_->classes().Info(c).elem_bytes;
      if (bytes == 0) return;
      void* p = dice < 22 ? Refill(t, c) : t.cache->Allocate(c);
      Remember(p, bytes, 8);
      ASSERT_EQ(heap_.Find(p).span->span_class, c);
    }
  }
  // A refill is asked for when a run is used up.
  void* Refill(Thread& t, uint16_t c) {
    const internal::Run& run = t.cache->runs()[c];
    return run.cursor.load() == run.limit ? t.cache->Refill(c) : t.cache->Allocate(c);
  }
  void Remember(void* p, size_t bytes, size_t align) {
    ASSERT_NE(p, nullptr);
    const auto at = reinterpret_cast<uintptr_t>(p);
    ASSERT_EQ(at % align, 0u);
    ASSERT_TRUE(AllZero(p, bytes)) << "a new object has old contents";
    ASSERT_TRUE(heap_.IsAllocated(p));
    const Slot slot = heap_.Find(at + bytes - 1);
    ASSERT_LE(slot.base, at) << "the object is not in one slot";
    const auto next = live_.lower_bound(at);
    ASSERT_TRUE(next == live_.end() || at + bytes <= next->first) << "overlaps its successor";
    ASSERT_TRUE(next == live_.begin() ||
                std::prev(next)->first + std::prev(next)->second.bytes <= at)
        << "overlaps its predecessor";
    const auto fill = static_cast<unsigned char>(1 + Below(255));
    std::memset(p, fill, bytes);
    live_[at] = {bytes, fill};
    if (marking_ && Below(3) == 0) heap_.Mark(p);
  }

  std::map<uintptr_t, Object>::iterator RandomObject() {
    // By address: nearly uniform, and the nearness of victims makes whole runs and spans free.
    const Cage& cage = heap_->cage();
    const auto it =
        live_.lower_bound(cage.base() + Below(Stat(&HeapStats::mapped_pages) * kPageBytes));
    return it == live_.end() ? live_.begin() : it;
  }
  void Drop(size_t n) {
    while (n != 0 && !live_.empty()) {
      auto it = RandomObject();
      // A few neighbours go with it.
      for (uint64_t k = 1 + Below(6); k != 0 && n != 0 && it != live_.end(); --k, --n) {
        CheckObject(*it);
        it = live_.erase(it);
      }
    }
  }

  void Renew(Thread& t) {
    t.cache->Release(/*marking=*/marking_);
    t.cache = ThreadCache::New(*heap_);
    t.cache->SetBlack(t.black ? heap_->sweepgen() : 0);
  }

  // --- Cycles: sweep, begin to mark, threads turn black one by one, end.

  void MoveCycle() {
    if (!marking_) {
      if (AnyUnswept(*heap_) && Below(4) != 0) {
        SweepSome();
      } else {
        BeginMarking();
      }
      return;
    }
    Thread& t = threads_[Below(kCaches)];
    if (!t.black) {
      TurnBlack(t);
    } else if (Below(3) == 0) {
      MarkSome();
    } else {
      EndMarking();
    }
  }
  void SweepSome() {
    for (uint64_t n = Below(10); n != 0; --n) {
      SweepOne(*heap_, static_cast<uint16_t>(1 + Below(heap_->classes().End() - 1)));
    }
  }
  void FinishSweep() {
    std::vector<uint16_t> order;
    for (size_t c = 1; c < heap_->classes().End(); ++c) order.push_back(static_cast<uint16_t>(c));
    std::shuffle(order.begin(), order.end(), rng_);
    for (const uint16_t c : order) {
      while (SweepOne(*heap_, c)) {
      }
    }
    for (Thread& t : threads_) t.cache->SweepOwned();
    ASSERT_FALSE(AnyUnswept(*heap_));
  }
  void BeginMarking() {
    FinishSweep();
    ASSERT_EQ(heap_.Count(/*marks=*/true).objects, 0u) << "marks are left from the last cycle";
    marking_ = true;
  }
  void TurnBlack(Thread& t) {
    const ThreadCache::Unused unused = t.cache->UnusedInRuns();
    const uint64_t bytes = t.cache->MarkRuns();
    ASSERT_GE(bytes, unused.bytes);
    ASSERT_LE(bytes, unused.bytes + internal::kTinyBytes);
    t.cache->SetBlack(heap_->sweepgen());
    t.black = true;
  }
  void MarkSome() {
    for (const auto& [at, object] : live_) {
      if (Below(2) == 0) heap_.Mark(reinterpret_cast<void*>(at + Below(object.bytes)));
    }
  }
  void EndMarking() {
    for (Thread& t : threads_) {
      if (!t.black) TurnBlack(t);
    }
    for (const auto& [at, object] : live_) {
      heap_.Mark(reinterpret_cast<void*>(at + Below(object.bytes)));
    }
    for (Thread& t : threads_) {
      t.cache->FlushLive();
      t.cache->SetBlack(0);
      t.black = false;
    }
    marked_ = heap_.Count(/*marks=*/true).bytes;
    allocated_at_flip_ = Stat(&HeapStats::allocated_bytes);
    ASSERT_LE(marked_, heap_.Count().bytes);
    heap_.Flip();
    heap_->stats().live.store(marked_);
    marking_ = false;
    ++cycles_;
  }

  // --- What must hold after each operation

  void CheckSums() {
    heap_.CheckLedger();
    for (Thread& t : threads_) t.cache->FlushLive();
    ASSERT_EQ(Stat(&HeapStats::live),
              marked_ + Stat(&HeapStats::allocated_bytes) - allocated_at_flip_)
        << "L2";
    if (Below(16) == 0) {
      for (Thread& t : threads_) t.cache->FlushPages();
      heap_->pages().Verify();
      CheckPlaces();
    }
  }
  // Every span is owned by one cache or in the list that its state names.
  void CheckPlaces() {
    std::map<const Span*, int> places;
    for (Thread& t : threads_) {
      t.cache->ForEachOwned([&](Span* s, internal::Run& run) {
        ++places[s];
        ASSERT_EQ(s->owned.load(), 1u);
        ASSERT_LE(run.cursor.load(), run.limit);
      });
    }
    for (size_t c = 1; c < heap_->classes().End(); ++c) {
      heap_->central(static_cast<uint16_t>(c)).ForEach([&](Span* s, bool swept, bool full) {
        ++places[s];
        ASSERT_EQ(s->span_class, c);
        ASSERT_EQ(s->owned.load(), 0u);
        ASSERT_EQ(s->sweepgen.load() + (swept ? 0 : 2), heap_->sweepgen());
        ASSERT_TRUE(!swept || full == (s->alloc_count == s->nelems));
      });
    }
    heap_.ForEachSpan([&](Span* s, size_t) { ASSERT_EQ(places[s], 1) << "spans are lost"; });
    ASSERT_EQ(places.size(), heap_.CountSpans());
  }
  void CheckObject(const std::pair<const uintptr_t, Object>& entry) {
    const auto* p = reinterpret_cast<const unsigned char*>(entry.first);
    ASSERT_TRUE(heap_.IsAllocated(p));
    ASSERT_EQ(p[0], entry.second.fill);
    ASSERT_EQ(std::memcmp(p, p + 1, entry.second.bytes - 1), 0) << "contents changed";
  }
  void CheckContents(size_t n) {
    if (live_.empty()) return;
    auto it = n >= live_.size() ? live_.begin() : RandomObject();
    for (; n != 0 && it != live_.end(); --n, ++it) CheckObject(*it);
  }
  // After a cycle without black allocation, and with all runs given back, the allocated slots are
  // those of the objects that the oracle remembers, and a tiny block per thread.
  void CheckExactlyLive() {
    uint64_t bytes = 0;
    uintptr_t last = 0;
    for (const auto& [at, object] : live_) {
      const Slot slot = heap_.Find(at);
      if (slot.base != last) bytes += slot.bytes;
      last = slot.base;
    }
    const uint64_t held = heap_.Count().bytes;
    ASSERT_GE(held, bytes);
    ASSERT_LE(held, bytes + kCaches * internal::kTinyBytes);
  }

  std::mt19937_64 rng_;
  TestHeap heap_;
  Thread threads_[kCaches];
  std::vector<uint16_t> classes_;
  uint16_t c16_ = 0, large_ = 0;
  std::map<uintptr_t, Object> live_;
  bool marking_ = false;
  uint64_t marked_ = 0;
  uint64_t allocated_at_flip_ = 0;
  int cycles_ = 0;
};

TEST(HeapModelTest, RandomLivesAgreeWithTheOracle) {
  const uint64_t seed = TestSeed();
  int cycles = 0;
  for (uint64_t life = 0; life < 6; ++life) {
    SCOPED_TRACE(life);
    HeapModel model(seed + life);
    for (int i = 0; i < kSteps; ++i) {
      model.Step();
      ASSERT_FALSE(::testing::Test::HasFatalFailure()) << "step " << i;
    }
    model.End();
    ASSERT_FALSE(::testing::Test::HasFatalFailure());
    cycles += model.cycles();
  }
  EXPECT_GT(cycles, 6);
}

}  // namespace
}  // namespace tarn::rt
