// PageBits: one chunk (512 pages): which pages are in use, which free pages are returned to the
// system, and which of those it may still hold in memory. ChunkBits is one bit per page; PageBits has
// three of them and searches. Not here: the
// tree over chunks (page_alloc.h), the choice of a chunk to release from (scavenge_index.h). I1 A
// page in use has its scavenged bit clear (kept by the callers, checked by PageAlloc::Verify).
// Locking: external (the heap lock).
// Cost: 192 bytes per chunk of 4 MiB; searches work on 64 pages at a time.
#ifndef TARN_RUNTIME_HEAP_PAGE_BITS_H_
#define TARN_RUNTIME_HEAP_PAGE_BITS_H_

#include <cstddef>
#include <cstdint>

#include "runtime/heap/page_summary.h"
#include "tarn/internal/config.h"

namespace tarn::rt {

using internal::kChunkPages;

inline constexpr size_t kChunkWords = kChunkPages / 64;

// Lowest bit that begins `n` consecutive ones in `bits`, 64 if there is none; 1 <= n <= 64.
unsigned FindBitRun64(uint64_t bits, unsigned n);
// `bits` with every group of `n` aligned bits set that has a bit set; n is a power of two <= 64.
uint64_t FillAligned(uint64_t bits, unsigned n);

class ChunkBits {
 public:
  bool Get(size_t page) const { return (words_[page / 64] >> (page % 64) & 1) != 0; }
  uint64_t Word(size_t i) const { return words_[i]; }
  void SetInWord(size_t i, uint64_t bits) { words_[i] |= bits; }
  void ClearInWord(size_t i, uint64_t bits) { words_[i] &= ~bits; }

  // Of pages [page, page + n).
  void SetRange(size_t page, size_t n);
  void ClearRange(size_t page, size_t n);
  size_t CountRange(size_t page, size_t n) const;
  size_t Count() const { return CountRange(0, kChunkPages); }
  // Pages of the range that are set here and in `other`.
  size_t CountBoth(const ChunkBits& other, size_t page, size_t n) const;

 private:
  uint64_t words_[kChunkWords];
};

struct PageBits {
  static constexpr size_t kNotFound = ~size_t{0};

  struct Found {
    size_t page = kNotFound;        // of the run
    size_t first_free = kNotFound;  // lowest free page seen
  };
  struct Range {
    size_t page = 0;
    size_t npages = 0;  // 0: none
  };

  // First run of `n` free pages. No page below `from` is free.
  Found Find(size_t n, size_t from) const;
  PageSummary Summarize() const;

  // The highest free run that is not scavenged, searched from the word of page `from` downward. The
  // result is aligned to `min` and a multiple of it (a power of two <= 64: one OS page), and at
  // most `max` pages long (rounded up to `min`; 0 means `min`), cut from the run's upper end. Where
  // that cut would break a huge page (of `huge` pages, 0: none) that lies in the run, the result is
  // extended down to the boundary. Huge pages with `spare` or more pages in use (0: none) are passed
  // over.
  Range FindScavengeCandidate(size_t from, size_t min, size_t max, size_t huge,
                              size_t spare = 0) const;

  // Whole words of pages around [range], which is about to be scavenged, of which no page will be in
  // use or backed then: the whole chunk if that is so for all of it. May be empty.
  Range IdleAround(Range range) const;

  ChunkBits used;
  ChunkBits scavenged;
  // How a page was released last: the system may still hold it in memory (Release::kLazily). Counts
  // only while the page is free and scavenged.
  ChunkBits lazy;

 private:
  // One bit per word: it lies in a huge page with `spare` or more pages in use.
  unsigned SparedWords(size_t huge, size_t spare) const;
};

static_assert(sizeof(PageBits) == 192);

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_PAGE_BITS_H_
