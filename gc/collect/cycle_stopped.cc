// What a cycle does while the world is stopped: in normal operation, the second scan for programs with
// roots or objects that have no barriers; checks; and the debug mode that marks under one stop.
#include <algorithm>

#include "gc/collect/cycle.h"
#include "gc/collect/handshakes.h"
#include "gc/collect/life_roots.h"
#include "gc/collect/sweeper.h"
#include "gc/collect/verifier.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/heap/span_sweep.h"
#include "runtime/thread/stop_world.h"

namespace tarn::rt {
namespace {

// From before a stop until after it.
class StopClock {
 public:
  explicit StopClock(HandshakeRecorder& times) : times_(times) {}
  ~StopClock() { times_.AddRound(HandshakeKind::kStop, MonotonicNanos() - start_); }
  StopClock(const StopClock&) = delete;
  StopClock& operator=(const StopClock&) = delete;

 private:
  HandshakeRecorder& times_;
  const int64_t start_ = MonotonicNanos();
};

}  // namespace

// The queue is frozen, as MarkUntilQuiet leaves it.
void Collector::DrainStopped() {
  queue_.Thaw();
  workers_.Drain(/*stopped=*/true);
  queue_.Freeze();
}

// Before the stacks are scanned again, which would hide what the barriers missed; and once before the
// threads hand over what their barriers have recorded, which would hide that marking ended too early.
void Collector::CheckMarksStopped(bool is_decided) {
  {
    StopClock clock(handshake_times_);
    StopTheWorld stop;
    // What was read from places without barriers may be shaded only now.
    if (!roots_.HasUnbarriered()) VerifyFromRecords(is_decided);
  }
  Round f(heap_, layouts_, roots_, handshake_times_);
  StopClock clock(handshake_times_);
  StopTheWorld stop(&OnStopForCheck, &f);
  DrainStopped();
  VerifyMarks(heap_, layouts_, roots_.cells(), MarkCheckExtent::kBarriered);
}

// Everything that mutators keep true while they run. The driver is between two phases; helpers look at
// the heap at kMarked only, where a thread may have shaded what is dead.
void Collector::VerifyPhaseEnd(VerifyPoint point) {
  if (!options_.verify) return;
  StopTheWorld stop;
  VerifyHeap(heap_, point);
  VerifyThreads(heap_, state_);
  TARN_CHECK(point == VerifyPoint::kMarked || !queue_.HasFull());
}

// What is written without barriers may hide objects from the marker: stacks that were scanned long
// ago may have read them from there. So those places and all stacks are scanned again while nobody
// runs.
void Collector::RescanStopped(CycleRecord& record) {
  if (!roots_.HasUnbarriered()) return;
  const int64_t begin = MonotonicNanos();
  Round round(heap_, layouts_, roots_, handshake_times_);
  StopClock clock(handshake_times_);
  StopTheWorld stop(&OnStopForRescan, &round);
  {
    MarkSink sink(queue_);
    record.globals += roots_.ScanUnbarriered(sink);
    // Objects that the program will see when they have died keep alive what they refer to now.
    LifeRoots visitor(heap_, sink);
    specials_.VisitUnmarkedContents(visitor, [&](uint16_t c) { return roots_.IsUnbarriered(c); });
  }
  DrainStopped();
  record.end_pause = std::max(record.end_pause, MonotonicNanos() - begin);
  if (options_.verify || options_.check_mark) {
    VerifyMarks(heap_, layouts_, roots_.cells(), MarkCheckExtent::kAll);
  }
}

// --- Marking under a real stop: a debug mode ---

void Collector::RunStopped(CycleRecord& record) {
  // A round of its own: a stack is scanned when all spans are swept, those that other threads own
  // included. A stale word on it would find a dead object in a span that is still to be swept.
  {
    Round h0(heap_, layouts_, roots_, handshake_times_);
    RunH0(h0);
  }
  // From here on nobody may give slots back or free spans: threads that stop early may have queued
  // what a thread that still runs owns.
  phase_.Move(Phase::kOff, Phase::kMark);
  MarkTeam team;
  team.dedicated = (options_.markers != 0 ? options_.markers : options_.procs) - 1;
  team.exclusive = true;
  workers_.Prepare(team);  // before the stop: a thread may be stopped inside malloc
  workers_.ResetTotals();
  const int64_t stop_begin = MonotonicNanos();
  Round round(heap_, layouts_, roots_, handshake_times_);
  StopClock clock(handshake_times_);
  StopTheWorld stop(&OnStopForMarking, &round);
  const int64_t stopped = MonotonicNanos();
  record.start_pause = stopped - stop_begin;
  TARN_CHECK(!AnyUnswept(heap_));
  if (options_.verify) VerifyHeap(heap_, VerifyPoint::kMarked);  // as far as it has come
  HeapStats& stats = heap_.stats();
  record.live_at_start = stats.LiveBytes();
  record.stacks = round.stack_bytes.load(std::memory_order_relaxed);
  record.marked = round.run_bytes.load(std::memory_order_relaxed);
  stats.black.store(0, std::memory_order_relaxed);
  stack_work_.store(record.stacks, std::memory_order_relaxed);
  mark_start_.store(stopped, std::memory_order_relaxed);
  {
    LockHolder hold(lock_);
    limiter_.StartTransition(stopped, /*marking=*/true, TakeUsed(stopped));
    limiter_.FinishTransition(stopped);
    idle_mark_seen_ = 0;
    StartPacerLocked(record, CycleKind::kStopped);
  }
  workers_.Begin(team);
  ScanGlobals(record);
  MarkSink sink(queue_);
  // Barriers are off: what threads that stopped late have stored into objects that threads which
  // stopped early construct was not in their scans, and those objects are not traced.
  roots_.ScanConstructing(sink);
  if (roots_.HasUnbarriered()) record.globals += roots_.ScanUnbarriered(sink);
  workers_.Drain(/*stopped=*/true);
  DecideDeathsStopped(record);
  workers_.End();
  EndDeadMappings(record);
  TARN_CHECK(!queue_.HasFull());
  phase_.Move(Phase::kMark, Phase::kMarkTermination);
  if (options_.verify || options_.check_mark) {
    VerifyMarks(heap_, layouts_, roots_.cells(), MarkCheckExtent::kAll);
  }
  FinishMarking(record);
  if (options_.verify) VerifyHeap(heap_, VerifyPoint::kFlipped);
  if (options_.stop_the_world > 1) SweepAll(heap_);
  record.end_pause = MonotonicNanos() - stopped - record.mark_wall;
}

}  // namespace tarn::rt
