#include "gc/collect/workers.h"

#include <sched.h>
#include <time.h>

#include <algorithm>

#include "runtime/base/clock.h"
#include "runtime/base/futex.h"
#include "runtime/os/os_thread_linux.h"

namespace tarn::rt {

void MarkTotals::Reset() {
  bytes.store(0, std::memory_order_relaxed);
  objects.store(0, std::memory_order_relaxed);
  scanned.store(0, std::memory_order_relaxed);
  cpu.store(0, std::memory_order_relaxed);
  idle_cpu.store(0, std::memory_order_relaxed);
}

void MarkTotals::Add(const MarkStats& stats) {
  bytes.fetch_add(stats.bytes, std::memory_order_relaxed);
  objects.fetch_add(stats.objects, std::memory_order_relaxed);
  scanned.fetch_add(stats.scanned, std::memory_order_relaxed);
}

// Starts helper threads for `team`, as many as can be had: fewer are slower, not wrong.
void MarkWorkers::Prepare(const MarkTeam& team) {
  const int wanted = std::min(team.helpers(), kMaxHelpers);
  while (helpers_ < wanted) {
    Helper& h = helper_args_[helpers_];
    h.owner = this;
    h.index = helpers_;
    if (SpawnRuntimeThread("tarn-mark", &MarkWorkers::HelperMain, &h) != 0) return;
    ++helpers_;
  }
}

void MarkWorkers::ForgetThreads() {
  helpers_ = 0;
  // relaxed: the child has one thread.
  active_.store(0, std::memory_order_relaxed);
  for (Helper& h : helper_args_) {
    h.at_idle_priority.store(0, std::memory_order_relaxed);
    h.tid.store(0, std::memory_order_relaxed);  // the parent's thread
  }
}

void MarkWorkers::Begin(const MarkTeam& team) {
  cycle_start_ = MonotonicNanos();
  driver_cpu_ = 0;
  team_ = team;
  first_idle_.store(team.dedicated, std::memory_order_relaxed);
  exclusive_ = team.exclusive && team.helpers() == 0;
  if (team.helpers() == 0) return;
  // seq_cst: pairs with HelperMain; publishes the fields above.
  marking_.store(1, std::memory_order_seq_cst);
  FutexWake(marking_, 1 << 20);
}

void MarkWorkers::End() {
  // seq_cst: a helper either sees this after it became active, or is seen active here.
  marking_.store(0, std::memory_order_seq_cst);
  queue_.WakeWaiters();
  while (active_.load(std::memory_order_seq_cst) != 0) {
    BoostHelpers();
    sched_yield();
  }
  // A process ends when its last thread has had the CPU time to die.
  if (team_.idle > 0) BoostHelpers();
}

void MarkWorkers::HelperMain(void* arg) {
  Helper& helper = *static_cast<Helper*>(arg);
  MarkWorkers& w = *helper.owner;
  helper.tid.store(CurrentThreadId(), std::memory_order_relaxed);
  for (;;) {
    if (w.marking_.load(std::memory_order_seq_cst) == 0) {  // seq_cst: see Begin and End
      FutexWait(w.marking_, 0);
      continue;
    }
    const uint32_t seen = w.queue_.published();
    w.SetPriority(helper);  // not while active: keeps I2
    // seq_cst: before the look at the queue; pairs with Finished and End.
    w.active_.fetch_add(1, std::memory_order_seq_cst);
    if (w.marking_.load(std::memory_order_seq_cst) != 0) w.HelperWork(helper);
    w.active_.fetch_sub(1, std::memory_order_seq_cst);  // seq_cst: after all it held is published
    constexpr int64_t kNapNanos = 1'000'000;
    w.queue_.WaitForPublished(seen, kNapNanos);
  }
}

// relaxed: a boost that comes meanwhile is repeated while the driver waits.
void MarkWorkers::SetPriority(Helper& helper) {
  const bool idle = helper.index >= first_idle_.load(std::memory_order_relaxed);
  if (helper.at_idle_priority.load(std::memory_order_relaxed) == uint32_t{idle}) return;
  helper.at_idle_priority.store(idle, std::memory_order_relaxed);
  sched_param param{};
  // A refusal leaves the helper as it is.
  sched_setscheduler(0, idle ? SCHED_IDLE : SCHED_OTHER, &param);
}

void MarkWorkers::HelperWork(Helper& helper) {
  if (helper.index >= team_.helpers() || !queue_.HasFull()) return;
  const int64_t cpu_start = ThreadCpuNanos();
  {
    Marker marker(heap_, layouts_, queue_, &specials_);
    marker.Start(/*exclusive=*/false);
    while (!marker.Drain(/*share=*/true, kSliceWork)) totals_.Add(marker.TakeStats());
    totals_.Add(marker.TakeStats());
  }
  auto& cpu = helper.index >= team_.dedicated ? totals_.idle_cpu : totals_.cpu;
  cpu.fetch_add(ThreadCpuNanos() - cpu_start, std::memory_order_relaxed);
}

// Keeps I2.
void MarkWorkers::BoostHelpers() {
  for (int i = 0; i < helpers_; ++i) {
    Helper& h = helper_args_[i];
    // relaxed: one that has not begun to run has no work.
    const int tid = h.tid.load(std::memory_order_relaxed);
    if (tid == 0) continue;
    // Whatever the flag says: the helper may be about to lower its priority. relaxed: as there.
    h.at_idle_priority.store(0, std::memory_order_relaxed);
    sched_param param{};
    sched_setscheduler(tid, SCHED_OTHER, &param);
  }
}

// Gives the CPU back when the driver has had more than its share of the cycle's time.
void MarkWorkers::Throttle(Marker& marker) {
  if (team_.driver_share >= 1) return;
  constexpr double kSlack = 1.2;  // a fractional worker stops itself above its share so far
  const auto elapsed = static_cast<double>(MonotonicNanos() - cycle_start_);
  const auto used = static_cast<double>(driver_cpu_);
  if (used <= kSlack * team_.driver_share * elapsed) return;
  marker.Flush();  // others may go on with what is held here
  marker.Start(exclusive_);
  const double pause = std::min(used / team_.driver_share - elapsed, 10e6);
  const timespec ts{0, static_cast<long>(std::max(pause, 0.0))};
  nanosleep(&ts, nullptr);
}

// The driver holds nothing. Keeps I1.
bool MarkWorkers::Finished(uint32_t& published) {
  published = queue_.published();
  if (queue_.HasFull()) return false;
  // seq_cst: after the look at the queue; a helper that took the last buffer became active before.
  if (active_.load(std::memory_order_seq_cst) != 0) return false;
  return queue_.published() == published;
}

void MarkWorkers::AddDriver(const MarkStats& stats, int64_t cpu) {
  totals_.Add(stats);
  driver_cpu_ += cpu;
  totals_.cpu.fetch_add(cpu, std::memory_order_relaxed);
}

uint32_t MarkWorkers::Drain(bool stopped) {
  Marker marker(heap_, layouts_, queue_, &specials_);
  marker.Start(exclusive_);
  int64_t last_cpu = ThreadCpuNanos();
  int64_t waiting_since = 0;
  for (;;) {
    const uint32_t seen = queue_.published();
    const bool dry = marker.Drain(/*share=*/true, kSliceWork);
    totals_.Add(marker.TakeStats());
    const int64_t cpu = ThreadCpuNanos();
    driver_cpu_ += cpu - last_cpu;
    totals_.cpu.fetch_add(cpu - last_cpu, std::memory_order_relaxed);
    last_cpu = cpu;
    if (!dry) {
      waiting_since = 0;
      if (!stopped) Throttle(marker);
      continue;
    }
    uint32_t published;
    if (Finished(published)) return published;
    // There may be work all the same, counted but not yet to be had: a helper is about to push it.
    const int64_t now = MonotonicNanos();
    if (waiting_since == 0) waiting_since = now;
    if (now - waiting_since > kBoostNanos) BoostHelpers();
    queue_.WaitForPublished(seen, kBoostNanos / 4);
  }
}

}  // namespace tarn::rt
