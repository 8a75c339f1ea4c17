// PageHeap lends addresses of the heap to mappings of the program: a span of its own, so that any pointer
// into the mapping is one into an object; its pages are not the heap's memory while the object lives.
// Not here: what is mapped, and when it dies (gc/life/mappings.h).
// I1 Lent pages are in use for the page allocator and in the ledger's lent column: the scavenger, zeroing,
//    page caches and limits see free pages and spans of the heap's own memory only.
// I2 A page comes back as released: Prepared, and never touched since it was mapped anew.
// I3 Between TakeForLending and MakeLentSpan nobody else knows of the pages, so that handshakes, cycles
//    and stops may come.
// I4 The page entries of a lent span behind the first OuterPages are written before it is
//    published, and cleared when it is dead and nobody can reach it; meanwhile they name a span
//    without an object.
// Locking: the heap lock, for the page allocator.
#include <algorithm>

#include "runtime/base/bits.h"
#include "runtime/base/check.h"
#include "runtime/base/raw_log.h"
#include "runtime/heap/page_heap.h"

namespace tarn::rt {

using internal::kPageBytes;

namespace {

// Page entries behind these of a lent span are written by a thread that keeps nobody waiting: 8
// bytes for each page, some milliseconds for a mapping of 20 GB.
constexpr size_t kMaxOuterPages = 8192;
// Freed under one hold of the heap lock: 1 GiB, some 50 us.
constexpr size_t kMaxPiecePages = size_t{1} << 17;

}  // namespace

size_t PageHeap::OuterPages(const Span* span) {
  return std::min<size_t>(span->npages, kMaxOuterPages);
}

size_t PageHeap::AlignedPage(size_t page, size_t align_bytes) const {
  return cage_.PageOf(RoundUp(cage_.AddressOf(page), align_bytes));
}

PageAlloc::Result PageHeap::AllocForLending(size_t npages, size_t align_bytes) {
  PageAlloc::Result r;
  bool is_left_out = false;
  bool has_tables = true;
  {
    LockHolder hold(lock_);
    r = pages_.Alloc(npages);
    if (r.page == PageAlloc::kNone && GrowLocked(npages, SpanBacking::kLent)) {
      r = pages_.Alloc(npages);
    }
    PublishLazilyFreeLocked();
    if (r.page != PageAlloc::kNone) {
      cage_.PrepareIdleTables(npages);
      has_tables = cage_.UseTables(AlignedPage(r.page, align_bytes), 1);
      is_left_out = has_tables && pages_.AnyLeftOut(r.page, npages);
    }
  }
  if (!has_tables) {
    GiveUpPages(r, npages);
    return {};
  }
  if (is_left_out) Include(r.page, npages);  // keeps I3 of page_heap.h
  return r;
}

bool PageHeap::TakeForLending(size_t npages, size_t align_bytes, LentPages& pages) {
  TARN_CHECK(npages != 0 && align_bytes >= kPageBytes && (align_bytes & (align_bytes - 1)) == 0);
  const size_t most = cage_.bytes() / kPageBytes;
  const size_t want = npages + align_bytes / kPageBytes - 1;
  if (npages > most || want > most || npages > UINT32_MAX) return false;
  PageAlloc::Result r = AllocForLending(want, align_bytes);
  if (r.page == PageAlloc::kNone) {
    const uint64_t excess = GrowthExcess(want, SpanBacking::kLent);
    if (excess == 0 || Scavenge(excess, ScavengeMode::kForced) < excess) return false;
    r = AllocForLending(want, align_bytes);
    if (r.page == PageAlloc::kNone) return false;
  }
  HeapStats::Sub(stats_.released_pages, r.scavenged);
  HeapStats::Add(stats_.lent_pages, want);
  pages.run = r;
  pages.run_pages = want;
  pages.page = AlignedPage(r.page, align_bytes);
  pages.npages = npages;
  return true;
}

int PageHeap::Lend(LentPages& pages, size_t bytes, void* staged) {
  char* const run = reinterpret_cast<char*>(cage_.AddressOf(pages.run.page));
  const size_t run_bytes = pages.run_pages * kPageBytes;
  char* const p = reinterpret_cast<char*>(cage_.AddressOf(pages.page));
  const size_t span_bytes = pages.npages * kPageBytes;
  TARN_CHECK(bytes <= span_bytes);
  const size_t ready = (pages.run_pages - pages.run.scavenged) * kPageBytes;
  if (IsAligned(reinterpret_cast<uintptr_t>(run) | run_bytes, os_->PhysicalPageBytes())) {
    if (ready != 0) pages.how = os_->Unused(run, run_bytes, ready);
  } else {
    // The run begins or ends inside a page of the system. Which pages were scavenged is not known, so all
    // are made usable, and those for the span given back; the edges stay usable.
    if (pages.run.scavenged != 0 && !os_->Used(run, run_bytes, run_bytes - ready)) {
      Fatal("the system refuses to back a part of a page");  // LinuxMemory never does
    }
    pages.how = os_->Unused(p, span_bytes, span_bytes);
    pages.are_edges_backed = true;
  }
  cage_.IdleTables(pages.page, pages.npages);
  const int error = os_->Lend(p, bytes, staged);
  if (error != 0) cage_.AdviseAnew(p, bytes);  // it may be new memory
  return error;
}

void PageHeap::FreeEdgeLocked(const LentPages& pages, size_t from, size_t to) {
  if (from == to) return;
  HeapStats::Sub(stats_.lent_pages, to - from);
  if (pages.are_edges_backed) return pages_.Free(from, to - from);
  HeapStats::Add(stats_.released_pages, to - from);
  pages_.FreeReleased(from, to - from, pages.how);
}

// What was taken to align the pages.
void PageHeap::FreeEdgesLocked(const LentPages& pages) {
  FreeEdgeLocked(pages, pages.run.page, pages.page);
  FreeEdgeLocked(pages, pages.page + pages.npages, pages.run.page + pages.run_pages);
  PublishLazilyFreeLocked();
}

Span* PageHeap::MakeLentSpan(const LentPages& pages, const SpanClassInfo& info, uint16_t span_class,
                             uint32_t sweepgen) {
  TARN_CHECK(info.nelems == 1);
  Span* s = cage_.SpanAt(pages.page);
  InitSpan(s, info, span_class, pages.npages, sweepgen);
  // relaxed: published by SetEntries.
  s->backing.store(SpanBacking::kLent, std::memory_order_relaxed);
  if (pages.run_pages != pages.npages) {
    LockHolder hold(lock_);
    FreeEdgesLocked(pages);
  }
  return s;
}

void PageHeap::SetInnerEntries(Span* span, bool noscan) {
  cage_.SetEntries(cage_.FirstPage(span), OuterPages(span), span->npages, span->span_class, noscan);
}

void PageHeap::GiveUpLent(const LentPages& pages) {
  LockHolder hold(lock_);
  FreeEdgesLocked(pages);
  HeapStats::Add(stats_.released_pages, pages.npages);
  HeapStats::Sub(stats_.lent_pages, pages.npages);
  pages_.FreeReleased(pages.page, pages.npages, pages.how);
  PublishLazilyFreeLocked();
}

bool PageHeap::TakeBack(Span* span, size_t bytes) {
  const size_t first = cage_.FirstPage(span);
  char* const p = reinterpret_cast<char*>(cage_.AddressOf(first));
  const bool ok = os_->TakeBack(p, bytes);
  if (ok) {
    cage_.AdviseAnew(p, bytes);
    // The program may have written behind the end of the mapping. keeps I2
    const size_t tail = span->npages * kPageBytes - bytes;
    if (tail != 0) os_->Unused(p + bytes, tail, 0);
  } else {
    RawLine()
        .Str("tarn: cannot end the mapping at ")
        .Hex(reinterpret_cast<uintptr_t>(p))
        .Str(" of ")
        .Dec(static_cast<int64_t>(bytes))
        .Str(" bytes (error ")
        .Dec(os_->LastError())
        .Str("): these addresses are not used any more")
        .WriteTo();
  }
  EndLent(span, ok ? SpanBacking::kTakenBack : SpanBacking::kLost);
  return ok;
}

void PageHeap::EndLent(Span* span, SpanBacking backing) {
  TARN_CHECK(span->backing.load(std::memory_order_relaxed) == SpanBacking::kLent);
  const size_t outer = OuterPages(span);
  cage_.ClearEntries(cage_.FirstPage(span) + outer, span->npages - outer);  // keeps I4
  // relaxed (both): the next generation publishes them (span.h).
  span->backing.store(backing, std::memory_order_relaxed);
  span->mapping.store(nullptr, std::memory_order_relaxed);
}

// keeps I1, I2
void PageHeap::FreeLentSpan(Span* span) {
  const SpanBacking backing = span->backing.load(std::memory_order_relaxed);
  TARN_CHECK(backing != SpanBacking::kLent);
  const size_t first = cage_.FirstPage(span);
  const size_t npages = span->npages;
  cage_.ClearEntries(first, OuterPages(span));
  ClearBits(span);
  span->npages = 0;
  if (backing == SpanBacking::kLost) return;  // in use for the page allocator, for ever
  span->backing.store(SpanBacking::kHeap,
                      std::memory_order_relaxed);  // relaxed: nobody knows of it
  for (size_t done = 0; done < npages;) {
    const size_t piece = std::min(npages - done, kMaxPiecePages);
    LockHolder hold(lock_);
    HeapStats::Sub(stats_.lent_pages, piece);
    HeapStats::Add(stats_.released_pages, piece);
    pages_.FreeReleased(first + done, piece, Release::kNow);
    PublishLazilyFreeLocked();
    done += piece;
  }
}

}  // namespace tarn::rt
