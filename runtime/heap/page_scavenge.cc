// PageHeap gives free pages back to the system, and makes huge pages of dense chunks.
// Not here: when and how much (gc/collect/scavenger.h), which pages (page_alloc_scavenge.cc).
#include <algorithm>

#include "runtime/base/bits.h"
#include "runtime/heap/page_heap.h"

namespace tarn::rt {

using internal::kChunkPages;
using internal::kPageBytes;

PageAlloc::StopFn PageHeap::NeverStop() {
  static constexpr auto kNever = [] { return false; };
  return kNever;
}

// keeps I2
void PageHeap::PublishLazilyFreeLocked() {
  const uint64_t pages = pages_.LazilyFreePages();
  if (HeapStats::Get(stats_.lazily_free_pages) == pages) return;
  stats_.lazily_free_pages.store(pages, std::memory_order_relaxed);  // relaxed: a number
}

// The pages are marked in use meanwhile, so nobody else touches them.
Release PageHeap::ReleasePages(PageAlloc::PageRange pages, PageAlloc::PageRange idle) {
  const size_t bytes = pages.npages * kPageBytes;
  const Release how =
      os_->Unused(reinterpret_cast<void*>(cage_.AddressOf(pages.page)), bytes, bytes);
  if (idle.npages != 0) cage_.DiscardTables(idle.page, idle.npages);
  return how;
}

uint64_t PageHeap::Scavenge(uint64_t bytes, ScavengeMode mode, PageAlloc::StopFn stop) {
  const uint64_t npages = bytes / kPageBytes + (bytes % kPageBytes != 0 ? 1 : 0);
  LockHolder hold(lock_);
  // The analysis does not follow a lock into a lambda.
  const auto release = [this](PageAlloc::PageRange pages, PageAlloc::PageRange idle)
                           ABSL_NO_THREAD_SAFETY_ANALYSIS {
                             PublishLazilyFreeLocked();
                             lock_.Release();
                             const Release how = ReleasePages(pages, idle);
                             lock_.Acquire();
                             HeapStats::Add(stats_.released_pages, pages.npages);  // keeps I2
                             HeapStats::Add(stats_.scavenged_pages, pages.npages);
                             return how;
                           };
  const size_t released = pages_.Scavenge(npages, mode, release, stop);
  PublishLazilyFreeLocked();
  return released * kPageBytes;
}

void PageHeap::NextScavengeGeneration() {
  LockHolder hold(lock_);
  pages_.scavenge_index().NextGeneration();
}

uint64_t PageHeap::RetainedBytes() const {
  // Released first: it never exceeds what is mapped later.
  const uint64_t released = HeapStats::Get(stats_.released_pages);
  const uint64_t elsewhere = released + HeapStats::Get(stats_.lent_pages);
  const uint64_t mapped = HeapStats::Get(stats_.mapped_pages);
  return mapped > elsewhere ? (mapped - elsewhere) * kPageBytes : 0;
}

// Whether the chunk at `page` has pages that are lent: what is mapped there is left alone. A chunk is
// looked at when it has been nearly full for a cycle, so hardly anything can be mapped there meanwhile;
// and less than a whole huge page of one kind is not collapsed.
bool PageHeap::HasLent(size_t page) const {
  for (const size_t end = page + kChunkPages; page < end;) {
    const PageEntry e = cage_.Entry(page);
    if (!e.in_use()) {
      ++page;
      continue;
    }
    const size_t first = page - e.offset_pages();
    const Span* s = cage_.SpanAt(first);
    if (!s->IsHeapMemory()) return true;
    page = std::max(page + 1, first + s->npages);  // 0 if the span is being freed
  }
  return false;
}

uint64_t PageHeap::CollapseNext(size_t* next_chunk) {
  size_t chunk;
  {
    LockHolder hold(lock_);
    chunk = pages_.TakeDenseChunk(next_chunk);
  }
  if (chunk == ScavengeIndex::kNoChunk) return 0;
  if (HasLent(chunk * kChunkPages)) return internal::kChunkBytes;
  // Pages of it may be freed, and even released, meanwhile: then some released memory is backed
  // again, with zeros, until the chunk is released as a whole or used.
  void* p = reinterpret_cast<void*>(cage_.AddressOf(chunk * kChunkPages));
  os_->CollapseHugePage(p, internal::kChunkBytes);
  return internal::kChunkBytes;
}

size_t PageHeap::EndChunk() {
  LockHolder hold(lock_);
  return grown_pages_ / kChunkPages;
}

}  // namespace tarn::rt
