// Scavenger: gives free pages of the heap back to the system.
//   in the background  a thread of its own, at 1 % of the CPU, while the heap retains more than its
//                      goal; it is started when that happens first, and sleeps while it does not
//   all of it          FreeOsMemory, on the thread that asks
// With GODEBUG=thp=collapse the thread also makes the densely used parts of the heap consist of huge
// pages, in the same share of the CPU: no thread that allocates ever waits for that.
// Not here: how much (gc/control/scavenge_goal.h), how fast (scavenge_pacer.h), which pages
// (runtime/heap/scavenge_index.h), the release itself (PageHeap::Scavenge).
// I1 The thread holds work_lock_ whenever it may hold the heap lock, and takes no other lock with it;
//    fork() holds work_lock_ around itself.
// I2 The thread is no mutator: it looks at no object and is stopped by nobody.
// Locking: the goal and the counters are atomic. Calls marked "driver" by the collector's thread.
#ifndef TARN_GC_COLLECT_SCAVENGER_H_
#define TARN_GC_COLLECT_SCAVENGER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "gc/control/scavenge_goal.h"
#include "gc/control/scavenge_pacer.h"
#include "runtime/base/lock.h"
#include "runtime/heap/page_heap.h"

namespace tarn::rt {

struct ScavengerOptions {
  int procs = 1;               // CPUs of which the thread takes 1 %
  bool trace = false;          // print a scavtrace line per cycle
  bool collapse = false;       // make huge pages of what is dense
  uint64_t page_bytes = 4096;  // of the system
};

class Scavenger {
 public:
  Scavenger(PageHeap& pages, const ScavengerOptions& options) : pages_(pages), options_(options) {}
  Scavenger(const Scavenger&) = delete;
  Scavenger& operator=(const Scavenger&) = delete;

  // The driver, when marking has ended and nothing is swept yet: this is the cycle's peak.
  void CycleMarked();
  // Whenever the heap goal was committed: `last_goal` is that of the cycle that ended last (0: none).
  // The memory limit and what it is compared with: see LimitRetainGoal.
  void SetGoal(uint64_t goal, uint64_t last_goal, uint64_t limit, uint64_t mapped_ready);
  // The driver, when everything is swept and the goal is set: free memory is left out of core dumps;
  // wakes the thread, or starts it, if there is something to do. A thread that cannot be started is tried
  // again after the next cycle.
  void CycleSwept();
  // The thread looks at the goal again. Nothing if it does not run. Any thread.
  void Wake();

  // Gives back every free page, also those that threads keep to themselves. The caller is attached
  // and outside the runtime. May take a while; handshakes are answered meanwhile. Returns the bytes.
  uint64_t ReleaseAll();

  // Bytes that the heap may retain; kNoScavengeGoal: as many as it likes. relaxed: a number.
  uint64_t retain_goal() const { return retain_goal_.load(std::memory_order_relaxed); }
  // Cumulative: CPU time of the thread, and bytes that it released. relaxed: statistics.
  int64_t background_nanos() const { return background_nanos_.load(std::memory_order_relaxed); }
  uint64_t background_bytes() const { return background_bytes_.load(std::memory_order_relaxed); }

  // Around fork(), when no mutator is inside the runtime.
  void LockForFork() ABSL_NO_THREAD_SAFETY_ANALYSIS { work_lock_.Acquire(); }
  void ParentAfterFork() ABSL_NO_THREAD_SAFETY_ANALYSIS { work_lock_.Release(); }
  void ChildAfterFork() ABSL_NO_THREAD_SAFETY_ANALYSIS;

 private:
  static void ThreadMain(void* self);
  void Loop();
  bool HasWork() const { return pages_.RetainedBytes() > retain_goal(); }
  ScavengeBurst ReleaseBurst();
  ScavengeBurst CollapseBurst();
  void Pause(int64_t worked);
  void PrintTrace(bool forced, uint64_t forced_bytes);

  PageHeap& pages_;
  const ScavengerOptions options_;
  ScavengePacer pacer_;        // the thread's
  size_t collapse_chunk_ = 0;  // likewise: where to go on

  Lock work_lock_;
  bool has_thread_ = false;         // the driver's
  std::atomic<uint32_t> wakes_{0};  // futex: the thread sleeps on it
  // relaxed everywhere: numbers; a stale goal is looked at again after the next quantum.
  std::atomic<uint64_t> in_use_at_mark_{0};
  std::atomic<uint64_t> retain_goal_{kNoScavengeGoal};
  std::atomic<int64_t> background_nanos_{0};
  std::atomic<uint64_t> background_bytes_{0};
  std::atomic<uint64_t> forced_bytes_{0};
  std::atomic<uint32_t> was_reset_{0};
  // What the last trace line had counted. The driver's.
  uint64_t traced_background_ = 0;
  uint64_t traced_eager_ = 0;
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_SCAVENGER_H_
