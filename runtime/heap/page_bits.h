// PageBits: one chunk (512 pages): which pages are in use, and which free pages are returned to the
// system. ChunkBits is one bit per page; PageBits pairs two of them and searches. Not here: the
// tree over chunks (page_alloc.h), the choice of a chunk to release from (scavenge_index.h). I1 A
// page in use has its scavenged bit clear (kept by the callers, checked by PageAlloc::Verify).
// Locking: external (the heap lock).
// Cost: 128 bytes per chunk of 4 MiB; searches work on 64 pages at a time.
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
  // extended down to the boundary.
  Range FindScavengeCandidate(size_t from, size_t min, size_t max, size_t huge) const;

  ChunkBits used;
  ChunkBits scavenged;
};

static_assert(sizeof(PageBits) == 128);

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_PAGE_BITS_H_
