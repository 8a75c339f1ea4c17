// Time sources. Policy code takes times as arguments; only drivers read these.
#ifndef TARN_RUNTIME_BASE_CLOCK_H_
#define TARN_RUNTIME_BASE_CLOCK_H_

#include <cstdint>
#include <ctime>

namespace tarn::rt {

// Nanoseconds of the monotonic clock. Async-signal-safe.
inline int64_t MonotonicNanos() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * 1000000000 + ts.tv_nsec;
}
// CPU time that the calling thread has used.
inline int64_t ThreadCpuNanos() {
  timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return int64_t{ts.tv_sec} * 1000000000 + ts.tv_nsec;
}
// CPU time that the process has used. Starts anew in a child after fork().
inline int64_t ProcessCpuNanos() {
  timespec ts;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
  return int64_t{ts.tv_sec} * 1000000000 + ts.tv_nsec;
}
// Nanoseconds since 1970 (wall clock).
inline int64_t WallNanos() {
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return int64_t{ts.tv_sec} * 1000000000 + ts.tv_nsec;
}

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_BASE_CLOCK_H_
