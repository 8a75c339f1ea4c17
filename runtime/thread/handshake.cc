// The asker's side of a handshake, and the public entry points. The thread's side: answer.cc.
#include "runtime/thread/handshake.h"

#include <algorithm>

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/futex.h"
#include "runtime/base/raw_log.h"
#include "runtime/thread/fork_gate.h"
#include "runtime/thread/handshake_impl.h"
#include "runtime/thread/handshake_signal.h"
#include "runtime/thread/round.h"

namespace tarn::rt {
namespace {

// A thread that runs answers within a few microseconds; after that the asker sleeps.
constexpr int64_t kSpinNanos = 20'000;
constexpr int64_t kFirstLookNanos = 2'000'000;
constexpr int64_t kLastLookNanos = 100'000'000;
constexpr int64_t kResendNanos = 10'000'000;
constexpr int64_t kWarnNanos = int64_t{10} * 1'000'000'000;

// Serialises askers. Taken before the registry's lock.
constinit Lock turn;

void CpuRelax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

constinit Round round;

// A thread of a stopped world that asks for another handshake is told apart by its id.
bool HandshakeImpl::IsStoppedByCaller() {
  // relaxed: only the thread that wrote its own id there finds it.
  return round.stopper.load(std::memory_order_relaxed) == CurrentThreadId();
}

void HandshakeImpl::AcquireTurn() {
  // The analysis cannot follow the turn through RunBlocked and into other functions.
  struct Turn {
    static bool Try() ABSL_NO_THREAD_SAFETY_ANALYSIS { return turn.TryAcquire(); }
    // A thread that has got the turn while the fork gate is closed would wait there with it, and
    // the closer for the turn. The gate closes in somebody's turn: this look is final.
    static void Wait() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      for (;;) {
        turn.Acquire();
        if (!IsForkGateClosed()) return;
        turn.Release();
        WaitForForkGate();
      }
    }
  };
  if (Turn::Try()) return;
  RunBlocked([] { Turn::Wait(); });  // keeps I4 of handshake.h
}

void HandshakeImpl::ReleaseTurn() ABSL_NO_THREAD_SAFETY_ANALYSIS { turn.Release(); }

// Asks one thread: claims it if it is blocked, else leaves the request for it. Returns the list of
// claimed threads. Under the registry's lock, so the thread cannot leave and its block is alive.
Mutator* HandshakeImpl::RequestFrom(Mutator& m, Mutator* claimed) {
  // relaxed: only the asker reads it before the answers; they follow the release below.
  round.remaining.fetch_add(1, std::memory_order_relaxed);
  uint32_t state = m.state_.load(std::memory_order_relaxed);
  for (;;) {
    if (state == Mutator::kBlocked) {
      // acquire: pairs with the release in TryEnterBlocked; the context and all that the thread did
      // are visible.
      if (m.state_.compare_exchange_weak(state, Mutator::kClaimed, std::memory_order_acquire,
                                         std::memory_order_relaxed)) {
        // relaxed: the thread reads it after the acquire in LeaveBlocked.
        m.block_->poll.store(0, std::memory_order_relaxed);
        m.next_claimed_ = claimed;
        return &m;
      }
    } else {
      TARN_ASSERT(state == Mutator::kRunning);
      // keeps I3 of mutator.h. relaxed: a late view only delays a poll; the state decides.
      m.block_->poll.store(1, std::memory_order_relaxed);
      // release: pairs with the acquire in IsPending and TryEnterBlocked; publishes the round.
      if (m.state_.compare_exchange_weak(state, Mutator::kPending, std::memory_order_release,
                                         std::memory_order_relaxed)) {
        // relaxed: as in SendSignal(). A signal of an earlier round may still be on its way.
        const bool is_due = m.signal_due_.load(std::memory_order_relaxed) != 0;
        if (!m.options_.cooperative && !is_due && !SendSignal(m)) round.needs_resend = true;
        return claimed;
      }
    }
  }
}

// False if the system asks to try again later.
bool HandshakeImpl::SendSignal(Mutator& m) {
  // relaxed: a stale value costs a second signal, or the wait for LookAfterPending().
  m.signal_due_.store(1, std::memory_order_relaxed);
  switch (SendThreadSignal(m.tid_, HandshakeSignal(), HandshakeCookie())) {
    case SignalResult::kSent:
      return true;
    case SignalResult::kAgain:
      return false;
    case SignalResult::kNoThread:
      break;
  }
  FatalValue("a thread ended while attached to the heap, thread id", static_cast<uint64_t>(m.tid_));
}

Mutator* HandshakeImpl::Request(Mutator* self, bool stop) {
  ThreadRegistry& registry = ThreadRegistry::Get();
  LockHolder hold(registry.lock_);
  if (stop) {
    round.stopper.store(CurrentThreadId(), std::memory_order_relaxed);
    // relaxed: attaching threads read it under the same lock; pending ones after the acquire of
    // kPending.
    round.stop_epoch.fetch_add(1, std::memory_order_relaxed);
  }
  Mutator* claimed = nullptr;
  for (Mutator* m = registry.head_; m != nullptr; m = m->next_) {
    if (m != self) claimed = RequestFrom(*m, claimed);
  }
  return claimed;
}

void HandshakeImpl::ReleaseClaimed(Mutator& m) {
  // release: pairs with the acquire in LeaveBlocked; what was done for the thread is visible to it.
  const uint32_t old = m.state_.exchange(Mutator::kBlocked, std::memory_order_release);
  if (old == Mutator::kClaimedWaited) FutexWake(m.state_, 1);
}

void HandshakeImpl::RunRound(HandshakeFn fn, void* arg, bool stop, uintptr_t sp,
                             const uintptr_t* registers) {
  Mutator* self = Mutator::Current();
  round.fn = fn;
  round.arg = arg;
  round.is_stop = stop;
  round.needs_resend = false;
  round.started = MonotonicNanos();
  round.is_starving.store(false, std::memory_order_relaxed);
  round.sequence.fetch_add(1, std::memory_order_relaxed);  // relaxed: published with the states
  round.remaining.store(1, std::memory_order_relaxed);     // I2: the asker's own unit
  Mutator* claimed = Request(self, stop);

  if (self != nullptr) {
    // In a blocked scope of its own the saved context is the right one.
    if (self->blocked_depth_ == 0) self->SaveContext(sp, registers);
    if (fn != nullptr) fn(*self, arg);
  }
  uint32_t done = 1;
  for (Mutator* m = claimed; m != nullptr; ++done) {
    Mutator* next = m->next_claimed_;
    if (fn != nullptr) fn(*m, arg);
    if (!stop) ReleaseClaimed(*m);
    m = next;
  }
  if (stop) round.claimed = claimed;
  // acq_rel: as in Answer(); the asker's own functions are ordered by the program.
  if (round.remaining.fetch_sub(done, std::memory_order_acq_rel) != done) WaitForAnswers();
}

void HandshakeImpl::RunForStopped(HandshakeFn fn, void* arg, uintptr_t sp,
                                  const uintptr_t* registers) {
  Mutator* self = Mutator::Current();
  // The context of the stop is valid again afterwards: this frame is gone then.
  const SavedContext at_stop = self != nullptr ? self->context_ : SavedContext{};
  if (self != nullptr && self->blocked_depth_ == 0) self->SaveContext(sp, registers);
  // Nobody attaches or detaches now, so the list may be walked without the lock, which `fn` may
  // need.
  Mutator* head;
  {
    LockHolder hold(ThreadRegistry::Get().lock_);
    head = ThreadRegistry::Get().head_;
  }
  for (Mutator* m = head; m != nullptr; m = m->next_) fn(*m, arg);
  if (self != nullptr) self->context_ = at_stop;
}

void HandshakeImpl::WaitForAnswers() {
  const int64_t start = MonotonicNanos();
  // acquire (both loads): pairs with the release in Answer(); what the functions wrote is visible.
  while (round.remaining.load(std::memory_order_acquire) != 0) {
    if (MonotonicNanos() - start > kSpinNanos) break;
    for (int i = 0; i < 16; ++i) CpuRelax();
  }
  int64_t patience = kFirstLookNanos;
  int64_t last_warning = 0;
  for (;;) {
    // acquire: pairs with the release in Answer(), as above.
    const uint32_t left = round.remaining.load(std::memory_order_acquire);
    if (left == 0) return;
    const int64_t before = MonotonicNanos();
    FutexWait(round.remaining, left, patience);
    if (MonotonicNanos() - before < patience) continue;
    const int64_t waited = MonotonicNanos() - start;
    round.needs_resend = LookAfterPending(waited - last_warning);
    if (waited - last_warning > kWarnNanos) last_warning = waited;
    patience = round.needs_resend ? kFirstLookNanos : std::min(patience * 2, kLastLookNanos);
  }
}

// The round is late. Threads that have not even received their signal wait for a CPU: the others
// are asked to let them run. Later, what may have gone wrong: the program has replaced the handler,
// a signal could not be queued or was taken by sigwait(), or a thread is gone. Returns whether a
// signal is still to be sent.
bool HandshakeImpl::LookAfterPending(int64_t waited) {
  if (waited > kResendNanos && !IsHandshakeHandlerInstalled() && !InstallHandshakeHandler()) {
    Fatal("cannot install the handshake signal again");
  }
  bool try_again = false;
  bool is_starving = false;
  ThreadRegistry& registry = ThreadRegistry::Get();
  LockHolder hold(registry.lock_);
  for (Mutator* m = registry.head_; m != nullptr; m = m->next_) {
    // relaxed (all): estimates; the signals below are only hints.
    if (m->state_.load(std::memory_order_relaxed) != Mutator::kPending) continue;
    const bool takes_signals = !m->options_.cooperative && m->options_.unblock_signal;
    is_starving |= takes_signals && m->signal_due_.load(std::memory_order_relaxed) != 0;
    if (waited > kWarnNanos) WarnOf(*m);
    if (waited <= kResendNanos && !round.needs_resend) continue;
    CheckAlive(*m);
    if (!m->options_.cooperative && !SendSignal(*m)) try_again = true;
  }
  round.is_starving.store(is_starving, std::memory_order_relaxed);
  if (!is_starving || round.is_stop || !round.gives_up_slice.load(std::memory_order_relaxed)) {
    return try_again;
  }
  for (Mutator* m = registry.head_; m != nullptr; m = m->next_) {
    const bool is_running = m->state_.load(std::memory_order_relaxed) == Mutator::kRunning;
    if (is_running && !m->options_.cooperative && m != Mutator::Current()) SendSignal(*m);
  }
  return try_again;
}

void HandshakeImpl::CheckAlive(const Mutator& m) {
  if (IsThreadAlive(m.tid_)) return;
  FatalValue("a thread ended while attached to the heap, thread id", static_cast<uint64_t>(m.tid_));
}

void HandshakeImpl::WarnOf(const Mutator& m) {
  RawLine()
      .Str("tarn: collector waits for thread ")
      .Dec(m.tid_)
      .Str(" (")
      .Str(m.name_)
      .Str("): it blocks the handshake signal, or is cooperative and has no safepoint")
      .WriteTo();
}

void HandshakeImpl::ResumeWorld() {
  Mutator* claimed = round.claimed;
  round.claimed = nullptr;
  round.stopper.store(0, std::memory_order_relaxed);
  // release: pairs with the acquire in WaitUntilResumed; what was done during the stop is visible.
  round.stop_epoch.fetch_add(1, std::memory_order_release);
  FutexWake(round.stop_epoch, INT32_MAX);
  for (Mutator* m = claimed; m != nullptr;) {
    Mutator* next = m->next_claimed_;
    ReleaseClaimed(*m);
    m = next;
  }
}

void Handshake(HandshakeFn fn, void* arg) {
  uintptr_t registers[internal::kCapturedRegisters];
  const uintptr_t sp = tarn_internal_capture_registers(registers);
  RuntimeScope scope;
  if (HandshakeImpl::IsStoppedByCaller()) {
    HandshakeImpl::RunForStopped(fn, arg, sp, registers);
    return;
  }
  HandshakeImpl::AcquireTurn();
  HandshakeImpl::RunRound(fn, arg, /*stop=*/false, sp, registers);
  HandshakeImpl::ReleaseTurn();
}

void SetGiveUpSlice(bool on) { round.gives_up_slice.store(on, std::memory_order_relaxed); }

}  // namespace tarn::rt
