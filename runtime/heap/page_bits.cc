#include "runtime/heap/page_bits.h"

#include <algorithm>
#include <bit>

#include "runtime/base/bits.h"
#include "runtime/base/check.h"

namespace tarn::rt {
namespace {

constexpr uint64_t kFullWord = ~uint64_t{0};

// Calls fn(word index, mask) for each word that [page, page + n) touches.
template <typename Fn>
void ForEachWord(size_t page, size_t n, Fn fn) {
  TARN_ASSERT(n != 0 && page + n <= kChunkPages);
  const size_t first = page / 64;
  const size_t last = (page + n - 1) / 64;
  const auto lo = static_cast<unsigned>(page % 64);
  const auto hi = static_cast<unsigned>((page + n - 1) % 64 + 1);
  if (first == last) return fn(first, BitRange(lo, hi));
  fn(first, BitRange(lo, 64));
  for (size_t i = first + 1; i < last; ++i) fn(i, kFullWord);
  fn(last, BitRange(0, hi));
}

// Bits that begin `n` consecutive ones (n may exceed 64: then none do).
uint64_t RunStarts(uint64_t bits, unsigned n) {
  // After a step with the total at t, a bit is left where t consecutive ones begin; t doubles.
  unsigned total = 1;
  while (total < n && bits != 0) {
    const unsigned step = std::min(total, n - total);
    bits &= bits >> step;
    total += step;
  }
  return bits;
}

}  // namespace

unsigned FindBitRun64(uint64_t bits, unsigned n) {
  return static_cast<unsigned>(std::countr_zero(RunStarts(bits, n)));
}

uint64_t FillAligned(uint64_t bits, unsigned n) {
  if (n == 1) return bits;
  if (n == 64) return bits != 0 ? kFullWord : 0;
  // The lowest bit of each group.
  const uint64_t low = kFullWord / BitRange(0, n);
  // Gather each group into its highest bit: adding "all below the top" carries into the top exactly
  // when one of those is set, and never out of the group.
  const uint64_t top = low << (n - 1);
  const uint64_t below = top - low;
  const uint64_t any = (((bits & below) + below) | bits) & top;
  // Spread the top bit over its group.
  return any | (any - (any >> (n - 1)));
}

void ChunkBits::SetRange(size_t page, size_t n) {
  ForEachWord(page, n, [this](size_t i, uint64_t mask) { words_[i] |= mask; });
}

void ChunkBits::ClearRange(size_t page, size_t n) {
  ForEachWord(page, n, [this](size_t i, uint64_t mask) { words_[i] &= ~mask; });
}

size_t ChunkBits::CountRange(size_t page, size_t n) const {
  size_t count = 0;
  ForEachWord(page, n, [&](size_t i, uint64_t mask) {
    count += static_cast<size_t>(std::popcount(words_[i] & mask));
  });
  return count;
}

size_t ChunkBits::CountBoth(const ChunkBits& other, size_t page, size_t n) const {
  size_t count = 0;
  ForEachWord(page, n, [&](size_t i, uint64_t mask) {
    count += static_cast<size_t>(std::popcount(words_[i] & other.words_[i] & mask));
  });
  return count;
}

PageBits::Found PageBits::Find(size_t n, size_t from) const {
  Found found;
  size_t run = 0;  // free pages that end the words seen so far
  for (size_t i = from / 64; i < kChunkWords; ++i) {
    const uint64_t w = used.Word(i);
    if (w == kFullWord) {
      run = 0;
      continue;
    }
    if (found.first_free == kNotFound) {
      found.first_free = i * 64 + static_cast<size_t>(std::countr_one(w));
    }
    const auto low = static_cast<size_t>(std::countr_zero(w));  // 64 if all are free
    if (run + low >= n) {
      found.page = i * 64 - run;
      return found;
    }
    if (w == 0) {
      run += 64;
      continue;
    }
    if (n < 64) {
      const unsigned at = FindBitRun64(~w, static_cast<unsigned>(n));
      if (at < 64) {
        found.page = i * 64 + at;
        return found;
      }
    }
    run = static_cast<size_t>(std::countl_zero(w));
  }
  return found;
}

PageSummary PageBits::Summarize() const {
  // Runs that touch a word boundary first; they are the longest in most chunks.
  uint64_t start = kChunkPages;
  uint64_t max = 0;
  uint64_t run = 0;
  for (size_t i = 0; i < kChunkWords; ++i) {
    const uint64_t w = used.Word(i);
    if (w == 0) {
      run += 64;
      continue;
    }
    run += static_cast<unsigned>(std::countr_zero(w));
    if (start == kChunkPages) start = run;
    max = std::max(max, run);
    run = static_cast<unsigned>(std::countl_zero(w));
  }
  if (start == kChunkPages) return PageSummary::Free(kChunkPages);
  max = std::max(max, run);
  // Runs strictly inside a word have at most 62 pages.
  for (size_t i = 0; i < kChunkWords && max < 62; ++i) {
    uint64_t longer = RunStarts(~used.Word(i), static_cast<unsigned>(max) + 1);
    while (longer != 0) {
      ++max;
      longer &= longer >> 1;  // begins a run of one page more
    }
  }
  return {start, max, run};
}

PageBits::Range PageBits::IdleAround(Range range) const {
  ChunkBits gone = scavenged;
  gone.SetRange(range.page, range.npages);
  const auto is_idle = [&](size_t i) { return used.Word(i) == 0 && gone.Word(i) == kFullWord; };
  size_t first = range.page / 64;
  size_t end = (range.page + range.npages - 1) / 64 + 1;
  if (!is_idle(first)) ++first;
  if (first < end && !is_idle(end - 1)) --end;
  if (first >= end) return {};
  size_t idle = 0;
  while (idle < kChunkWords && is_idle(idle)) ++idle;
  if (idle == kChunkWords) return {0, kChunkPages};
  return {first * 64, (end - first) * 64};
}

unsigned PageBits::SparedWords(size_t huge, size_t spare) const {
  unsigned words = 0;
  if (spare == 0 || huge < 64) return words;
  for (size_t page = 0; page < kChunkPages; page += huge) {
    if (used.CountRange(page, huge) < spare) continue;
    words |= ((1u << (huge / 64)) - 1) << (page / 64);
  }
  return words;
}

PageBits::Range PageBits::FindScavengeCandidate(size_t from, size_t min, size_t max, size_t huge,
                                                size_t spare) const {
  TARN_CHECK(std::has_single_bit(min) && min <= 64);
  const unsigned spared = SparedWords(huge, spare);
  const auto blocked = [&](size_t i) {
    if ((spared >> i & 1) != 0) return kFullWord;
    return FillAligned(used.Word(i) | scavenged.Word(i), static_cast<unsigned>(min));
  };
  size_t words = from / 64 + 1;  // still to be searched
  while (words != 0 && blocked(words - 1) == kFullWord) --words;
  if (words == 0) return {};

  const uint64_t top = blocked(words - 1);
  const auto skip = static_cast<size_t>(std::countl_one(top));
  const size_t end = words * 64 - skip;
  size_t run = std::min(static_cast<size_t>(std::countl_zero(top << skip)), 64 - skip);
  for (size_t i = words - 1; run == end - i * 64 && i != 0; --i) {
    run += static_cast<size_t>(std::countl_zero(blocked(i - 1)));
  }

  const size_t most = RoundUp(std::clamp(max, min, kChunkPages), min);
  size_t npages = std::min(run, most);
  size_t page = end - npages;
  if (huge > min && RoundUp(page, huge) <= end) {
    const size_t boundary = RoundDown(page, huge);
    if (boundary >= end - run) {
      npages += page - boundary;
      page = boundary;
    }
  }
  return {page, npages};
}

}  // namespace tarn::rt
