// Fiber stacks: stacks besides the native one that a thread switches to by itself (coroutines).
// Not here: switching; the program does that. Fibers that move between threads: a fiber stays with
// the thread that registered it.
// I1 Every stack of the thread but the one it runs on has a saved stack pointer at or below all it
//    holds.
// I2 From the moment where it is saved until the other stack runs, handshakes are deferred.
// Locking: none; the fibers of a thread are its own, and are read in its handshakes.
// Cost: registering is a list operation; a switch adds a few stores.
#ifndef TARN_RUNTIME_THREAD_FIBER_H_
#define TARN_RUNTIME_THREAD_FIBER_H_

#include <cstdint>

#include "runtime/os/os_thread_linux.h"

namespace tarn::rt {

// Storage belongs to the caller and outlives the registration. All calls on the registering thread.
struct FiberStack {
  StackBounds bounds;
  uintptr_t sp = 0;  // where it was left; 0: holds nothing (not started, or finished)
  FiberStack* next = nullptr;
};

void RegisterFiber(FiberStack& fiber);
// `fiber` is not the current one.
void UnregisterFiber(FiberStack& fiber);

// Leaves the current stack for `to` (null: the native stack) by calling switch_stack(arg), which
// returns when this stack runs again. Each fiber's entry function first calls FiberStarted().
void SwitchFiber(FiberStack* to, void (*switch_stack)(void*), void* arg);
void FiberStarted();
// The same for the last switch of a fiber that ends: its stack holds nothing any more.
void FinishFiber(FiberStack* to, void (*switch_stack)(void*), void* arg);

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_THREAD_FIBER_H_
