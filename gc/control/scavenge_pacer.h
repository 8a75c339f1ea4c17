// ScavengePacer: keeps background scavenging at 1 % of the CPU time: how long to work, how long to
// sleep then.
//   work in quanta of 64 KiB until a millisecond of CPU is used  ->  sleep work / ratio  ->  adapt ratio
// A PI controller sets the ratio from the share that was measured. If it comes to nonsense, the ratio
// falls back to its start for five seconds.
// Not here: clocks, threads; the driver measures and sleeps (gc/collect/scavenger.h).
// I1 sleep_ratio() is in [kMinRatio, kMaxRatio].
// I2 A burst ends after the first quantum that brings its work to kBurstNanos, that comes up short (the
//    heap has nothing more), or after which `done` says that the goals are met.
// Locking: the owner's.
#ifndef TARN_GC_CONTROL_SCAVENGE_PACER_H_
#define TARN_GC_CONTROL_SCAVENGE_PACER_H_

#include <algorithm>
#include <cstdint>

#include "gc/control/pi_controller.h"

namespace tarn::rt {

// What one burst did.
struct ScavengeBurst {
  uint64_t released = 0;  // bytes
  int64_t worked = 0;     // nanoseconds of CPU
};

class ScavengePacer {
 public:
  static constexpr double kShare = 0.01;
  static constexpr uint64_t kQuantumBytes = uint64_t{64} << 10;
  // Shorter bursts would cost more in timers than in work.
  static constexpr int64_t kBurstNanos = 1'000'000;
  static constexpr int64_t kCooldownNanos = 5'000'000'000;
  // Of a clock too coarse to see a quantum.
  static constexpr int64_t kAssumedNanosPerPage = 10'000;
  static constexpr double kMinRatio = 0.001, kMaxRatio = 1000;

  double sleep_ratio() const { return sleep_ratio_; }

  // `done() -> bool`; `release(bytes) -> ScavengeBurst` releases about `bytes` and says how long it
  // took. `page_bytes`: an OS page.
  template <class Done, class Release>
  static ScavengeBurst RunBurst(uint64_t page_bytes, Done&& done, Release&& release) {
    ScavengeBurst burst;
    while (burst.worked < kBurstNanos && !done()) {
      const ScavengeBurst step = release(kQuantumBytes);
      burst.released += step.released;
      burst.worked += step.worked > 0
                          ? step.worked
                          : kAssumedNanosPerPage * static_cast<int64_t>(step.released / page_bytes);
      if (step.released < kQuantumBytes) break;  // keeps I2
    }
    return burst;
  }

  // After a burst that released something.
  int64_t SleepNanos(int64_t worked) const {
    return static_cast<int64_t>(static_cast<double>(Counted(worked)) / sleep_ratio_);
  }
  // After the sleep, which took `slept`. False if the controller was reset.
  bool Adapt(int64_t worked, int64_t slept, int procs);

 private:
  static int64_t Counted(int64_t worked) { return std::max(worked, kBurstNanos); }

  // Times in nanoseconds. Source: Go's tuning of the same loop.
  PiController controller_{{.gain = 0.3375,
                            .integral_time = 3.2e6,
                            .reset_time = 1e9,
                            .min = kMinRatio,
                            .max = kMaxRatio}};
  double sleep_ratio_ = kMinRatio;
  int64_t cooldown_ = 0;
};

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_SCAVENGE_PACER_H_
