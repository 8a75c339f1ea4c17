// CpuLimiter: keeps the collector below a share of the CPU time, by a leaky bucket.
// Collector time above the share fills the bucket, time below it drains it; while it is full, threads
// do not assist. The bucket never goes below empty, so idle days buy no credit; its capacity is the
// burst that is tolerated.
// Not here: clocks and pools of assist and idle time. A driver calls Update under its lock at most
// every kUpdateNanos with what was added to its pools since, and publishes limiting().
// I1 0 <= fill() <= capacity().
// I2 limiting() is set when the bucket becomes full, cleared when it is no longer.
// I3 The collector's part of any interval is at most the share of its non-idle CPU time, plus half of
//    capacity(), plus half of what overflow() grew by. Overflow is what the collector goes on to use
//    after the bucket is full: assists until the next update, background workers always. It is not
//    made up for later: at a share of 50 %, a program that assists whenever it may, on updates every
//    kUpdateNanos, ends at 62.5 %.
// Background workers go on while limiting(): a share below their quarter only stops all assists.
// A share of 50 % is Go's; 100 % never limits.
// Locking: the owner's. Cost: a few integer operations per update.
#ifndef TARN_GC_CONTROL_CPU_LIMITER_H_
#define TARN_GC_CONTROL_CPU_LIMITER_H_

#include <cstdint>

namespace tarn::rt {

class CpuLimiter {
 public:
  // Times are in nanoseconds, CPU times summed over threads.
  static constexpr int64_t kUpdateNanos = 10 * 1000 * 1000;
  static constexpr int64_t kCapacityPerProcNanos = int64_t{1000} * 1000 * 1000;
  static constexpr int kDefaultPercent = 50;

  // CPU time used since the last update.
  struct Used {
    int64_t assist = 0;  // assists, and scavenging at allocation
    int64_t idle = 0;    // CPUs without work, and idle markers
  };

  // percent: the share, 1 to 100.
  CpuLimiter(int64_t now, int procs, int percent = kDefaultPercent);

  bool NeedUpdate(int64_t now) const { return now - last_update_ > kUpdateNanos; }
  void Update(int64_t now, const Used& used);
  void SetPercent(int percent);
  // The number of usable CPUs changed.
  void ResetCapacity(int64_t now, int procs, const Used& used);

  // Marking is switched on or off by a pause from Start to Finish, during which no Update is allowed:
  // all of it counts as collector time of every CPU. Finish at the same `now` if nobody is stopped.
  void StartTransition(int64_t now, bool marking, const Used& used);
  void FinishTransition(int64_t now);

  // Number of the cycle to record when limiting begins: that of the last completed one plus 1.
  void SetCycle(uint64_t cycle) { cycle_ = cycle; }

  int percent() const { return percent_; }
  bool limiting() const { return limiting_; }
  int64_t fill() const { return fill_; }
  int64_t capacity() const { return capacity_; }
  int64_t overflow() const { return overflow_; }                  // what did not fit, in total
  uint64_t last_limited_cycle() const { return limited_cycle_; }  // 0: never

 private:
  void Accumulate(int64_t program, int64_t collector);
  int64_t Change(int64_t program, int64_t collector) const;
  void StartLimiting();

  int64_t last_update_;
  int procs_;
  int percent_;
  bool marking_ = false;
  bool in_transition_ = false;
  bool limiting_ = false;
  int64_t fill_ = 0;
  int64_t capacity_;
  int64_t overflow_ = 0;
  uint64_t cycle_ = 1;
  uint64_t limited_cycle_ = 0;
};

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_CPU_LIMITER_H_
