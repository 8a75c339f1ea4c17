// Lock: the runtime's own mutex, a three-state futex lock that spins briefly before it sleeps.
// Used instead of absl::Mutex because it must neither allocate nor touch per-thread library state:
// it is taken inside allocation slow paths, on threads that are about to exit, and in a child after
// fork(). A thread holds a Lock only while its in_runtime count is above zero (so it is never
// stopped or handshaken while holding one), or when it is not attached; hence the collector may
// take any Lock while all threads are stopped. Algorithm: Drepper, "Futexes are tricky" (mutex 3).
#ifndef TARN_RUNTIME_BASE_LOCK_H_
#define TARN_RUNTIME_BASE_LOCK_H_

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"

namespace tarn::rt {

class ABSL_LOCKABLE Lock {
 public:
  constexpr Lock() = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

  void Acquire() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    uint32_t expected = kFree;
    // acquire: pairs with the release in Release(); the previous holder's writes are visible.
    if (!state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
      AcquireSlow();
    }
  }
  bool TryAcquire() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) {
    uint32_t expected = kFree;
    // acquire: as in Acquire().
    return state_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }
  void Release() ABSL_UNLOCK_FUNCTION() {
    // release: pairs with the acquires above; publishes what was written under the lock.
    if (state_.exchange(kFree, std::memory_order_release) == kContended) WakeOne();
  }
  // For asserts: true if some thread holds the lock. Relaxed: only meaningful to the holder itself.
  bool IsHeld() const { return state_.load(std::memory_order_relaxed) != kFree; }

 private:
  static constexpr uint32_t kFree = 0, kHeld = 1, kContended = 2;
  void AcquireSlow() ABSL_NO_THREAD_SAFETY_ANALYSIS;  // it is what the annotations describe
  void WakeOne();

  std::atomic<uint32_t> state_{kFree};
};

class ABSL_SCOPED_LOCKABLE LockHolder {
 public:
  explicit LockHolder(Lock& lock) ABSL_EXCLUSIVE_LOCK_FUNCTION(lock) : lock_(lock) {
    lock_.Acquire();
  }
  ~LockHolder() ABSL_UNLOCK_FUNCTION() { lock_.Release(); }
  LockHolder(const LockHolder&) = delete;
  LockHolder& operator=(const LockHolder&) = delete;

 private:
  Lock& lock_;
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_BASE_LOCK_H_
