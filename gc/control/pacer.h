// Pacer: when a cycle starts, how large the heap may be when it ends, and how much each byte allocated
// meanwhile must mark. The algorithm is Go's (two goals, a trigger ahead of them by the runway that
// the last cycles' allocation rate suggests, assists as the brake).
// Not here: counters, clocks, threads. A driver owns the atomics, calls these methods under its lock
// with plain numbers, and publishes the results:
//   start-up, changed setting     Commit, then Trigger; Revise as well if a cycle runs
//   start of a cycle              StartCycle
//   live heap grew while marking  Revise
//   marking ended                 EndCycle, ResetLive, Commit, then Trigger
//   sweeping ended                Commit, then Trigger
// The goals depend on MemoryReading, which changes all the time: they are computed on each call.
// I1 marked <= trigger <= goal, in every state.
// I2 Ratios, cons/mark and runway are finite and not negative; ratios are positive.
// I3 With no memory limit in force, goal and trigger do not fall when GOGC rises.
// I4 triggered() is kNoGoal outside a cycle.
// Memory outside the heap that is charged to it is part of `live` and of the bytes marked.
// Locking: the owner's. Cost: some dozen floating-point operations per call, no allocation.
#ifndef TARN_GC_CONTROL_PACER_H_
#define TARN_GC_CONTROL_PACER_H_

#include <cstdint>

#include "gc/control/assist_credit.h"
#include "gc/control/heap_goal.h"
#include "gc/control/memory_limit.h"
#include "gc/control/trigger.h"
#include "gc/control/worker_plan.h"

namespace tarn::rt {

// At least this much is left between a cycle's start and its goal.
inline constexpr uint64_t kMinRunwayBytes = uint64_t{64} << 10;
// An idle program is collected this long after the last cycle.
inline constexpr int64_t kPeriodicCycleNanos = int64_t{120} * 1000000000;

// The driver's counters at one moment of a cycle, in bytes.
struct MarkProgress {
  uint64_t live = 0;       // marked by the last cycle plus handed to threads since
  uint64_t scan = 0;       // the part of `live` that may hold pointers; frozen while marking
  uint64_t max_stack = 0;  // upper bound of the stack bytes to scan
  uint64_t globals = 0;    // scannable roots
  uint64_t heap_work = 0;  // scanned in this cycle
  uint64_t stack_work = 0;
  uint64_t globals_work = 0;

  uint64_t work() const { return heap_work + stack_work + globals_work; }
};

// CPU time in nanoseconds, summed over threads, while assists were on for `duration` of wall time.
struct MarkTimes {
  int64_t duration = 0;
  int64_t assist = 0;
  int64_t idle_mark = 0;
};

// What a cycle achieved, for traces.
struct CycleReport {
  double utilization = 0;  // share of the CPUs that marking took from the program
  double cons_mark = 0;    // in force when the cycle was planned
  uint64_t goal = 0;       // when it ended
  uint64_t triggered = 0;
  uint64_t live = 0;
  uint64_t expected_work = 0;
};

struct TriggerPoint {
  uint64_t trigger;
  uint64_t goal;
};

class Pacer {
 public:
  // gc_percent: negative is off. memory_limit: kNoMemoryLimit is none.
  Pacer(int gc_percent, uint64_t memory_limit);

  // Return the previous value. To be followed by Commit.
  int SetGcPercent(int gc_percent);
  uint64_t SetMemoryLimit(uint64_t bytes);

  // Takes settings, live heap and measurements into the goal and the runway.
  void Commit(bool sweep_done, uint64_t live);
  GoalBounds Goal(const MemoryReading& memory) const;
  TriggerPoint Trigger(const MemoryReading& memory) const;

  WorkerPlan StartCycle(const MarkProgress& start, const MemoryReading& memory, int procs,
                        CycleKind kind);
  AssistRatio Revise(const MarkProgress& progress, const MemoryReading& memory);
  CycleReport EndCycle(const MarkProgress& end, const MemoryReading& memory, const MarkTimes& times,
                       int procs);
  // Marking found `marked` bytes that count as live, and `floating` others. Ends the cycle that EndCycle
  // measured.
  void ResetLive(uint64_t marked, const MarkProgress& end, uint64_t floating = 0);

  int gc_percent() const { return gc_percent_; }
  uint64_t memory_limit() const { return memory_limit_; }
  uint64_t marked() const { return marked_; }
  uint64_t triggered() const { return triggered_; }
  uint64_t last_goal() const { return last_goal_; }  // when the last cycle ended; for the scavenger
  uint64_t runway() const { return runway_; }
  double cons_mark() const { return cons_mark_; }
  const AssistRatio& assist_ratio() const { return ratio_; }
  const WorkerPlan& plan() const { return plan_; }

 private:
  static constexpr int kHistory = 4;

  bool in_cycle() const { return triggered_ != kNoGoal; }
  uint64_t ExpectedWork() const { return last_heap_scan_ + last_stack_scan_ + globals_; }
  void Measure(double utilization, double idle_utilization, uint64_t allocated, uint64_t work);

  // Settings.
  int gc_percent_;
  uint64_t memory_limit_;
  // Committed.
  uint64_t percent_goal_ = 0;
  uint64_t sweep_min_trigger_ = 0;
  uint64_t runway_ = 0;
  // Measured by earlier cycles.
  uint64_t marked_ = 0;
  uint64_t floating_ = 0;
  uint64_t last_heap_scan_ = 0;
  uint64_t last_stack_scan_ = 0;
  uint64_t globals_ = 0;
  uint64_t last_goal_ = 0;
  double cons_mark_ = 0;
  double history_[kHistory] = {};
  // Of the cycle that runs.
  uint64_t triggered_ = kNoGoal;
  AssistRatio ratio_;
  WorkerPlan plan_;
};

// Whether an idle program is due for a cycle: not before the first one, not with GOGC off.
inline bool PeriodicCycleDue(int gc_percent, int64_t now, int64_t last_cycle_end, uint64_t cycles) {
  return gc_percent >= 0 && cycles > 0 && now - last_cycle_end > kPeriodicCycleNanos;
}

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_PACER_H_
