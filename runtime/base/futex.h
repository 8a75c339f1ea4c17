// Thin wrappers over futex(2) on 32-bit words of this process.
#ifndef TARN_RUNTIME_BASE_FUTEX_H_
#define TARN_RUNTIME_BASE_FUTEX_H_

#include <atomic>
#include <cstdint>

namespace tarn::rt {

// Sleeps while *word == expected, at most timeout_ns (negative: for ever). May return early, so
// callers loop. Preserves errno; async-signal-safe.
void FutexWait(std::atomic<uint32_t>& word, uint32_t expected, int64_t timeout_ns = -1);
void FutexWake(std::atomic<uint32_t>& word, int count);

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_BASE_FUTEX_H_
