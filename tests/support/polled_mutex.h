// PolledMutex: a lock whose waiters can be interrupted. ThreadSanitizer delivers no signal to a thread
// that waits in std::mutex, so a stop would never end if a stopped thread held it.
#ifndef TARN_TESTS_SUPPORT_POLLED_MUTEX_H_
#define TARN_TESTS_SUPPORT_POLLED_MUTEX_H_

#include <mutex>
#include <thread>

namespace tarn::rt {

class PolledMutex {
 public:
  void lock() {
    while (!mutex_.try_lock()) std::this_thread::yield();
  }
  void unlock() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

}  // namespace tarn::rt

#endif  // TARN_TESTS_SUPPORT_POLLED_MUTEX_H_
