// Collector: when cycles run and what one consists of.
//
// A cycle, driven by the collector's own thread:
//   1 finish sweeping what the last cycle left (while the program runs), the spans that threads
//     own included
//   2 stop the world; each thread marks the rest of its runs, scans its stack
//   3 mark from these and the global roots with all markers
//   4 flip: marks become allocation bits; set the next goal; start the world
// Sweeping is lazy from there: allocation sweeps what it needs.
// Not here: the steps themselves (roots.h, marker.h, workers.h, sweeper.h); the goal's formula
// (gc/control/heap_goal.h).
// I1 Between cycles: phase kOff, mark tables clear, every span of the heap's generation or the one
//    before.
// I2 completed_ <= started_ <= completed_ + 1.
// Locking: lock_ guards requests and the goal. A mutator waits for a cycle as a blocked thread,
// holding nothing. The driver is no mutator.
#ifndef TARN_GC_COLLECT_CYCLE_H_
#define TARN_GC_COLLECT_CYCLE_H_

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "gc/collect/mark_queue.h"
#include "gc/collect/phase.h"
#include "gc/collect/roots.h"
#include "gc/collect/workers.h"
#include "gc/control/heap_goal.h"
#include "gc/observe/gc_trace.h"
#include "runtime/base/lock.h"
#include "runtime/heap/heap.h"
#include "runtime/thread/mutator.h"

namespace tarn::rt {

struct CollectorOptions {
  int gc_percent = 100;  // negative: off
  int markers = 1;       // parallel markers
  int procs = 1;         // CPUs that the process may use
  bool trace = false;    // print a gctrace line per cycle
  bool verify = false;   // walk all invariants before and after marking
  uint64_t stress = 0;   // collect at every stress-th slow path; 0: never
};

// Totals that ReadMemStats reports. Guarded by the collector's lock.
struct CycleTotals {
  uint64_t cycles = 0;
  uint64_t forced = 0;
  int64_t last_end_wall = 0;  // nanoseconds since 1970
  uint64_t pause_total = 0;
  uint64_t pauses[256] = {};      // ring, newest at (cycles + 255) % 256
  uint64_t pause_ends[256] = {};  // likewise, nanoseconds since 1970
  int64_t gc_cpu = 0;
  uint64_t last_marked = 0;
};

class Collector {
 public:
  Collector(Heap& heap, const LayoutTable& layouts, PersistentAlloc& memory,
            const CollectorOptions& options);
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  Roots& roots() { return roots_; }
  MarkQueue& queue() { return queue_; }
  const PhaseState& phase() const { return phase_; }
  const CollectorOptions& options() const { return options_; }

  // Collects if the heap would reach its trigger with `bytes` more. From a slow path; may wait for
  // a whole cycle.
  void MaybeCollect(uint64_t bytes = 0);
  // A slow path is about to take `bytes`: counts it for the stress mode, and collects when it is
  // due.
  void SlowPathTaken(uint64_t bytes);
  // A cycle that begins after the call has ended, and everything is swept, on return.
  void CollectNow();

  // Returns the previous value. Takes effect at once.
  int SetGcPercent(int percent);
  uint64_t goal() const { return goal_.load(std::memory_order_relaxed); }
  CycleTotals totals();
  double GcCpuFraction();

  // fork(): between the first call and one of the last two no cycle starts or runs.
  void PrepareFork() ABSL_NO_THREAD_SAFETY_ANALYSIS;
  // After it, when no other thread is inside the runtime: one that waited for the lock there would
  // never leave.
  void LockForFork() ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void ParentAfterFork() ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void ChildAfterFork() ABSL_NO_THREAD_SAFETY_ANALYSIS;

 private:
  struct StopArg;

  bool EnsureDriver() ABSL_LOCKS_EXCLUDED(lock_);
  void Request(uint32_t cycle) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void WaitFor(uint32_t cycle);
  static void DriverMain(void* self);
  void DriverLoop();
  void RunCycle(bool forced);
  void MarkStopped(CycleRecord& record, int markers);
  void FinishCycle(CycleRecord& record);
  void UpdateGoalLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  static void OnStop(Mutator& m, void* arg);
  static void SweepOwnedSpans(Mutator& m, void*);

  Heap& heap_;
  const LayoutTable& layouts_;
  const CollectorOptions options_;
  MarkQueue queue_;
  Roots roots_;
  MarkWorkers workers_;
  PhaseState phase_;
  int64_t init_nanos_;

  Lock lock_;
  bool forced_ ABSL_GUARDED_BY(lock_) = false;
  int gc_percent_ ABSL_GUARDED_BY(lock_);
  uint64_t marked_ ABSL_GUARDED_BY(lock_) = 0;
  uint64_t stacks_ ABSL_GUARDED_BY(lock_) = 0;
  uint64_t globals_ ABSL_GUARDED_BY(lock_) = 0;
  CycleTotals totals_ ABSL_GUARDED_BY(lock_);
  Lock cycle_lock_;  // held by the driver during a cycle, by fork() around it

  enum DriverState : uint32_t { kNoDriver, kStarting, kRunning };
  std::atomic<uint32_t> driver_{kNoDriver};
  std::atomic<uint32_t> requested_{0};  // futex: the driver sleeps on it
  std::atomic<uint32_t> started_{0};
  std::atomic<uint32_t> completed_{0};  // futex: requesters sleep on it
  std::atomic<uint64_t> goal_{0};
  std::atomic<uint64_t> slow_paths_{0};
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_CYCLE_H_
