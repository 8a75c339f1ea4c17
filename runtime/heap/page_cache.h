// PageCache: a block of 64 aligned pages taken out of the page allocator, from which one thread
// takes small requests without the heap lock. Not here: refill and flush (PageAlloc::AllocToCache,
// FlushCache). I1 A page in the cache (free bit set) counts as in use in the page allocator, and
// its scavenged state is
//    held here: scavenged_ is a subset of free_.
// Locking: none; a cache belongs to one thread.
// Cost: a dozen instructions per request.
#ifndef TARN_RUNTIME_HEAP_PAGE_CACHE_H_
#define TARN_RUNTIME_HEAP_PAGE_CACHE_H_

#include <bit>
#include <cstddef>
#include <cstdint>

#include "runtime/base/bits.h"
#include "runtime/heap/page_bits.h"

namespace tarn::rt {

inline constexpr size_t kNoPage = ~size_t{0};

// A run of pages. `page` is kNoPage if there is none.
struct PageRun {
  size_t page = kNoPage;
  size_t scavenged = 0;  // pages of it that the system holds: released, or never used
};

class PageCache {
 public:
  static constexpr size_t kPages = 64;
  // Requests of this many pages or more bypass the cache: they would empty it too soon.
  static constexpr size_t kMaxRequest = 16;

  constexpr PageCache() = default;
  // `base` is a multiple of kPages.
  constexpr PageCache(size_t base, uint64_t free, uint64_t scavenged)
      : base_(base), free_(free), scavenged_(scavenged & free) {}

  bool Empty() const { return free_ == 0; }
  size_t base() const { return base_; }
  uint64_t free_bits() const { return free_; }
  uint64_t scavenged_bits() const { return scavenged_; }

  // The lowest `npages` neighbouring pages, 1 <= npages <= 64.
  PageRun Alloc(size_t npages) {
    const unsigned at = npages == 1 ? static_cast<unsigned>(std::countr_zero(free_))
                                    : FindBitRun64(free_, static_cast<unsigned>(npages));
    if (at >= kPages) return {};
    const uint64_t mask = BitRange(at, at + static_cast<unsigned>(npages));
    const auto scavenged = static_cast<size_t>(std::popcount(scavenged_ & mask));
    free_ &= ~mask;
    scavenged_ &= ~mask;
    return {base_ + at, scavenged};
  }

 private:
  size_t base_ = 0;
  uint64_t free_ = 0;       // one bit per page, 1: in the cache
  uint64_t scavenged_ = 0;  // 1: in the cache and not backed
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_PAGE_CACHE_H_
