// Finalizers: what is ready to call the program: finalizers, cleanups and destructors of objects that
// were found dead; objects for guardians; and the thread that runs them.
// Not here: which objects are dead (specials.h).
// I1 A record that is ready, or is being run, keeps its object alive if it is to be given to the program
//    (kFinalizer, kDestructor, kGuardian), and what its function object refers to.
// I2 While marking runs, whoever takes a record out shades what it keeps alive.
// I3 The program's code runs while no lock is held, in the order in which records became ready; on
//    several threads if several run them.
// I4 An object with a Trace method is destroyed between two cycles, or, if one begins meanwhile, listed as
//    under construction: no marker calls Trace on what is half destroyed. Afterwards it is all zero.
// Locking: lock_ guards the lists. The driver walks long lists a piece at a time.
#ifndef TARN_GC_LIFE_FINALIZERS_H_
#define TARN_GC_LIFE_FINALIZERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "gc/life/special.h"
#include "gc/life/specials.h"
#include "runtime/base/lock.h"
#include "runtime/thread/mutator.h"
#include "tarn/internal/construction.h"

namespace tarn::rt {

// A list of ready records that can be walked in pieces while records are taken from its head.
class ReadyList {
 public:
  Special* head() const { return list_.head(); }
  void Append(Special* s) { list_.Append(s); }
  Special* Pop() {
    Special* s = list_.Pop();
    if (s != nullptr && s == walked_to_) walked_to_ = list_.head();
    return s;
  }
  void StartWalk() { walked_to_ = list_.head(); }
  // f(const Special&) for at most `n` more; false when all were visited.
  template <class F>
  bool Walk(size_t n, F&& f) {
    for (; n != 0 && walked_to_ != nullptr; --n) {
      f(*walked_to_);
      walked_to_ = walked_to_->next;
    }
    return walked_to_ != nullptr;
  }

 private:
  SpecialList list_;
  Special* walked_to_ = nullptr;
};

// What a gc_queue is. It lives as long as the queue or any object registered with it.
struct Guardian {
  ReadyList ready;
  uint64_t registered = 0;  // records that name it
  bool is_gone = false;     // the queue is
  Guardian* next = nullptr;
};

class Finalizers {
 public:
  // Shades `p` for the calling thread, inside the runtime.
  using ShadeFn = void (*)(void* arg, Mutator& m, uintptr_t p);

  Finalizers(Specials& specials, PersistentAlloc& memory, ShadeFn shade, void* shade_arg)
      : specials_(specials), guardians_pool_(memory), shade_(shade), shade_arg_(shade_arg) {}
  Finalizers(const Finalizers&) = delete;
  Finalizers& operator=(const Finalizers&) = delete;

  // --- The driver ---

  // What the last cycle found: from now on the program sees it.
  void Publish(SpecialList& ready);
  // Wakes the thread, or starts it, if something is ready and it is wanted. Outside all locks, while the
  // world runs. A thread that cannot be started is tried again after the next cycle.
  void Kick();
  // At the start of marking: I1.
  void VisitRoots(LifeVisitor& visitor);
  // Prints a line, once, for each function that has run for long.
  void WarnIfSlow(int64_t now);

  // --- Threads ---

  // Runs what became ready first. False if nothing was ready, or if it has to wait for the end of the
  // cycle that runs (I4). What the function throws comes through,
  // and the record is done all the same. Outside the runtime.
  bool RunOne();
  // Whether a thread of the collector runs what is ready (true at the start).
  void WantThread(bool wanted);
  uint64_t ready_count() const { return ready_count_.load(std::memory_order_relaxed); }
  uint64_t run_count() const { return run_count_.load(std::memory_order_relaxed); }

  // All inside the runtime, of an attached thread.
  Guardian* NewGuardian();
  void NoteRegistered(Guardian* g);
  void NoteUnregistered(Guardian* g);
  void Drop(Guardian* g);
  // The next object for the guardian; 0: none.
  uintptr_t Poll(Guardian* g);

  void LockForFork() ABSL_NO_THREAD_SAFETY_ANALYSIS { lock_.Acquire(); }
  void ParentAfterFork() ABSL_NO_THREAD_SAFETY_ANALYSIS { lock_.Release(); }
  void ChildAfterFork() ABSL_NO_THREAD_SAFETY_ANALYSIS;

 private:
  static constexpr int64_t kSlowNanos = 10'000'000'000;
  static constexpr size_t kWalkPiece = 512;

  // A record whose function runs; on the stack of the thread.
  struct Running {
    Special* special = nullptr;
    const Mutator* thread = nullptr;
    int64_t since = 0;
    bool is_reported = false;
    std::optional<internal::Construction> destruction;  // I4
    Running* next = nullptr;
  };
  class RunningScope;
  class ThreadLife;

  static void ThreadMain(void* self);
  void Loop();
  bool RunOneHere();
  void StartThread();
  bool TakeOne(Running& running);
  void Finish(Running& running);
  void ShadeRecord(const Special& s);
  static void Visit(const Special& s, LifeVisitor& visitor);
  void ReleaseIfUnused(Guardian* g) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);

  Specials& specials_;
  Pool<Guardian> guardians_pool_;
  const ShadeFn shade_;
  void* const shade_arg_;
  Lock lock_;
  ReadyList ready_ ABSL_GUARDED_BY(lock_);
  Running* running_ ABSL_GUARDED_BY(lock_) = nullptr;
  Guardian* guardians_ ABSL_GUARDED_BY(lock_) = nullptr;
  std::atomic<uint64_t> ready_count_{0};  // relaxed: numbers, changed under lock_
  std::atomic<uint64_t> run_count_{0};
  std::atomic<uint32_t> thread_wanted_{1};  // relaxed: looked at after each cycle and each record
  std::atomic<uint32_t> has_thread_{0};
  std::atomic<uint32_t> wakes_{0};  // futex: the thread sleeps on it
};

}  // namespace tarn::rt

#endif  // TARN_GC_LIFE_FINALIZERS_H_
