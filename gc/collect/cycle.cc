#include "gc/collect/cycle.h"

#include <time.h>

#include <algorithm>

#include "gc/collect/handshakes.h"
#include "gc/collect/mutator_gc.h"
#include "gc/collect/sweeper.h"
#include "gc/collect/verifier.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/futex.h"
#include "runtime/base/raw_log.h"
#include "runtime/heap/span_sweep.h"
#include "runtime/os/os_thread_linux.h"
#include "runtime/thread/stop_world.h"

namespace tarn::rt {
Collector::Collector(Heap& heap, const LayoutTable& layouts, PersistentAlloc& memory,
                     const CollectorOptions& options)
    : heap_(heap),
      layouts_(layouts),
      options_(options),
      roots_(heap, layouts, memory),
      specials_(heap, memory),
      finalizers_(specials_, memory,
                  {&ShadeForLife, &RecordsOf, &BeginFinalizer, &EndFinalizer, &IsGateOpen, this}),
      mappings_(heap, memory),
      workers_(heap, layouts, queue_, specials_),
      assists_(heap, layouts, queue_, workers_, specials_),
      sweep_debt_(heap),
      scavenger_(heap.pages(), {.procs = options.procs,
                                .trace = options.scav_trace,
                                .collapse = options.collapse_huge_pages,
                                .page_bytes = heap.os().PhysicalPageBytes()}),
      init_nanos_(MonotonicNanos()),
      pacer_(options.gc_percent, kNoMemoryLimit, options.min_gc_percent),
      limiter_(MonotonicNanos(), options.procs, options.cpu_limit_percent),
      follower_(options.memory_limit, options.hard_limit, MonotonicNanos()) {
  queue_.Init(heap.os());
  LockHolder hold(lock_);
  process_cpu_ = ProcessCpuNanos();
  limiter_wall_ = MonotonicNanos();
  ApplyLimitsLocked();
}

// A stopped world allocates nothing while it is marked: the trigger is the goal then.
void Collector::PublishTriggerLocked() {
  const MemoryReading memory = ReadMemory();
  limit_gives_way_.store(pacer_.LimitGivesWay(memory), std::memory_order_relaxed);
  TriggerPoint point = pacer_.Trigger(memory);
  if (pacer_.gc_percent() < 0 && pacer_.memory_limit() == kNoMemoryLimit) {
    point = {kNoGoal, kNoGoal};
  }
  goal_.store(point.goal, std::memory_order_relaxed);
  scavenger_.SetGoal(point.goal, pacer_.last_goal(), pacer_.memory_limit(), memory.mapped_ready);
  heap_.stats().trigger.store(options_.stop_the_world != 0 ? point.goal : point.trigger,
                              std::memory_order_relaxed);
  SetNextDerivation();
}

MarkProgress Collector::Progress() const {
  MarkProgress p;
  p.live = heap_.stats().LiveBytes();
  p.scan = scan_at_start_.load(std::memory_order_relaxed);
  p.max_stack = p.stack_work = stack_work_.load(std::memory_order_relaxed);
  p.globals = p.globals_work = globals_work_.load(std::memory_order_relaxed);
  p.heap_work = workers_.totals().scanned.load(std::memory_order_relaxed);
  return p;
}

// --- The driver's loop ---

void Collector::DriverMain(void* self) { static_cast<Collector*>(self)->DriverLoop(); }

void Collector::DriverLoop() {
  for (;;) {
    // acquire: pairs with the release of the requesters.
    const uint32_t wanted = requested_.load(std::memory_order_acquire);
    const bool is_requested =
        static_cast<int32_t>(wanted - completed_.load(std::memory_order_relaxed)) > 0;
    FollowGroupLimit(MonotonicNanos());
    finalizers_.WarnIfSlow(MonotonicNanos());
    CycleKind kind = CycleKind::kTriggered;
    if (!is_requested) {
      constexpr int64_t kLookNanos = 1'000'000'000;
      FutexWait(requested_, wanted, kLookNanos);
      LockHolder hold(lock_);
      if (!PeriodicCycleDue(pacer_.gc_percent(), MonotonicNanos(), totals_.last_end,
                            totals_.cycles)) {
        continue;
      }
      kind = CycleKind::kPeriodic;
    }
    LetForksPass();
    LockHolder cycle(cycle_lock_);
    {
      LockHolder hold(lock_);
      if (forced_) kind = CycleKind::kForced;
      forced_ = false;
      started_.store(completed_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    // relaxed: a thread that comes later waits for the next cycle, too.
    was_waited_for_ = waiting_for_room_.load(std::memory_order_relaxed) != 0;
    RunCycle(kind);
    finalizers_.Kick();
    const HeapStats& stats = heap_.stats();
    PacerSweep sweep;
    sweep.live_at_start = stats.LiveBytes();
    sweep.pages_per_byte = sweep_debt_.pages_per_byte();
    const uint64_t swept = HeapStats::Get(stats.swept_pages);
    SweepAsDriver();  // in the background, unless the next cycle is wanted already and does it
    sweep.live = stats.LiveBytes();
    sweep.pages = HeapStats::Get(stats.swept_pages) - swept;
    VerifyPhaseEnd(VerifyPoint::kSwept);
    if (options_.pacer_trace) RawLine().Str(PacerSweepLine(sweep)).WriteTo();
    ReleaseAboveLimit();
    {
      LockHolder hold(lock_);
      CommitLocked(/*sweep_done=*/true);
    }
    scavenger_.CycleSwept();
  }
}

// Cycles may follow one another without a pause, and who waits for a lock is slower to take it than
// who has just released it.
void Collector::LetForksPass() {
  // relaxed: one that is not seen now waits for one cycle.
  while (const uint32_t n = forks_waiting_.load(std::memory_order_relaxed)) {
    constexpr int64_t kRecheckNanos = 1'000'000;
    FutexWait(forks_waiting_, n, kRecheckNanos);
  }
}

void Collector::SweepAsDriver() {
  const size_t end = heap_.classes().End();
  for (size_t c = 1; c < end; ++c) {
    while (SweepOneAsDriver(static_cast<uint16_t>(c))) {
    }
  }
}

// Around what the driver changes in spans or pages; see HoldDriver.
void Collector::BeginDriverWork() {
  for (;;) {
    // seq_cst, both: pairs with HoldDriver; one of the two sees the other (store, then load).
    driver_sweeping_.store(1, std::memory_order_seq_cst);
    if (driver_held_.load(std::memory_order_seq_cst) == 0) break;
    driver_sweeping_.store(0, std::memory_order_seq_cst);  // seq_cst: as above
    FutexWake(driver_sweeping_, 1);
    FutexWait(driver_held_, 1);
  }
}

void Collector::EndDriverWork() {
  // seq_cst, both: as above; the store is also the release that HoldDriver acquires.
  driver_sweeping_.store(0, std::memory_order_seq_cst);
  if (driver_held_.load(std::memory_order_seq_cst) != 0) FutexWake(driver_sweeping_, 1);
}

bool Collector::SweepOneAsDriver(uint16_t span_class) {
  BeginDriverWork();
  const bool swept = SweepOne(heap_, span_class);
  EndDriverWork();
  return swept;
}

void Collector::HoldDriver() {
  // seq_cst: pairs with BeginDriverWork and EndDriverWork.
  driver_held_.store(1, std::memory_order_seq_cst);
  // seq_cst: as above; what the driver did to the spans is visible.
  while (driver_sweeping_.load(std::memory_order_seq_cst) != 0) FutexWait(driver_sweeping_, 1);
}

void Collector::ReleaseDriver() {
  // seq_cst: as above.
  driver_held_.store(0, std::memory_order_seq_cst);
  FutexWake(driver_held_, 1);
}

void Collector::RunCycle(CycleKind kind) {
  CycleRecord record;
  record.number = started_.load(std::memory_order_relaxed);
  record.forced = kind == CycleKind::kForced;
  record.procs = options_.procs;
  const int64_t start = MonotonicNanos();
  record.start_since_init = start - init_nanos_;
  SweepAsDriver();
  if (options_.stop_the_world != 0) {
    RunStopped(record);
  } else {
    RunConcurrent(record, kind);
  }
  Report(record, start);
}

// --- Concurrent marking ---

MarkTeam Collector::TeamFor(const WorkerPlan& plan) const {
  MarkTeam team;
  if (plan.dedicated > 0) {
    team.dedicated = plan.dedicated - 1;  // the driver is one of them
  } else {
    team.driver_share = std::min(1.0, plan.fractional_share * options_.procs);
  }
  if (options_.idle_workers && CanLeaveIdlePriority()) team.idle = plan.max_idle;
  return team;
}

void Collector::RunConcurrent(CycleRecord& record, CycleKind kind) {
  {
    Round h0(heap_, layouts_, roots_, handshake_times_);
    RunH0(h0);
    record.start_pause = h0.longest.load(std::memory_order_relaxed);
  }
  TARN_CHECK(!AnyUnswept(heap_));
  VerifyPhaseEnd(VerifyPoint::kAllSwept);
  StartMarking(record, kind);
  MarkUntilQuiet(record, &weak_gate_);
  const bool is_checked = options_.verify || options_.check_mark;
  if (is_checked) CheckMarksStopped(/*is_decided=*/false);
  RescanStopped(record);
  DecideDeaths(record);
  if (is_checked && record.revived != 0) CheckMarksStopped(/*is_decided=*/true);
  VerifyPhaseEnd(VerifyPoint::kMarked);
  workers_.End();
  assists_.End();
  EndDeadMappings(record);
  phase_.Move(Phase::kMark, Phase::kMarkTermination);
  state_.barrier_on.store(0, std::memory_order_relaxed);
  Round h3(heap_, layouts_, roots_, handshake_times_);
  RunH3(h3);
  weak_gate_.Move(WeakGate::kOpen);
  queue_.Thaw();
  queue_.DropFull();  // what barriers shaded since the last F: marked, or dead already
  record.end_pause = std::max(record.end_pause, h3.longest.load(std::memory_order_relaxed));
  FinishMarking(record);
  VerifyPhaseEnd(VerifyPoint::kFlipped);
}

void Collector::StartMarking(CycleRecord& record, CycleKind kind) {
  Round round(heap_, layouts_, roots_, handshake_times_);
  HeapStats& stats = heap_.stats();
  record.live_at_start = stats.LiveBytes();
  scan_at_start_.store(HeapStats::Get(stats.scan), std::memory_order_relaxed);
  stats.black.store(0, std::memory_order_relaxed);
  stack_work_.store(0, std::memory_order_relaxed);
  globals_work_.store(roots_.cells().bytes(), std::memory_order_relaxed);
  workers_.ResetTotals();
  MarkTeam team;
  AssistRatio ratio;
  {
    LockHolder hold(lock_);
    const int64_t now = MonotonicNanos();
    limiter_.SetCycle(record.number);
    limiter_.StartTransition(now, /*marking=*/true, TakeUsed(now));
    limiter_.FinishTransition(now);
    idle_mark_seen_ = 0;
    team = TeamFor(StartPacerLocked(record, kind));
    ratio = pacer_.assist_ratio();
  }
  mark_start_.store(MonotonicNanos(), std::memory_order_relaxed);
  roots_.ForgetRemoved();
  // From here on nobody may give slots back or free spans.
  phase_.Move(Phase::kOff, Phase::kMark);
  state_.barrier_on.store(1, std::memory_order_relaxed);
  RunH1(round);
  RunH1b(round);
  state_.black_gen.store(heap_.sweepgen(), std::memory_order_relaxed);
  state_.scan_attached.store(1, std::memory_order_relaxed);
  RunH2(round);
  state_.scan_attached.store(0, std::memory_order_relaxed);
  record.start_pause = std::max(record.start_pause, round.longest.load(std::memory_order_relaxed));
  record.stacks = round.stack_bytes.load(std::memory_order_relaxed);
  record.marked = round.run_bytes.load(std::memory_order_relaxed);
  stack_work_.store(record.stacks, std::memory_order_relaxed);
  // Tracing starts when all threads allocate black: an object with a Trace method that is found from
  // now on is either finished or was scanned and marked by its thread's H2.
  workers_.Prepare(team);
  workers_.Begin(team);
  assists_.Begin(static_cast<uint32_t>(record.number), ratio);
  ScanGlobals(record);
}

WorkerPlan Collector::StartPacerLocked(CycleRecord& record, CycleKind kind) {
  const MarkProgress start = Progress();
  const WorkerPlan plan = pacer_.StartCycle(start, ReadMemory(), options_.procs, kind);
  record.pacer_start = {pacer_.assist_ratio().work_per_byte,
                        start.scan,
                        start.live,
                        goal_.load(std::memory_order_relaxed),
                        plan.dedicated,
                        plan.fractional_share * options_.procs};
  return plan;
}

void Collector::ScanGlobals(CycleRecord& record) {
  MarkSink sink(queue_);
  record.globals = roots_.ScanCells(sink) + roots_.ScanRanges(sink);
  ScanLives(sink);
  globals_work_.store(record.globals, std::memory_order_relaxed);
}

// Marking is over when a whole F round brings nothing while the queue stayed empty since before it. Then
// `gate` is left closing, and the queue frozen: nothing more is marked. A thread that attaches now may still
// shade what a stale word on its stack names; if an assist marked that, nobody would mark the rest.
void Collector::MarkUntilQuiet(CycleRecord& record, WeakGate* gate) {
  for (;;) {
    queue_.Thaw();
    const uint32_t published = workers_.Drain();
    queue_.Freeze();
    if (gate != nullptr) gate->Move(WeakGate::kClosing);
    Round f(heap_, layouts_, roots_, handshake_times_);
    RunF(f);
    record.end_pause = std::max(record.end_pause, f.longest.load(std::memory_order_relaxed));
    if (f.shaded.load(std::memory_order_relaxed) == 0 && queue_.published() == published) return;
    if (gate != nullptr) gate->Move(WeakGate::kOpen);
  }
}

// All barriers are off; allocation is black until here.
void Collector::FinishMarking(CycleRecord& record) {
  const MarkTotals& totals = workers_.totals();
  HeapStats& stats = heap_.stats();
  record.marked += totals.bytes.load(std::memory_order_relaxed);
  record.objects = totals.objects.load(std::memory_order_relaxed);
  record.mark_cpu = totals.cpu.load(std::memory_order_relaxed);
  record.idle_cpu = totals.idle_cpu.load(std::memory_order_relaxed);
  record.assist_cpu = assists_.cycle_time();
  const int64_t now = MonotonicNanos();
  record.mark_wall = record.mark_end - mark_start_.load(std::memory_order_relaxed);
  record.goal = goal_.load(std::memory_order_relaxed);
  MarkProgress end = Progress();
  end.live = AddSigned(end.live, record.external_dropped);  // as it was when marking ended
  record.live_at_end = end.live;
  // Threads that allocate meanwhile add to both counters; what falls between the two reads is a run
  // or two.
  const uint64_t black = stats.black.load(std::memory_order_relaxed);
  const uint64_t external = HeapStats::Get(stats.external_bytes);
  // What came back for its destructor or finalizer is garbage that is not free yet.
  const uint64_t traced = SaturatingSub(record.marked, record.revived);
  LiveEstimate estimate =
      EstimateLive({traced, black, last_traced_,
                    SaturatingSub(record.live_at_start,
                                  AddSigned(external, record.external_dropped) + last_revived_)});
  estimate.floating += record.revived;
  last_traced_ = traced;
  last_revived_ = record.revived;
  live_marked_.store(estimate.live, std::memory_order_relaxed);
  record.marked += black;
  HeapStats::Add(stats.live, record.marked - HeapStats::Get(stats.live));
  record.marked += external;
  HeapStats::Add(stats.scan, end.heap_work - HeapStats::Get(stats.scan));
  scavenger_.CycleMarked();
  heap_.FlipSweepgen();
  // After the flip: a thread that attaches before it allocates in spans of the generation that was
  // marked, and must do so black.
  state_.black_gen.store(0, std::memory_order_relaxed);
  phase_.Move(Phase::kMarkTermination, Phase::kOff);
  PublishDeaths(record);
  LockHolder hold(lock_);
  limiter_.StartTransition(now, /*marking=*/false, TakeUsed(now));
  limiter_.FinishTransition(now);
  NoteLimiterLocked();
  MarkTimes times;
  times.duration = record.mark_wall;
  times.assist = record.assist_cpu;
  times.idle_mark = record.idle_cpu;
  const CycleReport report = pacer_.EndCycle(end, ReadMemory(), times, options_.procs);
  record.pacer_end = {report.utilization, end.heap_work,        end.stack_work,
                      end.globals_work,   report.expected_work, report.triggered,
                      report.live,        report.goal,          report.cons_mark};
  pacer_.ResetLive(estimate.live + external, end, estimate.floating);
  // With the world stopped nothing needs room for sweeping: it is done when it is needed.
  external_marked_ = external;
  CommitLocked(/*sweep_done=*/options_.stop_the_world != 0);
  NoteRoomLocked(record.marked, black + record.revived);
  if (options_.stop_the_world == 0) sweep_debt_.Set(HeapStats::Get(stats.trigger));
}

// --- Afterwards ---

void Collector::Report(CycleRecord& record, int64_t start) {
  const int64_t end = MonotonicNanos();
  // In Go's line these are the two stops; here the longest time that a thread was kept.
  record.start_cpu = record.start_pause;
  record.end_cpu = record.end_pause;
  {
    LockHolder hold(lock_);
    // With the world stopped, marking is part of the pause.
    const int64_t marking = options_.stop_the_world != 0 ? record.mark_wall : 0;
    const auto pause = static_cast<uint64_t>(record.start_pause + marking + record.end_pause);
    const size_t slot = totals_.cycles % 256;
    ++totals_.cycles;
    if (record.forced) ++totals_.forced;
    totals_.last_end = end;
    totals_.last_end_wall = WallNanos();
    totals_.pause_total += pause;
    totals_.pauses[slot] = pause;
    totals_.pause_ends[slot] = static_cast<uint64_t>(totals_.last_end_wall);
    totals_.gc_cpu += options_.stop_the_world != 0
                          ? (end - start) * options_.procs
                          : record.mark_cpu + record.assist_cpu + record.start_cpu + record.end_cpu;
    totals_.last_marked = record.marked;
    record.cpu_fraction =
        static_cast<double>(totals_.gc_cpu) /
        (static_cast<double>(std::max<int64_t>(end - init_nanos_, 1)) * record.procs);
  }
  if (options_.pacer_trace) {
    RawLine().Str(PacerStartLine(record.pacer_start)).WriteTo();
    RawLine().Str(PacerEndLine(record.pacer_end)).WriteTo();
  }
  if (options_.trace) RawLine().Str(GcTraceLine(record)).WriteTo();
  // release: pairs with the acquire in WaitFor.
  completed_.store(static_cast<uint32_t>(record.number), std::memory_order_release);
  FutexWake(completed_, 1 << 30);
}

}  // namespace tarn::rt
