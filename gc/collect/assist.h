// Assists: a thread that allocates while marking runs marks in proportion, so that the cycle ends
// before the heap passes its goal.
// I1 One call does at most the work that gc/control/assist_credit.h allows, the larger of 64 KiB and
//    8 bytes per byte taken, and stops after kMaxNanos and the piece in hand: marking 64 KiB takes
//    20 us when its memory is at hand and 300 us when every access misses. It never waits for work
//    or for other threads; what it could not pay stays debt.
// I2 While the CPU limiter limits, nobody assists.
// I3 A thread that has held grey items says so at its next F: those that answered before may have
//    shaded what the items led to.
// Locking: none. The ratio is published by the driver; a stale one is corrected by the next.
// Cost: outside marking one load per slow path.
#ifndef TARN_GC_COLLECT_ASSIST_H_
#define TARN_GC_COLLECT_ASSIST_H_

#include <atomic>
#include <cstdint>

#include "gc/collect/mutator_gc.h"
#include "gc/collect/workers.h"
#include "gc/control/assist_credit.h"

namespace tarn::rt {

class Assists {
 public:
  Assists(Heap& heap, const LayoutTable& layouts, MarkQueue& queue, MarkWorkers& workers,
          Specials& specials)
      : heap_(heap), layouts_(layouts), queue_(queue), workers_(workers), specials_(specials) {}

  // The driver: assists are on from Begin to End.
  void Begin(uint32_t cycle, const AssistRatio& ratio);
  void SetRatio(const AssistRatio& ratio);
  void End();
  void SetLimited(bool limited) { limited_.store(limited, std::memory_order_relaxed); }
  // relaxed: a thread that is late waits a little, or not.
  bool begun() const { return cycle_.load(std::memory_order_relaxed) != 0; }
  bool limited() const { return limited_.load(std::memory_order_relaxed) != 0; }

  // The thread of `gc` is about to take `bytes`. False if it stays in debt. Inside the runtime.
  bool Charge(MutatorGc& gc, uint64_t bytes) {
    // relaxed: a thread that sees the start or end late assists a little less or more.
    return cycle_.load(std::memory_order_relaxed) == 0 || ChargeSlow(gc, bytes);
  }
  // Charges without assisting: the next Charge pays for it too.
  void Owe(MutatorGc& gc, uint64_t bytes);
  // CPU nanoseconds in assists since the last call.
  int64_t TakeTime() { return time_.exchange(0, std::memory_order_relaxed); }
  int64_t cycle_time() const { return cycle_time_.load(std::memory_order_relaxed); }

 private:
  static constexpr int64_t kMaxNanos = 25'000;
  static constexpr uint64_t kPieceWork = 2 << 10;  // scan bytes between looks at the clock

  bool ChargeSlow(MutatorGc& gc, uint64_t bytes);
  int64_t Steal(const AssistDemand& demand, const AssistRatio& ratio, int64_t& balance);
  AssistRatio ratio() const;

  Heap& heap_;
  const LayoutTable& layouts_;
  MarkQueue& queue_;
  MarkWorkers& workers_;
  Specials& specials_;
  // relaxed everywhere: see Charge.
  std::atomic<uint32_t> cycle_{0};
  std::atomic<uint32_t> limited_{0};
  std::atomic<double> work_per_byte_{0};
  std::atomic<double> bytes_per_work_{0};
  std::atomic<uint64_t> stolen_{0};          // of the background workers' work, by assists
  std::atomic<uint64_t> assist_scanned_{0};  // work done by assists
  std::atomic<int64_t> time_{0};
  std::atomic<int64_t> cycle_time_{0};
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_ASSIST_H_
