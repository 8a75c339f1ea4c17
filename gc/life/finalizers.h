// Finalizers: what is ready to call the program: finalizers, cleanups and destructors of objects that
// were found dead; objects for guardians; and the thread that runs them.
// Not here: which objects are dead (specials.h).
// I1 A record that is ready, or is being run, keeps its object alive if it is to be given to the program
//    (kFinalizer, kDestructor, kGuardian), and what its function object refers to. Objects that wait for
//    their destructor are marked last, so that they count as the garbage that they are.
// I2 While marking runs, whoever takes a record out shades what it keeps alive.
// I3 The program's code runs while no lock is held: what an earlier cycle found first, of one cycle
//    finalizers and cleanups in the order in which they were found, then destructors. On several threads
//    if several run them.
// I4 An object with a Trace method is destroyed between two cycles, or, if one begins meanwhile, listed as
//    under construction: no marker calls Trace on what is half destroyed. Afterwards it is all zero.
// I5 A function object is in its box, which is scanned with the stack of the thread that runs it until the
//    object has ended, or in a frame of `run`, whose words were shaded when it was moved there while
//    marking ran.
// I6 What waits for its destructor is not marked before deaths are decided. From before that until all
//    barriers are off nobody takes it out: the thread would hold what is not marked, and what its
//    destructor moves in memory without barriers would be scanned by nobody again.
// Locking: lock_ guards the lists. The driver walks long lists a piece at a time.
#ifndef TARN_GC_LIFE_FINALIZERS_H_
#define TARN_GC_LIFE_FINALIZERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "gc/control/byte_math.h"
#include "gc/life/guardian.h"
#include "gc/life/special.h"
#include "gc/life/specials.h"
#include "runtime/base/lock.h"
#include "runtime/thread/mutator.h"
#include "tarn/internal/construction.h"

namespace tarn::rt {

class Finalizers {
 public:
  // What the collector does for a thread, inside the runtime.
  struct Hooks {
    // A word that may be a pointer.
    void (*shade)(void* arg, Mutator& m, uintptr_t word);
    RecordPool::Own& (*records)(Mutator& m);
    // The thread begins, or has ended, a function of the program; `box` is the function object's.
    void (*begin)(Mutator& m, internal::HeldWords& box);
    void (*end)(Mutator& m, internal::HeldWords& box);
    // Whether what the thread shades now will be seen, and memory without barriers scanned again: not
    // while marking is about to end, or has ended.
    bool (*is_open)(void* arg);
    void* arg;
  };

  Finalizers(Specials& specials, PersistentAlloc& memory, const Hooks& hooks)
      : specials_(specials), guardians_pool_(memory), hooks_(hooks) {}
  Finalizers(const Finalizers&) = delete;
  Finalizers& operator=(const Finalizers&) = delete;

  // --- The driver ---

  // What the last cycle found: from now on the program sees it. `bytes`: what waits for destructors, and
  // what that refers to.
  void Publish(Deaths& deaths, uint64_t bytes);
  // Wakes the thread, or starts it, if something is ready and it is wanted. Outside all locks, while the
  // world runs. A thread that cannot be started is tried again after the next cycle.
  void Kick();
  // At the start of marking: I1, without what waits for a destructor.
  void VisitRoots(LifeVisitor& visitor);
  // At its end: that.
  void VisitDestructors(LifeVisitor& visitor);
  // Prints a line, once, for each function that has run for long.
  void WarnIfSlow(int64_t now);

  // --- Threads ---

  // Runs what became ready first. False if nothing was ready, or only what has to wait for the end of the
  // cycle that runs (I4). What the function throws comes through, and the record is done all the same.
  // Outside the runtime.
  bool RunOne();
  // Whether a thread of the collector runs what is ready (true at the start).
  void WantThread(bool wanted);
  bool IsThreadWanted() const { return thread_wanted_.load(std::memory_order_relaxed) != 0; }
  uint64_t ready_count() const { return ready_count_.load(std::memory_order_relaxed); }
  uint64_t run_count() const { return run_count_.load(std::memory_order_relaxed); }
  // Bytes that wait for destructors which the collector's thread can run now, and what one of them
  // stands for. relaxed (all): estimates.
  uint64_t backlog_bytes(bool is_marking) const {
    if (!IsThreadWanted() || is_exiting_.load(std::memory_order_relaxed) != 0) return 0;
    const uint64_t waits = is_marking ? traced_count_.load(std::memory_order_relaxed) : 0;  // I4
    return SaturatingSub(ready_count(), waits) * bytes_each();
  }
  // Something has been ready for a second, and no function has begun: one of them hangs, perhaps for a
  // lock that the caller holds.
  bool IsStalled(int64_t now) const {
    constexpr int64_t kStallNanos = 1'000'000'000;
    return now - progress_.load(std::memory_order_relaxed) > kStallNanos;
  }
  uint64_t bytes_each() const { return bytes_each_.load(std::memory_order_relaxed); }
  // Functions that have begun, on any thread.
  uint64_t running_count() const { return running_count_.load(std::memory_order_relaxed); }
  // The process ends: nothing more is begun on tarn's threads, and what runs there gets a second to end.
  void StopForExit();
  // seq_cst: pairs with StopForExit.
  bool IsExiting() const { return is_exiting_.load(std::memory_order_seq_cst) != 0; }
  // The driver, around destructors that it runs. False if the process ends.
  bool BeginDestroying();
  void EndDestroying() { SetBusy(busy_driver_, 0); }

  // All inside the runtime, of an attached thread.
  Guardian* NewGuardian();  // null when the system refuses memory
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
    Mutator* thread = nullptr;
    int64_t since = 0;
    bool is_reported = false;
    size_t traced_bytes = 0;                            // of an object that is being destroyed; I4
    std::optional<internal::Construction> destruction;  // likewise; the thread's own
    internal::HeldWords box;                            // I5
    Running* next = nullptr;
  };
  class RunningScope;
  class ThreadLife;

  static void ThreadMain(void* self);
  void Loop();
  bool RunOneHere();
  void RunReady();
  void InstallExitHandler();
  void SetBusy(std::atomic<uint32_t>& who, uint32_t thread);
  void StartThread();
  bool TakeOne(Running& running);
  ReadyList* NextList() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void Finish(Running& running);
  void ShadeRecord(const Special& s);
  void Recycle(Special* s);
  static void Visit(const Special& s, LifeVisitor& visitor);
  void ReleaseIfUnused(Guardian* g) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);

  Specials& specials_;
  Pool<Guardian> guardians_pool_;
  const Hooks hooks_;
  Lock lock_;
  ReadyList calls_ ABSL_GUARDED_BY(lock_);        // finalizers and cleanups
  ReadyList destructors_ ABSL_GUARDED_BY(lock_);  // but for those of:
  ReadyList traced_ ABSL_GUARDED_BY(lock_);       // objects with a Trace method
  Running* running_ ABSL_GUARDED_BY(lock_) = nullptr;
  Guardian* guardians_ ABSL_GUARDED_BY(lock_) = nullptr;
  std::atomic<uint64_t> ready_count_{0};   // relaxed, but for Kick: numbers, changed under lock_
  std::atomic<uint64_t> traced_count_{0};  // of these, in traced_
  std::atomic<int64_t> progress_{0};       // when a function began, or the first became ready
  std::atomic<uint64_t> run_count_{0};
  std::atomic<uint64_t> running_count_{0};
  std::atomic<uint64_t> bytes_each_{0};     // of what is ready, as of the last Publish
  std::atomic<uint32_t> thread_wanted_{1};  // relaxed: looked at after each cycle and each record
  std::atomic<uint32_t> has_thread_{0};
  std::atomic<uint32_t> is_exiting_{0};
  std::atomic<uint32_t> has_exit_handler_{0};  // relaxed: only who changes it installs one
  std::atomic<uint32_t> busy_driver_{0};       // as busy_thread_, of the driver
  std::atomic<uint32_t> busy_thread_{
      0};                           // futex: the id of tarn-fin while it may run functions, else 0
  std::atomic<uint32_t> wakes_{0};  // futex: the thread sleeps on it
};

}  // namespace tarn::rt

#endif  // TARN_GC_LIFE_FINALIZERS_H_
