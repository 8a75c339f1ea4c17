// IdleMarkWorkers: how many idle markers run and how many may, in one 64-bit word, so that a driver
// keeps both in one atomic and changes them by compare-and-swap.
// Not here: the atomic; a loop around it is
//   do { old = word.load(); if (!IdleMarkWorkers(old).CanAdd()) return false; }
//   while (!word.compare_exchange(old, IdleMarkWorkers(old).Added().word()));
// I1 Lowering the maximum stops nobody: running() may exceed max() until enough have left.
// I2 No worker starts while running() >= max().
// Locking: none; a value.
#ifndef TARN_GC_CONTROL_IDLE_MARK_WORKERS_H_
#define TARN_GC_CONTROL_IDLE_MARK_WORKERS_H_

#include <cstdint>

#include "runtime/base/check.h"

namespace tarn::rt {

class IdleMarkWorkers {
 public:
  constexpr explicit IdleMarkWorkers(uint64_t word = 0) : word_(word) {}
  static constexpr IdleMarkWorkers Of(uint32_t running, uint32_t max) {
    return IdleMarkWorkers(uint64_t{max} << 32 | running);
  }

  constexpr uint64_t word() const { return word_; }
  constexpr uint32_t running() const { return static_cast<uint32_t>(word_); }
  constexpr uint32_t max() const { return static_cast<uint32_t>(word_ >> 32); }
  constexpr bool CanAdd() const { return running() < max(); }

  // CanAdd() must hold (keeps I2).
  IdleMarkWorkers Added() const {
    TARN_CHECK(CanAdd());
    return IdleMarkWorkers(word_ + 1);
  }
  // Some worker must be running.
  IdleMarkWorkers Removed() const {
    TARN_CHECK(running() > 0);
    return IdleMarkWorkers(word_ - 1);
  }
  IdleMarkWorkers WithMax(uint32_t max) const { return Of(running(), max); }

 private:
  uint64_t word_;
};

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_IDLE_MARK_WORKERS_H_
