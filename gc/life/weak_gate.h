// WeakGate: what a thread that makes a strong pointer of a weak one must do, by how far marking is.
//
//   kOpen -> kClosing -> kFinal -> kReviving -> kOpen
//              |  ^
//              +--+ kOpen, when the round after kClosing brought something new
//
//   kOpen     a weak reference that is not cleared names an object that is alive, or will be when it is
//             shaded
//   kClosing  a round of handshakes asks whether marking is over: an object that is not marked may turn
//             out either way, so the thread waits
//   kFinal    marking is over and the dead are being decided, under the lock of their records: marked
//             objects are alive, others dead
//   kReviving until all barriers are off: for weak references as kOpen. What is marked now is what comes
//             back to life, and no place without barriers is scanned again (finalizers.h, I6)
// I1 The driver moves on from kClosing only after a round of handshakes; a thread reads the gate, then
//    the reference, and acts on both inside the runtime. So nothing is shaded unseen by that round, and
//    no reference read under kOpen is cleared before the thread has finished.
// I2 What is revived is marked only after a round that follows kFinal.
// Writers: the driver. Readers: any thread.
#ifndef TARN_GC_LIFE_WEAK_GATE_H_
#define TARN_GC_LIFE_WEAK_GATE_H_

#include <atomic>
#include <cstdint>

#include "runtime/base/futex.h"

namespace tarn::rt {

class WeakGate {
 public:
  enum State : uint32_t { kOpen, kClosing, kFinal, kReviving };

  State Get() const {
    // acquire: pairs with the release in Move; what was cleared under kFinal reads as null
    // afterwards.
    return static_cast<State>(state_.load(std::memory_order_acquire));
  }
  void Move(State to) {
    // release: pairs with the acquire in Get.
    state_.store(to, std::memory_order_release);
    if (to != kClosing) FutexWake(state_, 1 << 30);
  }
  // As a blocked thread.
  void WaitWhileClosing() { FutexWait(state_, kClosing); }

 private:
  std::atomic<uint32_t> state_{kOpen};  // futex
};

}  // namespace tarn::rt

#endif  // TARN_GC_LIFE_WEAK_GATE_H_
