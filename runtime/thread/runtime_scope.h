// RuntimeScope, BlockedScope, RunBlocked, Safepoint: how a thread says whether a handshake may
// interrupt it, and where it answers.
//   RuntimeScope   "not now": slow paths; what was asked meanwhile is answered at the exit.
//   BlockedScope   "without me": the thread does not touch the heap; askers act on its behalf.
//   Safepoint      "now": answers a waiting handshake.
// Not here: asking (handshake.h).
// I1 A handshake function runs on its thread only with in_runtime == 0 at the point interrupted or
//    left.
// I2 All scopes nest in each other; only the outermost BlockedScope changes the thread's state.
// I3 No rt::Lock is held where a BlockedScope begins: whoever acts for the thread may need it.
// Locking: none.
// Cost: RuntimeScope 3 loads, 2 stores, two tests; BlockedScope two compare-and-swaps, and a system
// call only if the thread is claimed when it wants to leave.
#ifndef TARN_RUNTIME_THREAD_RUNTIME_SCOPE_H_
#define TARN_RUNTIME_THREAD_RUNTIME_SCOPE_H_

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "tarn/internal/capture_registers.h"
#include "tarn/internal/mutator_block.h"

namespace tarn::rt {

class Mutator;

// Answers a waiting handshake unless the thread is inside the runtime. Signal-safe, and harmless in
// a thread that is not attached.
void AnswerSlow();

inline void Safepoint() {
  // relaxed: a stale 0 only delays the answer to the next poll or to the signal.
  if (internal::t_block.poll.load(std::memory_order_relaxed) != 0) [[unlikely]]
    AnswerSlow();
}

// 1 while a thread forks: the runtime is not to be entered (fork_gate.h).
extern std::atomic<uint32_t> g_runtime_gate;

class RuntimeScope {
 public:
  RuntimeScope() { Enter(); }
  ~RuntimeScope() { Exit(); }
  RuntimeScope(const RuntimeScope&) = delete;
  RuntimeScope& operator=(const RuntimeScope&) = delete;

  // The parts of the scope, for a fiber switch, whose exit is on another stack.
  static void Enter() {
    if (Arrive()) [[unlikely]]
      WaitAtGate();
  }
  static void Exit() {
    if (Leave()) [[unlikely]]
      AnswerSlow();
  }

 private:
  friend class BarrierScope;

  // Whether this is the outermost scope and the gate is closed.
  static bool Arrive() {
    std::atomic<uint32_t>& depth = internal::t_block.in_runtime;
    // relaxed, and no read-modify-write: only this thread and handlers on it use the count.
    const uint32_t outer = depth.load(std::memory_order_relaxed);
    depth.store(outer + 1, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // against the handler on this thread
    // relaxed: the gate closes while all threads are stopped, outside the runtime (fork_gate.h).
    return outer == 0 && g_runtime_gate.load(std::memory_order_relaxed) != 0;
  }
  // Whether a deferred handshake waits for an answer.
  static bool Leave() {
    internal::MutatorBlock& block = internal::t_block;
    std::atomic_signal_fence(std::memory_order_seq_cst);  // against the handler on this thread
    const uint32_t depth = block.in_runtime.load(std::memory_order_relaxed) - 1;
    block.in_runtime.store(depth, std::memory_order_relaxed);
    // A handler that found the count above zero ran before the store, so its poll is seen here; one
    // that comes later answers by itself.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return depth == 0 && block.poll.load(std::memory_order_relaxed) != 0;
  }
  static void WaitAtGate();
};

// What a write barrier uses: a cooperative thread is asked neither at the end of the scope nor while it
// waits at the gate, for a store is no safepoint; with precise roots it may hold pointers in its frames.
class BarrierScope {
 public:
  BarrierScope() {
    if (RuntimeScope::Arrive()) [[unlikely]]
      WaitOutsideGate();
  }
  ~BarrierScope() {
    if (RuntimeScope::Leave()) [[unlikely]]
      AnswerAfterBarrier();
  }
  BarrierScope(const BarrierScope&) = delete;
  BarrierScope& operator=(const BarrierScope&) = delete;

 private:
  static void WaitOutsideGate();
  static void AnswerAfterBarrier();
};

// Marks the calling thread as blocked with the given context; null (and no effect) if not attached.
Mutator* EnterBlocked(uintptr_t sp, const uintptr_t* registers);
// Waits while an asker acts for the thread or has stopped it. `m` as returned by EnterBlocked.
void LeaveBlocked(Mutator* m);

// Use it only as a local variable, and let the enclosing function neither read nor write pointers
// to the heap during its life. A value that the compiler moves between its frame and a register
// while the scope is open may be missed; where that could matter (anything but a plain call of a
// blocking function), use RunBlocked.
class BlockedScope {
 public:
  [[gnu::always_inline]] BlockedScope()
      : sp_(tarn_internal_capture_registers(registers_)), mutator_(EnterBlocked(sp_, registers_)) {}
  ~BlockedScope() { LeaveBlocked(mutator_); }
  BlockedScope(const BlockedScope&) = delete;
  BlockedScope& operator=(const BlockedScope&) = delete;
  static void* operator new(size_t) = delete;

 private:
  uintptr_t registers_[internal::kCapturedRegisters];
  uintptr_t sp_;
  Mutator* mutator_;
};

void RunBlockedWith(void (*body)(void*), void* arg);

// Runs f() as if in a BlockedScope, in a frame below everything the caller holds. This is how a
// mutator waits for the collector: it may be inside RuntimeScopes, but holds no lock.
template <class F>
void RunBlocked(F&& f) {
  using Fn = std::remove_reference_t<F>;
  RunBlockedWith([](void* arg) { (*static_cast<Fn*>(arg))(); },
                 const_cast<void*>(static_cast<const void*>(&f)));
}

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_THREAD_RUNTIME_SCOPE_H_
