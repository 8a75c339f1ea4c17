#include "runtime/heap/page_heap.h"

#include "runtime/base/bits.h"
#include "runtime/base/check.h"

namespace tarn::rt {

using internal::kChunkPages;
using internal::kPageBytes;
using internal::kPageShift;
using internal::kPagesPerArena;

PageHeap::~PageHeap() {
  const uint64_t ready = HeapStats::Get(stats_.mapped_pages) -
                         HeapStats::Get(stats_.released_pages) - HeapStats::Get(stats_.lent_pages);
  cage_.Destroy(ready * kPageBytes);
  pages_.Destroy();
}

bool PageHeap::Init(OsMemory& os, size_t cage_bytes) {
  os_ = &os;
  if (!cage_.Init(os, cage_bytes)) return false;
  {
    LockHolder hold(lock_);
    if (pages_.Init(os, (cage_.bytes() >> kPageShift) / kChunkPages)) return true;
  }
  cage_.Destroy(0);
  return false;
}

bool PageHeap::GrowLocked(size_t npages, SpanBacking what) {
  const size_t want = RoundUp(npages, kChunkPages);
  const size_t need_end = grown_pages_ + want;
  const size_t have_end = cage_.committed_pages();
  if (need_end > have_end) {
    const size_t arenas = DivideUp(need_end - have_end, kPagesPerArena);
    if (GrowthExcess(npages, what) != 0 || !cage_.Grow(arenas)) return false;
  }
  if (!pages_.Grow(grown_pages_, want)) return false;
  grown_pages_ += want;
  HeapStats::Add(stats_.mapped_pages, want);
  HeapStats::Add(stats_.released_pages, want);
  return true;
}

PageAlloc::Result PageHeap::AllocPagesLocked(size_t npages) {
  PageAlloc::Result r = pages_.Alloc(npages);
  if (r.page == PageAlloc::kNone && GrowLocked(npages)) r = pages_.Alloc(npages);
  return r;
}

PageAlloc::Result PageHeap::AllocPages(size_t npages, PageCache* cache) {
  if (npages >= PageCache::kMaxRequest) cache = nullptr;
  if (cache != nullptr && !cache->Empty()) {
    const PageAlloc::Result r = cache->Alloc(npages);
    if (r.page != PageAlloc::kNone) return r;
  }
  PageAlloc::Result r;
  PageAlloc::PageRange block;  // that the cache has pages of
  bool is_left_out = false;
  bool has_tables = true;
  {
    LockHolder hold(lock_);
    r = cache != nullptr ? AllocFromCacheLocked(npages, *cache) : AllocPagesLocked(npages);
    PublishLazilyFreeLocked();
    if (cache != nullptr && !cache->Empty()) block = {cache->base(), PageCache::kPages};
    has_tables = (r.page == PageAlloc::kNone || cage_.UseTables(r.page, npages)) &&
                 (block.npages == 0 || cage_.UseTables(block.page, block.npages));
    if (!has_tables && block.npages != 0) {
      pages_.FlushCache(*cache);
      block = {};
    }
    is_left_out = (r.page != PageAlloc::kNone && pages_.AnyLeftOut(r.page, npages)) ||
                  (block.npages != 0 && pages_.AnyLeftOut(block.page, block.npages));
  }
  if (is_left_out) {  // keeps I3
    if (r.page != PageAlloc::kNone) Include(r.page, npages);
    if (block.npages != 0) Include(block.page, block.npages);
  }
  if (!has_tables) {
    if (r.page != PageAlloc::kNone) GiveUpPages(r, npages);
    return {};
  }
  return r;
}

// From the cache if it is empty: it is filled first.
PageAlloc::Result PageHeap::AllocFromCacheLocked(size_t npages, PageCache& cache) {
  if (cache.Empty()) {
    cache = pages_.AllocToCache();
    if (cache.Empty() && GrowLocked(1)) cache = pages_.AllocToCache();
    if (!cache.Empty()) {
      const PageAlloc::Result r = cache.Alloc(npages);
      if (r.page != PageAlloc::kNone) return r;
    }
  }
  return AllocPagesLocked(npages);
}

Span* PageHeap::AllocSpan(const SpanClassInfo& info, uint16_t span_class, size_t npages,
                          PageCache* cache, uint32_t sweepgen, SoftLimit at_soft) {
  if (npages == 0 || npages > cage_.bytes() >> kPageShift) return nullptr;
  // Nothing is released, and the heap does not grow, for what can never fit.
  if (npages * kPageBytes > limits_.hard.load(std::memory_order_relaxed)) {
    limits_.hard_refusals.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  PageAlloc::Result r = AllocPages(npages, cache);
  if (r.page == PageAlloc::kNone && MakeRoomForGrowth(npages)) r = AllocPages(npages, cache);
  if (r.page == PageAlloc::kNone) {
    if (GrowthExcess(npages) != 0) {
      limits_.hard_refusals.fetch_add(1, std::memory_order_relaxed);  // relaxed: a number
    }
    return nullptr;
  }
  if (!BackPages(r, npages, at_soft)) {
    GiveUpPages(r, npages);
    return nullptr;
  }
  HeapStats::Sub(stats_.released_pages, r.scavenged);
  HeapStats::Add(stats_.in_use_pages, npages);
  Span* s = cage_.SpanAt(r.page);
  InitSpan(s, info, span_class, npages, sweepgen);
  s->needzero = r.scavenged == npages && os_->ReleasedIsZero() ? 0 : 1;
  return s;
}

// A span of the heap's memory that nobody knows of yet.
void PageHeap::InitSpan(Span* s, const SpanClassInfo& info, uint16_t span_class, size_t npages,
                        uint32_t sweepgen) {
  s->npages = static_cast<uint32_t>(npages);
  s->span_class = span_class;
  s->nelems = info.nelems;
  s->elem_bytes32 = info.elem_bytes;
  s->alloc_count = 0;
  s->search_index = 0;
  s->needzero = 1;
  s->next = nullptr;
  // relaxed (all): published by SetEntries.
  s->backing.store(SpanBacking::kHeap, std::memory_order_relaxed);
  s->mapping.store(nullptr, std::memory_order_relaxed);
  s->owned.store(0, std::memory_order_relaxed);
  s->sweepgen.store(sweepgen, std::memory_order_relaxed);
}

void PageHeap::Publish(Span* span, bool noscan) {
  const size_t npages = span->IsHeapMemory() ? span->npages : OuterPages(span);
  cage_.SetEntries(cage_.FirstPage(span), npages, span->span_class, noscan);
}

void PageHeap::ClearBits(Span* span) {
  const size_t first = cage_.FirstPage(span);
  for (unsigned which = 0; which < 2; ++which) {
    std::atomic<uint64_t>* bits = cage_.Bits(which, first);
    for (size_t w = 0; w < DivideUp(span->nelems, 64); ++w) {
      bits[w].store(0,
                    std::memory_order_relaxed);  // relaxed: published with the next use of the span
    }
  }
}

void PageHeap::FreeSpan(Span* span) {
  const size_t first = cage_.FirstPage(span);
  const size_t npages = span->npages;
  // relaxed: dead objects have lost their records before the marks became allocation bits (I2).
  TARN_CHECK(span->specials.load(std::memory_order_relaxed) == nullptr);
  if (!span->IsHeapMemory()) return FreeLentSpan(span);
  cage_.ClearEntries(first, npages);
  ClearBits(span);
  span->npages = 0;
  HeapStats::Sub(stats_.in_use_pages, npages);
  LockHolder hold(lock_);
  pages_.Free(first, npages);
}

void PageHeap::FlushCache(PageCache& cache) {
  if (cache.Empty()) return;
  LockHolder hold(lock_);
  pages_.FlushCache(cache);
  PublishLazilyFreeLocked();
}

void PageHeap::TryFlushCache(PageCache& cache) {
  if (cache.Empty() || !lock_.TryAcquire()) return;
  pages_.FlushCache(cache);
  PublishLazilyFreeLocked();
  lock_.Release();
}

void PageHeap::Verify() {
  LockHolder hold(lock_);
  pages_.Verify();
  size_t in_use = 0, lent = 0;
  for (size_t page = 0; page < grown_pages_;) {
    const PageEntry e = cage_.Entry(page);
    if (!e.in_use()) {
      ++page;
      continue;
    }
    const Span* s = cage_.SpanAt(page);
    if (e.offset_pages() != 0) {  // inner pages of a span that is not published yet
      TARN_CHECK(!cage_.Entry(page - e.offset_pages()).in_use());
      ++page;
      continue;
    }
    TARN_CHECK(s->npages > 0 && s->span_class == e.span_class());
    const size_t with_entries = s->IsHeapMemory() ? s->npages : OuterPages(s);
    for (size_t i = 0; i < with_entries; ++i) TARN_CHECK(cage_.Entry(page + i).offset_pages() == i);
    TARN_CHECK(!pages_.AnyLeftOut(page, s->npages));  // I3
    (s->IsHeapMemory() ? in_use : lent) += s->npages;
    page += s->npages;
  }
  // A large span that a blocked thread is zeroing, or mapping a file at, is in use and not yet published.
  // Lost pages are in no span.
  const uint64_t taken = HeapStats::Get(stats_.in_use_pages);
  const uint64_t taken_lent = HeapStats::Get(stats_.lent_pages);
  TARN_CHECK(in_use <= taken && lent <= taken_lent);
  TARN_CHECK(grown_pages_ == HeapStats::Get(stats_.mapped_pages));
  // The scavenger is no mutator and may be in the middle of a release.
  TARN_CHECK(pages_.FreePages() + pages_.HeldPages() == grown_pages_ - taken - taken_lent);  // L1
  TARN_CHECK(pages_.ScavengedFreePages() + pages_.HeldScavengedPages() ==
             HeapStats::Get(stats_.released_pages));                                 // L1
  TARN_CHECK(pages_.LazilyFreePages() == HeapStats::Get(stats_.lazily_free_pages));  // I2
}

}  // namespace tarn::rt
