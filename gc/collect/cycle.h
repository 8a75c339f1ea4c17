// Collector: when cycles run and what one consists of.
//
// A cycle, driven by the collector's own thread:
//   1 finish sweeping what the last cycle left; H0
//   2 H1, H1b, H2: barriers on, hazards shaded, stacks scanned, black allocation (handshakes.h)
//   3 mark: the driver, helpers and assists, until F rounds bring nothing new
//   4 only if some roots or objects are written without barriers: stop the world, scan those and all
//     stacks again, mark the rest
//   5 decide which objects with finalizers, weak references and the like are dead (cycle_deaths.cc), and
//     unmap dead mappings (cycle_mappings.cc)
//   6 H3: barriers off; flip: marks become allocation bits; set the next goal
//   7 sweep in the background; allocation sweeps what it needs; then free pages may go back to the
//     system (scavenger.h)
// With GODEBUG=gcstoptheworld, 2 to 6 happen under one stop.
// Not here: the steps themselves (handshakes.h, roots.h, marker.h, workers.h, assist.h, sweeper.h);
// when and how much (gc/control/pacer.h).
// I1 Between cycles: phase kOff, mark tables clear, every span of the heap's generation or the one
//    before.
// I2 completed_ <= started_ <= completed_ + 1.
// Locking: lock_ guards requests, pacer and limiter. A mutator waits for a cycle as a blocked thread,
// holding nothing. The driver is no mutator.
#ifndef TARN_GC_COLLECT_CYCLE_H_
#define TARN_GC_COLLECT_CYCLE_H_

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "gc/collect/assist.h"
#include "gc/collect/limit_follower.h"
#include "gc/collect/mark_queue.h"
#include "gc/collect/mark_state.h"
#include "gc/collect/phase.h"
#include "gc/collect/roots.h"
#include "gc/collect/scavenger.h"
#include "gc/collect/sweeper.h"
#include "gc/collect/verifier.h"
#include "gc/collect/workers.h"
#include "gc/control/allocation_nap.h"
#include "gc/control/cpu_limiter.h"
#include "gc/control/live_estimate.h"
#include "gc/control/pacer.h"
#include "gc/life/finalizers.h"
#include "gc/life/mappings.h"
#include "gc/life/specials.h"
#include "gc/life/weak_gate.h"
#include "gc/observe/gc_trace.h"
#include "gc/observe/handshake_recorder.h"
#include "runtime/base/lock.h"
#include "runtime/heap/heap.h"
#include "runtime/thread/mutator.h"

namespace tarn::rt {

struct CollectorOptions {
  int gc_percent = 100;       // negative: off
  int min_gc_percent = 0;     // a memory limit does not ask for less than this; 0: it does
  LimitSetting memory_limit;  // soft
  LimitSetting hard_limit;
  int markers = 0;             // parallel markers when the world is stopped; 0: one per CPU
  int procs = 1;               // CPUs that the process may use
  bool trace = false;          // print a gctrace line per cycle
  bool pacer_trace = false;    // print what the pacer plans and measures
  bool verify = false;         // walk all invariants at the end of each phase
  bool check_mark = false;     // stop after marking and check that nothing was missed
  bool idle_workers = true;    // mark on CPUs that nobody else wants
  int stop_the_world = 0;      // 1: mark, 2: mark and sweep under a real stop
  int cpu_limit_percent = 50;  // no assists while the collector uses more of the CPU than this
  uint64_t stress = 0;         // collect at every stress-th slow path; 0: never
  bool scav_trace = false;     // print a scavtrace line per cycle
  bool collapse_huge_pages = false;  // make huge pages of dense parts of the heap
};

// Totals that ReadMemStats reports. Guarded by the collector's lock.
struct CycleTotals {
  uint64_t cycles = 0;
  uint64_t forced = 0;
  int64_t last_end = 0;       // by the monotonic clock: unlike the next, nobody sets it
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
  const MarkState& mark_state() const { return state_; }
  const CollectorOptions& options() const { return options_; }

  // The thread of `m` is about to take `bytes` in a slow path: starts a cycle that is due, assists
  // one that runs, sweeps its share. Waits only when the world is to be stopped, in stress mode, or
  // shortly when the heap is past its goal.
  void SlowPathTaken(Mutator& m, uint64_t bytes);
  // The thread has taken `bytes` that are free again when marking is over: it assists. Never starts a cycle.
  void HelpMarking(Mutator& m, uint64_t bytes);
  // A cycle that begins after the call has ended, and everything is swept, on return.
  void CollectNow();

  // Returns the previous value. Takes effect at once.
  int SetGcPercent(int percent);
  // Likewise, in bytes; kNoMemoryLimit: none. Negative: only returns the value. A limit that follows
  // the control group no longer does.
  uint64_t SetMemoryLimit(int64_t bytes);
  uint64_t SetHardLimit(int64_t bytes);
  int SetCpuLimit(int percent);
  // See WaitForRoom in cycle_limits.cc. `waits` is 0 at the first refusal.
  bool WaitForRoom(int& waits);
  // See cycle_deaths.cc.
  bool WaitForDestructors(Mutator& m, uint64_t before);
  // `bytes` more, or less, of memory outside the heap belong to objects. Never waits.
  void AdjustExternal(int64_t bytes);
  // The external bytes contain `bytes` more already.
  void ExternalHasGrown(uint64_t bytes);
  // Counts up when the CPU limiter begins to limit; a futex.
  std::atomic<uint32_t>& limiter_engagements() { return limiter_engagements_; }
  uint64_t last_limited_cycle() const {
    return last_limited_cycle_.load(std::memory_order_relaxed);  // relaxed: a number
  }
  uint64_t goal() const { return goal_.load(std::memory_order_relaxed); }
  CycleTotals totals();
  const HandshakeRecorder& handshake_times() const { return handshake_times_; }
  Scavenger& scavenger() { return scavenger_; }
  Specials& specials() { return specials_; }
  Finalizers& finalizers() { return finalizers_; }
  WeakGate& weak_gate() { return weak_gate_; }
  Mappings& mappings() { return mappings_; }
  // Before a mapping of `bytes` is made: starts a cycle that would end dead ones, if many were made since the
  // last, or waits for it. Outside the runtime.
  void PaceMappings(size_t bytes, bool is_unseen_memory);
  // Before one is charged with `bytes`: waits while they would pass the soft limit and a cycle may help. Outside
  // the runtime.
  void WaitForMappingRoom(uint64_t bytes);
  double GcCpuFraction();

  // The driver is no mutator: a stopped world does not stop its sweeping. Whoever has stopped the
  // world to read the spans calls the first, which waits until the driver is at rest, and then the
  // second.
  void HoldDriver();
  void ReleaseDriver();

  // fork(): between the first call and one of the last two no cycle starts or runs.
  void PrepareFork() ABSL_NO_THREAD_SAFETY_ANALYSIS;
  // After it, when no other thread is inside the runtime: one that waited for the lock there would
  // never leave.
  void LockForFork() ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void ParentAfterFork() ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void ChildAfterFork() ABSL_NO_THREAD_SAFETY_ANALYSIS;

 private:
  bool EnsureDriver() ABSL_LOCKS_EXCLUDED(lock_);
  bool RequestIfDue(uint64_t bytes, uint32_t& cycle);
  void Request(uint32_t cycle) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  bool WaitFor(uint32_t cycle);
  int64_t NapNanosFor(uint64_t bytes) const;
  bool IsPastGoal(uint64_t bytes) const;
  bool IsFarPastGoal(uint64_t bytes) const;
  bool IsRunningAway(uint64_t bytes) const;
  BacklogWait WaitForBacklog(uint64_t bytes) const;
  uint64_t Backlog() const;
  void LetDestructorsRun(Mutator& m, uint64_t taken);
  bool IsCycleWanted() const;
  template <class F>
  void Hold(F&& wait);
  void Assist(Mutator& m, uint64_t bytes);
  void Revise();

  MemoryReading ReadMemory() const;
  uint64_t PacedLimitLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void ApplyLimitsLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void CommitLocked(bool sweep_done) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void CommitSettingsLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void StartIfOverLimit() ABSL_LOCKS_EXCLUDED(lock_);
  void FollowGroupLimit(int64_t now) ABSL_LOCKS_EXCLUDED(lock_);
  void ReleaseAboveLimit();
  void SetNextDerivation();
  void DeriveGoalAnew() ABSL_LOCKS_EXCLUDED(lock_);
  void NoteRoomLocked(uint64_t marked, uint64_t black) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void NoteLimiterLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void ReportUnderflow(uint64_t charged, uint64_t taken);

  static void DriverMain(void* self);
  void DriverLoop();
  bool NextCycle(uint32_t wanted);
  void LetForksPass();
  void SweepAsDriver();
  bool SweepOneAsDriver(uint16_t span_class);
  void BeginDriverWork();
  void EndDriverWork();
  void RunCycle(CycleKind kind);
  void RunConcurrent(CycleRecord& record, CycleKind kind);
  void RunStopped(CycleRecord& record);
  void StartMarking(CycleRecord& record, CycleKind kind);
  void MarkUntilQuiet(CycleRecord& record, WeakGate* gate = nullptr);
  static void ShadeForLife(void* self, Mutator& m, uintptr_t p);
  void ScanLives(MarkSink& sink);
  static RecordPool::Own& RecordsOf(Mutator& m);
  static void BeginFinalizer(Mutator& m, internal::HeldWords& box);
  static void EndFinalizer(Mutator& m, internal::HeldWords& box);
  static bool IsGateOpen(void* self);
  void Revive();
  void DecideDeaths(CycleRecord& record);
  void DecideDeathsStopped(CycleRecord& record);
  uint64_t MarkedSoFar();
  void PublishDeaths(const CycleRecord& record);
  void EndDeadMappings(CycleRecord& record);
  void DrainStopped();
  void CheckMarksStopped(bool is_decided);
  void VerifyFromRecords(bool is_decided);
  void VisitRevived(LifeVisitor& visitor);
  void VerifyPhaseEnd(VerifyPoint point);
  void RescanStopped(CycleRecord& record);
  void FinishMarking(CycleRecord& record);
  void Report(CycleRecord& record, int64_t start);
  void ScanGlobals(CycleRecord& record);
  MarkTeam TeamFor(const WorkerPlan& plan) const;
  MarkProgress Progress() const;
  WorkerPlan StartPacerLocked(CycleRecord& record, CycleKind kind)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void PublishTriggerLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void UpdateLimiterLocked(int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  CpuLimiter::Used TakeUsed(int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);

  Heap& heap_;
  const LayoutTable& layouts_;
  const CollectorOptions options_;
  MarkQueue queue_;
  Roots roots_;
  Specials specials_;
  Finalizers finalizers_;
  WeakGate weak_gate_;
  Mappings mappings_;
  Deaths deaths_;           // the driver's, from their decision to the flip
  bool had_ready_ = false;  // the driver's: something waited for finalizers when marking began
  MarkWorkers workers_;
  Assists assists_;
  SweepDebt sweep_debt_;
  Scavenger scavenger_;
  HandshakeRecorder handshake_times_;
  PhaseState phase_;
  MarkState state_;
  int64_t init_nanos_;

  Lock lock_;
  bool forced_ ABSL_GUARDED_BY(lock_) = false;
  Pacer pacer_ ABSL_GUARDED_BY(lock_);
  CpuLimiter limiter_ ABSL_GUARDED_BY(lock_);
  LimitFollower follower_ ABSL_GUARDED_BY(lock_);
  uint64_t external_marked_ ABSL_GUARDED_BY(lock_) = 0;  // part of what the pacer takes as marked
  int64_t process_cpu_ ABSL_GUARDED_BY(lock_) = 0;       // at the last update of the limiter
  int64_t idle_mark_seen_ ABSL_GUARDED_BY(lock_) = 0;
  int64_t limiter_wall_ ABSL_GUARDED_BY(lock_) = 0;
  CycleTotals totals_ ABSL_GUARDED_BY(lock_);
  uint64_t last_revived_ = 0;
  uint64_t last_traced_ = 0;  // the driver's: what the last cycle marked, without black allocation
  std::atomic<uint64_t> live_marked_{0};  // what it found that will live on
  Lock cycle_lock_;                       // held by the driver during a cycle, by fork() around it
  std::atomic<uint32_t> forks_waiting_{0};  // futex: the driver lets them go first

  std::atomic<uint32_t> driver_held_{0};      // futex: the driver sleeps on it between two spans
  std::atomic<uint32_t> driver_sweeping_{0};  // futex: HoldDriver sleeps on it

  enum DriverState : uint32_t { kNoDriver, kStarting, kRunning };
  std::atomic<uint32_t> driver_{kNoDriver};
  std::atomic<uint32_t> requested_{0};  // futex: the driver sleeps on it
  std::atomic<uint32_t> started_{0};
  std::atomic<uint32_t> completed_{0};  // futex: requesters sleep on it
  std::atomic<uint64_t> goal_{0};
  // Of the cycle that runs; written by the driver, read by Progress. relaxed: numbers.
  std::atomic<uint64_t> scan_at_start_{0};
  std::atomic<uint64_t> stack_work_{0};
  std::atomic<uint64_t> globals_work_{0};
  std::atomic<int64_t> mark_start_{0};
  std::atomic<uint64_t> slow_paths_{0};
  // Limits (cycle_limits.cc). relaxed everywhere: hints and numbers.
  std::atomic<bool> has_limit_{false};
  std::atomic<bool> is_waiting_futile_{false};
  std::atomic<bool> limit_gives_way_{false};  // to the minimum GOGC
  std::atomic<bool> underflow_reported_{false};
  bool was_waited_for_ = false;  // the cycle that runs, from its start; the driver's
  int futile_waits_ ABSL_GUARDED_BY(lock_) = 0;   // cycles in a row, see NoteRoomLocked
  int futile_cycles_ ABSL_GUARDED_BY(lock_) = 0;  // since nobody waits
  std::atomic<uint32_t> waiting_for_room_{0};
  std::atomic<uint64_t> next_derivation_{0};
  std::atomic<int64_t> held_nanos_{0};  // by threads that waited for the collector, since taken
  std::atomic<uint32_t> limiter_engagements_{0};
  std::atomic<uint64_t> last_limited_cycle_{0};
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_CYCLE_H_
