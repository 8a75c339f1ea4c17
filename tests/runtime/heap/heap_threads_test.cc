// The heap core under threads: each has a cache, objects of its own and objects handed over by
// another; all share classes, lists and the page heap. Every cycle has four phases between
// barriers, as a collector without concurrent marking would have them:
//   run     allocate, drop, check, sweep lazily      all threads at once
//   sweep   finish the sweep                         all threads at once
//   mark    mark the rest of runs and own objects,   all threads at once
//           allocate black
//   flip    check the ledger, flip                   one thread, the others wait
// Early reuse shows as wrong contents, lost slots in the ledger; races show under ThreadSanitizer.
#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "tests/runtime/heap/heap_test_util.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

using internal::kPageBytes;

constexpr size_t kThreads = 4;
constexpr int kCycles = 12;
constexpr int kOperations = 600;
constexpr size_t kMaxObjects = 600;

struct Object {
  unsigned char* p;
  size_t bytes;
  unsigned char fill;
};

class Barrier {
 public:
  explicit Barrier(unsigned n) { pthread_barrier_init(&barrier_, nullptr, n); }
  ~Barrier() { pthread_barrier_destroy(&barrier_); }
  void Wait() { pthread_barrier_wait(&barrier_); }

 private:
  pthread_barrier_t barrier_;
};

// What the threads share. `handed[t]` is written by thread t - 1 while marking, and read by thread
// t after the flip.
struct Shared {
  Shared() {
    for (size_t layout = 0; layout < 2; ++layout) {
      for (size_t c = 1; c < internal::kNumSizeClasses; c += 4) {
        classes.push_back(heap.Class(c, static_cast<uint16_t>(layout), layout == 0));
      }
    }
    c16 = heap.Class(internal::SizeToClass(16), 0, true);
    large = heap.Class(0, 0, true);
  }
  TestHeap heap;
  Barrier barrier{kThreads};
  std::vector<uint16_t> classes;
  uint16_t c16 = 0, large = 0;
  std::vector<Object> handed[kThreads];
};

class Worker {
 public:
  Worker(Shared& shared, size_t id, uint64_t seed)
      : s_(shared), id_(id), rng_(seed * kThreads + id), cache_(ThreadCache::New(*shared.heap)) {}

  void Run() {
    for (int cycle = 0; cycle < kCycles; ++cycle) {
      for (int i = 0; i < kOperations; ++i) Operation();
      s_.barrier.Wait();
      FinishSweep();
      s_.barrier.Wait();
      Mark();
      s_.barrier.Wait();
      if (id_ == 0) Flip();
      s_.barrier.Wait();
      BeginNext();
    }
    for (const Object& o : objects_) Check(o);
    cache_->Release(/*marking=*/false);
  }

 private:
  uint64_t Below(uint64_t n) { return rng_() % n; }

  void Operation() {
    const uint64_t dice = Below(100);
    if (dice < 75) {
      Allocate();
    } else if (dice < 88) {
      Drop();
    } else if (dice < 97) {
      SweepOne(*s_.heap, s_.classes[Below(s_.classes.size())]);
    } else if (dice < 98) {
      SweepOne(*s_.heap, s_.large);
    } else if (dice < 99) {
      cache_->FlushPages();
    } else {
      cache_->SetMaxRunSlots(static_cast<uint32_t>(Below(2) * Below(6)));
    }
    if (objects_.size() > kMaxObjects) {
      std::shuffle(objects_.begin(), objects_.end(), rng_);
      while (objects_.size() > kMaxObjects / 2) Drop();
    }
  }

  void Allocate() {
    const uint64_t dice = Below(100);
    if (dice < 15) {
      const size_t bytes = 1 + Below(15);
      Remember(cache_->AllocateTiny(s_.c16, bytes, 1), bytes);
    } else if (dice < 17) {
      const size_t bytes = 1 + Below(12 * kPageBytes);
      Remember(cache_->AllocateLarge(s_.large, bytes), bytes);
    } else {
      const uint16_t c = s_.classes[Below(s_.classes.size())];
      Remember(cache_->Allocate(c), s_.heap->classes().Info(c).elem_bytes);
    }
  }
  void Remember(void* p, size_t bytes) {
    ASSERT_NE(p, nullptr);
    ASSERT_TRUE(AllZero(p, bytes)) << "a new object has old contents";
    const auto fill = static_cast<unsigned char>(1 + Below(255));
    std::memset(p, fill, bytes);
    objects_.push_back({static_cast<unsigned char*>(p), bytes, fill});
  }
  void Drop() {
    if (objects_.empty()) return;
    std::swap(objects_[Below(objects_.size())], objects_.back());
    Check(objects_.back());
    objects_.pop_back();
  }
  void Check(const Object& o) {
    ASSERT_EQ(o.p[0], o.fill);
    ASSERT_EQ(std::memcmp(o.p, o.p + 1, o.bytes - 1), 0) << "contents changed";
  }

  // All threads work on the same lists.
  void FinishSweep() {
    std::vector<uint16_t> order = s_.classes;
    order.push_back(s_.c16);
    order.push_back(s_.large);
    std::shuffle(order.begin(), order.end(), rng_);
    for (const uint16_t c : order) {
      while (SweepOne(*s_.heap, c)) {
      }
    }
    cache_->SweepOwned();
  }
  void Mark() {
    EXPECT_FALSE(AnyUnswept(*s_.heap));
    cache_->FlushLive();
    cache_->MarkRuns();
    cache_->SetBlack(s_.heap->sweepgen());
    for (int i = 0; i < 20; ++i) Allocate();
    if (Below(4) == 0) {
      cache_->Release(/*marking=*/true);
      cache_ = ThreadCache::New(*s_.heap);
      cache_->SetBlack(s_.heap->sweepgen());
    }
    for (const Object& o : objects_) {
      ASSERT_TRUE(s_.heap.IsAllocated(o.p));
      s_.heap.Mark(o.p + Below(o.bytes));
    }
    std::vector<Object>& to = s_.handed[(id_ + 1) % kThreads];
    for (size_t n = Below(30); n != 0 && !objects_.empty(); --n) {
      to.push_back(objects_.back());
      objects_.pop_back();
    }
    cache_->FlushLive();
    cache_->FlushPages();
  }
  void Flip() {
    s_.heap.CheckLedger();
    s_.heap->pages().Verify();
    const uint64_t marked = s_.heap.Count(/*marks=*/true).bytes;
    s_.heap.Flip();
    s_.heap->stats().live.store(marked);
  }
  void BeginNext() {
    cache_->SetBlack(0);
    std::vector<Object>& from = s_.handed[id_];
    objects_.insert(objects_.end(), from.begin(), from.end());
    from.clear();
    if (Below(4) == 0) {
      cache_->Release(/*marking=*/false);
      cache_ = ThreadCache::New(*s_.heap);
    }
  }

  Shared& s_;
  const size_t id_;
  std::mt19937_64 rng_;
  ThreadCache* cache_;
  std::vector<Object> objects_;
};

TEST(HeapThreadsTest, ThreadsShareTheHeapAndLoseNothing) {
  const uint64_t seed = TestSeed();
  Shared shared;
  ASSERT_TRUE(shared.heap.ok());
  std::vector<std::thread> threads;
  for (size_t id = 0; id < kThreads; ++id) {
    threads.emplace_back([&, id] { Worker(shared, id, seed).Run(); });
  }
  for (std::thread& t : threads) t.join();
  TestHeap& heap = shared.heap;
  heap.CheckLedger();
  heap.SweepLists();
  heap.CheckLedger();
  ASSERT_NE(heap.CountSpans(), 0u);
  heap.Flip();  // nothing is marked
  heap.SweepLists();
  ASSERT_EQ(heap.CountSpans(), 0u);
  ASSERT_EQ(HeapStats::Get(heap->stats().in_use_pages), 0u);
  heap.CheckLedger();
  heap->pages().Verify();
}

}  // namespace
}  // namespace tarn::rt
