// The collector at its limits: what it reads from the ledger, when the goal is derived anew, how
// threads wait for room, external bytes; what the CPU limiter is told.
// Not here: the arithmetic (gc/control/memory_limit.h, gc/control/cpu_limiter.h), releasing and refusing
// pages (runtime/heap/memory_limits.h).
#include <algorithm>

#include "gc/collect/cycle.h"
#include "gc/collect/mutator_gc.h"
#include "gc/collect/sweeper.h"
#include "runtime/base/clock.h"
#include "runtime/base/futex.h"
#include "runtime/base/raw_log.h"
#include "runtime/heap/span_sweep.h"
#include "runtime/thread/runtime_scope.h"

namespace tarn::rt {

using internal::kPageBytes;

namespace {

// The goal is derived anew when this share of the limit has been allocated since the last time.
constexpr uint64_t kRederiveShare = 1024;
constexpr uint64_t kMinRederiveBytes = uint64_t{64} << 10;
constexpr uint64_t kMaxRederiveBytes = uint64_t{1} << 20;
// A collection that leaves less than this share of the goal to allocate is not worth waiting for.
constexpr uint64_t kWorthwhileShare = 16;
// Released at a time where much is to be: a thread answers no handshake meanwhile, and who waits for the
// driver waits for one piece.
constexpr uint64_t kPieceBytes = uint64_t{4} << 20;

}  // namespace

MemoryReading Collector::ReadMemory() const {
  const HeapStats& stats = heap_.stats();
  MemoryReading r;
  constexpr int kTries = 10;  // the counters are not read at one moment
  for (int i = 0; i < kTries; ++i) {
    const uint64_t external = HeapStats::Get(stats.external_bytes);
    const uint64_t held = HeapStats::Get(stats.in_use_pages) +
                          HeapStats::Get(stats.released_pages) + HeapStats::Get(stats.lent_pages);
    r.heap_free = SaturatingSub(HeapStats::Get(stats.mapped_pages), held) * kPageBytes;
    const uint64_t freed = HeapStats::Get(stats.freed_bytes);
    r.object_bytes = SaturatingSub(HeapStats::Get(stats.allocated_bytes), freed) + external;
    r.mapped_ready = heap_.os().ReadyBytes() + external;
    if (r.heap_free + r.object_bytes <= r.mapped_ready) break;
  }
  return r;
}

// A hard limit alone is paced like a soft one: collections come before allocations fail.
uint64_t Collector::PacedLimitLocked() const {
  return std::min(follower_.limits().soft, follower_.limits().hard);
}

void Collector::ApplyLimitsLocked() {
  const uint64_t paced = PacedLimitLocked();
  MemoryLimits& limits = heap_.pages().limits();
  limits.soft.store(paced, std::memory_order_relaxed);
  limits.hard.store(follower_.limits().hard, std::memory_order_relaxed);
  has_limit_.store(paced != kNoMemoryLimit, std::memory_order_relaxed);
  is_waiting_futile_.store(false, std::memory_order_relaxed);
  pacer_.SetMemoryLimit(paced);
  CommitSettingsLocked();
}

void Collector::CommitLocked(bool sweep_done) {
  // External bytes of dead objects counted as alive until somebody gave them back.
  const uint64_t external = HeapStats::Get(heap_.stats().external_bytes);
  if (external < external_marked_) {
    pacer_.ForgetMarked(external_marked_ - external);
    external_marked_ = external;
  }
  pacer_.Commit(sweep_done, heap_.stats().LiveBytes());
  PublishTriggerLocked();
}

// After a change of GOGC or of a limit.
void Collector::CommitSettingsLocked() {
  CommitLocked(!AnyUnswept(heap_));
  scavenger_.Wake();
  if (phase_.Get() == Phase::kOff) sweep_debt_.Set(HeapStats::Get(heap_.stats().trigger));
  if (phase_.Get() == Phase::kMark) assists_.SetRatio(pacer_.Revise(Progress(), ReadMemory()));
}

uint64_t Collector::SetMemoryLimit(int64_t bytes) {
  uint64_t old;
  {
    RuntimeScope scope;
    LockHolder hold(lock_);
    old = follower_.limits().soft;
    if (bytes < 0 || static_cast<uint64_t>(bytes) == old) return old;
    follower_.SetSoft(static_cast<uint64_t>(bytes));
    ApplyLimitsLocked();
  }
  StartIfOverLimit();
  return old;
}

uint64_t Collector::SetHardLimit(int64_t bytes) {
  uint64_t old;
  {
    RuntimeScope scope;
    LockHolder hold(lock_);
    old = follower_.limits().hard;
    if (bytes < 0 || static_cast<uint64_t>(bytes) == old) return old;
    follower_.SetHard(static_cast<uint64_t>(bytes));
    ApplyLimitsLocked();
  }
  StartIfOverLimit();
  return old;
}

int Collector::SetCpuLimit(int percent) {
  RuntimeScope scope;
  LockHolder hold(lock_);
  const int old = limiter_.percent();
  if (percent < 1 || percent > 100) return old;
  UpdateLimiterLocked(MonotonicNanos());  // what came before counts by the old share
  limiter_.SetPercent(percent);
  return old;
}

// The driver collects and then releases what is above the limit.
void Collector::StartIfOverLimit() {
  const uint64_t limit = heap_.pages().limits().soft.load(std::memory_order_relaxed);
  if (heap_.pages().MemoryBytes() <= limit) return;
  uint32_t cycle;
  const bool is_due = RequestIfDue(0, cycle);
  // Inside the runtime, for the heap lock must not be held where the thread can be stopped.
  for (bool is_done = is_due; !is_done;) {
    RuntimeScope scope;
    const uint64_t excess = SaturatingSub(heap_.pages().MemoryBytes(), limit);
    is_done = excess == 0 ||
              heap_.pages().Scavenge(std::min(excess, kPieceBytes), ScavengeMode::kForced) == 0;
  }
  EnsureDriver();
}

// The driver, between cycles. Reading the group's files calls malloc, for whose lock nobody may wait
// while threads wait for lock_: a stopped thread may hold it.
void Collector::FollowGroupLimit(int64_t now) {
  {
    LockHolder hold(lock_);
    if (!follower_.IsDue(now)) return;
  }
  LockHolder no_fork(cycle_lock_);  // reading files allocates
  const std::optional<uint64_t> group = CgroupMemoryLimit({});
  LockHolder hold(lock_);
  if (!follower_.Take(now, group)) return;
  ApplyLimitsLocked();
  // A group that has shrunk does not wait for the program to allocate.
  if (heap_.pages().MemoryBytes() > heap_.pages().limits().soft.load(std::memory_order_relaxed)) {
    Request(completed_.load(std::memory_order_relaxed) + 1);
  }
}

// The driver, when everything is swept: nobody may be allocating any more.
void Collector::ReleaseAboveLimit() {
  const uint64_t limit = heap_.pages().limits().soft.load(std::memory_order_relaxed);
  for (bool is_done = false; !is_done;) {
    const uint64_t excess = SaturatingSub(heap_.pages().MemoryBytes(), limit);
    if (excess == 0) return;
    BeginDriverWork();
    is_done = heap_.pages().Scavenge(std::min(excess, kPieceBytes), ScavengeMode::kForced) == 0;
    EndDriverWork();
  }
}

// The next time to look at the ledger, in bytes allocated. Then published goals are at most one step
// behind what they follow from.
void Collector::SetNextDerivation() {
  const uint64_t limit = heap_.pages().limits().soft.load(std::memory_order_relaxed);
  const uint64_t step = std::clamp(limit / kRederiveShare, kMinRederiveBytes, kMaxRederiveBytes);
  const HeapStats& stats = heap_.stats();
  next_derivation_.store(HeapStats::Get(stats.allocated_bytes) + step, std::memory_order_relaxed);
}

// The heap grows: pages come into use, spans fill, and with them the goal that a limit leaves.
void Collector::DeriveGoalAnew() {
  // relaxed: a stale number is seen at the next slow path.
  if (HeapStats::Get(heap_.stats().allocated_bytes) <
      next_derivation_.load(std::memory_order_relaxed)) {
    return;
  }
  RuntimeScope scope;
  if (!lock_.TryAcquire()) return;  // somebody else does it
  PublishTriggerLocked();
  const int64_t now = MonotonicNanos();
  if (limiter_.NeedUpdate(now)) UpdateLimiterLocked(now);
  lock_.Release();
}

// --- Waiting at the soft limit ---

// A span was refused at the soft limit. True if it is worth trying again: something was swept, or a
// cycle has ended. Waits for the cycle that runs and for one more; then, and while the CPU limiter
// limits, the limit gives way.
bool Collector::WaitForRoom(int& waits) {
  constexpr int kMaxWaits = 2;
  // relaxed: late by one attempt.
  if (!has_limit_.load(std::memory_order_relaxed)) return false;
  if (is_waiting_futile_.load(std::memory_order_relaxed) || assists_.limited() ||
      limit_gives_way_.load(std::memory_order_relaxed)) {
    return false;
  }
  if (phase_.Get() == Phase::kOff && SweepAll(heap_) != 0) return true;
  if (waits == kMaxWaits || !EnsureDriver()) return false;
  ++waits;
  const uint32_t target = completed_.load(std::memory_order_relaxed) + 1;
  {
    RuntimeScope scope;
    LockHolder hold(lock_);
    Request(target);
  }
  // relaxed (both): the driver reads it when a cycle begins.
  waiting_for_room_.fetch_add(1, std::memory_order_relaxed);
  constexpr int64_t kLookNanos = 10'000'000;
  // A thread that cannot answer may wait for what this one holds: then the limit gives way.
  constexpr int64_t kMaxWaitNanos = 2'000'000'000;
  const int64_t begin = MonotonicNanos();
  for (;;) {
    // acquire: pairs with the release in Report; the cycle's effects are visible.
    const uint32_t done = completed_.load(std::memory_order_acquire);
    if (static_cast<int32_t>(done - target) >= 0 || assists_.limited()) break;
    if (driver_.load(std::memory_order_relaxed) == kNoDriver) break;
    const int64_t start = MonotonicNanos();
    RunBlocked([&] { FutexWait(completed_, done, kLookNanos); });
    const int64_t now = MonotonicNanos();
    held_nanos_.fetch_add(now - start, std::memory_order_relaxed);
    if (now - begin > kMaxWaitNanos) break;
    RuntimeScope scope;
    if (lock_.TryAcquire()) {
      if (limiter_.NeedUpdate(now)) UpdateLimiterLocked(now);
      lock_.Release();
    }
  }
  waiting_for_room_.fetch_sub(1, std::memory_order_relaxed);
  return !assists_.limited();
}

// At the end of a cycle that marked `marked` bytes, of which `black` were allocated beside it. When
// threads waited for two cycles in a row from their start, and what was there before hardly fits all
// the same, waiting does not help. (The first of the two still finds what died during the one before.)
// After some cycles it is tried again.
void Collector::NoteRoomLocked(uint64_t marked, uint64_t black) {
  constexpr int kCyclesToGiveUp = 2, kCyclesToTryAgain = 8;
  const uint64_t limit = pacer_.memory_limit();
  const MemoryReading memory = ReadMemory();
  const uint64_t overhead =
      SaturatingSub(memory.mapped_ready, memory.heap_free + memory.object_bytes);
  const uint64_t needed = SaturatingSub(marked, black) + overhead;
  if (needed <= limit - limit / kWorthwhileShare) {
    futile_waits_ = futile_cycles_ = 0;
  } else if (futile_waits_ >= kCyclesToGiveUp) {
    if (++futile_cycles_ > kCyclesToTryAgain) futile_waits_ = futile_cycles_ = 0;
  } else {
    futile_waits_ = was_waited_for_ ? futile_waits_ + 1 : 0;
  }
  is_waiting_futile_.store(futile_waits_ >= kCyclesToGiveUp, std::memory_order_relaxed);
}

// --- External bytes ---

void Collector::ReportUnderflow(uint64_t charged, uint64_t taken) {
  if (underflow_reported_.exchange(true, std::memory_order_relaxed)) return;  // relaxed: once
  RawLine()
      .Str("tarn: AdjustExternalMemory(-")
      .Dec(static_cast<int64_t>(taken))
      .Str("): only ")
      .Dec(static_cast<int64_t>(charged))
      .Str(" bytes are charged; counting from 0 (said once)")
      .WriteTo();
}

void Collector::AdjustExternal(int64_t bytes) {
  std::atomic<uint64_t>& external = heap_.stats().external_bytes;
  if (bytes < 0) {
    const uint64_t taken = ~static_cast<uint64_t>(bytes) + 1;
    uint64_t have = external.load(std::memory_order_relaxed);
    // relaxed: a number; keeps L4.
    while (!external.compare_exchange_weak(have, SaturatingSub(have, taken),
                                           std::memory_order_relaxed)) {
    }
    if (taken > have) ReportUnderflow(have, taken);
    return;
  }
  uint64_t have = external.load(std::memory_order_relaxed);
  // relaxed: a number; keeps L4. What no machine has stays one number and does not wrap around.
  while (!external.compare_exchange_weak(
      have, std::min(have + static_cast<uint64_t>(bytes), kMaxBytes), std::memory_order_relaxed)) {
  }
  ExternalHasGrown(static_cast<uint64_t>(bytes));
}

void Collector::ExternalHasGrown(uint64_t bytes) {
  Mutator* m = Mutator::Current();
  // What it owes it pays at its next slow path.
  if (m != nullptr && m->gc != nullptr && phase_.Get() == Phase::kMark) {
    assists_.Owe(*m->gc, bytes);
  }
  const HeapStats& stats = heap_.stats();
  // relaxed: a stale trigger is seen at the next call or slow path.
  if (phase_.Get() != Phase::kOff || stats.LiveBytes() < HeapStats::Get(stats.trigger)) return;
  {
    BarrierScope scope;  // no safepoint: the caller may be constructing an object
    if (!lock_.TryAcquire()) return;
    Request(completed_.load(std::memory_order_relaxed) + 1);
    lock_.Release();
  }
  // Nor here; such a thread starts the driver at its next slow path.
  if (m == nullptr || !m->options().precise_roots) EnsureDriver();
}

// --- The CPU limiter ---

CpuLimiter::Used Collector::TakeUsed(int64_t now) {
  CpuLimiter::Used used;
  used.assist = assists_.TakeTime() +
                heap_.pages().limits().release_nanos.exchange(0, std::memory_order_relaxed);
  // CPU that this process did not use counts as idle, and so do markers at idle priority, but for those
  // that the program had to wait for. Not what the limiter takes for the background markers': on a busy
  // machine they may have had less.
  const int64_t cpu = ProcessCpuNanos();
  const int64_t capacity = (now - limiter_wall_) * options_.procs;
  const int64_t background =
      phase_.Get() == Phase::kMark
          ? static_cast<int64_t>(static_cast<double>(capacity) * kBackgroundUtilization)
          : 0;
  const int64_t idle_mark = workers_.totals().idle_cpu.load(std::memory_order_relaxed);
  const int64_t idle_marked = std::max<int64_t>(0, idle_mark - idle_mark_seen_);
  const int64_t wall = std::max<int64_t>(1, now - limiter_wall_);
  const int64_t held = std::min(wall, held_nanos_.exchange(0, std::memory_order_relaxed));
  const auto waited_for = static_cast<int64_t>(
      static_cast<double>(idle_marked) * static_cast<double>(held) / static_cast<double>(wall));
  used.assist += waited_for;
  used.idle = std::max<int64_t>(0, capacity - (cpu - process_cpu_)) + idle_marked - waited_for;
  used.idle = std::clamp<int64_t>(capacity - background - used.assist, 0, used.idle);
  process_cpu_ = cpu;
  limiter_wall_ = now;
  idle_mark_seen_ = idle_mark;
  return used;
}

void Collector::UpdateLimiterLocked(int64_t now) {
  limiter_.Update(now, TakeUsed(now));
  NoteLimiterLocked();
}

void Collector::NoteLimiterLocked() {
  const bool is_limiting = limiter_.limiting();
  if (is_limiting && !assists_.limited()) {
    last_limited_cycle_.store(limiter_.last_limited_cycle(), std::memory_order_relaxed);
    limiter_engagements_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a futex word
    FutexWake(limiter_engagements_, 1);
  }
  assists_.SetLimited(is_limiting);
  heap_.pages().limits().is_gc_limited.store(is_limiting ? 1 : 0, std::memory_order_relaxed);
}

}  // namespace tarn::rt
