// StopTheWorld: while an object of this class lives, no attached thread but its creator runs
// outside blocked scopes, and none attaches or detaches.
// Not here: the round that stops them (handshake.h).
// I1 A thread counts as stopped when it is parked in its handler or at a poll, or blocked; a
//    blocked thread cannot leave its scope before the end.
// I2 Every stopped thread has a valid context: ForEachRootRange may be used for all of them.
// I3 A stopped thread may hold locks of the program or of the C library: the creator does not call
//    malloc.
// Locking: holds the turn of handshakes and the capability world_stopped. The creator may take any
// rt::Lock afterwards, since no stopped thread holds one. It may call Handshake().
// Cost: a handshake, one futex wait per thread, and one wake of all: for debug modes, not for
// cycles.
#ifndef TARN_RUNTIME_THREAD_STOP_WORLD_H_
#define TARN_RUNTIME_THREAD_STOP_WORLD_H_

#include "runtime/base/world.h"
#include "runtime/thread/handshake.h"

namespace tarn::rt {

class ABSL_SCOPED_LOCKABLE StopTheWorld {
 public:
  // `on_stop` (may be null) runs as a handshake function for every thread, before it parks.
  [[gnu::always_inline]] explicit StopTheWorld(HandshakeFn on_stop = nullptr, void* arg = nullptr)
      ABSL_EXCLUSIVE_LOCK_FUNCTION(world_stopped) {
    // Here and not in Begin(), so that the creator's own context is valid as long as the object.
    const uintptr_t sp = tarn_internal_capture_registers(registers_);
    Begin(on_stop, arg, sp, registers_);
  }
  ~StopTheWorld() ABSL_UNLOCK_FUNCTION() { End(); }
  StopTheWorld(const StopTheWorld&) = delete;
  StopTheWorld& operator=(const StopTheWorld&) = delete;

 private:
  static void Begin(HandshakeFn on_stop, void* arg, uintptr_t sp, const uintptr_t* registers)
      ABSL_EXCLUSIVE_LOCK_FUNCTION(world_stopped);
  static void End() ABSL_UNLOCK_FUNCTION(world_stopped);

  uintptr_t registers_[internal::kCapturedRegisters];
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_THREAD_STOP_WORLD_H_
