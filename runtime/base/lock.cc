#include "runtime/base/lock.h"

#include "runtime/base/futex.h"

namespace tarn::rt {
namespace {

constexpr int kSpins =
    64;  // about a microsecond: longer than any page-cache hit, shorter than a sleep

void CpuRelax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void Lock::AcquireSlow() {
  for (int i = 0; i < kSpins; ++i) {
    if (state_.load(std::memory_order_relaxed) == kFree && TryAcquire()) return;
    CpuRelax();
  }
  // acquire: pairs with the release in Release().
  while (state_.exchange(kContended, std::memory_order_acquire) != kFree) {
    FutexWait(state_, kContended);
  }
}

void Lock::WakeOne() { FutexWake(state_, 1); }

}  // namespace tarn::rt
