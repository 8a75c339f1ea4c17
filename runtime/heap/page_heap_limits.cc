// PageHeap at its limits: what happens before a span gets memory from the system (memory_limits.h).
#include <algorithm>

#include "runtime/base/bits.h"
#include "runtime/base/clock.h"
#include "runtime/heap/page_heap.h"

namespace tarn::rt {

using internal::kPageBytes;

namespace {

// Released at least this much at a time, so that a heap at its limit does not make one system call
// for each span.
constexpr uint64_t kLeastRelease = uint64_t{64} << 10;

uint64_t Excess(uint64_t have, uint64_t more, uint64_t limit) {
  return have + more > limit ? have + more - limit : 0;
}

}  // namespace

uint64_t PageHeap::MemoryBytes() const {
  return os_->ReadyBytes() + HeapStats::Get(stats_.external_bytes);
}

// False if the caller is to wait for the collector instead.
bool PageHeap::MakeRoomBelowSoft(uint64_t more, SoftLimit at_soft) {
  const uint64_t limit = limits_.soft.load(std::memory_order_relaxed);
  // relaxed: either value is right for a moment.
  if (limit == MemoryLimits::kNone || limits_.is_gc_limited.load(std::memory_order_relaxed) != 0) {
    return true;
  }
  const uint64_t excess = Excess(MemoryBytes(), more, limit);
  if (excess == 0) return true;
  const int64_t start = ThreadCpuNanos();
  Scavenge(std::max(excess, kLeastRelease), ScavengeMode::kForced);
  limits_.release_nanos.fetch_add(ThreadCpuNanos() - start, std::memory_order_relaxed);
  if (at_soft == SoftLimit::kPass || Excess(MemoryBytes(), more, limit) == 0) return true;
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

// Pages of `r` that the system holds become usable.
bool PageHeap::BackPages(const PageAlloc::Result& r, size_t npages, SoftLimit at_soft) {
  if (r.scavenged == 0) return true;
  const uint64_t more = r.scavenged * kPageBytes;
  void* p = reinterpret_cast<void*>(cage_.AddressOf(r.page));
  return MakeRoomBelowSoft(more, at_soft) && UseBelowHard(p, npages * kPageBytes, more);
}

bool PageHeap::MayGrowTables(size_t arenas) const {
  const uint64_t limit = limits_.hard.load(std::memory_order_relaxed);
  return Excess(MemoryBytes(), Cage::TableBytesOf(arenas), limit) == 0;
}

// No run of pages is free, and the heap could not grow, perhaps for want of room for its tables.
bool PageHeap::MakeRoomForGrowth(size_t npages) {
  const uint64_t limit = limits_.hard.load(std::memory_order_relaxed);
  if (limit == MemoryLimits::kNone) return false;
  const size_t arenas = DivideUp(npages, internal::kPagesPerArena);
  const uint64_t excess = Excess(MemoryBytes(), Cage::TableBytesOf(arenas), limit);
  return excess != 0 && Scavenge(excess, ScavengeMode::kForced) >= excess;
}

}  // namespace tarn::rt
