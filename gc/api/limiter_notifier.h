// LimiterNotifier: calls the program when the CPU limiter engages, on a thread of its own, since
// neither the driver nor a thread that allocates may run code of the program.
// Not here: when the limiter engages (gc/control/cpu_limiter.h).
// I1 While busy_ is not 0, the thread calls fn_; Set on another thread waits until it is 0.
// Locking: lock_ guards the function; it is not held during a call.
#ifndef TARN_GC_API_LIMITER_NOTIFIER_H_
#define TARN_GC_API_LIMITER_NOTIFIER_H_

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "gc/collect/cycle.h"
#include "runtime/base/lock.h"
#include "tarn/limits.h"

namespace tarn::rt {

class LimiterNotifier {
 public:
  static constexpr int64_t kMinIntervalNanos = 1'000'000'000;

  explicit LimiterNotifier(Collector& collector) : collector_(collector) {}
  LimiterNotifier(const LimiterNotifier&) = delete;
  LimiterNotifier& operator=(const LimiterNotifier&) = delete;

  // False if the thread cannot be started; no function is set then. Of an attached thread.
  bool Set(LimiterCallback fn, void* arg);

  void PrepareFork() ABSL_NO_THREAD_SAFETY_ANALYSIS { lock_.Acquire(); }
  void ParentAfterFork() ABSL_NO_THREAD_SAFETY_ANALYSIS { lock_.Release(); }
  void ChildAfterFork() ABSL_NO_THREAD_SAFETY_ANALYSIS;

 private:
  static void Main(void* self) { static_cast<LimiterNotifier*>(self)->Loop(); }
  void Loop();
  void CallOnce();

  Collector& collector_;
  Lock lock_;
  LimiterCallback fn_ ABSL_GUARDED_BY(lock_) = nullptr;
  void* arg_ ABSL_GUARDED_BY(lock_) = nullptr;
  bool is_running_ ABSL_GUARDED_BY(lock_) = false;
  uint32_t seen_ = 0;               // the thread's; written before it starts
  std::atomic<uint32_t> busy_{0};   // futex
  std::atomic<int32_t> thread_{0};  // its id; relaxed: compared with one's own
};

}  // namespace tarn::rt

#endif  // TARN_GC_API_LIMITER_NOTIFIER_H_
