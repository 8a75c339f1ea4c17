// MarkWorkers: the markers of a cycle and when they are done. The calling thread is the first
// marker; helper threads are started when a cycle first wants them, block all signals, and sleep
// between cycles.
// I1 Work is never lost: a worker counts as idle only while it holds no items and has seen the
//    queue empty; when all are idle at once, no grey item exists.
// Locking: none; idle_ and done_ are ordered as described at Work().
#ifndef TARN_GC_COLLECT_WORKERS_H_
#define TARN_GC_COLLECT_WORKERS_H_

#include <atomic>
#include <cstdint>

#include "gc/collect/marker.h"

namespace tarn::rt {

class MarkWorkers {
 public:
  static constexpr int kMaxMarkers = 64;

  MarkWorkers(Heap& heap, const LayoutTable& layouts, MarkQueue& queue)
      : heap_(heap), layouts_(layouts), queue_(queue) {}
  MarkWorkers(const MarkWorkers&) = delete;
  MarkWorkers& operator=(const MarkWorkers&) = delete;

  // Starts helpers so that `markers` can run; returns how many can (fewer if threads are refused).
  int Prepare(int markers);
  // Drains the queue with `markers` markers (at most what Prepare returned) and returns what they
  // marked. The world is stopped. Adds the helpers' and the caller's CPU time to *cpu_nanos.
  MarkStats Run(int markers, int64_t* cpu_nanos);
  // In a child after fork(): the helpers are gone.
  void ForgetThreads();

 private:
  struct Helper {
    MarkWorkers* owner;
    int index;
    uint32_t epoch;  // the last round before it was started
  };
  static void HelperMain(void* arg);
  void Work(Marker& marker);

  Heap& heap_;
  const LayoutTable& layouts_;
  MarkQueue& queue_;
  int helpers_ = 0;  // running helper threads; written by the driver only
  Helper helper_args_[kMaxMarkers];
  std::atomic<uint32_t> epoch_{0};    // bumped to start a round; helpers sleep on it
  std::atomic<uint32_t> running_{0};  // helpers that have not finished the round
  uint32_t wanted_ = 0;               // helpers that take part; published by epoch_
  bool exclusive_ = false;            // likewise
  uint32_t total_ = 0;                // markers of this round; likewise
  std::atomic<uint32_t> idle_{0};
  std::atomic<uint32_t> done_{0};
  std::atomic<uint64_t> bytes_{0}, objects_{0}, scanned_{0};
  std::atomic<int64_t> cpu_{0};
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_WORKERS_H_
