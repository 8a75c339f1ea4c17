// Threads and the heap: attaching, safepoints, blocked scopes.
// A program that only allocates and stores pointers needs none of this: a thread attaches itself
// when it first uses the heap and detaches when it ends. The calls here are for programs that
//   - want attachment to fail with an error instead of aborting, or want other options
//     (ThreadScope);
//   - block signals in threads that use the heap, or choose cooperative threads (Safepoint);
//   - wait in system calls or long computations that do not touch the heap (BlockedScope, Blocked).
// ThreadSanitizer holds signals back while a thread waits in pthread_mutex_lock. A stop of the world
// (at the end of marking in programs with roots or objects that are written without barriers, and in
// debug modes) then waits for ever if the mutex's holder is stopped. Under TSan wait for such mutexes in
// a Blocked() call.
#ifndef TARN_THREAD_H_
#define TARN_THREAD_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "absl/status/status.h"
#include "tarn/internal/capture_registers.h"
#include "tarn/internal/mutator_block.h"

namespace tarn {

struct ThreadOptions {
  // Behaviour.

  // No signal interrupts the thread. The collector waits for its answer until it next calls
  // Safepoint(), takes a slow path of the allocator, registers or asks something (roots, weak
  // references, finalizers), or is in a blocked scope: a thread that does none of these holds up every
  // collection. Default false. For interpreters, which have a natural
  // place for Safepoint().
  bool cooperative = false;
  // The native stack and registers hold no pointers to the heap: they are not scanned. What the
  // thread uses must be reachable from roots and handles whenever it answers: in every call of tarn's but
  // loads and stores of gc_ptr. What the last call returned is kept until the next one. Needs `cooperative`.
  // Default false. For interpreters with a stack of their own.
  bool precise_roots = false;

  // Performance.

  // Unblock the handshake signal in this thread (ignored for cooperative threads). Default true.
  // With false, a thread that has blocked the signal answers like a cooperative one.
  bool unblock_signal = true;
};

namespace internal {

absl::Status AttachThread(const ThreadOptions& options);
void DetachThread();
void SafepointSlow();
rt::Mutator* EnterBlocked(uintptr_t sp, const uintptr_t* registers);
void LeaveBlocked(rt::Mutator* mutator);
void RunBlocked(void (*body)(void*), void* arg);

}  // namespace internal

// Attaches the calling thread for the scope's life. Errors (in status(); the scope then does
// nothing): AlreadyExists if the thread is attached, by another scope or by its first use of the
// heap; ResourceExhausted when the system refuses memory or the signal handler; FailedPrecondition
// on a stack that is not the thread's own.
// Thread-safety: belongs to the thread that made it; ends on it, outside BlockedScopes.
// May collect: no. Blocks: while the world is stopped.
class ThreadScope {
 public:
  explicit ThreadScope(const ThreadOptions& options = {})
      : status_(internal::AttachThread(options)) {}
  ~ThreadScope() {
    if (status_.ok()) internal::DetachThread();
  }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

// Answers the collector if it waits for this thread; else a load and a test.
// Errors: none; does nothing in a thread that is not attached.
// Thread-safety: any thread.  May collect: no.  Blocks: only while the world is stopped (debug
// modes).
inline void Safepoint() {
  // relaxed: a stale 0 only delays the answer to the next poll.
  if (internal::t_block.poll.load(std::memory_order_relaxed) != 0) [[unlikely]] {
    internal::SafepointSlow();
  }
}

// While it lives, the thread does not touch the heap, and the collector acts on its behalf: for
// calls that may block. Pointers to the heap that the thread held before stay alive. Nests. It must
// be a local variable; between its start and end the enclosing function must not read, write or
// compute pointers to the heap, allocate, or store a gc_ptr. Where the protected code is more than
// a call, use Blocked() below: what the compiler moves between memory and registers inside a
// BlockedScope's own function may be missed.
// Errors: none; does nothing in a thread that is not attached.
// Thread-safety: belongs to its thread. May collect: no. Blocks: at its end, while the collector
// scans the thread's stack or the world is stopped.
class BlockedScope {
 public:
  [[gnu::always_inline]] BlockedScope()
      : sp_(tarn_internal_capture_registers(registers_)),
        mutator_(internal::EnterBlocked(sp_, registers_)) {}
  ~BlockedScope() { internal::LeaveBlocked(mutator_); }
  BlockedScope(const BlockedScope&) = delete;
  BlockedScope& operator=(const BlockedScope&) = delete;
  static void* operator new(size_t) = delete;

 private:
  uintptr_t registers_[internal::kCapturedRegisters];
  uintptr_t sp_;
  rt::Mutator* mutator_;
};

// Runs f() in a blocked scope of its own frame; f does not touch the heap, but for the bytes of
// pointer-free objects that the caller keeps alive: a system call may read or fill such a buffer.
// errno stays as f left it.
// Errors, thread-safety, blocking: as BlockedScope. An exception that leaves `f` ends the scope and
// goes on.
template <class F>
void Blocked(F&& f) {
  using Fn = std::remove_reference_t<F>;
  internal::RunBlocked([](void* arg) { (*static_cast<Fn*>(arg))(); },
                       const_cast<void*>(static_cast<const void*>(&f)));
}

}  // namespace tarn

#endif  // TARN_THREAD_H_
