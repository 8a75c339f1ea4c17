// PageAllocPeer: puts a PageAlloc into a given state, and looks at its bits, for tests.
#ifndef TARN_TESTS_SUPPORT_PAGE_ALLOC_PEER_H_
#define TARN_TESTS_SUPPORT_PAGE_ALLOC_PEER_H_

#include <cstddef>
#include <vector>

#include "runtime/base/check.h"
#include "runtime/heap/page_alloc.h"

namespace tarn::rt {

// `npages` pages from page `page` of chunk `chunk`.
struct ChunkPages {
  size_t chunk;
  size_t page;
  size_t npages;
};

inline size_t PageOf(size_t chunk, size_t page) { return chunk * kChunkPages + page; }

struct PageAllocPeer {
  // Grows `chunks`; then `used` pages are in use and, of the free ones, exactly `scavenged` are
  // scavenged.
  static void Build(PageAlloc& a, const std::vector<size_t>& chunks,
                    const std::vector<ChunkPages>& used, const std::vector<ChunkPages>& scavenged) {
    for (const size_t c : chunks) {
      TARN_CHECK(a.Grow(PageOf(c, 0), kChunkPages));
      a.chunks_[c].scavenged.ClearRange(0, kChunkPages);
      a.scavenged_free_pages_ -= kChunkPages;
    }
    for (const ChunkPages& p : scavenged) {
      for (size_t i = 0; i < p.npages; ++i) {
        a.chunks_[p.chunk].scavenged.SetRange(p.page + i, 1);
        ++a.scavenged_free_pages_;
      }
    }
    for (const ChunkPages& p : used) a.TakePages(PageOf(p.chunk, p.page), p.npages);
    // As if the pages that are not scavenged had been freed just now.
    for (const size_t c : chunks) ListFree(a, c);
    SetSearchToLowest(a);
    a.Verify();
  }

  static bool IsUsed(const PageAlloc& a, size_t page) {
    return a.chunks_[page / kChunkPages].used.Get(page % kChunkPages);
  }
  static bool IsScavenged(const PageAlloc& a, size_t page) {
    return a.chunks_[page / kChunkPages].scavenged.Get(page % kChunkPages);
  }
  static PageBits& Bits(PageAlloc& a, size_t chunk) { return a.chunks_[chunk]; }
  static size_t Search(const PageAlloc& a) { return a.search_; }
  static void SetMinRelease(PageAlloc& a, size_t pages) { a.min_release_ = pages; }

 private:
  static void ListFree(PageAlloc& a, size_t chunk) {
    const PageBits& bits = a.chunks_[chunk];
    for (size_t p = kChunkPages; p-- > 0;) {
      if (bits.used.Get(p) || bits.scavenged.Get(p)) continue;
      a.index_.Alloc(chunk, 1);
      a.index_.Free(chunk, p, 1);
      return;
    }
  }
  static void SetSearchToLowest(PageAlloc& a) {
    a.search_ = PageAlloc::kNone;
    for (size_t i = a.ranges_.size(); i-- > 0;) {
      for (size_t c = a.ranges_[i].end; c-- > a.ranges_[i].first;) {
        const PageBits::Found found = a.chunks_[c].Find(1, 0);
        if (found.page != PageBits::kNotFound) a.search_ = PageOf(c, found.page);
      }
    }
  }
};

}  // namespace tarn::rt

#endif  // TARN_TESTS_SUPPORT_PAGE_ALLOC_PEER_H_
