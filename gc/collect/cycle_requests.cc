// The threads' side of Collector: asking for cycles, waiting for them, assisting, tuning.
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "gc/collect/cycle.h"
#include "gc/collect/mutator_gc.h"
#include "gc/collect/sweeper.h"
#include "gc/control/allocation_nap.h"
#include "runtime/base/clock.h"
#include "runtime/base/futex.h"
#include "runtime/base/raw_log.h"
#include "runtime/heap/span_sweep.h"
#include "runtime/heap/thread_cache.h"
#include "runtime/os/os_thread_linux.h"
#include "runtime/thread/handshake.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/thread_registry.h"

namespace tarn::rt {

namespace {

// As much garbage may wait for destructors before anybody waits for them, however small the heap.
constexpr uint64_t kFreeBacklogBytes = uint64_t{8} << 20;
// Of that, what is known to wait; see WaitForBacklog.
constexpr uint64_t kLeastBacklogBytes = kFreeBacklogBytes / 2;

}  // namespace

// Starting a thread calls malloc, for whose lock nobody may wait inside the runtime (a stopped
// thread may hold it), so it is done as a blocked thread.
bool Collector::EnsureDriver() {
  // acquire: pairs with the release below.
  if (driver_.load(std::memory_order_acquire) != kNoDriver) return true;
  uint32_t expected = kNoDriver;
  // relaxed: somebody else is at it.
  if (!driver_.compare_exchange_strong(expected, kStarting, std::memory_order_relaxed)) return true;
  bool ok = false;
  RunBlocked([&] { ok = SpawnRuntimeThread("tarn-gc", &Collector::DriverMain, this) == 0; });
  // release: pairs with the acquire above.
  driver_.store(ok ? kRunning : kNoDriver, std::memory_order_release);
  return ok;
}

// False if there is no driver: another thread was starting it, and failed.
bool Collector::WaitFor(uint32_t cycle) {
  constexpr int64_t kRecheckNanos = 100'000'000;
  bool is_done = false;
  RunBlocked([&] {
    for (;;) {
      // acquire: pairs with the release in Report; the cycle's effects are visible.
      const uint32_t done = completed_.load(std::memory_order_acquire);
      is_done = static_cast<int32_t>(done - cycle) >= 0;
      // relaxed: rechecked.
      if (is_done || driver_.load(std::memory_order_relaxed) == kNoDriver) return;
      FutexWait(completed_, done, kRecheckNanos);
    }
  });
  return is_done;
}

// A thread waits for the collector.
template <class F>
void Collector::Hold(F&& wait) {
  const int64_t start = MonotonicNanos();
  RunBlocked(wait);
  // relaxed: a number for the CPU limiter.
  held_nanos_.fetch_add(MonotonicNanos() - start, std::memory_order_relaxed);
}

// The program is at its goal before marking is over: lets the collector catch up.
int64_t Collector::NapNanosFor(uint64_t bytes) const {
  AllocationNap in;
  in.bytes = bytes;
  in.live = heap_.stats().LiveBytes();
  in.goal = goal_.load(std::memory_order_relaxed);  // relaxed: as IsPastGoal
  in.threads = ThreadRegistry::Get().count();
  in.procs = static_cast<uint64_t>(options_.procs);
  return NapNanos(in);
}

// relaxed (all): a thread that sees a stale number naps once more or less.
bool Collector::IsPastGoal(uint64_t bytes) const {
  const uint64_t goal = goal_.load(std::memory_order_relaxed);
  return goal != kNoGoal && heap_.stats().LiveBytes() + bytes > goal;
}

bool Collector::IsFarPastGoal(uint64_t bytes) const {
  const uint64_t goal = goal_.load(std::memory_order_relaxed);
  return goal != kNoGoal && heap_.stats().LiveBytes() + bytes > SaturatingAdd(goal, goal / 2);
}

// Whoever has paid waits here all the same: what is paid for is bytes scanned, and objects without
// pointers have none, nor have destructors and what else keeps the end of marking waiting.
bool Collector::IsRunningAway(uint64_t bytes) const {
  const uint64_t goal = goal_.load(std::memory_order_relaxed);
  return goal != kNoGoal && Overrun(heap_.stats().LiveBytes() + bytes, goal) != 0;
}

bool Collector::IsCycleWanted() const {
  return static_cast<int32_t>(requested_.load(std::memory_order_relaxed) -
                              completed_.load(std::memory_order_relaxed)) > 0;
}

void Collector::Request(uint32_t cycle) {
  if (static_cast<int32_t>(cycle - requested_.load(std::memory_order_relaxed)) <= 0) return;
  // release: pairs with the acquire in DriverLoop.
  requested_.store(cycle, std::memory_order_release);
  FutexWake(requested_, 1);
}

// True, and the number of the cycle, when the heap would reach its trigger with `bytes` more and no
// cycle runs.
bool Collector::RequestIfDue(uint64_t bytes, uint32_t& cycle) {
  // relaxed: a stale trigger is seen at the next slow path.
  const HeapStats& stats = heap_.stats();
  const auto due = [&] {
    return stats.LiveBytes() + bytes >= HeapStats::Get(stats.trigger) &&
           phase_.Get() == Phase::kOff;
  };
  if (!due()) return false;
  RuntimeScope scope;
  LockHolder hold(lock_);
  if (!due()) return false;
  cycle = completed_.load(std::memory_order_relaxed) + 1;
  Request(cycle);
  return true;
}

void Collector::HelpMarking(Mutator& m, uint64_t bytes) {
  if (phase_.Get() == Phase::kMark) Assist(m, bytes);
}

void Collector::SlowPathTaken(Mutator& m, uint64_t bytes) {
  if (options_.stress != 0) [[unlikely]] {
    // relaxed: a counter.
    const uint64_t n = slow_paths_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (n % options_.stress == 0) return CollectNow();
  }
  // What is larger than the cage will be refused; it is no debt.
  bytes = std::min<uint64_t>(bytes, heap_.cage().bytes());
  if (has_limit_.load(std::memory_order_relaxed)) [[unlikely]]
    DeriveGoalAnew();
  uint32_t cycle;
  if (RequestIfDue(bytes, cycle)) {
    // No thread to be had: tried again at the next slow path.
    if (EnsureDriver() && options_.stop_the_world != 0) WaitFor(cycle);
  }
  if (phase_.Get() == Phase::kMark) [[unlikely]]
    return Assist(m, bytes);
  m.cache->SetMaxRunBytes(ThreadCache::kMaxRunBytes);
  if (phase_.Get() == Phase::kOff) sweep_debt_.Pay(bytes);
  // A cycle that is due has not begun to mark: what is allocated until then is marked by nobody's
  // assists.
  const uint32_t done = completed_.load(std::memory_order_relaxed);  // relaxed: the wait compares
  uint64_t taken = 0;
  if (options_.stop_the_world == 0 && !assists_.limited() && IsPastGoal(bytes) && IsCycleWanted()) {
    taken = std::max(m.cache->unflushed(), bytes);
    m.cache->FlushLive();
    Hold([&] { FutexWait(completed_, done, NapNanosFor(bytes)); });
  }
  if (Backlog() > kLeastBacklogBytes) {
    taken = std::max({taken, m.cache->unflushed(), bytes});
    m.cache->FlushLive();
    LetDestructorsRun(m, taken);
  }
}

// From when deaths are decided until the barriers are off no destructor begins.
uint64_t Collector::Backlog() const {
  const bool is_marking = phase_.Get() != Phase::kOff;
  if (is_marking && weak_gate_.Get() != WeakGate::kOpen) return 0;
  return finalizers_.backlog_bytes(is_marking);
}

// What has died since the last cycle is not known. So what the heap holds beyond what is alive
// counts as waiting, too, but not as more than what is known to wait: most of it may be alive, or
// need no destructors. Where cycles end in time it is no more than the bound.
BacklogWait Collector::WaitForBacklog(uint64_t bytes) const {
  // relaxed (all): a stale number waits once more or less.
  const HeapStats& stats = heap_.stats();
  const uint64_t live = live_marked_.load(std::memory_order_relaxed);
  const uint64_t others = live + HeapStats::Get(stats.external_bytes);
  const uint64_t known = Backlog();
  const uint64_t unknown = SaturatingSub(stats.LiveBytes(), SaturatingAdd(others, known));
  const uint64_t waiting = SaturatingAdd(known, std::min(known, unknown));
  return BacklogWaitFor(
      {waiting, std::max(kFreeBacklogBytes, live), bytes, finalizers_.bytes_each()});
}

// What waits for destructors is more than what is alive: the thread that runs them gets time.
// Otherwise a program that makes such objects faster than they can be destroyed would fill the
// machine with dead ones. `taken`: what the thread has allocated since the last call. A destructor
// may wait for what this thread holds, so that the wait has an end also if none of them returns.
void Collector::LetDestructorsRun(Mutator& m, uint64_t taken) {
  constexpr uint64_t kPieceBytes = 4 << 10;  // a wait takes the timer slack, 50 us, at least
  m.gc->backlog_owed += taken;
  if (m.gc->backlog_owed < kPieceBytes) return;
  const BacklogWait wait = WaitForBacklog(std::exchange(m.gc->backlog_owed, 0));
  if (wait.runs == 0 || m.gc->running_finalizers != 0) return;
  if (finalizers_.IsStalled(MonotonicNanos())) return;
  RunBlocked([&] {
    finalizers_.Kick();  // there may be no thread yet, as after fork()
    const uint64_t before = finalizers_.run_count();
    const int64_t until = MonotonicNanos() + wait.nanos;
    do {
      const timespec nap{0, static_cast<long>(wait.look_nanos)};
      nanosleep(&nap, nullptr);
    } while (finalizers_.run_count() - before < wait.runs && MonotonicNanos() < until &&
             Backlog() > kLeastBacklogBytes);
  });
}

void Collector::Assist(Mutator& m, uint64_t bytes) {
  RuntimeScope scope;
  const uint64_t unflushed = m.cache->unflushed();
  m.cache->FlushLive();
  Revise();
  // Runs are charged when the next one is taken: what was taken since the last time.
  const uint32_t published = queue_.published();
  const bool is_paid = assists_.Charge(*m.gc, std::max(unflushed, bytes));
  // In debt, the thread takes less at a time, and so marks more for each byte without being kept
  // longer at once.
  constexpr uint32_t kDebtRunBytes = 1 << 10;
  m.cache->SetMaxRunBytes(is_paid ? ThreadCache::kMaxRunBytes : kDebtRunBytes);
  // Before the first handshakes of marking are over nobody can pay. They are short, unless the driver
  // does not get a CPU: then the heap would grow as fast as memory can be written.
  const bool waits =
      assists_.begun()
          ? IsPastGoal(bytes) && (!is_paid || (!assists_.limited() && IsRunningAway(bytes)))
          : !assists_.limited() && IsFarPastGoal(bytes);
  if (waits && phase_.Get() == Phase::kMark) {
    Hold([&] { queue_.WaitForPublished(published, NapNanosFor(bytes)); });
  }
  if (Backlog() > kLeastBacklogBytes) {
    LetDestructorsRun(m, std::max(unflushed, bytes));
  }
}

void Collector::Revise() {
  if (!lock_.TryAcquire()) return;  // somebody else does it
  if (phase_.Get() == Phase::kMark) {
    const MemoryReading memory = ReadMemory();
    assists_.SetRatio(pacer_.Revise(Progress(), memory));
    if (has_limit_.load(std::memory_order_relaxed)) PublishTriggerLocked();
    const int64_t now = MonotonicNanos();
    if (limiter_.NeedUpdate(now)) UpdateLimiterLocked(now);
  }
  lock_.Release();
}

void Collector::CollectNow() {
  uint32_t target;
  {
    RuntimeScope scope;
    // The caller is in no store: its hazards are those of a store that is done, and would keep what it
    // dropped since. relaxed: the thread's own fields, read in its own handshakes.
    internal::t_block.hazard_slot.store(0, std::memory_order_relaxed);
    internal::t_block.hazard_value.store(0, std::memory_order_relaxed);
    LockHolder hold(lock_);
    // A cycle that has started may have scanned what the caller dropped only afterwards: take the
    // next one.
    target = started_.load(std::memory_order_relaxed) + 1;
    forced_ = true;
    Request(target);
  }
  do {
    if (EnsureDriver()) continue;
    RawLine().Str("tarn: cannot start the collector's thread; no collection").WriteTo();
    return;
  } while (!WaitFor(target));
  // Piece by piece, for the thread answers no handshake meanwhile.
  constexpr size_t kPieceSpans = 64;
  for (bool is_done = false; !is_done;) {
    RuntimeScope scope;
    is_done = SweepAll(heap_, kPieceSpans) < kPieceSpans;
  }
  RuntimeScope scope;
  // The driver may be at the last span. seq_cst: pairs with BeginDriverWork.
  while (driver_sweeping_.load(std::memory_order_seq_cst) != 0) sched_yield();
  Handshake(
      [](Mutator& m, void*) {
        if (m.cache != nullptr) m.cache->SweepOwned();
      },
      nullptr);
}

int Collector::SetGcPercent(int percent) {
  int old;
  uint32_t running;
  {
    RuntimeScope scope;
    LockHolder hold(lock_);
    old = pacer_.SetGcPercent(percent);
    CommitSettingsLocked();
    running = started_.load(std::memory_order_relaxed);
  }
  // Who switches collection off wants no more of it, as with Go's SetGCPercent.
  if (percent < 0) WaitFor(running);
  return old;
}

CycleTotals Collector::totals() {
  RuntimeScope scope;
  LockHolder hold(lock_);
  return totals_;
}

double Collector::GcCpuFraction() {
  RuntimeScope scope;
  LockHolder hold(lock_);
  const auto elapsed = static_cast<double>(MonotonicNanos() - init_nanos_) * options_.procs;
  return elapsed <= 0 ? 0 : std::min(1.0, static_cast<double>(totals_.gc_cpu) / elapsed);
}

void Collector::PrepareFork() {
  // relaxed: the driver asks again before each cycle.
  forks_waiting_.fetch_add(1, std::memory_order_relaxed);
  RunBlocked([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { cycle_lock_.Acquire(); });
  forks_waiting_.fetch_sub(1, std::memory_order_relaxed);
  FutexWake(forks_waiting_, 1);
}

void Collector::LockForFork() {
  lock_.Acquire();
  scavenger_.LockForFork();
  finalizers_.LockForFork();
}

void Collector::ParentAfterFork() {
  finalizers_.ParentAfterFork();
  scavenger_.ParentAfterFork();
  lock_.Release();
  cycle_lock_.Release();
}

void Collector::ChildAfterFork() {
  // relaxed (both): the child has one thread.
  driver_.store(kNoDriver, std::memory_order_relaxed);
  forks_waiting_.store(0, std::memory_order_relaxed);
  waiting_for_room_.store(0, std::memory_order_relaxed);
  workers_.ForgetThreads();
  finalizers_.ChildAfterFork();
  mappings_.ChildAfterFork();
  scavenger_.ChildAfterFork();
  queue_.ForgetWaiters();
  // The CPU clock of a process starts anew.
  process_cpu_ = ProcessCpuNanos();
  limiter_wall_ = MonotonicNanos();
  lock_.Release();
  cycle_lock_.Release();
}

}  // namespace tarn::rt
