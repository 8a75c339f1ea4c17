#include "runtime/thread/fiber.h"

#include "runtime/base/check.h"
#include "runtime/thread/handshake_impl.h"
#include "runtime/thread/sanitizer.h"

namespace tarn::rt {

void RegisterFiber(FiberStack& fiber) {
  RuntimeScope scope;
  HandshakeImpl::LinkFiber(EnsureAttached(), fiber);
}

void UnregisterFiber(FiberStack& fiber) {
  RuntimeScope scope;
  HandshakeImpl::UnlinkFiber(EnsureAttached(), fiber);
}

// Not instrumented, so that the registers are on this stack and not in a fake frame.
TARN_NO_SANITIZE_STACK void SwitchFiber(FiberStack* to, void (*switch_stack)(void*), void* arg) {
  uintptr_t registers[internal::kCapturedRegisters];
  const uintptr_t sp = tarn_internal_capture_registers(registers);
  RuntimeScope::Enter();
  HandshakeImpl::MoveToFiber(EnsureAttached(), to, sp);
  switch_stack(arg);
  asm volatile("" : : "r"(registers) : "memory");  // the copy lives until here
  RuntimeScope::Exit();
}

void FiberStarted() { RuntimeScope::Exit(); }

void FinishFiber(FiberStack* to, void (*switch_stack)(void*), void* arg) {
  RuntimeScope::Enter();
  HandshakeImpl::MoveToFiber(EnsureAttached(), to, 0);
  switch_stack(arg);
  Fatal("a finished fiber was switched to");
}

void HandshakeImpl::LinkFiber(Mutator& m, FiberStack& fiber) {
  fiber.sp = 0;
  fiber.next = m.fibers_;
  m.fibers_ = &fiber;
}

void HandshakeImpl::UnlinkFiber(Mutator& m, FiberStack& fiber) {
  if (m.current_fiber_ == &fiber) Fatal("the current fiber cannot be unregistered");
  FiberStack** link = &m.fibers_;
  while (*link != nullptr && *link != &fiber) link = &(*link)->next;
  if (*link == nullptr) Fatal("a fiber is unregistered on a thread that has not registered it");
  *link = fiber.next;
}

// The current stack was left at `sp`; `to` is the current one from now on.
void HandshakeImpl::MoveToFiber(Mutator& m, FiberStack* to, uintptr_t sp) {
  if (m.block_->in_runtime.load(std::memory_order_relaxed) != 1) {
    Fatal("a fiber switch inside the runtime or a BlockedScope");
  }
  if (m.current_fiber_ != nullptr) {
    m.current_fiber_->sp = sp;
  } else {
    m.native_sp_ = sp;
  }
  m.current_fiber_ = to;
}

}  // namespace tarn::rt
