#include "runtime/thread/fork_gate.h"

#include "runtime/base/futex.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/stop_world.h"

namespace tarn::rt {

std::atomic<uint32_t> g_runtime_gate{0};

namespace {
thread_local bool t_closed_gate = false;  // this thread may pass
}  // namespace

void CloseForkGate() {
  // Stopped threads are outside the runtime; when they go on they find the gate closed.
  StopTheWorld stop;
  t_closed_gate = true;
  g_runtime_gate.store(1, std::memory_order_relaxed);  // relaxed: published by the end of the stop
}

void OpenForkGate() {
  t_closed_gate = false;
  // release: pairs with nothing stronger than the futex; waiters only need to see the zero.
  g_runtime_gate.store(0, std::memory_order_release);
  FutexWake(g_runtime_gate, 1 << 30);
}

bool IsForkGateClosed() {
  // relaxed: the gate closes during a stop, whose end the caller has seen.
  return g_runtime_gate.load(std::memory_order_relaxed) != 0 && !t_closed_gate;
}

void WaitForForkGate() { FutexWait(g_runtime_gate, 1); }

// As a blocked thread, so that rounds go on meanwhile; LeaveBlocked() looks at the gate as well.
void RuntimeScope::WaitAtGate() {
  while (IsForkGateClosed()) RunBlocked([] { WaitForForkGate(); });
}

// Not as a blocked thread: nobody may answer for it. It waits outside the runtime, like one that comes
// to the scope later.
void BarrierScope::WaitOutsideGate() {
  while (IsForkGateClosed()) {
    if (RuntimeScope::Leave()) AnswerAfterBarrier();
    WaitForForkGate();
    RuntimeScope::Arrive();
  }
}

}  // namespace tarn::rt
