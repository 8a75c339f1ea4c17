// Searches in one chunk, against page-by-page ones, and the choice of pages to release.
#include "runtime/heap/page_bits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

constexpr size_t kP = kChunkPages;

struct Pages {
  size_t first;
  size_t npages;
};

void SetAll(ChunkBits& bits, const std::vector<Pages>& ranges) {
  for (const Pages& r : ranges) {
    if (r.npages != 0) bits.SetRange(r.first, r.npages);
  }
}

PageBits Chunk(const std::vector<Pages>& used, const std::vector<Pages>& scavenged = {}) {
  PageBits bits;
  std::memset(&bits, 0, sizeof(bits));
  SetAll(bits.used, used);
  SetAll(bits.scavenged, scavenged);
  return bits;
}

// Runs of used and free pages of random lengths, short and long ones alike.
PageBits RandomChunk(std::mt19937_64& rng) {
  PageBits bits = Chunk({});
  const uint64_t longest = uint64_t{1} << (rng() % 9 + 1);
  bool is_used = rng() % 2 == 0;
  for (size_t p = 0; p < kP; is_used = !is_used) {
    const size_t n = std::min<size_t>(rng() % longest + 1, kP - p);
    if (is_used) bits.used.SetRange(p, n);
    p += n;
  }
  return bits;
}

std::vector<bool> FreePages(const PageBits& bits) {
  std::vector<bool> out(kP);
  for (size_t p = 0; p < kP; ++p) out[p] = !bits.used.Get(p);
  return out;
}

TEST(BitRunTest, FindBitRunAgreesWithACount) {
  std::mt19937_64 rng(TestSeed());
  for (int round = 0; round < 20000; ++round) {
    uint64_t bits = rng();
    for (uint64_t i = rng() % 6; i > 0; --i) bits |= bits << (rng() % 8);
    for (const unsigned n : {1u, 2u, 3u, 7u, 16u, 31u, 63u, 64u}) {
      unsigned want = 64;
      unsigned run = 0;
      for (unsigned i = 0; i < 64 && want == 64; ++i) {
        run = (bits >> i & 1) != 0 ? run + 1 : 0;
        if (run == n) want = i + 1 - n;
      }
      ASSERT_EQ(FindBitRun64(bits, n), want) << std::hex << bits << " n " << n;
    }
  }
  EXPECT_EQ(FindBitRun64(~uint64_t{0}, 64), 0u);
  EXPECT_EQ(FindBitRun64(0, 1), 64u);
}

TEST(BitRunTest, FillAlignedFillsWholeGroups) {
  std::mt19937_64 rng(TestSeed());
  for (int round = 0; round < 5000; ++round) {
    const uint64_t bits = rng() & rng() & (rng() % 2 == 0 ? rng() & rng() : ~uint64_t{0});
    for (unsigned n = 1; n <= 64; n *= 2) {
      uint64_t want = 0;
      for (unsigned i = 0; i < 64; i += n) {
        const uint64_t group = (n == 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1) << i;
        if ((bits & group) != 0) want |= group;
      }
      ASSERT_EQ(FillAligned(bits, n), want) << std::hex << bits << " n " << n;
    }
  }
}

TEST(ChunkBitsTest, RangesTouchExactlyTheirPages) {
  for (const size_t first : {0, 1, 63, 64, 65, 200, 511}) {
    for (const size_t n : {1, 2, 63, 64, 65, 128, 300, 512}) {
      if (first + n > kP) continue;
      PageBits bits = Chunk({});
      bits.used.SetRange(first, n);
      for (size_t p = 0; p < kP; ++p) ASSERT_EQ(bits.used.Get(p), first <= p && p < first + n);
      EXPECT_EQ(bits.used.Count(), n);
      EXPECT_EQ(bits.used.CountRange(0, first + n), n);
      bits.used.SetRange(0, kP);
      bits.used.ClearRange(first, n);
      for (size_t p = 0; p < kP; ++p) ASSERT_EQ(bits.used.Get(p), p < first || first + n <= p);
    }
  }
}

TEST(PageBitsTest, FindReturnsTheLowestRun) {
  std::mt19937_64 rng(TestSeed());
  for (int round = 0; round < 3000; ++round) {
    const PageBits bits = RandomChunk(rng);
    const std::vector<bool> is_free = FreePages(bits);
    const auto lowest =
        static_cast<size_t>(std::find(is_free.begin(), is_free.end(), true) - is_free.begin());
    const size_t from = lowest == kP ? 0 : rng() % (lowest + 1);
    for (const size_t n : {1, 2, 5, 63, 64, 65, 130, 511, 512}) {
      size_t want = PageBits::kNotFound;
      size_t run = 0;
      for (size_t p = 0; p < kP && want == PageBits::kNotFound; ++p) {
        run = is_free[p] ? run + 1 : 0;
        if (run == n) want = p + 1 - n;
      }
      const PageBits::Found got = bits.Find(n, from);
      ASSERT_EQ(got.page, want) << n << " pages";
      ASSERT_EQ(got.first_free, lowest == kP ? PageBits::kNotFound : lowest);
    }
  }
}

TEST(PageBitsTest, SummaryAgreesWithACount) {
  std::mt19937_64 rng(TestSeed());
  for (int round = 0; round < 5000; ++round) {
    const PageBits bits = RandomChunk(rng);
    const std::vector<bool> is_free = FreePages(bits);
    size_t start = 0;
    while (start < kP && is_free[start]) ++start;
    size_t max = 0;
    size_t run = 0;
    for (const bool f : is_free) {
      run = f ? run + 1 : 0;
      max = std::max(max, run);
    }
    ASSERT_EQ(bits.Summarize(), PageSummary(start, max, run));
  }
  EXPECT_EQ(Chunk({}).Summarize(), PageSummary::Free(kP));
  EXPECT_EQ(Chunk({{0, kP}}).Summarize(), PageSummary());
}

struct Candidate {
  std::string name;
  std::vector<Pages> used;
  std::vector<Pages> scavenged;
  size_t min;
  size_t max;
  size_t huge;
  Pages want;  // npages 0: none
};

// Cases that hold for every size `m` of an OS page.
std::vector<Candidate> CandidatesFor(size_t m) {
  const size_t top = kP - m;
  return {
      {"AllFree", {}, {}, m, kP, 0, {0, kP}},
      {"AllScavenged", {}, {{0, kP}}, m, kP, 0, {0, 0}},
      {"NoneFree", {{0, kP}}, {}, m, kP, 0, {0, 0}},
      {"NoneFreeAllScavenged", {{0, kP}}, {{0, kP}}, m, kP, 0, {0, 0}},
      {"OnlyFirstFree", {{m, kP - m}}, {}, m, kP, 0, {0, m}},
      {"OnlyFirstNotScavenged", {}, {{m, kP - m}}, m, kP, 0, {0, m}},
      {"OnlyLastFree", {{0, top}}, {}, m, kP, 0, {top, m}},
      {"OnlyLastNotScavenged", {}, {{0, top}}, m, kP, 0, {top, m}},
      {"MaxZeroMeansMin", {}, {}, m, 0, 0, {top, m}},
      {"MaxBelowMinMeansMin", {}, {}, m, m > 1 ? m - 1 : 0, 0, {top, m}},
      {"MaxIsRoundedUp", {}, {}, m, m + 1, 0, {m == 1 ? kP - 2 : kP - 2 * m, 2 * m}},
      {"MaxIsKept", {}, {}, m, 2 * m, 0, {kP - 2 * m, 2 * m}},
      {"RunShorterThanMinIsSkipped",
       {{m, kP - 2 * m + 1}},
       {},
       m,
       kP,
       0,
       m == 1 ? Pages{0, 1} : Pages{0, m}},
      {"MisalignedRunIsSkipped",
       {{0, 1}, {m + 1, kP - m - 1}},
       {},
       m,
       kP,
       0,
       m == 1 ? Pages{1, 1} : Pages{0, 0}},
      {"RunAcrossWords", {{0, 64 - m}, {64 + m, kP - 64 - m}}, {}, m, kP, 0, {64 - m, 2 * m}},
      {"RunAcrossWordsCut", {{0, 64 - m}, {64 + m, kP - 64 - m}}, {}, m, m, 0, {64, m}},
  };
}

std::vector<Candidate> OtherCandidates() {
  return {
      {"BetweenUsedAndScavenged", {{0, 40}, {42, 470}}, {{0, 41}, {42, 470}}, 1, kP, 0, {41, 1}},
      {"BelowAWordBorder", {{0, 63}, {65, 20}, {87, 425}}, {{86, 1}}, 1, kP, 0, {85, 1}},
      {"ThreeWords", {{0, 60}, {200, 312}}, {}, 1, kP, 0, {60, 140}},
  };
}

std::vector<Candidate> HugeCandidatesFor(size_t h) {
  std::vector<Candidate> out = {
      {"WouldBreakTheLowest", {{h + 2, kP - h - 2}}, {}, 1, 3, h, {0, h + 2}},
      {"LastHugePageIsKeptWhole", {{0, kP - h}}, {}, 1, 1, h, {kP - h, h}},
      {"NoWholeHugePageFree", {{0, kP - h + 1}}, {}, 1, 1, h, {kP - 1, 1}},
      {"CutAtABoundaryIsKept", {}, {}, 1, h, h, {kP - h, h}},
      {"NoHugePages", {{h + 2, kP - h - 2}}, {}, 1, 3, 0, {h - 1, 3}},
  };
  if (3 * h < kP) {
    out.push_back({"WouldBreakTheMiddle",
                   {{0, h - 10}, {2 * h + 10, kP - 2 * h - 10}},
                   {},
                   1,
                   12,
                   h,
                   {h, h + 10}});
  }
  return out;
}

void Expect(const Candidate& c) {
  SCOPED_TRACE(c.name + " min " + std::to_string(c.min) + " huge " + std::to_string(c.huge));
  const PageBits::Range got =
      Chunk(c.used, c.scavenged).FindScavengeCandidate(kP - 1, c.min, c.max, c.huge);
  EXPECT_EQ(got.npages, c.want.npages);
  if (c.want.npages != 0) {
    EXPECT_EQ(got.page, c.want.first);
  }
}

TEST(ScavengeCandidateTest, TheHighestRunIsCutFromItsUpperEnd) {
  for (size_t m = 1; m <= 64; m *= 2) {
    for (const Candidate& c : CandidatesFor(m)) Expect(c);
  }
  for (const Candidate& c : OtherCandidates()) Expect(c);
}

TEST(ScavengeCandidateTest, HugePagesAreNotBroken) {
  for (size_t h = 16; h <= 256; h *= 2) {
    for (const Candidate& c : HugeCandidatesFor(h)) Expect(c);
  }
}

TEST(ScavengeCandidateTest, TheSearchStartsInTheWordOfItsPage) {
  const PageBits bits = Chunk({});
  const PageBits::Range got = bits.FindScavengeCandidate(100, 1, 8, 0);
  EXPECT_EQ(got.page, 120u);
  EXPECT_EQ(got.npages, 8u);
}

// Against a search by whole OS pages.
TEST(ScavengeCandidateTest, RandomChunksAgreeWithASearchPageByPage) {
  std::mt19937_64 rng(TestSeed());
  for (int round = 0; round < 20000; ++round) {
    PageBits bits = RandomChunk(rng);
    const PageBits other = RandomChunk(rng);
    for (size_t p = 0; p < kP; ++p) {
      if (!bits.used.Get(p) && other.used.Get(p)) bits.scavenged.SetRange(p, 1);
    }
    const size_t min = size_t{1} << (rng() % 7);
    const size_t max = rng() % 2 == 0 ? rng() % 20 : rng() % (kP + 1);
    const auto is_open = [&](size_t unit) {
      for (size_t p = unit * min; p < (unit + 1) * min; ++p) {
        if (bits.used.Get(p) || bits.scavenged.Get(p)) return false;
      }
      return true;
    };
    size_t end = kP / min;
    while (end > 0 && !is_open(end - 1)) --end;
    size_t first = end;
    const size_t most = std::max<size_t>(1, (max + min - 1) / min);
    while (first > 0 && end - first < most && is_open(first - 1)) --first;
    const PageBits::Range got = bits.FindScavengeCandidate(kP - 1, min, max, 0);
    ASSERT_EQ(got.npages, (end - first) * min) << "min " << min << " max " << max;
    if (end != first) {
      ASSERT_EQ(got.page, first * min);
    }
  }
}

}  // namespace
}  // namespace tarn::rt
