#include "gc/api/limiter_notifier.h"

#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/futex.h"
#include "runtime/os/os_thread_linux.h"
#include "runtime/thread/runtime_scope.h"

namespace tarn::rt {

bool LimiterNotifier::Set(LimiterCallback fn, void* arg) {
  bool must_start;
  {
    RuntimeScope scope;
    LockHolder hold(lock_);
    fn_ = fn;
    arg_ = arg;
    must_start = fn != nullptr && !is_running_;
    if (must_start) {
      is_running_ = true;
      // relaxed: what came before is not news.
      seen_ = collector_.limiter_engagements().load(std::memory_order_relaxed);
    }
  }
  if (must_start) {
    bool ok = false;
    RunBlocked([&] { ok = SpawnRuntimeThread("tarn-limit", &LimiterNotifier::Main, this) == 0; });
    if (!ok) {
      RuntimeScope scope;
      LockHolder hold(lock_);
      fn_ = nullptr;
      is_running_ = false;
    }
    return ok;
  }
  // relaxed: on the notifier's own thread it is its own number.
  if (thread_.load(std::memory_order_relaxed) == gettid()) return true;
  RunBlocked([&] {
    // acquire: pairs with the release in CallOnce; the function has returned.
    while (busy_.load(std::memory_order_acquire) != 0) FutexWait(busy_, 1);
  });
  return true;
}

void LimiterNotifier::CallOnce() {
  LimiterCallback fn;
  void* arg;
  {
    RuntimeScope scope;
    LockHolder hold(lock_);
    fn = fn_;
    arg = arg_;
    // relaxed: under the lock that Set has held since; keeps I1.
    if (fn != nullptr) busy_.store(1, std::memory_order_relaxed);
  }
  if (fn == nullptr) return;
  fn(arg);
  // release: pairs with the acquire in Set.
  busy_.store(0, std::memory_order_release);
  FutexWake(busy_, 1 << 30);
}

void LimiterNotifier::Loop() {
  thread_.store(gettid(), std::memory_order_relaxed);
  std::atomic<uint32_t>& engagements = collector_.limiter_engagements();
  for (;;) {
    // relaxed: the futex compares again.
    const uint32_t now = engagements.load(std::memory_order_relaxed);
    if (now == seen_) {
      // The function may have attached the thread, so it waits as a blocked one.
      RunBlocked([&] { FutexWait(engagements, seen_); });
      continue;
    }
    seen_ = now;
    const int64_t start = MonotonicNanos();
    CallOnce();
    const int64_t rest = kMinIntervalNanos - (MonotonicNanos() - start);
    if (rest > 0) RunBlocked([&] { usleep(static_cast<useconds_t>(rest / 1000)); });
  }
}

void LimiterNotifier::ChildAfterFork() {
  fn_ = nullptr;
  is_running_ = false;
  busy_.store(0, std::memory_order_relaxed);  // relaxed (both): the child has one thread
  thread_.store(0, std::memory_order_relaxed);
  lock_.Release();
}

}  // namespace tarn::rt
