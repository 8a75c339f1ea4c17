// Random operations on PageAlloc against a model that keeps one state per page and searches page by
// page. The system's memory is simulated at the same time: each page that the allocator hands out
// is made Ready with the scavenged count that the allocator reported, so a wrong count is an
// illegal call. Replay: TARN_TEST_SEED=<seed>; longer: TARN_TEST_OPS=<operations>.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "runtime/heap/page_alloc.h"
#include "tests/support/page_alloc_peer.h"
#include "tests/support/sim_memory.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

using internal::kPageBytes;

constexpr size_t kP = kChunkPages;
constexpr uintptr_t kCageBase = uintptr_t{1} << 56;
constexpr long kOps = 1500;
constexpr size_t kMostChunks = 40;
constexpr size_t kScattered = 10;  // the first chunks are far apart

enum class PageState : uint8_t { kFree, kReleased, kUsed, kCached, kCachedReleased, kHeld };

bool IsFree(PageState s) { return s == PageState::kFree || s == PageState::kReleased; }

// What PageAlloc should do, the simple way.
class Model {
 public:
  void Grow(size_t chunk) { chunks_[chunk].fill(PageState::kReleased); }
  bool Has(size_t chunk) const { return chunks_.count(chunk) != 0; }
  size_t chunks() const { return chunks_.size(); }

  PageState& At(size_t page) { return chunks_.at(page / kP)[page % kP]; }
  size_t Count(size_t page, size_t n, PageState state) {
    size_t count = 0;
    for (size_t p = page; p < page + n; ++p) count += At(p) == state ? 1 : 0;
    return count;
  }
  void Set(size_t page, size_t n, PageState state) {
    for (size_t p = page; p < page + n; ++p) At(p) = state;
  }

  // The lowest run of n free pages.
  size_t FirstFit(size_t n) const {
    size_t run = 0;
    size_t next = ~size_t{0};  // the page that would continue the run
    for (const auto& [chunk, pages] : chunks_) {
      if (chunk * kP != next) run = 0;
      for (size_t i = 0; i < kP; ++i) {
        run = IsFree(pages[i]) ? run + 1 : 0;
        if (run == n) return chunk * kP + i + 1 - n;
      }
      next = (chunk + 1) * kP;
    }
    return PageAlloc::kNone;
  }
  // The highest page that is free and not released.
  size_t HighestDirty() const {
    for (auto it = chunks_.rbegin(); it != chunks_.rend(); ++it) {
      for (size_t i = kP; i-- > 0;) {
        if (it->second[i] == PageState::kFree) return it->first * kP + i;
      }
    }
    return PageAlloc::kNone;
  }
  size_t Total(PageState state) const {
    size_t count = 0;
    for (const auto& [chunk, pages] : chunks_) {
      for (const PageState s : pages) count += s == state ? 1 : 0;
    }
    return count;
  }
  const std::map<size_t, std::array<PageState, kP>>& all() const { return chunks_; }

 private:
  std::map<size_t, std::array<PageState, kP>> chunks_;
};

class PageAllocModelTest : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    os_.Adopt(kCageBase, PageAlloc::kMaxChunks * kP * kPageBytes);
    ASSERT_TRUE(alloc_.Init(os_, PageAlloc::kMaxChunks));
    alloc_.SetHugePageBytes(0);
    PageAllocPeer::SetMinRelease(alloc_, GetParam());
  }
  void TearDown() override { alloc_.Destroy(); }

  static void* Address(size_t page) {
    return reinterpret_cast<void*>(kCageBase + page * kPageBytes);
  }
  size_t Random(size_t n) { return rng_() % n; }

  // One of these per step; sizes are mostly small, as in a heap.
  void Step();
  void Alloc();
  void Free();
  void FillCache();
  void AllocFromCache();
  void Flush();
  void Grow();
  void Scavenge();
  void Check();

  void Use(size_t page, size_t n, size_t scavenged) {
    ASSERT_TRUE(os_.Used(Address(page), n * kPageBytes, scavenged * kPageBytes));
    model_.Set(page, n, PageState::kUsed);
    runs_.push_back({page, n});
  }
  void ReleasePages(PageAlloc::PageRange pages, PageAlloc::PageRange idle, ScavengeMode mode);

  struct Run {
    size_t page, npages;
  };
  std::mt19937_64 rng_;
  SimMemory os_;
  PageAlloc alloc_;
  Model model_;
  std::vector<Run> runs_;
  std::vector<PageCache> caches_;
  size_t held_ = 0;
  size_t releases_ = 0;
};

void PageAllocModelTest::Alloc() {
  const size_t kind = Random(20);
  const size_t n = kind < 12 ? Random(8) + 1 : kind < 18 ? Random(200) + 1 : Random(1600) + 1;
  const size_t want = model_.FirstFit(n);
  const PageAlloc::Result got = alloc_.Alloc(n);
  ASSERT_EQ(got.page, want) << n << " pages";
  if (want == PageAlloc::kNone) return;
  ASSERT_EQ(got.scavenged, model_.Count(want, n, PageState::kReleased));
  Use(want, n, got.scavenged);
}

// A whole allocation, or a part of it.
void PageAllocModelTest::Free() {
  if (runs_.empty()) return;
  const size_t i = Random(runs_.size());
  const Run whole = runs_[i];
  runs_[i] = runs_.back();
  runs_.pop_back();
  Run part = whole;
  if (Random(3) == 0) {
    part.page += Random(whole.npages);
    part.npages = Random(whole.page + whole.npages - part.page) + 1;
  }
  if (part.page > whole.page) runs_.push_back({whole.page, part.page - whole.page});
  const size_t end = part.page + part.npages;
  if (whole.page + whole.npages > end) runs_.push_back({end, whole.page + whole.npages - end});
  const bool scavenged = Random(8) == 0;
  if (scavenged) {
    os_.Unused(Address(part.page), part.npages * kPageBytes, part.npages * kPageBytes);
  }
  if (scavenged) {
    alloc_.FreeReleased(part.page, part.npages, Release::kNow);
  } else {
    alloc_.Free(part.page, part.npages);
  }
  model_.Set(part.page, part.npages, scavenged ? PageState::kReleased : PageState::kFree);
}

void PageAllocModelTest::FillCache() {
  if (caches_.size() >= 6) return Flush();
  const size_t first = model_.FirstFit(1);
  const PageCache cache = alloc_.AllocToCache();
  ASSERT_EQ(cache.Empty(), first == PageAlloc::kNone);
  if (cache.Empty()) return;
  ASSERT_EQ(cache.base(), first / 64 * 64);
  for (size_t i = 0; i < 64; ++i) {
    PageState& s = model_.At(cache.base() + i);
    ASSERT_EQ((cache.free_bits() >> i & 1) != 0, IsFree(s));
    ASSERT_EQ((cache.scavenged_bits() >> i & 1) != 0, s == PageState::kReleased);
    if (IsFree(s)) s = s == PageState::kFree ? PageState::kCached : PageState::kCachedReleased;
  }
  caches_.push_back(cache);
}

void PageAllocModelTest::AllocFromCache() {
  if (caches_.empty()) return FillCache();
  PageCache& cache = caches_[Random(caches_.size())];
  const size_t n = Random(PageCache::kMaxRequest - 1) + 1;
  const PageRun got = cache.Alloc(n);
  if (got.page == kNoPage) return;
  ASSERT_EQ(got.scavenged, model_.Count(got.page, n, PageState::kCachedReleased));
  ASSERT_EQ(n - got.scavenged, model_.Count(got.page, n, PageState::kCached));
  Use(got.page, n, got.scavenged);
}

void PageAllocModelTest::Flush() {
  if (caches_.empty()) return;
  const size_t c = Random(caches_.size());
  PageCache cache = caches_[c];
  caches_[c] = caches_.back();
  caches_.pop_back();
  for (size_t i = 0; i < 64; ++i) {
    if ((cache.free_bits() >> i & 1) == 0) continue;
    PageState& s = model_.At(cache.base() + i);
    s = s == PageState::kCached ? PageState::kFree : PageState::kReleased;
  }
  alloc_.FlushCache(cache);
  ASSERT_TRUE(cache.Empty());
}

// Anywhere in 48 bits, or beside what is there.
void PageAllocModelTest::Grow() {
  if (model_.chunks() >= kMostChunks) return;
  const size_t n = Random(3) + 1;
  size_t first = Random(PageAlloc::kMaxChunks - n);
  if (model_.chunks() >= kScattered && Random(3) != 0) {
    auto it = model_.all().begin();
    std::advance(it, Random(model_.chunks()));
    first = Random(2) == 0 ? it->first + 1 : it->first < n ? 0 : it->first - n;
  }
  for (size_t c = first; c < first + n; ++c) {
    if (c >= PageAlloc::kMaxChunks || model_.Has(c)) return;
  }
  if (Random(4) == 0) os_.plan().FailAny(Random(6) + 1);
  const bool grew = alloc_.Grow(first * kP, n * kP);
  os_.plan().Clear();
  if (!grew) return;
  ASSERT_TRUE(os_.Map(Address(first * kP), n * kP * kPageBytes));
  for (size_t c = first; c < first + n; ++c) model_.Grow(c);
}

// The callback of a scavenge request: others may allocate and free meanwhile.
void PageAllocModelTest::ReleasePages(PageAlloc::PageRange pages, PageAlloc::PageRange idle,
                                      ScavengeMode mode) {
  const size_t page = pages.page;
  const size_t n = pages.npages;
  ASSERT_EQ(model_.Count(page, n, PageState::kFree), n);
  ASSERT_EQ(page % GetParam(), 0u);
  ASSERT_EQ(n % GetParam(), 0u);
  if (mode == ScavengeMode::kForced && GetParam() == 1) {
    ASSERT_EQ(page + n - 1, model_.HighestDirty());
  }
  // Of what is idle afterwards nobody may take a page meanwhile.
  const size_t from = idle.npages != 0 ? std::min(page, idle.page) : page;
  const size_t end = std::max(page + n, idle.npages != 0 ? idle.page + idle.npages : 0);
  const size_t held = end - from;
  ASSERT_EQ(idle.page % 64 + idle.npages % 64, 0u);
  ASSERT_EQ(model_.Count(from, held, PageState::kReleased), held - n);
  const size_t chunk = page / kP * kP;
  ASSERT_EQ(idle.npages == kP, model_.Count(chunk, kP, PageState::kReleased) == kP - n);
  model_.Set(from, held, PageState::kHeld);
  held_ += held;
  Check();
  os_.Unused(Address(page), n * kPageBytes, n * kPageBytes);
  for (size_t i = Random(4); i > 0; --i) Random(2) == 0 ? Alloc() : Free();
  model_.Set(from, held, PageState::kReleased);
  held_ -= held;
  ++releases_;
}

void PageAllocModelTest::Scavenge() {
  if (Random(3) == 0) alloc_.scavenge_index().NextGeneration();
  const ScavengeMode mode = Random(2) == 0 ? ScavengeMode::kForced : ScavengeMode::kBackground;
  const size_t n = Random(10) == 0 ? ~size_t{0} : Random(300) + 1;
  size_t sum = 0;
  const size_t got = alloc_.Scavenge(
      n, mode,
      [&](PageAlloc::PageRange pages, PageAlloc::PageRange idle) {
        sum += pages.npages;
        ReleasePages(pages, idle, mode);
        return Random(2) == 0 ? Release::kNow : Release::kLazily;
      },
      [&] { return HasFatalFailure(); });
  ASSERT_EQ(got, sum);
  if (mode == ScavengeMode::kForced && GetParam() == 1 && got < n) {
    ASSERT_EQ(model_.Total(PageState::kFree), 0u) << "a forced request left something";
  }
}

void PageAllocModelTest::Check() {
  alloc_.Verify();
  const size_t released = model_.Total(PageState::kReleased);
  ASSERT_EQ(alloc_.ScavengedFreePages(), released);
  ASSERT_EQ(alloc_.FreePages(), released + model_.Total(PageState::kFree));
  for (const auto& [chunk, pages] : model_.all()) {
    for (size_t i = 0; i < kP; ++i) {
      const size_t page = chunk * kP + i;
      ASSERT_EQ(PageAllocPeer::IsUsed(alloc_, page), !IsFree(pages[i])) << page;
      ASSERT_EQ(PageAllocPeer::IsScavenged(alloc_, page), pages[i] == PageState::kReleased);
    }
  }
}

void PageAllocModelTest::Step() {
  const size_t kind = Random(100);
  if (kind < 30) return Alloc();
  if (kind < 62) return Free();
  if (kind < 70) return FillCache();
  if (kind < 86) return AllocFromCache();
  if (kind < 92) return Flush();
  if (kind < 95) return Grow();
  Scavenge();
}

INSTANTIATE_TEST_SUITE_P(OsPages, PageAllocModelTest, ::testing::Values(1, 2, 8));

TEST_P(PageAllocModelTest, RandomOperationsAgreeWithTheModel) {
  const uint64_t seed = TestSeed();
  rng_.seed(seed);
  const char* const ops_text = std::getenv("TARN_TEST_OPS");
  const long ops = ops_text != nullptr ? std::atol(ops_text) : kOps;
  for (long op = 0; op < ops; ++op) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << ", operation " << op);
    Step();
    if (!HasFatalFailure()) Check();
    if (HasFatalFailure()) return;
  }
  if (ops >= kOps) {
    EXPECT_GT(releases_, 0u);
    EXPECT_GT(alloc_.ranges().size(), 3u);
  }
}

}  // namespace
}  // namespace tarn::rt
