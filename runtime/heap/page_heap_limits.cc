// PageHeap at its limits: what happens before a span gets memory from the system (memory_limits.h).
#include <algorithm>
#include <optional>

#include "runtime/base/bits.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/heap/page_heap.h"

namespace tarn::rt {

using internal::kPageBytes;

namespace {

// Released at least this much at a time, so that a heap at its limit does not make one system call
// for each span.
constexpr uint64_t kLeastRelease = uint64_t{64} << 10;
// At most this much more than is taken.
constexpr uint64_t kMostExtra = uint64_t{4} << 20;

uint64_t Excess(uint64_t have, uint64_t more, uint64_t limit) {
  return have + more > limit ? have + more - limit : 0;
}

}  // namespace

uint64_t PageHeap::MemoryBytes() const {
  return os_->ReadyBytes() + HeapStats::Get(stats_.external_bytes);
}

bool PageHeap::MakeRoomBelowSoft(uint64_t more, SoftLimit at_soft) {
  const uint64_t limit = limits_.soft.load(std::memory_order_relaxed);
  // relaxed: either value is right for a moment.
  if (limit == MemoryLimits::kNone || limits_.is_gc_limited.load(std::memory_order_relaxed) != 0) {
    return true;
  }
  const uint64_t excess = Excess(MemoryBytes(), more, limit);
  if (excess == 0) return true;
  // No more than a piece at a time, for the thread answers no handshake meanwhile: what is released
  // covers what is taken, and the excess falls with each span.
  const uint64_t piece = std::max(kLeastRelease, std::min(excess, more + kMostExtra));
  const int64_t start = ThreadCpuNanos();
  const uint64_t released = Scavenge(piece, ScavengeMode::kForced);
  limits_.release_nanos.fetch_add(ThreadCpuNanos() - start, std::memory_order_relaxed);
  if (at_soft == SoftLimit::kPass || released >= std::min(excess, piece)) return true;
  if (Excess(MemoryBytes(), more, limit) == 0) return true;
  limits_.soft_refusals.fetch_add(1, std::memory_order_relaxed);
  return false;
}

bool PageHeap::UseBelowHard(void* p, size_t bytes, uint64_t more) {
  const uint64_t limit = limits_.hard.load(std::memory_order_relaxed);
  if (limit == MemoryLimits::kNone) return os_->Used(p, bytes, more);
  for (bool is_last_try : {false, true}) {
    uint64_t excess;
    {
      LockHolder hold(hard_lock_);  // keeps I1 of memory_limits.h: one span after the other
      excess = Excess(MemoryBytes(), more, limit);
      if (excess == 0) return os_->Used(p, bytes, more);
    }
    if (!is_last_try) Scavenge(excess, ScavengeMode::kForced);
  }
  limits_.hard_refusals.fetch_add(1, std::memory_order_relaxed);
  return false;
}

bool PageHeap::ChargeBelowHard(uint64_t bytes) {
  const uint64_t limit = limits_.hard.load(std::memory_order_relaxed);
  for (bool is_last_try : {false, true}) {
    uint64_t excess = 0;
    {
      LockHolder hold(hard_lock_);
      if (limit != MemoryLimits::kNone) excess = Excess(MemoryBytes(), bytes, limit);
      if (excess == 0) {
        HeapStats::Add(stats_.external_bytes, bytes);
        return true;
      }
    }
    if (bytes > limit) break;  // nothing is released for what can never fit
    if (!is_last_try) Scavenge(excess, ScavengeMode::kForced);
  }
  limits_.hard_refusals.fetch_add(1, std::memory_order_relaxed);
  return false;
}

// Pages of `r` that the system holds become usable.
bool PageHeap::BackPages(const PageAlloc::Result& r, size_t npages, SoftLimit at_soft) {
  if (r.scavenged == 0) return true;
  const uint64_t more = r.scavenged * kPageBytes;
  void* p = reinterpret_cast<void*>(cage_.AddressOf(r.page));
  return MakeRoomBelowSoft(more, at_soft) && UseBelowHard(p, npages * kPageBytes, more);
}

// What a heap that grows by `npages` would have above the hard limit. The request counts beside its
// tables: tables that grew for what is then refused would stay. Pages that are lent need neither memory
// nor most of their tables.
uint64_t PageHeap::GrowthExcess(size_t npages, SpanBacking what) const {
  const uint64_t limit = limits_.hard.load(std::memory_order_relaxed);
  const size_t arenas = DivideUp(npages, internal::kPagesPerArena);
  const uint64_t more = what == SpanBacking::kLent
                            ? Cage::EntryBytesOf(arenas)
                            : Cage::TableBytesOf(arenas) + npages * kPageBytes;
  return Excess(MemoryBytes(), more, limit);
}

// No run of pages is free, and the heap could not grow, perhaps for want of room.
bool PageHeap::MakeRoomForGrowth(size_t npages) {
  const uint64_t excess = GrowthExcess(npages);
  return excess != 0 && Scavenge(excess, ScavengeMode::kForced) >= excess;
}

// Which of the pages were scavenged is no longer known, so all of them are made so: a page that
// counts as backed and is not would be handed out without Used.
void PageHeap::GiveUpPages(PageAlloc::Result r, size_t npages) {
  void* p = reinterpret_cast<void*>(cage_.AddressOf(r.page));
  const size_t bytes = npages * kPageBytes;
  if (!IsAligned(reinterpret_cast<uintptr_t>(p) | bytes, os_->PhysicalPageBytes())) {
    return GiveUpPartOfOsPages(r, npages);
  }
  const size_t ready = npages - r.scavenged;
  std::optional<Release> how;
  if (ready != 0) how = os_->Unused(p, bytes, ready * kPageBytes);
  HeapStats::Add(stats_.released_pages, ready);
  LockHolder hold(lock_);
  pages_.FreeReleased(r.page, npages, how);
  PublishLazilyFreeLocked();
}

// OS pages are larger than heap pages, and the run begins or ends inside one, so that it cannot be
// given back as a whole: it counts as backed instead, and the scavenger gives back what it can. No
// memory is touched; the limit is passed on paper by what was refused.
void PageHeap::GiveUpPartOfOsPages(PageAlloc::Result r, size_t npages) {
  void* p = reinterpret_cast<void*>(cage_.AddressOf(r.page));
  if (r.scavenged != 0 && !os_->Used(p, npages * kPageBytes, r.scavenged * kPageBytes)) {
    Fatal("the system refuses to back a part of a page");  // LinuxMemory never does
  }
  HeapStats::Sub(stats_.released_pages, r.scavenged);
  LockHolder hold(lock_);
  pages_.Free(r.page, npages);
  PublishLazilyFreeLocked();
}

}  // namespace tarn::rt
