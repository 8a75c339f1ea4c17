// What tarn needs from the operating system about threads: ids, directed signals, stack bounds,
// names, and threads of its own.
// Not here: which threads use the heap (runtime/thread/thread_registry.h).
// I1 Every call preserves errno unless it says otherwise.
// I2 "Signal-safe" calls may be used in a handler.
// Locking: none; the gate of CloseThreadStarts is an atomic word.
#ifndef TARN_RUNTIME_OS_OS_THREAD_LINUX_H_
#define TARN_RUNTIME_OS_OS_THREAD_LINUX_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace tarn::rt {

// Addresses [low, high); the stack grows down from `high`. Empty if low == high.
struct StackBounds {
  uintptr_t low = 0;
  uintptr_t high = 0;
  bool Contains(uintptr_t p) const { return p >= low && p < high; }
};

// The kernel's id of the calling thread. Signal-safe.
pid_t CurrentThreadId();

enum class SignalResult {
  kSent,
  kNoThread,  // no such thread (any more)
  kAgain,     // the queue of pending signals is full; only real-time signals can get this
};
// Sends `signo` to one thread of this process, with si_code SI_QUEUE and `value` in si_value, by
// which its handler can tell it from every other signal. Signal-safe.
SignalResult SendThreadSignal(pid_t tid, int signo, void* value);
bool IsThreadAlive(pid_t tid);

// Bounds of the calling thread's native stack. May call malloc: once per thread, when it attaches.
// For the main thread `low` is the lowest address that the stack may ever grow to.
StackBounds NativeStackBounds();

// The calling thread's alternate signal stack if the thread runs on it now; else empty.
// Signal-safe.
StackBounds ActiveAlternateStack();

constexpr size_t kThreadNameBytes = 16;  // with the terminating zero: the kernel's limit
void GetThreadName(char (&name)[kThreadNameBytes]);
// Longer names are cut.
void SetThreadName(const char* name);

// Starts a detached thread with all signals blocked, so that no handler of the program runs on it. It
// has the CPUs, policy and nice value of the process's main thread, whoever calls.
// Returns 0 or the error of pthread_create; then nothing has changed.
[[nodiscard]] int SpawnRuntimeThread(const char* name, void (*run)(void*), void* arg);

// Around fork(): between the two no thread of SpawnRuntimeThread is on its way from pthread_create to
// `run`. There it takes locks of the C library's and of a sanitizer's that fork() leaves as they are:
// the child would wait for them for ever. Closing waits for those that are on their way; a call of
// SpawnRuntimeThread waits until the gate is open. The child opens it, too.
void CloseThreadStarts();
void OpenThreadStarts();
// Runs f(arg), which takes locks of the C library's, where such a start might take place.
void RunOutsideFork(void (*f)(void*), void* arg);

// Whether a thread that has gone to SCHED_IDLE may come back: with CAP_SYS_NICE, or by RLIMIT_NICE.
bool CanLeaveIdlePriority();

// Unblocks `signo` in the calling thread. Returns whether it was blocked.
bool UnblockSignal(int signo);

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_OS_OS_THREAD_LINUX_H_
