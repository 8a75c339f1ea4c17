// Sweeper: which spans are swept when. Lazily, allocation sweeps what it needs
// (runtime/heap/thread_cache.h); here is the rest: everything must be swept before the next cycle
// marks.
//   SweepAll   all of it, now
//   SweepDebt  a share in proportion to what a thread allocates
// Not here: sweeping one span (runtime/heap/span_sweep.h); the proportion (gc/control/sweep_pace.h).
// Locking: none of its own. Several threads may sweep at once.
#ifndef TARN_GC_COLLECT_SWEEPER_H_
#define TARN_GC_COLLECT_SWEEPER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "gc/control/sweep_pace.h"
#include "runtime/heap/heap.h"

namespace tarn::rt {

// Sweeps the spans that no thread owns, at most `max_spans`. Returns the number of spans swept here: less
// than that if nothing is left.
size_t SweepAll(Heap& heap, size_t max_spans = SIZE_MAX);

// What threads owe before they may allocate.
class SweepDebt {
 public:
  explicit SweepDebt(Heap& heap) : heap_(heap) {}

  // The driver, when marking has ended or the trigger was set anew.
  void Set(uint64_t trigger);
  // The caller is about to take `bytes`: sweeps its share, at most kMaxSpans spans. Inside the
  // runtime, outside marking.
  void Pay(uint64_t bytes) {
    // relaxed: a thread that sees an old pace sweeps a little more or less.
    if (pages_per_byte_.load(std::memory_order_relaxed) != 0) [[unlikely]]
      PaySlow(bytes);
  }

  double pages_per_byte() const { return pages_per_byte_.load(std::memory_order_relaxed); }

 private:
  // Bounds the time of one payment to some microseconds.
  static constexpr int kMaxSpans = 16;

  void PaySlow(uint64_t bytes);
  bool SweepAny();

  Heap& heap_;
  // relaxed everywhere: see Pay. All spans before `next_class_` had nothing to sweep.
  std::atomic<double> pages_per_byte_{0};
  std::atomic<uint64_t> live_basis_{0};
  std::atomic<uint64_t> swept_basis_{0};
  std::atomic<uint32_t> next_class_{1};
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_SWEEPER_H_
