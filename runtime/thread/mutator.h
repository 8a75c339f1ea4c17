// Mutator: the record of one attached thread: who it is, where its stacks are, and whether a
// handshake waits for it. The hot part, which inline code reads, is internal::MutatorBlock.
// Not here: the list of all mutators (thread_registry.h); asking them (handshake.h).
//
// States; each move is one compare-and-swap or exchange on `state`:
//
//   kGone <-> kRunning          the thread itself, under the registry's lock (attach, detach)
//   kRunning -> kPending        asker: a handshake waits for the thread to answer
//   kPending -> kRunning        the thread itself, after it has run the function
//   kRunning <-> kBlocked       the thread itself: its context is saved, it will not touch the heap
//   kBlocked -> kClaimed        asker: runs the function on the thread's behalf, or has stopped it
//   kClaimed -> kClaimedWaited  the thread wants to leave and sleeps until it may
//   kClaimed, kClaimedWaited -> kBlocked   asker, which then wakes the thread if it sleeps
//
// I1 A thread in kBlocked, kClaimed or kClaimedWaited has a valid `context` and does not read or
//    write the heap, its block, or the fields of its record that a handshake function may use.
// I2 kPending and kClaimed are entered only by the asker whose turn it is, under the registry's
//    lock, so at most one handshake is pending.
// I3 poll == 1 before state == kPending, and poll == 0 again before the answer is counted.
// I4 Records are never freed, only reused; so a stale pointer to one may be read.
//
// Locking: fields are set by the owner at attach and then constant, except where noted.
// Cost: one record of a few cache lines per thread, from mmap.
#ifndef TARN_RUNTIME_THREAD_MUTATOR_H_
#define TARN_RUNTIME_THREAD_MUTATOR_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "runtime/os/os_thread_linux.h"
#include "tarn/internal/capture_registers.h"
#include "tarn/internal/mutator_block.h"

namespace tarn::rt {

class ThreadCache;  // runtime/heap: owned runs and page cache
class MutatorGc;    // gc/collect: barrier buffer, assist credit
struct FiberStack;  // fiber.h

struct ThreadOptions {
  // No signal is ever sent; the thread answers only at polls, slow-path exits and in blocked
  // scopes.
  bool cooperative = false;
  // The native stack and registers hold no roots.
  bool precise_roots = false;
  // Unblock the handshake signal at attach (not for cooperative threads). If it stays blocked, the
  // thread answers like a cooperative one.
  bool unblock_signal = true;
};

// Where the roots of a thread's native stack begin, while its thread is inside a handshake
// function, blocked or parked.
struct SavedContext {
  uintptr_t sp = 0;                      // lowest live address of the stack it runs on
  const uintptr_t* registers = nullptr;  // kCapturedRegisters words
  StackBounds alternate;                 // the alternate signal stack, if `sp` is on it
  void* fake_stack = nullptr;            // ASan's, if it is in use
};

class Mutator {
 public:
  enum State : uint32_t { kGone, kRunning, kPending, kBlocked, kClaimed, kClaimedWaited };

  // The calling thread's record; null if it is not attached. Signal-safe.
  static Mutator* Current() { return internal::t_block.mutator; }

  pid_t tid() const { return tid_; }
  const char* name() const { return name_; }
  internal::MutatorBlock* block() const { return block_; }
  const ThreadOptions& options() const { return options_; }
  const StackBounds& native_stack() const { return native_stack_; }
  bool has_fibers() const { return fibers_ != nullptr; }
  const SavedContext& context() const { return context_; }
  // acquire: pairs with the release of whoever made the last move; see the table above.
  State state() const { return static_cast<State>(state_.load(std::memory_order_acquire)); }

  // Calls f(const uintptr_t* begin, const uintptr_t* end) for each range of words that may hold
  // pointers: saved registers, the live part of every stack of this thread, and suspended fibers.
  // Ranges may overlap. The native stack is left out with precise_roots.
  // Only inside a handshake function for this mutator, or while the world is stopped.
  // `f` reads memory that sanitizers guard: it needs TARN_NO_SANITIZE_STACK.
  template <class F>
  void ForEachRootRange(F&& f) {
    using Fn = std::remove_reference_t<F>;
    VisitRootRanges([](void* ctx, const uintptr_t* begin,
                       const uintptr_t* end) { (*static_cast<Fn*>(ctx))(begin, end); },
                    const_cast<void*>(static_cast<const void*>(&f)));
  }

  // Slots for upper layers, filled and emptied by the thread hooks.
  ThreadCache* cache = nullptr;
  MutatorGc* gc = nullptr;

 private:
  friend class ThreadRegistry;
  friend class HandshakeImpl;
  friend struct MutatorPeer;  // tests

  using RangeFn = void (*)(void* ctx, const uintptr_t* begin, const uintptr_t* end);
  void VisitRootRanges(RangeFn fn, void* ctx) const;
  void VisitNativeStack(RangeFn fn, void* ctx) const;
  void VisitSuspendedStacks(RangeFn fn, void* ctx) const;
  // Records where the calling thread's roots begin. `registers` stays valid as long as the context.
  void SaveContext(uintptr_t sp, const uintptr_t* registers);

  // The stack that the thread runs on when no signal handler does: native, or a fiber's.
  StackBounds CurrentStack() const;

  pid_t tid_ = 0;
  char name_[kThreadNameBytes] = {};
  internal::MutatorBlock* block_ = nullptr;
  StackBounds native_stack_;
  ThreadOptions options_;

  std::atomic<uint32_t> state_{kGone};
  // 1 from before a signal is sent until its handler begins: no second one need be sent meanwhile.
  std::atomic<uint32_t> signal_due_{0};
  SavedContext context_;        // owner; read by the asker once state_ is kBlocked
  uint32_t blocked_depth_ = 0;  // owner only

  // Changed by the owner inside the runtime; read in handshakes.
  FiberStack* fibers_ = nullptr;         // all registered
  FiberStack* current_fiber_ = nullptr;  // null: the native stack
  uintptr_t native_sp_ = 0;              // while a fiber runs: where the native stack was left

  Mutator* next_ = nullptr;          // registry list, or its list of free records; registry's lock
  Mutator* prev_ = nullptr;          // registry's lock
  Mutator* next_claimed_ = nullptr;  // the asker's list of mutators it has claimed
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_THREAD_MUTATOR_H_
