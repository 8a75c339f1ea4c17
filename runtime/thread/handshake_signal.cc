#include "runtime/thread/handshake_signal.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "runtime/base/lock.h"
#include "runtime/thread/handshake_impl.h"
#include "runtime/thread/runtime_scope.h"

namespace tarn::rt {
namespace {

constinit Lock install_lock;

// What the program had installed. A handler may run while the action is replaced, so there are two
// copies, and the one in use is never written.
constinit struct sigaction previous[2] = {};
constinit std::atomic<int> current_previous{0};

constinit std::atomic<int> signal_number{SIGURG};
constinit std::atomic<bool> uses_alternate_stack{false};
constinit std::atomic<bool> is_installed{false};

// Set while the previous handler runs: one that was installed after tarn's may chain back to it.
constinit thread_local bool t_is_chaining TARN_TLS_INITIAL_EXEC = false;

void OnSignal(int signo, siginfo_t* info, void* context);

bool IsOurAction(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == OnSignal;
}

// True for signals whose default action is to do nothing (or to continue, which has happened).
bool IsIgnoredByDefault(int signo) {
  return signo == SIGURG || signo == SIGCHLD || signo == SIGWINCH || signo == SIGCONT;
}

// Ends the process as the program, which has no handler for this signal, must expect.
void TakeDefaultAction(int signo) {
  if (IsIgnoredByDefault(signo)) return;
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  sigaction(signo, &action, nullptr);
  raise(signo);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signo);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void CallPrevious(int signo, siginfo_t* info, void* context) {
  // acquire: pairs with the release in InstallHandshakeHandler; publishes the copy.
  const struct sigaction& action = previous[current_previous.load(std::memory_order_acquire)];
  const bool has_info = (action.sa_flags & SA_SIGINFO) != 0;
  if (!has_info && action.sa_handler == SIG_IGN) return;
  if (!has_info && action.sa_handler == SIG_DFL) {
    TakeDefaultAction(signo);
    return;
  }
  // The mask that the kernel would have given it; the old one comes back with the interrupted
  // context.
  sigset_t mask;
  sigorset(&mask, &static_cast<ucontext_t*>(context)->uc_sigmask, &action.sa_mask);
  if ((action.sa_flags & SA_NODEFER) == 0) sigaddset(&mask, signo);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  if (has_info) {
    action.sa_sigaction(signo, info, context);
  } else {
    action.sa_handler(signo);
  }
}

void OnSignal(int signo, siginfo_t* info, void* context) {
  const int saved = errno;
  const bool is_ours = info->si_code == SI_QUEUE && info->si_value.sival_ptr == HandshakeCookie();
  if (is_ours) {
    HandshakeImpl::TakeSignal();
  } else {
    AnswerSlow();  // whoever sent it
  }
  if (!is_ours && !t_is_chaining) {
    t_is_chaining = true;
    CallPrevious(signo, info, context);
    t_is_chaining = false;
  }
  errno = saved;
}

bool Install() ABSL_EXCLUSIVE_LOCKS_REQUIRED(install_lock) {
  const int signo = signal_number.load(std::memory_order_relaxed);
  struct sigaction action = {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  if (uses_alternate_stack.load(std::memory_order_relaxed)) action.sa_flags |= SA_ONSTACK;
  sigfillset(&action.sa_mask);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) {
    sigdelset(&action.sa_mask, fault);
  }
  struct sigaction old = {};
  if (sigaction(signo, nullptr, &old) != 0) return false;
  if (!IsOurAction(old)) {
    // Before the handler can run, and in the copy that no handler uses.
    const int spare = 1 - current_previous.load(std::memory_order_relaxed);
    previous[spare] = old;
    // release: pairs with the acquire in CallPrevious.
    current_previous.store(spare, std::memory_order_release);
  }
  return sigaction(signo, &action, nullptr) == 0;
}

}  // namespace

absl::Status SetHandshakeSignal(int signo, SignalStack stack) {
  LockHolder hold(install_lock);
  if (is_installed.load(std::memory_order_relaxed)) {
    return absl::FailedPreconditionError(
        "tarn: the handshake signal cannot change after the first thread has attached");
  }
  const bool is_fault = signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL ||
                        signo == SIGTRAP || signo == SIGABRT || signo == SIGSYS;
  if (signo <= 0 || signo > SIGRTMAX || signo == SIGKILL || signo == SIGSTOP || is_fault ||
      (signo > 31 && signo < SIGRTMIN)) {
    return absl::InvalidArgumentError(
        "tarn: the handshake signal must be one that can be caught and does not report a fault");
  }
  signal_number.store(signo, std::memory_order_relaxed);
  uses_alternate_stack.store(stack == SignalStack::kAlternate, std::memory_order_relaxed);
  return absl::OkStatus();
}

int HandshakeSignal() {
  // relaxed: constant once a thread is attached.
  return signal_number.load(std::memory_order_relaxed);
}

// An address of tarn's own, which no other part of the program would pass.
void* HandshakeCookie() { return &install_lock; }

bool InstallHandshakeHandler() {
  LockHolder hold(install_lock);
  is_installed.store(true, std::memory_order_relaxed);
  return Install();
}

bool IsHandshakeHandlerInstalled() {
  struct sigaction action = {};
  return sigaction(HandshakeSignal(), nullptr, &action) == 0 && IsOurAction(action);
}

}  // namespace tarn::rt
