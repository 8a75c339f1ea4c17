// ForkGate: keeps every thread but one out of the runtime while fork() runs, so that the child
// never inherits a slow path half done by a thread that no longer exists, nor a lock held by one.
// Threads go on outside the runtime meanwhile; in particular they can leave malloc, whose locks
// fork() takes.
// Not here: the list of threads (thread_registry.h), the collector's own threads
// (gc/collect/cycle.h).
// I1 While the gate is closed, no thread but the closer runs inside the runtime: the others are
//    outside, or blocked inside it (RunBlocked), and cannot leave the blocked scope.
// Cost: one load per outermost RuntimeScope; a stop of the world per fork.
#ifndef TARN_RUNTIME_THREAD_FORK_GATE_H_
#define TARN_RUNTIME_THREAD_FORK_GATE_H_

namespace tarn::rt {

// By the thread that forks, holding no rt::Lock and outside the runtime.
void CloseForkGate();
// In the parent and in the child.
void OpenForkGate();
// False for the closer. Stale only for a thread that the closing stop has not yet resumed.
bool IsForkGateClosed();
void WaitForForkGate();

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_THREAD_FORK_GATE_H_
