// Copies the registers that a callee preserves (callee-saved) to memory, so that pointers which
// live only there are seen by a stack scan. The other registers need no copy at a call: the
// compiler has spilled what it needs later into the calling frame.
// Not here: registers of a thread interrupted by a signal; the kernel puts those on the stack.
//
// A function of its own in assembly: a C++ function could save and reuse such a register before it
// reads it, and the saved copy would die with its frame.
#ifndef TARN_INTERNAL_CAPTURE_REGISTERS_H_
#define TARN_INTERNAL_CAPTURE_REGISTERS_H_

#include <cstddef>
#include <cstdint>

namespace tarn::internal {

#if defined(__x86_64__)
inline constexpr size_t kCapturedRegisters = 6;  // rbx rbp r12 r13 r14 r15
#elif defined(__aarch64__)
inline constexpr size_t kCapturedRegisters = 20;  // x19..x30 and d8..d15
#else
#error "tarn supports x86-64 and arm64"
#endif

}  // namespace tarn::internal

// Stores kCapturedRegisters words to `registers` and returns the caller's stack pointer: everything
// the caller's frame and its callers hold lies at or above it. Async-signal-safe.
extern "C" uintptr_t tarn_internal_capture_registers(uintptr_t* registers) noexcept;

#endif  // TARN_INTERNAL_CAPTURE_REGISTERS_H_
