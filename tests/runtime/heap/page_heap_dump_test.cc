// PageHeap and core dumps: what lives is always in them, free chunks are not, and calls and mappings
// are few.
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

using internal::kArenaBytes;
using internal::kChunkBytes;
using internal::kChunkPages;
using internal::kPageBytes;

constexpr uint64_t kAll = ~uint64_t{0};

class DumpedHeap : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(classes_.Init(class_memory_));
    large_ = classes_.Intern(0, 0, true, nullptr, nullptr);
    ASSERT_TRUE(heap_->Init(os_, kCageBytes));
    calls_ = os_.plan().Count(OsCall::kDump);
  }
  // In every core dump from now on.
  Span* Alloc(size_t npages, PageCache* cache = nullptr) {
    Span* s = heap_->AllocSpan(classes_.Info(large_), large_, npages, cache, 2);
    if (s == nullptr) return nullptr;
    heap_->Publish(s, true);
    EXPECT_EQ(0u, os_.BytesLeftOut(Memory(s), npages * kPageBytes));
    return s;
  }
  std::vector<Span*> AllocChunks(size_t n) {
    std::vector<Span*> chunks;
    for (size_t i = 0; i < n; ++i) chunks.push_back(Alloc(kChunkPages));
    return chunks;
  }
  void Free(Span* s) { heap_->FreeSpan(s); }
  void* Memory(const Span* s) { return reinterpret_cast<void*>(heap_->cage().BaseOf(s)); }
  // Chunks of arenas in use that a core dump leaves out.
  size_t ChunksLeftOut() {
    const Cage& cage = heap_->cage();
    return os_.BytesLeftOut(reinterpret_cast<void*>(cage.base()), cage.committed()) / kChunkBytes;
  }
  uint64_t TakeCalls() {
    const uint64_t calls = os_.plan().Count(OsCall::kDump);
    const uint64_t since = calls - calls_;
    calls_ = calls;
    return since;
  }

  static constexpr size_t kCageBytes = size_t{24} << 30;
  SimMemory os_;
  LinuxMemory class_memory_;
  SpanClassTable classes_;
  std::unique_ptr<PageHeap> heap_ = std::make_unique<PageHeap>();
  uint16_t large_ = 0;
  uint64_t calls_ = 0;
};

TEST_F(DumpedHeap, ChunksOfFreeMemoryAreLeftOutUntilTheyAreUsed) {
  std::vector<Span*> chunks = AllocChunks(32);
  heap_->LeaveFreeOutOfDumps();
  EXPECT_EQ(0u, ChunksLeftOut()) << "nothing is free, and what was never used holds nothing";
  for (size_t i = 8; i < 32; ++i) Free(chunks[i]);
  TakeCalls();
  heap_->LeaveFreeOutOfDumps();
  EXPECT_EQ(24u, ChunksLeftOut());
  EXPECT_EQ(1u, TakeCalls()) << "for the whole run";
  heap_->Verify();
  heap_->LeaveFreeOutOfDumps();
  EXPECT_EQ(0u, TakeCalls()) << "nothing has changed";

  Span* small = Alloc(1);
  EXPECT_EQ(20u, ChunksLeftOut()) << "16 MiB at once";
  EXPECT_EQ(1u, TakeCalls());
  AllocChunks(3);
  EXPECT_EQ(0u, TakeCalls());
  Span* big = Alloc(9 * kChunkPages);
  EXPECT_EQ(1u, TakeCalls()) << "all of a large one at once";
  EXPECT_EQ(11u, ChunksLeftOut());
  heap_->Verify();
  Free(big);
  Free(small);
  heap_->LeaveFreeOutOfDumps();
  EXPECT_EQ(20u, ChunksLeftOut());
  heap_->Verify();
}

TEST_F(DumpedHeap, ChunksThatAreUsedAndShortRunsStay) {
  std::vector<Span*> chunks = AllocChunks(16);
  // Three free chunks, one page in use, four free ones, a chunk in use, the rest.
  for (size_t i = 0; i < 16; ++i) {
    if (i != 8) Free(chunks[i]);
  }
  std::vector<Span*> runs;
  for (size_t i = 0; i < 3; ++i) runs.push_back(Alloc(kChunkPages));
  Alloc(1);
  for (Span* s : runs) Free(s);
  TakeCalls();
  heap_->LeaveFreeOutOfDumps();
  EXPECT_EQ(4u + 7u, ChunksLeftOut());
  EXPECT_EQ(2u, TakeCalls());
  heap_->Verify();
}

TEST_F(DumpedHeap, PagesOfAThreadsCacheAreTakenInWhenItIsFilled) {
  for (Span* s : AllocChunks(8)) Free(s);
  heap_->LeaveFreeOutOfDumps();
  PageCache cache;
  std::vector<Span*> spans;
  for (size_t i = 0; i < kChunkPages / 2; ++i) spans.push_back(Alloc(1, &cache));
  // More than the block of the cache holds in one piece.
  spans.push_back(Alloc(15, &cache));
  heap_->FlushCache(cache);
  for (Span* s : spans) Free(s);
  heap_->Verify();
  heap_->LeaveFreeOutOfDumps();
  EXPECT_EQ(8u, ChunksLeftOut());
}

TEST_F(DumpedHeap, ReleasedChunksHoldNothingToLeaveOut) {
  for (Span* s : AllocChunks(8)) Free(s);
  heap_->Scavenge(kAll, ScavengeMode::kForced);
  heap_->LeaveFreeOutOfDumps();
  EXPECT_EQ(0u, ChunksLeftOut());
  for (Span* s : AllocChunks(8)) Free(s);
  heap_->LeaveFreeOutOfDumps();
  EXPECT_EQ(8u, ChunksLeftOut());
  heap_->Scavenge(kAll, ScavengeMode::kForced);
  heap_->Verify();
  AllocChunks(8);
  EXPECT_EQ(0u, ChunksLeftOut());
}

// Every fifth chunk in use, in more chunks than there may be mappings.
TEST_F(DumpedHeap, MappingsAreBounded) {
  std::vector<Span*> chunks = AllocChunks(kCageBytes / kChunkBytes);
  ASSERT_NE(chunks.back(), nullptr);
  for (size_t i = 0; i < chunks.size(); ++i) {
    if (i % 5 != 0) Free(chunks[i]);
  }
  const size_t before = os_.PiecesLeftOut();
  heap_->LeaveFreeOutOfDumps();
  const size_t runs = os_.PiecesLeftOut() - before;
  EXPECT_LT(PageAlloc::kMaxLeftOutRuns, chunks.size() / 5);
  EXPECT_EQ(PageAlloc::kMaxLeftOutRuns, runs);
  heap_->Verify();
  Free(chunks[5]);
  heap_->LeaveFreeOutOfDumps();
  EXPECT_EQ(PageAlloc::kMaxLeftOutRuns, os_.PiecesLeftOut() - before);
  // The lowest runs stayed. A run of four chunks comes in as a whole.
  const size_t left_out = ChunksLeftOut();
  while (ChunksLeftOut() == left_out) Alloc(kChunkPages);
  EXPECT_EQ(left_out - 4, ChunksLeftOut());
  EXPECT_EQ(PageAlloc::kMaxLeftOutRuns - 1, os_.PiecesLeftOut() - before);
  heap_->Verify();
}

TEST_F(DumpedHeap, AHeapThatBreathesMakesACallForEach16MiB) {
  std::vector<Span*> chunks = AllocChunks(40);
  TakeCalls();
  const size_t pieces = os_.PiecesLeftOut();
  for (int round = 0; round < 50; ++round) {
    for (Span* s : chunks) Free(s);
    heap_->LeaveFreeOutOfDumps();
    EXPECT_EQ(40u, ChunksLeftOut());
    EXPECT_LE(os_.PiecesLeftOut(), pieces + 1);
    chunks = AllocChunks(40);
    EXPECT_EQ(1u + 10u, TakeCalls());
  }
  heap_->Verify();
}

// As where the process may have no more mappings: a call that would split one fails.
TEST_F(DumpedHeap, WhereAPartCannotBeTakenInTheWholeRunIs) {
  for (Span* s : AllocChunks(20)) Free(s);
  heap_->LeaveFreeOutOfDumps();
  os_.plan().FailCall(OsCall::kDump, 1);
  Alloc(1);
  EXPECT_EQ(0u, ChunksLeftOut());
  EXPECT_EQ(1u, os_.plan().RefusedCount());
  heap_->Verify();
}

TEST_F(DumpedHeap, ARefusalToLeaveOutHurtsNobody) {
  for (Span* s : AllocChunks(20)) Free(s);
  os_.plan().FailCall(OsCall::kDump, 1);
  heap_->LeaveFreeOutOfDumps();
  EXPECT_EQ(0u, ChunksLeftOut());
  heap_->Verify();
  for (Span* s : AllocChunks(20)) Free(s);
  heap_->LeaveFreeOutOfDumps();
  EXPECT_EQ(20u, ChunksLeftOut());
}

// What a thread has got is in dumps when it gets it, whatever is left out or given back meanwhile.
TEST_F(DumpedHeap, ThreadsAllocateWhileChunksAreLeftOut) {
  const uint64_t seed = TestSeed();
  constexpr int kThreads = 4;
  const int rounds = TARN_TSAN ? 300 : 5000;
  for (Span* s : AllocChunks(kArenaBytes / kChunkBytes + 1)) Free(s);  // more than one arena
  std::atomic<int> running{kThreads};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 rng(seed + static_cast<uint64_t>(t));
      PageCache cache;
      std::vector<Span*> spans;
      for (int i = 0; i < rounds; ++i) {
        // A few large ones and many small ones, all dropped from time to time.
        const size_t npages = rng() % 4 == 0 ? 1 + rng() % (3 * kChunkPages) : 1 + rng() % 20;
        if (Span* s = Alloc(npages, &cache)) spans.push_back(s);
        if (spans.size() < 1 + rng() % 64) continue;
        for (Span* s : spans) {
          EXPECT_EQ(0u, os_.BytesLeftOut(Memory(s), s->npages * kPageBytes));
          Free(s);
        }
        spans.clear();
        heap_->TryFlushCache(cache);
      }
      for (Span* s : spans) Free(s);
      heap_->FlushCache(cache);
      --running;
    });
  }
  while (running > 0) {
    heap_->LeaveFreeOutOfDumps();
    heap_->Scavenge(kChunkBytes, ScavengeMode::kForced);
  }
  for (std::thread& t : threads) t.join();
  EXPECT_LT(kArenaBytes / kPageBytes, HeapStats::Get(heap_->stats().mapped_pages));
  heap_->Verify();
  heap_->LeaveFreeOutOfDumps();
  heap_->Verify();
}

}  // namespace
}  // namespace tarn::rt
