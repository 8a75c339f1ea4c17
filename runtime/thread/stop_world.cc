#include "runtime/thread/stop_world.h"

#include "runtime/base/check.h"
#include "runtime/thread/handshake_impl.h"

namespace tarn::rt {

void StopTheWorld::Begin(HandshakeFn on_stop, void* arg, uintptr_t sp,
                         const uintptr_t* registers) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  RuntimeScope::Enter();  // left when the world resumes
  if (HandshakeImpl::IsStoppedByCaller()) Fatal("the world is already stopped by this thread");
  HandshakeImpl::AcquireTurn();
  HandshakeImpl::RunRound(on_stop, arg, /*stop=*/true, sp, registers);
}

void StopTheWorld::End() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  HandshakeImpl::ResumeWorld();
  HandshakeImpl::ReleaseTurn();
  RuntimeScope::Exit();
}

}  // namespace tarn::rt
