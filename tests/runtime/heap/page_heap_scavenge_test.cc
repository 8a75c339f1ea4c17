// PageHeap::Scavenge: the ledger and the system agree, what comes back is zero, side tables of unused
// pages go, nobody waits for the system under the heap lock, and threads may do all of it at once.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "runtime/heap/page_heap.h"
#include "runtime/os/os_memory_linux.h"
#include "runtime/thread/sanitizer.h"
#include "tests/support/sim_memory.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

using internal::kChunkPages;
using internal::kPageBytes;

constexpr size_t kGiB = size_t{1} << 30;
constexpr uint64_t kAll = ~uint64_t{0};

class ScavengedHeap : public testing::Test {
 protected:
  explicit ScavengedHeap(const SimMemory::Options& options = {}) : os_(options) {}
  void SetUp() override {
    ASSERT_TRUE(classes_.Init(class_memory_));
    large_ = classes_.Intern(0, 0, true, nullptr, nullptr);
    ASSERT_TRUE(heap_->Init(os_, kGiB));
  }
  Span* Alloc(size_t npages, PageCache* cache = nullptr) {
    Span* s = heap_->AllocSpan(classes_.Info(large_), large_, npages, cache, 2);
    if (s == nullptr) return nullptr;
    heap_->Publish(s, true);
    if (s->needzero == 0) ExpectZero(s);
    std::memset(Memory(s), 0xab, npages * kPageBytes);
    return s;
  }
  void Free(Span* s) { heap_->FreeSpan(s); }
  char* Memory(const Span* s) { return reinterpret_cast<char*>(heap_->cage().BaseOf(s)); }
  void ExpectZero(const Span* s) {
    const char* p = Memory(s);
    for (size_t i = 0; i < s->npages * kPageBytes; i += 512) ASSERT_EQ(0, p[i]) << i;
  }
  uint64_t Stat(std::atomic<uint64_t> HeapStats::*field) {
    return HeapStats::Get(heap_->stats().*field);
  }
  void Check() {
    heap_->Verify();
    const Cage& cage = heap_->cage();
    EXPECT_EQ(os_.BytesIn(reinterpret_cast<void*>(cage.base()), cage.bytes(), MemoryState::kReady),
              heap_->RetainedBytes());
  }

  SimMemory os_;
  LinuxMemory class_memory_;
  SpanClassTable classes_;
  std::unique_ptr<PageHeap> heap_ = std::make_unique<PageHeap>();
  uint16_t large_ = 0;
};

TEST_F(ScavengedHeap, ReleasedPagesMoveToTheirColumnAndComeBackZeroed) {
  Span* a = Alloc(100);
  Span* b = Alloc(700);
  Span* c = Alloc(50);
  const uint64_t released = Stat(&HeapStats::released_pages);
  EXPECT_EQ(0u, heap_->Scavenge(kAll, ScavengeMode::kForced)) << "nothing is free and backed";
  Free(b);
  EXPECT_EQ(850 * kPageBytes, heap_->RetainedBytes());
  const uint64_t got = heap_->Scavenge(10 * kPageBytes - 1, ScavengeMode::kForced);
  EXPECT_GE(got, 10 * kPageBytes) << "rounded up";
  EXPECT_LE(got, 266 * kPageBytes) << "at most to the end of a huge page";
  EXPECT_EQ(850 * kPageBytes - got, heap_->RetainedBytes());
  Check();
  heap_->Scavenge(kAll, ScavengeMode::kForced);
  EXPECT_EQ(150 * kPageBytes, heap_->RetainedBytes());
  EXPECT_EQ(released + 700, Stat(&HeapStats::released_pages));
  EXPECT_EQ(700u, Stat(&HeapStats::scavenged_pages));
  Check();
  b = Alloc(700);
  EXPECT_EQ(0, b->needzero);
  Check();
  for (Span* s : {a, b, c}) Free(s);
  heap_->Scavenge(kAll, ScavengeMode::kForced);
  EXPECT_EQ(0u, heap_->RetainedBytes());
  Check();
}

TEST_F(ScavengedHeap, BackgroundReleasesWhatWasFreeForAGeneration) {
  Span* s = Alloc(512);
  heap_->NextScavengeGeneration();
  Free(s);
  EXPECT_EQ(0u, heap_->Scavenge(kAll, ScavengeMode::kBackground));
  heap_->NextScavengeGeneration();
  EXPECT_EQ(512 * kPageBytes, heap_->Scavenge(kAll, ScavengeMode::kBackground));
  Check();
}

// The look of a page that was never used: tables of pages that nothing uses are dropped and read as
// zero; those of pages in use stay.
TEST_F(ScavengedHeap, TablesOfUnusedPagesAreDropped) {
  Span* a = Alloc(64);
  Span* b = Alloc(kChunkPages + 64);
  Span* c = Alloc(1);
  const size_t first = heap_->cage().FirstPage(b);
  b->reserved = 42;  // part of its record, in memory that is to be dropped
  c->reserved = 43;
  a->reserved = 44;
  const uint64_t discards = os_.plan().Count(OsCall::kDiscard);
  Free(b);
  heap_->Scavenge(kAll, ScavengeMode::kForced);
  EXPECT_LT(discards, os_.plan().Count(OsCall::kDiscard));
  EXPECT_EQ(0u, heap_->cage().SpanAt(first)->reserved);
  EXPECT_EQ(43u, c->reserved);
  EXPECT_EQ(44u, a->reserved);
  EXPECT_TRUE(heap_->cage().Entry(heap_->cage().FirstPage(c)).in_use());
  EXPECT_FALSE(heap_->cage().Entry(first + 100).in_use());
  Check();
}

TEST_F(ScavengedHeap, VerifyNoticesADisagreementAboutLazilyFreePages) {
  Free(Alloc(10));
  heap_->stats().lazily_free_pages.store(3);
  EXPECT_DEATH(heap_->Verify(), "lazily_free_pages");
  heap_->stats().lazily_free_pages.store(0);
}

SimMemory::Options Lazy(uint64_t calls) {
  SimMemory::Options options;
  options.lazy_releases = calls;
  options.released_is_zero = false;
  return options;
}

class LazilyReleasedHeap : public ScavengedHeap {
 protected:
  LazilyReleasedHeap() : ScavengedHeap(Lazy(2)) {}
};

// The system refuses MADV_FREE from the third call on.
TEST_F(LazilyReleasedHeap, LazilyFreePagesAreCountedUntilUsedAndNotAfterTheRefusal) {
  Span* a = Alloc(512);
  Span* b = Alloc(512);
  Span* c = Alloc(512);
  Free(c);
  heap_->Scavenge(kAll, ScavengeMode::kForced);
  EXPECT_EQ(512u, Stat(&HeapStats::lazily_free_pages));
  Free(b);
  heap_->Scavenge(kAll, ScavengeMode::kForced);
  EXPECT_EQ(1024u, Stat(&HeapStats::lazily_free_pages));
  Check();
  b = Alloc(512);
  EXPECT_EQ(1, b->needzero) << "MADV_FREE promises nothing";
  EXPECT_EQ(512u, Stat(&HeapStats::lazily_free_pages));
  Free(a);
  heap_->Scavenge(kAll, ScavengeMode::kForced);
  EXPECT_EQ(512u, Stat(&HeapStats::lazily_free_pages)) << "released at once";
  PageCache cache;
  Span* small = Alloc(3, &cache);
  EXPECT_EQ(512u, Stat(&HeapStats::lazily_free_pages));
  heap_->FlushCache(cache);
  Free(small);
  Free(b);
  Check();
}

// Calls back when memory is given back.
class WatchedMemory final : public OsMemory {
 public:
  explicit WatchedMemory(OsMemory& base) : base_(base) {}
  std::function<void()> on_unused;

  size_t PhysicalPageBytes() const override { return base_.PhysicalPageBytes(); }
  size_t HugePageBytes() const override { return base_.HugePageBytes(); }
  void* Reserve(size_t bytes, size_t align) override { return base_.Reserve(bytes, align); }
  bool Map(void* p, size_t bytes) override { return base_.Map(p, bytes); }
  bool Used(void* p, size_t bytes, size_t n) override { return base_.Used(p, bytes, n); }
  Release Unused(void* p, size_t bytes, size_t ready) override {
    if (on_unused) on_unused();
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
  void HugePage(void* p, size_t bytes) override { base_.HugePage(p, bytes); }
  void NoHugePage(void* p, size_t bytes) override { base_.NoHugePage(p, bytes); }
  void CollapseHugePage(void* p, size_t bytes) override { base_.CollapseHugePage(p, bytes); }
  void Discard(void* p, size_t bytes) override { base_.Discard(p, bytes); }
  bool Dump(void* p, size_t bytes, bool wanted) override { return base_.Dump(p, bytes, wanted); }
  bool ReleasedIsZero() const override { return base_.ReleasedIsZero(); }
  size_t ReadyBytes() const override { return base_.ReadyBytes(); }
  int LastError() const override { return base_.LastError(); }

 private:
  OsMemory& base_;
};

TEST(PageHeapScavengeTest, AllocationAndFreeGoOnWhileTheSystemTakesPages) {
  SimMemory sim;
  WatchedMemory os(sim);
  LinuxMemory class_memory;
  SpanClassTable classes;
  ASSERT_TRUE(classes.Init(class_memory));
  const uint16_t large = classes.Intern(0, 0, true, nullptr, nullptr);
  PageHeap heap;
  ASSERT_TRUE(heap.Init(os, kGiB));
  const auto alloc = [&](size_t npages) {
    Span* s = heap.AllocSpan(classes.Info(large), large, npages, nullptr, 2);
    if (s != nullptr) heap.Publish(s, true);
    return s;
  };
  Span* kept = alloc(20);
  heap.FreeSpan(alloc(2000));
  int calls = 0;
  os.on_unused = [&] {
    if (calls++ > 5) return;
    // Would wait for ever if the heap lock were held.
    Span* s = alloc(3);
    ASSERT_NE(s, nullptr);
    heap.FreeSpan(s);
    heap.Verify();
  };
  heap.Scavenge(kAll, ScavengeMode::kForced);
  EXPECT_GE(calls, 4);
  os.on_unused = nullptr;
  heap.Scavenge(kAll, ScavengeMode::kForced);
  EXPECT_EQ(20 * kPageBytes, heap.RetainedBytes());
  EXPECT_TRUE(heap.cage().Entry(heap.cage().FirstPage(kept)).in_use());
  heap.Verify();
}

TEST_F(ScavengedHeap, ThreadsAllocateFreeAndReleaseAtOnce) {
  const uint64_t seed = TestSeed();
  constexpr int kThreads = 4;
  const int rounds = TARN_TSAN ? 300 : 3000;
  std::atomic<int> running{kThreads};
  std::vector<std::thread> threads;
  std::atomic<bool> bad{false};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 rng(seed + static_cast<uint64_t>(t));
      PageCache cache;
      struct Mine {
        Span* span;
        uint64_t mark;
      };
      std::vector<Mine> spans;
      const auto words = [&](Span* s) { return reinterpret_cast<uint64_t*>(Memory(s)); };
      const auto last = [](Span* s) { return s->npages * kPageBytes / 8 - 1; };
      for (int i = 0; i < rounds; ++i) {
        if (rng() % 2 == 0 || spans.empty()) {
          Span* s = heap_->AllocSpan(classes_.Info(large_), large_, 1 + rng() % 40, &cache, 2);
          if (s == nullptr) continue;
          const uint64_t mark = rng() | 1;
          if (s->needzero == 0 && (words(s)[0] | words(s)[last(s)]) != 0) bad = true;
          heap_->Publish(s, true);
          words(s)[0] = words(s)[last(s)] = mark;
          spans.push_back({s, mark});
        } else {
          const size_t k = rng() % spans.size();
          const Mine m = spans[k];
          if (words(m.span)[0] != m.mark || words(m.span)[last(m.span)] != m.mark) bad = true;
          heap_->FreeSpan(m.span);
          spans[k] = spans.back();
          spans.pop_back();
        }
        if (i % 100 == 0) heap_->TryFlushCache(cache);
        if (i % 50 == 0) heap_->Scavenge(rng() % 100 * kPageBytes, ScavengeMode::kForced);
      }
      for (const Mine& m : spans) heap_->FreeSpan(m.span);
      heap_->FlushCache(cache);
      --running;
    });
  }
  size_t next = 0;
  while (running > 0) {
    heap_->NextScavengeGeneration();
    heap_->Scavenge(64 << 10, ScavengeMode::kBackground);
    heap_->CollapseNext(&next);
    if (next >= heap_->EndChunk()) next = 0;
  }
  for (std::thread& t : threads) t.join();
  EXPECT_FALSE(bad);
  heap_->Scavenge(kAll, ScavengeMode::kForced);
  EXPECT_EQ(0u, heap_->RetainedBytes());
  EXPECT_EQ(0u, Stat(&HeapStats::in_use_pages));
  Check();
}

}  // namespace
}  // namespace tarn::rt
