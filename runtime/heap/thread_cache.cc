#include "runtime/heap/thread_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "runtime/base/bits.h"
#include "runtime/base/check.h"
#include "runtime/heap/span_sweep.h"

namespace tarn::rt {

using internal::kMaxSpanClasses;
using internal::kPageBytes;
using internal::Run;

namespace {

constexpr size_t kTableBytes =
    RoundUp(kMaxSpanClasses * (sizeof(Run) + sizeof(Span*)) + sizeof(ThreadCache), kPageBytes);

uint64_t ElemBytes(const Span& s) {
  return s.elem_bytes32 != 0 ? s.elem_bytes32 : s.npages * kPageBytes;
}

// First free slot at or after `from`, or nelems. `bits`: 1 = allocated.
size_t NextFree(const std::atomic<uint64_t>* bits, size_t from, size_t nelems) {
  size_t w = from / 64;
  const size_t words = DivideUp(nelems, 64);
  uint64_t free =
      w < words ? ~bits[w].load(std::memory_order_relaxed) & BitRange(from % 64, 64) : 0;
  while (free == 0) {
    if (++w >= words) return nelems;
    free = ~bits[w].load(std::memory_order_relaxed);
  }
  return std::min<size_t>(nelems, w * 64 + static_cast<size_t>(std::countr_zero(free)));
}

// First allocated slot at or after `from`, at most `limit`.
size_t NextAllocated(const std::atomic<uint64_t>* bits, size_t from, size_t limit) {
  size_t w = from / 64;
  uint64_t used = bits[w].load(std::memory_order_relaxed) & BitRange(from % 64, 64);
  while (used == 0) {
    if (++w * 64 >= limit) return limit;
    used = bits[w].load(std::memory_order_relaxed);
  }
  return std::min<size_t>(limit, w * 64 + static_cast<size_t>(std::countr_zero(used)));
}

// Calls f(word index, mask) for the words that slots [from, to) touch.
template <class F>
void ForEachWord(size_t from, size_t to, F&& f) {
  for (size_t w = from / 64; w * 64 < to; ++w) {
    const unsigned lo = w == from / 64 ? static_cast<unsigned>(from % 64) : 0;
    const unsigned hi = static_cast<unsigned>(std::min<size_t>(64, to - w * 64));
    f(w, BitRange(lo, hi));
  }
}

}  // namespace

ThreadCache* ThreadCache::New(Heap& heap) {
  FreeCaches& free = heap.free_caches();
  {
    LockHolder hold(free.lock);
    if (ThreadCache* c = free.head) {
      free.head = c->next_free_;
      return c;
    }
  }
  void* mem = AllocateReady(heap.os(), RoundUp(kTableBytes, heap.os().PhysicalPageBytes()));
  if (mem == nullptr) return nullptr;
  auto* c = new (mem) ThreadCache();
  c->heap_ = &heap;
  char* tables = static_cast<char*>(mem) + RoundUp(sizeof(ThreadCache), 64);
  c->runs_ = reinterpret_cast<Run*>(tables);
  c->owned_ = reinterpret_cast<Span**>(tables + kMaxSpanClasses * sizeof(Run));
  return c;
}

void ThreadCache::Release(bool marking) {
  const size_t end = heap_->classes().End();
  for (size_t c = 1; c < end; ++c) {
    if (owned_[c] != nullptr) ReleaseSpan(static_cast<uint16_t>(c), marking);
  }
  tiny_ = 0;
  tiny_offset_ = 0;
  black_gen_ = 0;
  max_run_slots_ = 0;
  at_soft_ = SoftLimit::kRefuse;
  max_run_bytes_ = kMaxRunBytes;
  FlushPages();
  FlushLive();
  FreeCaches& free = heap_->free_caches();
  LockHolder hold(free.lock);
  next_free_ = free.head;
  free.head = this;
}

void ThreadCache::GiveBackRun(Span* span, Run& run) {
  const uintptr_t cursor = run.cursor.load(std::memory_order_relaxed);
  const uintptr_t limit = run.limit;
  if (cursor >= limit) return;
  const uintptr_t base = heap_->cage().BaseOf(span);
  const size_t from = (cursor - base) / span->elem_bytes32;
  const size_t to = (limit - base) / span->elem_bytes32;
  std::atomic<uint64_t>* alloc =
      heap_->cage().Bits(Heap::AllocTable(span->sweepgen.load(std::memory_order_relaxed)),
                         heap_->cage().FirstPage(span));
  ForEachWord(from, to, [&](size_t w, uint64_t mask) {
    // relaxed: only the owner writes allocation bits; readers tolerate either value.
    alloc[w].store(alloc[w].load(std::memory_order_relaxed) & ~mask, std::memory_order_relaxed);
  });
  const uint64_t bytes = (to - from) * uint64_t{span->elem_bytes32};
  span->alloc_count -= static_cast<uint32_t>(to - from);
  span->search_index = 0;
  span->needzero = 1;
  HeapStats::Sub(heap_->stats().allocated_bytes, bytes);
  HeapStats::Sub(heap_->stats().allocated_objects, to - from);
  FlushLive();
  HeapStats::Sub(heap_->stats().live, bytes);
}

void ThreadCache::ReleaseSpan(uint16_t span_class, bool marking) {
  Span* span = owned_[span_class];
  Run& run = runs_[span_class];
  if (NeedsSweep(*heap_, *span)) SweepSpan(*heap_, span);
  if (!marking) GiveBackRun(span, run);
  run.cursor.store(0, std::memory_order_relaxed);  // relaxed: own thread or handshake
  run.limit = 0;
  owned_[span_class] = nullptr;
  span->owned.store(0, std::memory_order_relaxed);
  if (span->alloc_count == 0 && !marking) {
    heap_->pages().FreeSpan(span);
  } else {
    PutBack(*heap_, span);
  }
}

bool ThreadCache::TakeRun(uint16_t span_class, Span* span) {
  if (span->alloc_count == span->nelems) return false;
  const size_t first_page = heap_->cage().FirstPage(span);
  const uint32_t gen = span->sweepgen.load(std::memory_order_relaxed);
  std::atomic<uint64_t>* alloc = heap_->cage().Bits(Heap::AllocTable(gen), first_page);
  const size_t from = NextFree(alloc, span->search_index, span->nelems);
  if (from >= span->nelems) return false;
  size_t max_slots = std::max<size_t>(1, max_run_bytes_ / span->elem_bytes32);
  if (max_run_slots_ != 0) max_slots = std::min<size_t>(max_slots, max_run_slots_);
  const size_t to = NextAllocated(alloc, from, std::min<size_t>(span->nelems, from + max_slots));
  const uintptr_t base = heap_->cage().AddressOf(first_page);
  const uintptr_t begin = base + from * span->elem_bytes32;
  const size_t bytes = (to - from) * span->elem_bytes32;
  if (span->needzero) std::memset(reinterpret_cast<void*>(begin), 0, bytes);
  ForEachWord(from, to, [&](size_t w, uint64_t mask) {
    // release: pairs with the acquire of conservative look-ups; a slot that reads as allocated is
    // zeroed.
    alloc[w].store(alloc[w].load(std::memory_order_relaxed) | mask, std::memory_order_release);
  });
  const bool black = black_gen_ == gen;
  if (black) MarkRange(from, to, heap_->cage().Bits(Heap::MarkTable(gen), first_page));
  span->alloc_count += static_cast<uint32_t>(to - from);
  span->search_index = static_cast<uint32_t>(to);
  Count(bytes, heap_->classes().Info(span_class).noscan != 0, black);
  HeapStats::Add(heap_->stats().allocated_bytes, bytes);
  HeapStats::Add(heap_->stats().allocated_objects, to - from);
  // release: pairs with the address dependency of a marker that finds a pointer to one of these slots:
  // it sees them zeroed and marked.
  std::atomic_thread_fence(std::memory_order_release);
  Run& run = runs_[span_class];
  run.limit = begin + bytes;
  run.cursor.store(begin, std::memory_order_relaxed);
  return true;
}

Span* ThreadCache::TakeSweptSpan(uint16_t span_class) {
  constexpr int kMaxSweeps = 100;  // bounds the time of one refill when everything is full
  CentralList& central = heap_->central(span_class);
  for (int i = 0; i < kMaxSweeps; ++i) {
    Span* s = central.TakeSweptPartial();
    if (s == nullptr) s = central.TakeUnswept();
    if (s == nullptr) return nullptr;
    // While the lists are being flipped, either may hold spans of either generation.
    if (NeedsSweep(*heap_, *s)) SweepSpan(*heap_, s);
    if (s->alloc_count < s->nelems) return s;
    PutBack(*heap_, s);
  }
  return nullptr;
}

Span* ThreadCache::NextSpan(uint16_t span_class) {
  Span* s = TakeSweptSpan(span_class);
  if (s == nullptr) {
    const SpanClassInfo& info = heap_->classes().Info(span_class);
    s = heap_->pages().AllocSpan(info, span_class, info.npages, &page_cache_, heap_->sweepgen(),
                                 at_soft_);
    if (s == nullptr) return nullptr;
    heap_->pages().Publish(s, info.noscan);
  }
  s->owned.store(1, std::memory_order_relaxed);
  return s;
}

void* ThreadCache::Refill(uint16_t span_class) {
  Span* span = owned_[span_class];
  if (span != nullptr) {
    if (NeedsSweep(*heap_, *span)) SweepSpan(*heap_, span);
    if (!TakeRun(span_class, span)) {
      ReleaseSpan(span_class, /*marking=*/true);  // the run is used up: nothing to give back
      span = nullptr;
    }
  }
  if (span == nullptr) {
    span = NextSpan(span_class);
    if (span == nullptr) return nullptr;
    owned_[span_class] = span;
    TARN_CHECK(TakeRun(span_class, span));
  }
  Run& run = runs_[span_class];
  const uintptr_t p = run.cursor.load(std::memory_order_relaxed);
  run.cursor.store(p + span->elem_bytes32, std::memory_order_relaxed);  // relaxed: own thread
  return reinterpret_cast<void*>(p);
}

void* ThreadCache::Allocate(uint16_t span_class) {
  Run& run = runs_[span_class];
  const uintptr_t p = run.cursor.load(std::memory_order_relaxed);
  const size_t bytes = heap_->classes().Info(span_class).elem_bytes;
  if (p + bytes > run.limit) return Refill(span_class);
  run.cursor.store(p + bytes, std::memory_order_relaxed);  // relaxed: own thread
  return reinterpret_cast<void*>(p);
}

void* ThreadCache::AllocateLarge(uint16_t span_class, size_t bytes, ZeroFn zero) {
  if (bytes > heap_->cage().bytes()) return nullptr;
  const size_t npages = DivideUp(bytes, kPageBytes);
  const SpanClassInfo& info = heap_->classes().Info(span_class);
  Span* s =
      heap_->pages().AllocSpan(info, span_class, npages, &page_cache_, heap_->sweepgen(), at_soft_);
  if (s == nullptr) return nullptr;
  void* p = reinterpret_cast<void*>(heap_->cage().BaseOf(s));
  // Zeroed before its entries are set: a stale word never leads the marker into old contents. Nobody
  // knows of the span yet, so that handshakes and whole cycles may come meanwhile.
  if (s->needzero) zero(p, npages * kPageBytes);
  const size_t first = heap_->cage().FirstPage(s);
  const uint32_t gen = heap_->sweepgen();
  s->sweepgen.store(gen, std::memory_order_relaxed);  // relaxed: published below
  heap_->cage().Bits(Heap::AllocTable(gen), first)->store(1, std::memory_order_relaxed);
  const bool black = black_gen_ == gen;
  if (black) heap_->cage().Bits(Heap::MarkTable(gen), first)->store(1, std::memory_order_relaxed);
  s->alloc_count = 1;
  heap_->pages().Publish(s, info.noscan);
  Count(npages * kPageBytes, info.noscan != 0, black);
  HeapStats::Add(heap_->stats().allocated_bytes, npages * kPageBytes);
  HeapStats::Add(heap_->stats().allocated_objects, 1);
  HeapStats::Add(heap_->stats().large_objects, 1);
  FlushLive();
  PutBack(*heap_, s);
  return p;
}

void* ThreadCache::TryTiny(size_t bytes, size_t align) {
  const size_t at = RoundUp(tiny_offset_, align);
  if (tiny_ == 0 || at + bytes > internal::kTinyBytes) return nullptr;
  tiny_offset_ = at + bytes;
  HeapStats::Add(heap_->stats().tiny_allocs, 1);
  return reinterpret_cast<void*>(tiny_ + at);
}

void* ThreadCache::AllocateTiny(uint16_t span_class16, size_t bytes, size_t align) {
  if (void* have = TryTiny(bytes, align)) return have;
  void* p = Allocate(span_class16);
  if (p == nullptr) return nullptr;
  HeapStats::Add(heap_->stats().tiny_allocs, 1);
  if (tiny_ == 0 || bytes < tiny_offset_) {  // keep the block with more room left
    tiny_ = reinterpret_cast<uintptr_t>(p);
    tiny_offset_ = bytes;
  }
  return p;
}

void ThreadCache::Count(uint64_t bytes, bool noscan, bool black) {
  live_ += bytes;
  if (!noscan) scan_ += bytes;
  if (black) black_live_ += bytes;
}

void ThreadCache::MarkRange(size_t from, size_t to, std::atomic<uint64_t>* bits) {
  ForEachWord(from, to, [&](size_t w, uint64_t mask) {
    // relaxed: markers use atomic read-modify-write on the same word; marks carry no other data.
    bits[w].fetch_or(mask, std::memory_order_relaxed);
  });
}

uint64_t ThreadCache::MarkRuns() {
  uint64_t bytes = 0;
  Cage& cage = heap_->cage();
  ForEachOwned([&](Span* span, Run& run) {
    const uintptr_t cursor = run.cursor.load(std::memory_order_relaxed);
    const uintptr_t limit = run.limit;
    if (cursor >= limit) return;
    const uintptr_t base = cage.BaseOf(span);
    const size_t from = (cursor - base) / span->elem_bytes32;
    const size_t to = (limit - base) / span->elem_bytes32;
    const uint32_t gen = span->sweepgen.load(std::memory_order_relaxed);
    MarkRange(from, to, cage.Bits(Heap::MarkTable(gen), cage.FirstPage(span)));
    bytes += limit - cursor;
  });
  if (tiny_ != 0) {
    const size_t page = cage.PageOf(tiny_);
    const size_t first = page - cage.Entry(page).offset_pages();
    Span* span = cage.SpanAt(first);
    const size_t index = (tiny_ - cage.AddressOf(first)) / span->elem_bytes32;
    const uint32_t gen = span->sweepgen.load(std::memory_order_relaxed);
    MarkRange(index, index + 1, cage.Bits(Heap::MarkTable(gen), first));
    bytes += internal::kTinyBytes;
  }
  return bytes;
}

void ThreadCache::SweepOwned() {
  ForEachOwned([&](Span* span, Run&) {
    if (NeedsSweep(*heap_, *span)) SweepSpan(*heap_, span);
  });
}

ThreadCache::Unused ThreadCache::UnusedInRuns() const {
  Unused u;
  const size_t end = heap_->classes().End();
  for (size_t c = 1; c < end; ++c) {
    if (owned_[c] == nullptr) continue;
    const uint64_t bytes = runs_[c].limit - runs_[c].cursor.load(std::memory_order_relaxed);
    const uint64_t slots = bytes / ElemBytes(*owned_[c]);
    u.bytes += bytes;
    u.slots += slots;
    u.by_class[heap_->classes().Info(static_cast<uint16_t>(c)).size_class] += slots;
  }
  return u;
}

void ThreadCache::FlushLive() {
  HeapStats& stats = heap_->stats();
  if (black_live_ != 0) HeapStats::Add(stats.black, black_live_);
  if (scan_ != 0) HeapStats::Add(stats.scan, scan_);
  HeapStats::Add(stats.live, live_);
  live_ = scan_ = black_live_ = 0;
}

}  // namespace tarn::rt
