// ThreadRegistry: the attached threads, and how a thread joins and leaves them.
// Not here: the state word of a thread (mutator.h); asking all of them (handshake.h).
// I1 A thread is in the list exactly while its t_block.mutator is set and its state is not kGone.
// I2 Handshakes are requested under the lock, and the attached and detaching hooks run under it: a
//    thread is in a round's list, or its `attached` hook runs after the round's asker took the lock
//    and sees what the asker wrote before. No handshake function runs for a thread after its
//    `detaching` hook.
// I3 After detach the thread's block is as it was before attach, so it may attach again.
// I4 A thread that ends detaches by itself, after its thread_local destructors; those of pthread
//    keys may attach it again, and it detaches again.
// Locking: one rt::Lock, taken before any lock that the hooks take. Never held while a handshake
// function runs, a thread waits, or malloc is called (a stopped thread may be inside malloc).
// Cost: attach a few microseconds (stack bounds, one pthread key); records come from mmap.
#ifndef TARN_RUNTIME_THREAD_THREAD_REGISTRY_H_
#define TARN_RUNTIME_THREAD_THREAD_REGISTRY_H_

#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "runtime/base/lock.h"
#include "runtime/thread/mutator.h"
#include "runtime/thread/runtime_scope.h"

namespace tarn::rt {

// Called on the thread itself, inside the runtime, under the registry's lock.
struct ThreadHooks {
  // t_block.mutator and the context are set; sets cache, gc, t_block.runs and barrier_on.
  void (*attached)(Mutator&);
  // Gives back what `attached` took. The block is reset by the registry afterwards.
  void (*detaching)(Mutator&);
};

// Once, before the first attach.
void SetThreadHooks(const ThreadHooks& hooks);

// Errors: AlreadyExists if attached; FailedPrecondition on a stack that is not the thread's own (a
// fiber), or from the thread that has stopped the world; ResourceExhausted when the system refuses
// memory, a thread-specific key or the signal handler. Waits while the world is stopped. May call
// malloc.
absl::Status AttachCurrentThread(const ThreadOptions& options = {});

// Errors: FailedPrecondition if not attached, or inside the runtime, a BlockedScope or a fiber.
absl::Status DetachCurrentThread();

// For slow paths: the calling thread's record, after attaching it with default options if need be.
// Fatal if that fails.
Mutator& EnsureAttached();

class ThreadRegistry {
 public:
  static ThreadRegistry& Get();

  // Threads attached now. May be stale at once.
  size_t count() const;

  // Calls f(Mutator&) for each attached thread, under the lock: `f` neither attaches, detaches nor
  // asks.
  template <class F>
  void ForEach(F&& f) ABSL_LOCKS_EXCLUDED(lock_) {
    RuntimeScope scope;
    LockHolder hold(lock_);
    for (Mutator* m = head_; m != nullptr; m = m->next_) f(*m);
  }

  // fork(): call Prepare before it, and Parent or Child after it, in the thread that forks (from
  // pthread_atfork handlers). Between them no round runs and the list stands still. In the child
  // only the calling thread remains; `abandoned` (may be null) runs for each record of a vanished
  // thread, with its block still readable, before the record is reused.
  void PrepareFork() ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void ParentAfterFork() ABSL_NO_THREAD_SAFETY_ANALYSIS;
  void ChildAfterFork(void (*abandoned)(Mutator&)) ABSL_NO_THREAD_SAFETY_ANALYSIS;

 private:
  friend class HandshakeImpl;
  friend absl::Status AttachCurrentThread(const ThreadOptions& options);
  friend void SetThreadHooks(const ThreadHooks& hooks);

  absl::Status Attach(const ThreadOptions& options) ABSL_LOCKS_EXCLUDED(lock_);
  void Detach(Mutator& m) ABSL_LOCKS_EXCLUDED(lock_);
  friend absl::Status DetachCurrentThread();
  static void OnThreadExit(void* arg);

  Mutator* TakeRecord() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void Link(Mutator& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void Unlink(Mutator& m) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void LockUnstopped() ABSL_EXCLUSIVE_LOCK_FUNCTION(lock_);
  absl::Status SetUpProcess() ABSL_LOCKS_EXCLUDED(set_up_lock_);
  bool LinkCurrent(internal::MutatorBlock& block, StackBounds stack, const ThreadOptions& options,
                   uintptr_t sp, const uintptr_t* registers) ABSL_LOCKS_EXCLUDED(lock_);

  Lock lock_;
  Mutator* head_ ABSL_GUARDED_BY(lock_) = nullptr;
  Mutator* free_ ABSL_GUARDED_BY(lock_) = nullptr;
  ThreadHooks hooks_ ABSL_GUARDED_BY(lock_) = {nullptr, nullptr};
  Lock set_up_lock_;  // a leaf, except for the lock of the signal's handler
  bool is_process_set_up_ ABSL_GUARDED_BY(set_up_lock_) = false;
  std::atomic<size_t> count_{0};  // written under lock_; relaxed: a statistic
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_THREAD_THREAD_REGISTRY_H_
