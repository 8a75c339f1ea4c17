#include "gc/collect/workers.h"

#include <sched.h>

#include "runtime/base/clock.h"
#include "runtime/base/futex.h"
#include "runtime/os/os_thread_linux.h"

namespace tarn::rt {

int MarkWorkers::Prepare(int markers) {
  if (markers > kMaxMarkers) markers = kMaxMarkers;
  while (helpers_ < markers - 1) {
    helper_args_[helpers_] = {this, helpers_, epoch_.load(std::memory_order_relaxed)};
    if (SpawnRuntimeThread("tarn-mark", &MarkWorkers::HelperMain, &helper_args_[helpers_]) != 0) {
      break;  // fewer markers are slower, not wrong
    }
    ++helpers_;
  }
  return helpers_ + 1;
}

void MarkWorkers::ForgetThreads() { helpers_ = 0; }

MarkStats MarkWorkers::Run(int markers, int64_t* cpu_nanos) {
  const int64_t cpu_start = ThreadCpuNanos();
  wanted_ = static_cast<uint32_t>(markers - 1);
  total_ = static_cast<uint32_t>(markers);
  exclusive_ = markers == 1;
  idle_.store(0, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  running_.store(wanted_, std::memory_order_relaxed);
  if (wanted_ > 0) {
    // release: pairs with the acquire in HelperMain; publishes the fields above and the queue.
    epoch_.fetch_add(1, std::memory_order_release);
    FutexWake(epoch_, 1 << 20);
  }
  Marker marker(heap_, layouts_, queue_);
  marker.Start(exclusive_);
  Work(marker);
  for (;;) {
    // acquire: pairs with the release in HelperMain; the helpers' statistics are complete.
    const uint32_t left = running_.load(std::memory_order_acquire);
    if (left == 0) break;
    FutexWait(running_, left);
  }
  MarkStats stats = marker.TakeStats();
  stats.bytes += bytes_.exchange(0, std::memory_order_relaxed);  // relaxed: see the acquire above
  stats.objects += objects_.exchange(0, std::memory_order_relaxed);
  stats.scanned += scanned_.exchange(0, std::memory_order_relaxed);
  *cpu_nanos += cpu_.exchange(0, std::memory_order_relaxed) + ThreadCpuNanos() - cpu_start;
  return stats;
}

void MarkWorkers::HelperMain(void* arg) {
  const Helper helper = *static_cast<Helper*>(arg);
  MarkWorkers& w = *helper.owner;
  uint32_t seen = helper.epoch;
  for (;;) {
    // acquire: pairs with the release in Run.
    const uint32_t epoch = w.epoch_.load(std::memory_order_acquire);
    if (epoch == seen) {
      FutexWait(w.epoch_, seen);
      continue;
    }
    seen = epoch;
    if (static_cast<uint32_t>(helper.index) >= w.wanted_) continue;
    const int64_t cpu_start = ThreadCpuNanos();
    Marker marker(w.heap_, w.layouts_, w.queue_);
    marker.Start(w.exclusive_);
    w.Work(marker);
    const MarkStats stats = marker.TakeStats();
    w.bytes_.fetch_add(stats.bytes, std::memory_order_relaxed);  // relaxed: published by running_
    w.objects_.fetch_add(stats.objects, std::memory_order_relaxed);
    w.scanned_.fetch_add(stats.scanned, std::memory_order_relaxed);
    w.cpu_.fetch_add(ThreadCpuNanos() - cpu_start, std::memory_order_relaxed);
    // release: pairs with the acquire in Run.
    if (w.running_.fetch_sub(1, std::memory_order_release) == 1) FutexWake(w.running_, 1);
  }
}

// An idle worker that sees work first leaves the idle count, then takes the work; and work is
// published only by workers that are not idle. So whoever sees the queue empty and afterwards all
// idle sees the end.
void MarkWorkers::Work(Marker& marker) {
  constexpr int kSpinsBeforeYield = 100;
  for (;;) {
    marker.Drain(total_ > 1 ? &idle_ : nullptr);
    if (total_ == 1) return;
    // seq_cst: orders the count against the queue's count on all workers; see above.
    idle_.fetch_add(1, std::memory_order_seq_cst);
    for (int spins = 0;; ++spins) {
      if (queue_.HasFull()) {
        idle_.fetch_sub(1, std::memory_order_seq_cst);  // seq_cst: as above
        break;
      }
      // seq_cst: as above.
      if (idle_.load(std::memory_order_seq_cst) == total_ && !queue_.HasFull()) {
        done_.store(1, std::memory_order_relaxed);  // relaxed: idle_ stays at total_ from now on
      }
      if (done_.load(std::memory_order_relaxed) != 0) return;
      if (spins > kSpinsBeforeYield) sched_yield();
    }
  }
}

}  // namespace tarn::rt
