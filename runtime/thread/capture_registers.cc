// tarn/internal/capture_registers.h, in assembly.
#include "tarn/internal/capture_registers.h"

#if defined(__x86_64__)
// The return address is on the stack at entry; the caller's stack pointer is just above it.
asm(R"(
  .text
  .p2align 4
  .globl tarn_internal_capture_registers
  .type tarn_internal_capture_registers, @function
tarn_internal_capture_registers:
  .cfi_startproc
  endbr64
  movq %rbx, 0(%rdi)
  movq %rbp, 8(%rdi)
  movq %r12, 16(%rdi)
  movq %r13, 24(%rdi)
  movq %r14, 32(%rdi)
  movq %r15, 40(%rdi)
  leaq 8(%rsp), %rax
  ret
  .cfi_endproc
  .size tarn_internal_capture_registers, .-tarn_internal_capture_registers
)");
#elif defined(__aarch64__)
asm(R"(
  .text
  .p2align 4
  .globl tarn_internal_capture_registers
  .type tarn_internal_capture_registers, %function
tarn_internal_capture_registers:
  .cfi_startproc
  hint #34
  stp x19, x20, [x0, #0]
  stp x21, x22, [x0, #16]
  stp x23, x24, [x0, #32]
  stp x25, x26, [x0, #48]
  stp x27, x28, [x0, #64]
  stp x29, x30, [x0, #80]
  stp d8, d9, [x0, #96]
  stp d10, d11, [x0, #112]
  stp d12, d13, [x0, #128]
  stp d14, d15, [x0, #144]
  mov x0, sp
  ret
  .cfi_endproc
  .size tarn_internal_capture_registers, .-tarn_internal_capture_registers
)");
#endif
