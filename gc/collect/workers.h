// MarkWorkers: the markers of a cycle and when they are done.
//   driver    the calling thread; takes at most its share of one CPU
//   dedicated helpers that mark without pause
//   idle      helpers at SCHED_IDLE priority: they use CPUs that nobody else wants and take nothing
//             from the program
// Helper threads are started when a cycle first wants them, block all signals, and sleep while there
// is no work. They come and go during a cycle; nobody waits for one that holds nothing.
// I1 A helper counts as active from before it looks at the queue until it holds nothing. Marking has
//    no work left when the queue is empty, then nobody is active, and nothing was published in
//    between. (Assists and barriers may still hold grey items: the F rounds find those.)
// I2 A cycle never waits for CPU time that only idle priority would give: a driver that has waited
//    for kBoostNanos while somebody is active raises the priority of all helpers, and a helper
//    lowers its own only while it is not active, and the end of marking raises it again, since a
//    process that ends waits for its threads to die. Where the system does not let a thread leave idle
//    priority (no privilege, RLIMIT_NICE), there are no helpers at idle priority.
// I3 A helper reads the generation to mark in after it is active, and marking does not end before
//    nobody is.
// Locking: none.
#ifndef TARN_GC_COLLECT_WORKERS_H_
#define TARN_GC_COLLECT_WORKERS_H_

#include <atomic>
#include <cstdint>

#include "gc/collect/marker.h"

namespace tarn::rt {

// Who marks.
struct MarkTeam {
  int dedicated = 0;        // helpers at normal priority, besides the driver
  int idle = 0;             // helpers at idle priority
  double driver_share = 1;  // of one CPU, 0..1
  bool exclusive = false;   // the world is stopped: bits may be set without atomics if nobody helps

  int helpers() const { return dedicated + idle; }
};

// What the markers of a cycle have done so far. Updated every slice; read by anyone.
struct MarkTotals {
  // relaxed everywhere: statistics, exact when all workers are done.
  std::atomic<uint64_t> bytes{0}, objects{0}, scanned{0};
  std::atomic<int64_t> cpu{0};       // driver and dedicated helpers
  std::atomic<int64_t> idle_cpu{0};  // idle helpers

  void Reset();
  void Add(const MarkStats& stats);
};

class MarkWorkers {
 public:
  static constexpr int kMaxHelpers = 64;

  MarkWorkers(Heap& heap, const LayoutTable& layouts, MarkQueue& queue, Specials& specials)
      : heap_(heap), layouts_(layouts), queue_(queue), specials_(specials) {}
  MarkWorkers(const MarkWorkers&) = delete;
  MarkWorkers& operator=(const MarkWorkers&) = delete;

  // Before Begin: starts the threads that `team` needs; sets the totals to zero.
  void Prepare(const MarkTeam& team);
  void ResetTotals() { totals_.Reset(); }
  // The start of marking: `team` marks from now on; the driver's share counts from here.
  void Begin(const MarkTeam& team);
  // Marks until there is no work left (I1). Returns MarkQueue::published() as of then. `stopped`: the
  // world waits, so the driver does not keep to its share.
  uint32_t Drain(bool stopped = false);
  // The end of marking: no helper looks at the heap from here on.
  void End();
  const MarkTotals& totals() const { return totals_; }
  // What the driver has marked by itself, outside Drain.
  void AddDriver(const MarkStats& stats, int64_t cpu);
  // Work done by assists.
  void AddAssist(const MarkStats& stats) { totals_.Add(stats); }
  // In a child after fork(): the helpers are gone.
  void ForgetThreads();

 private:
  static constexpr uint64_t kSliceWork = 128 << 10;  // scan bytes between looks at the clock
  static constexpr int64_t kBoostNanos = 200'000;

  struct Helper {
    MarkWorkers* owner;
    int index;
    std::atomic<int32_t> tid{0};  // relaxed: 0 until the thread runs
    std::atomic<uint32_t> at_idle_priority{0};
  };
  static void HelperMain(void* arg);
  void HelperWork(Helper& helper);
  void SetPriority(Helper& helper);
  bool Finished(uint32_t& published);
  void Throttle(Marker& marker);
  void BoostHelpers();

  Heap& heap_;
  const LayoutTable& layouts_;
  MarkQueue& queue_;
  Specials& specials_;
  int helpers_ = 0;  // helper threads; written by the driver only
  Helper helper_args_[kMaxHelpers];
  MarkTeam team_;  // published by marking_; helpers read it while they are active
  // The index of the first helper at idle priority. relaxed: a stale one is set right a moment later.
  std::atomic<int> first_idle_{0};
  bool exclusive_ = false;
  int64_t cycle_start_ = 0;
  int64_t driver_cpu_ = 0;  // the driver's, in this cycle

  std::atomic<uint32_t> marking_{0};  // futex: helpers sleep on it between cycles
  std::atomic<uint32_t> active_{0};   // I1
  MarkTotals totals_;
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_WORKERS_H_
