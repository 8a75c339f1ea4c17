// Which ranges of a thread's stacks may hold pointers (Mutator::ForEachRootRange).
// Not here: what the words mean; the caller decides that.
// I1 The live part of a stack is [sp, high): the saved stack pointer is at or below everything
//    live, red zone included.
// I2 A thread interrupted on its alternate signal stack has the kernel's frame of the first signal
//    at the top of that stack; the frame holds the interrupted stack pointer, which bounds the
//    stack below.
//
// If the thread runs a fiber, the stack below the alternate one is the fiber's. A stack that is
// none of these is not scanned by guessing: that would lose pointers silently.
#include <ucontext.h>

#include <algorithm>
#include <cstddef>

#include "runtime/base/bits.h"
#include "runtime/base/check.h"
#include "runtime/thread/fiber.h"
#include "runtime/thread/mutator.h"
#include "runtime/thread/sanitizer.h"

#if TARN_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace tarn::rt {
namespace {

// Below the stack pointer a leaf function may keep data (x86-64 System V; none on arm64 Linux).
constexpr uintptr_t kRedZoneBytes = 128;

// Where the kernel's ucontext keeps the interrupted stack pointer.
#if defined(__x86_64__)
constexpr uintptr_t kInterruptedSpOffset =
    offsetof(ucontext_t, uc_mcontext.gregs) + REG_RSP * sizeof(uintptr_t);
#elif defined(__aarch64__)
constexpr uintptr_t kInterruptedSpOffset = offsetof(ucontext_t, uc_mcontext.sp);
#endif
constexpr uintptr_t kMinFrameBytes = kInterruptedSpOffset + sizeof(uintptr_t);

const uintptr_t* Words(uintptr_t address) { return reinterpret_cast<const uintptr_t*>(address); }

// The stack pointer at which the first signal handler on the alternate stack interrupted the stack
// below (0 if there is none). The kernel's frame is known by the bounds of the alternate stack in
// it; copies of those that handlers have made lie below it, so the search goes down from the top.
TARN_NO_SANITIZE_STACK uintptr_t InterruptedSp(StackBounds alternate, uintptr_t sp) {
  constexpr uintptr_t kStackWord = offsetof(ucontext_t, uc_stack.ss_sp);
  constexpr uintptr_t kSizeWord = offsetof(ucontext_t, uc_stack.ss_size);
  const uintptr_t bytes = alternate.high - alternate.low;
  if (bytes < kMinFrameBytes) return 0;
  const uintptr_t begin = RoundUp(sp, sizeof(uintptr_t));
  uintptr_t frame = RoundDown(alternate.high, sizeof(uintptr_t)) - kMinFrameBytes;
  for (; frame >= begin; frame -= sizeof(uintptr_t)) {
    if (*Words(frame + kStackWord) == alternate.low && *Words(frame + kSizeWord) == bytes) {
      return *Words(frame + kInterruptedSpOffset);
    }
  }
  return 0;
}

using RangeFn = void (*)(void* ctx, const uintptr_t* begin, const uintptr_t* end);

// ASan may keep the variables of a frame in a fake frame elsewhere; the real frame points to it.
TARN_NO_SANITIZE_STACK void VisitFakeFrames([[maybe_unused]] void* fake_stack,
                                            [[maybe_unused]] uintptr_t begin,
                                            [[maybe_unused]] uintptr_t end,
                                            [[maybe_unused]] RangeFn fn,
                                            [[maybe_unused]] void* ctx) {
#if TARN_ASAN
  if (fake_stack == nullptr) return;
  for (const uintptr_t* p = Words(begin); p < Words(end); ++p) {
    void* low = nullptr;
    void* high = nullptr;
    if (__asan_addr_is_in_fake_stack(fake_stack, reinterpret_cast<void*>(*p), &low, &high) !=
        nullptr) {
      fn(ctx, static_cast<const uintptr_t*>(low), static_cast<const uintptr_t*>(high));
    }
  }
#endif
}

void VisitStackPart(const SavedContext& context, uintptr_t sp, uintptr_t high, RangeFn fn,
                    void* ctx) {
  const uintptr_t begin = RoundDown(sp, sizeof(uintptr_t));
  const uintptr_t end = RoundDown(high, sizeof(uintptr_t));
  if (begin >= end) return;
  fn(ctx, Words(begin), Words(end));
  VisitFakeFrames(context.fake_stack, begin, end, fn, ctx);
}

}  // namespace

void Mutator::SaveContext(uintptr_t sp, const uintptr_t* registers) {
  context_ = {sp, registers, {}, nullptr};
  // The system call is made only when the handler or the caller runs on another stack.
  if (!CurrentStack().Contains(sp)) context_.alternate = ActiveAlternateStack();
#if TARN_ASAN
  context_.fake_stack = __asan_get_current_fake_stack();
#endif
}

StackBounds Mutator::CurrentStack() const {
  return current_fiber_ != nullptr ? current_fiber_->bounds : native_stack_;
}

void Mutator::VisitRootRanges(RangeFn fn, void* ctx) const {
  if (!options_.precise_roots) VisitNativeStack(fn, ctx);
  VisitSuspendedStacks(fn, ctx);
}

void Mutator::VisitNativeStack(RangeFn fn, void* ctx) const {
  const SavedContext& context = context_;
  fn(ctx, context.registers, context.registers + internal::kCapturedRegisters);
  const StackBounds stack = CurrentStack();
  if (stack.Contains(context.sp)) {
    VisitStackPart(context, context.sp, stack.high, fn, ctx);
    return;
  }
  if (!context.alternate.Contains(context.sp)) {
    FatalValue("a thread uses the heap on a stack that is not registered, at", context.sp);
  }
  const StackBounds alternate = context.alternate;
  const uintptr_t left = InterruptedSp(alternate, context.sp);
  if (!stack.Contains(left)) {
    FatalValue("a signal interrupted a thread that uses the heap on an unregistered stack, at",
               left);
  }
  VisitStackPart(context, context.sp, alternate.high, fn, ctx);
  VisitStackPart(context, std::max(stack.low, left - kRedZoneBytes), stack.high, fn, ctx);
}

void Mutator::VisitSuspendedStacks(RangeFn fn, void* ctx) const {
  if (current_fiber_ != nullptr && !options_.precise_roots) {
    VisitStackPart(context_, native_sp_, native_stack_.high, fn, ctx);
  }
  for (const FiberStack* fiber = fibers_; fiber != nullptr; fiber = fiber->next) {
    if (fiber == current_fiber_ || fiber->sp == 0) continue;
    VisitStackPart(context_, fiber->sp, fiber->bounds.high, fn, ctx);
  }
}

}  // namespace tarn::rt
