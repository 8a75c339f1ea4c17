// HandshakeImpl: the state of the round in progress, and the two sides of it: the asker's and the
// thread's. Internal to runtime/thread; users include handshake.h and stop_world.h.
// I1 `fn`, `arg`, `stop_epoch` and `started` change only while no state is kPending or kClaimed.
// I2 remaining = pending threads + claimed threads not yet done + 1 while the asker still adds
//    some.
// I3 stop_epoch is odd exactly while the world is stopped or being stopped; it changes under the
//    registry's lock when it becomes odd.
// Locking: the asker holds the turn from before the round until after it (with a stop: until the
// resume).
#ifndef TARN_RUNTIME_THREAD_HANDSHAKE_IMPL_H_
#define TARN_RUNTIME_THREAD_HANDSHAKE_IMPL_H_

#include <atomic>
#include <cstdint>

#include "runtime/base/lock.h"
#include "runtime/thread/handshake.h"
#include "runtime/thread/thread_registry.h"

namespace tarn::rt {

class HandshakeImpl {
 public:
  // The asker's side.
  static void AcquireTurn();
  static void ReleaseTurn();
  // Runs fn for every thread; with `stop`, each then parks until ResumeWorld(). The caller has the
  // turn and is in the runtime.
  static void RunRound(HandshakeFn fn, void* arg, bool stop, uintptr_t sp,
                       const uintptr_t* registers);
  // Runs fn here for every thread: the world is stopped by the caller.
  static void RunForStopped(HandshakeFn fn, void* arg, uintptr_t sp, const uintptr_t* registers);
  static void ResumeWorld();
  static bool IsStoppedByCaller();

  // The thread's side; all on the thread itself and in the runtime.
  static bool IsPending(const Mutator& m) {
    // acquire: pairs with the asker's release in Request(); fn, arg and what it wrote before are
    // visible.
    return m.state_.load(std::memory_order_acquire) == Mutator::kPending;
  }
  static void Answer(Mutator& m, uintptr_t sp, const uintptr_t* registers);
  // Answers here if a handshake is pending; `in_runtime` may have any value.
  static void AnswerHere(Mutator& m);
  static bool TryEnterBlocked(Mutator& m);
  static void LeaveBlocked(Mutator& m);
  static void SaveContext(Mutator& m, uintptr_t sp, const uintptr_t* registers) {
    m.SaveContext(sp, registers);
  }
  static uint32_t& BlockedDepth(Mutator& m) { return m.blocked_depth_; }

  // By the handler: tarn's signal has arrived. Answers, or lets others run.
  static void TakeSignal();
  static bool IsWorldStopped();
  // Sleeps until the world is not stopped, if it is.
  static void WaitUntilResumed();

  // Fibers; on the thread itself and in the runtime.
  static void LinkFiber(Mutator& m, FiberStack& fiber);
  static void UnlinkFiber(Mutator& m, FiberStack& fiber);
  static void MoveToFiber(Mutator& m, FiberStack* to, uintptr_t sp);

 private:
  static Mutator* Request(Mutator* self, bool stop);
  static Mutator* RequestFrom(Mutator& m, Mutator* claimed);
  static bool SendSignal(Mutator& m);
  static void ReleaseClaimed(Mutator& m);
  static void GiveUpSlice(Mutator& m, uint32_t sequence);
  static void GiveUpSliceHere(Mutator& m);
  static void WaitForAnswers();
  static bool LookAfterPending(int64_t waited);
  static void CheckAlive(const Mutator& m);
  static void WarnOf(const Mutator& m);
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_THREAD_HANDSHAKE_IMPL_H_
