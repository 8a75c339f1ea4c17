#include "gc/collect/cycle.h"

#include <algorithm>

#include "gc/collect/mutator_gc.h"
#include "gc/collect/sweeper.h"
#include "gc/collect/verifier.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/futex.h"
#include "runtime/base/raw_log.h"
#include "runtime/heap/span_sweep.h"
#include "runtime/heap/thread_cache.h"
#include "runtime/os/os_thread_linux.h"
#include "runtime/thread/handshake.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/stop_world.h"

namespace tarn::rt {

Collector::Collector(Heap& heap, const LayoutTable& layouts, PersistentAlloc& memory,
                     const CollectorOptions& options)
    : heap_(heap),
      layouts_(layouts),
      options_(options),
      roots_(heap, layouts, memory),
      workers_(heap, layouts, queue_),
      init_nanos_(MonotonicNanos()),
      gc_percent_(options.gc_percent) {
  queue_.Init(heap.os());
  LockHolder hold(lock_);
  UpdateGoalLocked();
}

void Collector::UpdateGoalLocked() {
  const uint64_t goal = HeapGoal({gc_percent_, marked_, stacks_, globals_});
  goal_.store(goal, std::memory_order_relaxed);
  // While the world is stopped for marking, the trigger is the goal: nothing is allocated
  // meanwhile.
  heap_.stats().trigger.store(goal, std::memory_order_relaxed);
}

int Collector::SetGcPercent(int percent) {
  RuntimeScope scope;
  LockHolder hold(lock_);
  const int old = gc_percent_;
  gc_percent_ = percent < 0 ? -1 : percent;
  UpdateGoalLocked();
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

// --- Requests
// ---------------------------------------------------------------------------------------------

// Starting a thread calls malloc, for whose lock nobody may wait inside the runtime (a stopped
// thread may hold it), so it is done as a blocked thread.
bool Collector::EnsureDriver() {
  // acquire: pairs with the release below.
  if (driver_.load(std::memory_order_acquire) != kNoDriver) return true;
  uint32_t expected = kNoDriver;
  // relaxed on failure: somebody else is at it.
  if (!driver_.compare_exchange_strong(expected, kStarting, std::memory_order_relaxed)) return true;
  bool ok = false;
  RunBlocked([&] { ok = SpawnRuntimeThread("tarn-gc", &Collector::DriverMain, this) == 0; });
  // release: pairs with the acquire above.
  driver_.store(ok ? kRunning : kNoDriver, std::memory_order_release);
  return ok;
}

void Collector::WaitFor(uint32_t cycle) {
  constexpr int64_t kRecheckNanos = 100'000'000;  // in case the driver could not be started
  RunBlocked([&] {
    for (;;) {
      // acquire: pairs with the release in RunCycle; the cycle's effects are visible.
      const uint32_t done = completed_.load(std::memory_order_acquire);
      if (static_cast<int32_t>(done - cycle) >= 0) return;
      // relaxed: rechecked.
      if (driver_.load(std::memory_order_relaxed) == kNoDriver) return;
      FutexWait(completed_, done, kRecheckNanos);
    }
  });
}

void Collector::Request(uint32_t cycle) {
  if (static_cast<int32_t>(cycle - requested_.load(std::memory_order_relaxed)) <= 0) return;
  // release: pairs with the acquire in DriverLoop.
  requested_.store(cycle, std::memory_order_release);
  FutexWake(requested_, 1);
}

void Collector::MaybeCollect(uint64_t bytes) {
  // relaxed: a stale trigger is seen at the next slow path.
  const HeapStats& stats = heap_.stats();
  const auto due = [&] {
    return HeapStats::Get(stats.live) + bytes >= HeapStats::Get(stats.trigger);
  };
  if (!due()) return;
  uint32_t target;
  {
    RuntimeScope scope;
    LockHolder hold(lock_);
    if (!due()) return;
    target = completed_.load(std::memory_order_relaxed) + 1;
    Request(target);
  }
  if (EnsureDriver()) WaitFor(target);  // no thread to be had: tried again at the next slow path
}

void Collector::SlowPathTaken(uint64_t bytes) {
  if (options_.stress != 0) [[unlikely]] {
    // relaxed: a counter.
    const uint64_t n = slow_paths_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (n % options_.stress == 0) return CollectNow();
  }
  MaybeCollect(bytes);
}

void Collector::CollectNow() {
  uint32_t target;
  {
    RuntimeScope scope;
    LockHolder hold(lock_);
    // A cycle that has started may have scanned what the caller dropped only afterwards: take the
    // next one.
    target = started_.load(std::memory_order_relaxed) + 1;
    forced_ = true;
    Request(target);
  }
  if (!EnsureDriver()) {
    RawLine().Str("tarn: cannot start the collector's thread; no collection").WriteTo();
    return;
  }
  WaitFor(target);
  RuntimeScope scope;
  SweepAll(heap_);
  Handshake(&Collector::SweepOwnedSpans, nullptr);
}

void Collector::SweepOwnedSpans(Mutator& m, void*) {
  if (m.cache != nullptr) m.cache->SweepOwned();
}

// --- The driver ---

void Collector::DriverMain(void* self) { static_cast<Collector*>(self)->DriverLoop(); }

void Collector::DriverLoop() {
  for (;;) {
    // acquire: pairs with the release of the requesters.
    const uint32_t wanted = requested_.load(std::memory_order_acquire);
    if (static_cast<int32_t>(wanted - completed_.load(std::memory_order_relaxed)) <= 0) {
      FutexWait(requested_, wanted);
      continue;
    }
    bool forced;
    LockHolder cycle(cycle_lock_);
    {
      LockHolder hold(lock_);
      forced = forced_;
      forced_ = false;
      started_.store(completed_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    RunCycle(forced);
  }
}

struct Collector::StopArg {
  Collector* self;
  std::atomic<uint64_t> stack_bytes{0};
  std::atomic<uint64_t> run_bytes{0};
};

// In each thread, as it stops.
void Collector::OnStop(Mutator& m, void* arg) {
  auto* a = static_cast<StopArg*>(arg);
  if (m.cache == nullptr) return;
  m.cache->FlushLive();
  // relaxed: summed by the asker after the handshake.
  a->run_bytes.fetch_add(m.cache->MarkRuns(), std::memory_order_relaxed);
  a->stack_bytes.fetch_add(a->self->roots_.ScanThread(m), std::memory_order_relaxed);
}

void Collector::RunCycle(bool forced) {
  CycleRecord record;
  record.number = started_.load(std::memory_order_relaxed);
  record.forced = forced;
  record.procs = options_.procs;
  const int64_t start = MonotonicNanos();
  record.start_since_init = start - init_nanos_;
  const int markers = workers_.Prepare(options_.markers);
  SweepAll(heap_);
  // A round of its own: a stack is scanned when all spans are swept, those that other threads own
  // included. A stale word on it would find a dead object in a span that is still to be swept.
  Handshake(&Collector::SweepOwnedSpans, nullptr);
  phase_.Move(Phase::kOff, Phase::kMark);
  const int64_t stop_begin = MonotonicNanos();
  {
    StopArg arg{this};
    StopTheWorld stop(&Collector::OnStop, &arg);
    const int64_t stopped = MonotonicNanos();
    record.start_pause = stopped - stop_begin;
    record.stacks = arg.stack_bytes.load(std::memory_order_relaxed);
    record.marked = arg.run_bytes.load(std::memory_order_relaxed);
    record.live_at_start = HeapStats::Get(heap_.stats().live);
    MarkStopped(record, markers);
    const int64_t marked = MonotonicNanos();
    record.mark_wall = marked - stopped;
    FinishCycle(record);
    record.end_pause = MonotonicNanos() - marked;
  }
  // All CPUs stand still while the world is stopped, whatever the markers use of them.
  record.start_cpu = record.start_pause * record.procs;
  record.end_cpu = record.end_pause * record.procs;
  const int64_t end = MonotonicNanos();
  const int64_t pause = end - stop_begin;
  const int64_t gc_cpu = pause * record.procs;
  {
    LockHolder hold(lock_);
    const size_t slot = totals_.cycles % 256;
    ++totals_.cycles;
    if (forced) ++totals_.forced;
    totals_.last_end_wall = WallNanos();
    totals_.pause_total += static_cast<uint64_t>(pause);
    totals_.pauses[slot] = static_cast<uint64_t>(pause);
    totals_.pause_ends[slot] = static_cast<uint64_t>(totals_.last_end_wall);
    totals_.gc_cpu += gc_cpu;
    totals_.last_marked = record.marked;
    record.cpu_fraction =
        static_cast<double>(totals_.gc_cpu) /
        (static_cast<double>(std::max<int64_t>(end - init_nanos_, 1)) * record.procs);
  }
  if (options_.trace) RawLine().Str(GcTraceLine(record)).WriteTo();
  // release: pairs with the acquire in WaitFor.
  completed_.store(static_cast<uint32_t>(record.number), std::memory_order_release);
  FutexWake(completed_, 1 << 30);
}

void Collector::MarkStopped(CycleRecord& record, int markers) {
  TARN_CHECK(!AnyUnswept(heap_));
  if (options_.verify) VerifyHeap(heap_);
  {
    MarkSink sink(queue_);
    record.globals = roots_.ScanGlobal(sink);
  }
  const MarkStats stats = workers_.Run(markers, &record.mark_cpu);
  record.marked += stats.bytes;
  record.objects = stats.objects;
  phase_.Move(Phase::kMark, Phase::kMarkTermination);
  TARN_CHECK(!queue_.HasFull());
  if (options_.verify) VerifyMarks(heap_, layouts_);
}

void Collector::FinishCycle(CycleRecord& record) {
  heap_.FlipSweepgen();
  HeapStats& stats = heap_.stats();
  record.live_at_end = HeapStats::Get(stats.live);
  record.goal = goal_.load(std::memory_order_relaxed);
  stats.live.store(record.marked, std::memory_order_relaxed);  // relaxed: the world is stopped
  phase_.Move(Phase::kMarkTermination, Phase::kOff);
  LockHolder hold(lock_);
  marked_ = record.marked;
  stacks_ = record.stacks;
  globals_ = record.globals;
  UpdateGoalLocked();
}

// --- fork()
// -----------------------------------------------------------------------------------------------

void Collector::PrepareFork() {
  RunBlocked([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { cycle_lock_.Acquire(); });
}

void Collector::LockForFork() { lock_.Acquire(); }

void Collector::ParentAfterFork() {
  lock_.Release();
  cycle_lock_.Release();
}

void Collector::ChildAfterFork() {
  driver_.store(kNoDriver, std::memory_order_relaxed);  // relaxed: the child has one thread
  workers_.ForgetThreads();
  lock_.Release();
  cycle_lock_.Release();
}

}  // namespace tarn::rt
