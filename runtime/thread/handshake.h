// Handshake: runs a small function once for every attached thread, at a point where that thread may
// be interrupted, while the others go on.
// Not here: which signal and how it is chained (handshake_signal.h); stopping (stop_world.h).
// I1 The function runs exactly once for each thread that was attached when the round began: by the
//    thread itself (signal handler, poll, slow-path exit), or by the asker while the thread is
//    blocked.
// I2 While the asker runs it for a thread, that thread cannot leave its blocked scope.
// I3 What the asker wrote before Handshake() is visible to the functions; what they wrote, to the
//    asker after it returned, and to the thread itself.
// I4 One round at a time. An asker that waits for its turn counts as blocked, so it cannot delay
//    the round it waits for.
// Locking: the turn, then (briefly) the registry's lock. The caller holds no rt::Lock.
// Cost: one signal per running thread, and no thread is woken or parked (bench/micro/handshake.cc).
#ifndef TARN_RUNTIME_THREAD_HANDSHAKE_H_
#define TARN_RUNTIME_THREAD_HANDSHAKE_H_

#include "runtime/thread/mutator.h"
#include "runtime/thread/runtime_scope.h"

namespace tarn::rt {

// Async-signal-safe by contract: no malloc, no stdio, no lock that a mutator can hold. Runs with
// in_runtime > 0, so it may use RuntimeScope, and with all asynchronous signals blocked if in a
// handler.
using HandshakeFn = void (*)(Mutator& target, void* arg);

// Returns when every thread has answered. The caller may be attached (the function then also runs
// for it, inside this call) or not. Inside a RuntimeScope it is allowed where the caller's own
// state is fit for `fn`. While the caller has stopped the world, `fn` runs here for every thread.
// `arg` and what it points to may be used until the return.
void Handshake(HandshakeFn fn, void* arg);

// Whether a thread that has answered sleeps briefly when others are still pending after a
// millisecond, so that they get a CPU. On by default; off is for measurements.
void SetGiveUpSlice(bool on);

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_THREAD_HANDSHAKE_H_
