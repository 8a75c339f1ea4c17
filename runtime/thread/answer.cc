// The thread's side of a handshake: answering it, parking for a stop, entering and leaving blocked
// scopes. The asker's side: handshake.cc.
// I1 Everything here runs on the thread itself with in_runtime > 0, so a handler that interrupts it
//    defers; what the handler deferred is found by the test of `poll` when in_runtime is 0 again.
// I2 After the answer is counted nothing of the round is read but its atomics.
#include <time.h>

#include <cerrno>

#include "runtime/base/clock.h"
#include "runtime/base/futex.h"
#include "runtime/thread/fork_gate.h"
#include "runtime/thread/handshake_impl.h"
#include "runtime/thread/round.h"

namespace tarn::rt {
namespace {

// A round this old has threads that wait for a CPU.
constexpr int64_t kLateRoundNanos = 1'000'000;
// Naps double, so that a thread sleeps at most as long again as it has slept, and even hundreds of
// napping threads cost the pending ones little.
constexpr int64_t kFirstNapNanos = 1'000'000;
constexpr int64_t kLastNapNanos = 16'000'000;
// How long a thread naps in all: the second if the asker has found that a pending thread has not
// run since it was asked. Without naps that thread would wait longer still: for a slice of each of
// the others.
constexpr int64_t kNapsNanos = 64'000'000;
constexpr int64_t kNapsIfStarvingNanos = 1'000'000'000;

bool ShouldNap(uint32_t sequence, int64_t slept) {
  // relaxed (all): a stale view costs one nap.
  if (round.remaining.load(std::memory_order_relaxed) == 0) return false;
  if (slept < kNapsNanos) return true;
  return slept < kNapsIfStarvingNanos &&
         round.sequence.load(std::memory_order_relaxed) == sequence &&
         round.is_starving.load(std::memory_order_relaxed);
}

void Park(uint32_t epoch) {
  // acquire: pairs with the release in ResumeWorld; what was done to this thread's state is
  // visible.
  while (round.stop_epoch.load(std::memory_order_acquire) == epoch) {
    FutexWait(round.stop_epoch, epoch);
  }
}

}  // namespace

// Lets the threads that have not yet answered run, until they have, and then the asker. Yielding is
// not enough: the scheduler chooses the threads that ran least, and those that have just yielded
// are among them. With a CPU for each running thread nobody comes here: all answer at once.
// The thread sleeps as a blocked one, with the context of its answer, so that the next round need
// not wait for it.
void HandshakeImpl::GiveUpSlice(Mutator& m, uint32_t sequence) {
  if (!TryEnterBlocked(m)) return;  // the next round has come already
  const int saved = errno;
  int64_t slept = 0;
  int64_t nanos = kFirstNapNanos;
  do {
    const timespec nap{0, nanos};
    nanosleep(&nap, nullptr);
    slept += nanos;
    if (slept > 2 * nanos && nanos < kLastNapNanos) nanos *= 2;
  } while (ShouldNap(sequence, slept));
  errno = saved;
  LeaveBlocked(m);
}

void HandshakeImpl::Answer(Mutator& m, uintptr_t sp, const uintptr_t* registers) {
  m.SaveContext(sp, registers);
  const bool is_stop = round.is_stop;
  const int64_t started = round.started;
  // relaxed (both): written before kPending, which was read with acquire.
  const uint32_t epoch = round.stop_epoch.load(std::memory_order_relaxed);
  const uint32_t sequence = round.sequence.load(std::memory_order_relaxed);
  if (round.fn != nullptr) round.fn(m, round.arg);
  m.block_->poll.store(0, std::memory_order_relaxed);  // keeps I3 of mutator.h
  // relaxed: the release below publishes it, and no other asker can come before that.
  m.state_.store(Mutator::kRunning, std::memory_order_relaxed);
  // acq_rel: release pairs with the acquire in WaitForAnswers, directly or through the other
  // answers.
  const uint32_t left = round.remaining.fetch_sub(1, std::memory_order_acq_rel) - 1;
  if (left == 0) FutexWake(round.remaining, 1);
  if (is_stop) {
    Park(epoch);
  } else if (round.gives_up_slice.load(std::memory_order_relaxed) &&
             MonotonicNanos() - started > kLateRoundNanos) {
    GiveUpSlice(m, sequence);
  }
}

// A frame of its own: what the callers hold in callee-saved registers is captured or lies above it.
[[gnu::noinline]] void HandshakeImpl::AnswerHere(Mutator& m) {
  uintptr_t registers[internal::kCapturedRegisters];
  const uintptr_t sp = tarn_internal_capture_registers(registers);
  if (IsPending(m)) Answer(m, sp, registers);
}

void AnswerSlow() {
  internal::MutatorBlock& block = internal::t_block;
  Mutator* m = block.mutator;
  if (m == nullptr) return;
  if (block.in_runtime.load(std::memory_order_relaxed) != 0) {
    // relaxed: read by this thread when it leaves the runtime.
    if (HandshakeImpl::IsPending(*m)) block.poll.store(1, std::memory_order_relaxed);
    return;
  }
  // After an answer, the next round's signal may have come before in_runtime was 0 again.
  while (HandshakeImpl::IsPending(*m)) {
    block.in_runtime.store(1, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // against the handler on this thread
    HandshakeImpl::AnswerHere(*m);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // against the handler on this thread
    block.in_runtime.store(0, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // against the handler on this thread
  }
}

void BarrierScope::AnswerAfterBarrier() {
  const Mutator* m = internal::t_block.mutator;
  if (m != nullptr && !m->options().cooperative) AnswerSlow();
}

bool HandshakeImpl::TryEnterBlocked(Mutator& m) {
  uint32_t expected = Mutator::kRunning;
  // release: pairs with the acquire of the asker's claim; publishes the context.
  return m.state_.compare_exchange_strong(expected, Mutator::kBlocked, std::memory_order_release,
                                          std::memory_order_relaxed);
}

void HandshakeImpl::LeaveBlocked(Mutator& m) {
  uint32_t state = Mutator::kBlocked;
  // acquire: pairs with the release in ReleaseClaimed; what was done for this thread is visible.
  while (!m.state_.compare_exchange_weak(state, Mutator::kRunning, std::memory_order_acquire,
                                         std::memory_order_relaxed)) {
    // relaxed: the word only says that this thread sleeps; the futex compares it again.
    if (state == Mutator::kClaimed &&
        m.state_.compare_exchange_weak(state, Mutator::kClaimedWaited, std::memory_order_relaxed,
                                       std::memory_order_relaxed)) {
      state = Mutator::kClaimedWaited;
    }
    if (state == Mutator::kClaimedWaited) FutexWait(m.state_, Mutator::kClaimedWaited);
    state = Mutator::kBlocked;
  }
}

[[gnu::noinline]] void HandshakeImpl::GiveUpSliceHere(Mutator& m) {
  uintptr_t registers[internal::kCapturedRegisters];
  m.SaveContext(tarn_internal_capture_registers(registers), registers);
  GiveUpSlice(m, round.sequence.load(std::memory_order_relaxed));  // relaxed: see ShouldNap
}

void HandshakeImpl::TakeSignal() {
  internal::MutatorBlock& block = internal::t_block;
  Mutator* m = block.mutator;
  if (m == nullptr) return;
  m->signal_due_.store(0, std::memory_order_relaxed);  // relaxed: see SendSignal()
  AnswerSlow();
  // relaxed (all): the asker has asked for a nap, which is a favour.
  if (block.in_runtime.load(std::memory_order_relaxed) != 0 ||
      !round.is_starving.load(std::memory_order_relaxed) ||
      round.remaining.load(std::memory_order_relaxed) == 0) {
    return;
  }
  block.in_runtime.store(1, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // against handlers on this thread
  GiveUpSliceHere(*m);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // against handlers on this thread
  block.in_runtime.store(0, std::memory_order_relaxed);
  AnswerSlow();
}

bool HandshakeImpl::IsWorldStopped() {
  // It becomes odd under the registry's lock, which the caller holds, but even without it.
  // acquire: pairs with the release in ResumeWorld; a thread that attaches now sees what was done.
  return (round.stop_epoch.load(std::memory_order_acquire) & 1) != 0;
}

void HandshakeImpl::WaitUntilResumed() {
  // relaxed: Park pairs with the resume.
  const uint32_t epoch = round.stop_epoch.load(std::memory_order_relaxed);
  if ((epoch & 1) != 0) Park(epoch);
}

namespace {

// Becomes blocked, answering first what is pending. In the runtime.
void EnterState(Mutator& m, uintptr_t sp, const uintptr_t* registers) {
  for (;;) {
    HandshakeImpl::SaveContext(m, sp, registers);
    if (HandshakeImpl::TryEnterBlocked(m)) return;
    if (HandshakeImpl::IsPending(m)) HandshakeImpl::Answer(m, sp, registers);
  }
}

}  // namespace

Mutator* EnterBlocked(uintptr_t sp, const uintptr_t* registers) {
  Mutator* m = Mutator::Current();
  if (m == nullptr || HandshakeImpl::BlockedDepth(*m)++ != 0) return m;
  RuntimeScope::Enter();  // left in LeaveBlocked: a handler finds nothing to do meanwhile
  EnterState(*m, sp, registers);
  return m;
}

void LeaveBlocked(Mutator* m) {
  if (m == nullptr || --HandshakeImpl::BlockedDepth(*m) != 0) return;
  HandshakeImpl::LeaveBlocked(*m);
  while (IsForkGateClosed()) [[unlikely]] {
      // keeps I1 of fork_gate.h: back into the scope, with the same context, which is still valid.
      const SavedContext context = m->context();
      EnterState(*m, context.sp, context.registers);
      WaitForForkGate();
      HandshakeImpl::LeaveBlocked(*m);
    }
  RuntimeScope::Exit();
}

[[gnu::noinline]] void RunBlockedWith(void (*body)(void*), void* arg) {
  BlockedScope scope;
  body(arg);
}

}  // namespace tarn::rt
