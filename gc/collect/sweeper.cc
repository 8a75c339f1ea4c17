#include "gc/collect/sweeper.h"

#include "runtime/heap/span_sweep.h"

namespace tarn::rt {

size_t SweepAll(Heap& heap, size_t max_spans) {
  size_t swept = 0;
  const size_t end = heap.classes().End();
  for (size_t c = 1; c < end && swept < max_spans; ++c) {
    while (swept < max_spans && SweepOne(heap, static_cast<uint16_t>(c))) ++swept;
  }
  return swept;
}

void SweepDebt::Set(uint64_t trigger) {
  const HeapStats& stats = heap_.stats();
  const uint64_t swept = HeapStats::Get(stats.swept_pages);
  const uint64_t live = stats.LiveBytes();
  // swept_pages is cumulative; all pages in use count as unswept, fresh ones included: the pace is a
  // little too high, and ends when nothing is left.
  const SweepPace pace = SweepPace::From(swept + HeapStats::Get(stats.in_use_pages), swept, live,
                                         trigger, internal::kPageBytes);
  live_basis_.store(pace.live_basis, std::memory_order_relaxed);
  swept_basis_.store(pace.swept_basis, std::memory_order_relaxed);
  next_class_.store(1, std::memory_order_relaxed);
  pages_per_byte_.store(AnyUnswept(heap_) ? pace.pages_per_byte : 0, std::memory_order_relaxed);
}

bool SweepDebt::SweepAny() {
  const size_t end = heap_.classes().End();
  for (;;) {
    uint32_t c = next_class_.load(std::memory_order_relaxed);
    if (c >= end) return false;
    if (SweepOne(heap_, static_cast<uint16_t>(c))) return true;
    next_class_.compare_exchange_strong(c, c + 1, std::memory_order_relaxed);
  }
}

void SweepDebt::PaySlow(uint64_t bytes) {
  SweepPace pace;
  pace.pages_per_byte = pages_per_byte_.load(std::memory_order_relaxed);
  pace.live_basis = live_basis_.load(std::memory_order_relaxed);
  pace.swept_basis = swept_basis_.load(std::memory_order_relaxed);
  const HeapStats& stats = heap_.stats();
  const uint64_t target = pace.Target(stats.LiveBytes(), bytes, 0);
  for (int i = 0; i < kMaxSpans && HeapStats::Get(stats.swept_pages) < target; ++i) {
    if (SweepAny()) continue;
    pages_per_byte_.store(0, std::memory_order_relaxed);
    return;
  }
}

}  // namespace tarn::rt
