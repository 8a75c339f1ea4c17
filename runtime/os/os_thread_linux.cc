#include "runtime/os/os_thread_linux.h"

#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>

#include "runtime/base/check.h"
#include "runtime/base/futex.h"

namespace tarn::rt {
namespace {

// The kernel keeps at least this much address space free below the main thread's stack, whatever
// the stack limit was at start; a limit raised later lets the stack grow into it.
constexpr uintptr_t kMainStackGapBytes = uintptr_t{127} << 20;

class ErrnoKeeper {
 public:
  ErrnoKeeper() : saved_(errno) {}
  ~ErrnoKeeper() { errno = saved_; }
  ErrnoKeeper(const ErrnoKeeper&) = delete;
  ErrnoKeeper& operator=(const ErrnoKeeper&) = delete;

 private:
  const int saved_;
};

struct StartInfo {
  void (*run)(void*);
  void* arg;
  char name[kThreadNameBytes];
};

// The thread that happens to need a runtime thread first may be pinned, or run at another priority:
// that is no concern of the process's. What cannot be had is left.
void TakeSchedulingOfMainThread() {
  const pid_t main = getpid();
  constexpr size_t kMaskBytes = 8192;  // 65 536 CPUs
  alignas(cpu_set_t) unsigned char mask[kMaskBytes] = {};
  auto* set = reinterpret_cast<cpu_set_t*>(mask);
  if (sched_getaffinity(main, sizeof(mask), set) == 0) sched_setaffinity(0, sizeof(mask), set);
  sched_param param = {};
  const int policy = sched_getscheduler(main);
  if (policy >= 0 && sched_getparam(main, &param) == 0 && policy != sched_getscheduler(0)) {
    sched_setscheduler(0, policy, &param);
  }
  errno = 0;
  const int nice = getpriority(PRIO_PROCESS, static_cast<id_t>(main));
  if (errno == 0) setpriority(PRIO_PROCESS, static_cast<id_t>(CurrentThreadId()), nice);
}

// Twice the number of threads that start or are being started, plus one while the gate is closed.
// A futex.
std::atomic<uint32_t> g_starts{0};
constexpr uint32_t kClosed = 1, kOneThread = 2;

// The caller and the thread that it starts.
void BeginThreadStart() {
  uint32_t starts = g_starts.load(std::memory_order_relaxed);  // relaxed: the exchange checks it
  for (;;) {
    if ((starts & kClosed) != 0) {
      FutexWait(g_starts, starts);
      starts = g_starts.load(std::memory_order_relaxed);
      // acquire: pairs with OpenThreadStarts.
    } else if (g_starts.compare_exchange_weak(starts, starts + 2 * kOneThread,
                                              std::memory_order_acquire,
                                              std::memory_order_relaxed)) {
      return;
    }
  }
}

void EndThreadStart() {
  // release: pairs with CloseThreadStarts; what the start did is done.
  const uint32_t before = g_starts.fetch_sub(kOneThread, std::memory_order_release);
  if ((before & kClosed) != 0) FutexWake(g_starts, 1 << 20);
}

void* StartRuntimeThread(void* p) {
  StartInfo info;
  std::memcpy(&info, p, sizeof(info));
  delete static_cast<StartInfo*>(p);
  SetThreadName(info.name);
  TakeSchedulingOfMainThread();
  EndThreadStart();
  info.run(info.arg);
  return nullptr;
}

int CreateDetached(const char* name, void (*run)(void*), void* arg) {
  auto* info = new (std::nothrow) StartInfo{run, arg, {}};
  if (info == nullptr) return ENOMEM;
  std::memcpy(info->name, name, strnlen(name, kThreadNameBytes - 1));
  pthread_attr_t attr;
  if (const int error = pthread_attr_init(&attr); error != 0) {
    delete info;
    return error;
  }
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  // The new thread inherits the mask, so there is no moment in which it could take a signal.
  sigset_t all;
  sigset_t old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t thread;
  const int error = pthread_create(&thread, &attr, StartRuntimeThread, info);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  pthread_attr_destroy(&attr);
  if (error != 0) delete info;
  return error;
}

}  // namespace

pid_t CurrentThreadId() { return static_cast<pid_t>(syscall(SYS_gettid)); }

SignalResult SendThreadSignal(pid_t tid, int signo, void* value) {
  ErrnoKeeper keeper;
  siginfo_t info = {};
  info.si_signo = signo;
  info.si_code = SI_QUEUE;
  info.si_pid = getpid();
  info.si_uid = getuid();
  info.si_value.sival_ptr = value;
  if (syscall(SYS_rt_tgsigqueueinfo, info.si_pid, tid, signo, &info) == 0) {
    return SignalResult::kSent;
  }
  return errno == EAGAIN ? SignalResult::kAgain : SignalResult::kNoThread;
}

bool IsThreadAlive(pid_t tid) {
  ErrnoKeeper keeper;
  return syscall(SYS_tgkill, getpid(), tid, 0) == 0;
}

StackBounds NativeStackBounds() {
  ErrnoKeeper keeper;
  pthread_attr_t attr;
  if (pthread_getattr_np(pthread_self(), &attr) != 0) return {};
  void* low = nullptr;
  size_t bytes = 0;
  const int error = pthread_attr_getstack(&attr, &low, &bytes);
  pthread_attr_destroy(&attr);
  if (error != 0) return {};
  StackBounds bounds{reinterpret_cast<uintptr_t>(low), reinterpret_cast<uintptr_t>(low) + bytes};
  if (CurrentThreadId() == getpid() && bounds.high > kMainStackGapBytes) {
    bounds.low = std::min(bounds.low, bounds.high - kMainStackGapBytes);
  }
  return bounds;
}

StackBounds ActiveAlternateStack() {
  ErrnoKeeper keeper;
  stack_t stack;
  if (sigaltstack(nullptr, &stack) != 0 || (stack.ss_flags & SS_ONSTACK) == 0) return {};
  const auto low = reinterpret_cast<uintptr_t>(stack.ss_sp);
  return {low, low + stack.ss_size};
}

void GetThreadName(char (&name)[kThreadNameBytes]) {
  ErrnoKeeper keeper;
  if (prctl(PR_GET_NAME, name, 0, 0, 0) != 0) name[0] = '\0';
}

void SetThreadName(const char* name) {
  ErrnoKeeper keeper;
  char cut[kThreadNameBytes] = {};
  std::memcpy(cut, name, strnlen(name, kThreadNameBytes - 1));
  prctl(PR_SET_NAME, cut, 0, 0, 0);
}

int SpawnRuntimeThread(const char* name, void (*run)(void*), void* arg) {
  ErrnoKeeper keeper;
  BeginThreadStart();
  const int error = CreateDetached(name, run, arg);
  if (error != 0) EndThreadStart();  // the thread's
  EndThreadStart();
  return error;
}

void RunOutsideFork(void (*f)(void*), void* arg) {
  BeginThreadStart();
  f(arg);
  EndThreadStart();
  EndThreadStart();  // there is no other thread
}

void CloseThreadStarts() {
  // acquire: pairs with EndThreadStart.
  uint32_t starts = g_starts.fetch_or(kClosed, std::memory_order_acquire) | kClosed;
  while (starts != kClosed) {
    FutexWait(g_starts, starts);
    starts = g_starts.load(std::memory_order_acquire);
  }
}

void OpenThreadStarts() {
  // release: pairs with BeginThreadStart.
  g_starts.store(0, std::memory_order_release);
  FutexWake(g_starts, 1 << 20);
}

bool CanLeaveIdlePriority() {
  ErrnoKeeper keeper;
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, data) == 0 && ((data[0].effective >> CAP_SYS_NICE) & 1) != 0) {
    return true;
  }
  rlimit limit;
  const int nice = getpriority(PRIO_PROCESS, 0);
  constexpr int kNiceZero = 20;  // RLIMIT_NICE counts down from here
  return getrlimit(RLIMIT_NICE, &limit) == 0 &&
         limit.rlim_cur >= static_cast<rlim_t>(kNiceZero - nice);
}

bool UnblockSignal(int signo) {
  ErrnoKeeper keeper;
  sigset_t set;
  sigset_t old;
  sigemptyset(&set);
  sigaddset(&set, signo);
  if (pthread_sigmask(SIG_UNBLOCK, &set, &old) != 0) return false;
  return sigismember(&old, signo) == 1;
}

}  // namespace tarn::rt
