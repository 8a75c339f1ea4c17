#include "tests/runtime/thread/hold_value.h"

// Arguments: rdi complement, rsi started, rdx stop. `load` makes the word from the complement and
// leaves it in one place; rcx is scratch and cleared. `clear` removes the word, so that no stale
// copy stays.
asm(R"(
.text
.macro TARN_TEST_SPIN name, load:vararg
  .globl \name
  .type \name, @function
\name:
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r15
  subq $8, %rsp
  \load
  xorl %ecx, %ecx
  movl $1, (%rsi)
1:
  pause
  cmpl $0, (%rdx)
  je 1b
  xorl %eax, %eax
  xorl %r8d, %r8d
  movq $0, -8(%rsp)
  movq $0, -128(%rsp)
  movq $0, (%rsp)
  pxor %xmm3, %xmm3
  pxor %xmm7, %xmm7
  pxor %xmm15, %xmm15
  addq $8, %rsp
  popq %r15
  popq %r12
  popq %rbp
  popq %rbx
  ret
  .size \name, .-\name
.endm

.macro TARN_TEST_WORD reg
  movq (%rdi), \reg
  notq \reg
.endm

TARN_TEST_SPIN tarn_test_hold_nowhere, nop
TARN_TEST_SPIN tarn_test_hold_rax, TARN_TEST_WORD %rax
TARN_TEST_SPIN tarn_test_hold_rbx, TARN_TEST_WORD %rbx
TARN_TEST_SPIN tarn_test_hold_rbp, TARN_TEST_WORD %rbp
TARN_TEST_SPIN tarn_test_hold_r8, TARN_TEST_WORD %r8
TARN_TEST_SPIN tarn_test_hold_r12, TARN_TEST_WORD %r12
TARN_TEST_SPIN tarn_test_hold_r15, TARN_TEST_WORD %r15

.macro TARN_TEST_TO_XMM reg
  TARN_TEST_WORD %rcx
  movq %rcx, \reg
.endm
TARN_TEST_SPIN tarn_test_hold_xmm7, TARN_TEST_TO_XMM %xmm7
TARN_TEST_SPIN tarn_test_hold_xmm15, TARN_TEST_TO_XMM %xmm15

.macro TARN_TEST_TO_YMM_HIGH
  TARN_TEST_WORD %rcx
  vmovq %rcx, %xmm3
  vpermq $0x4f, %ymm3, %ymm3
.endm
TARN_TEST_SPIN tarn_test_hold_ymm3_high, TARN_TEST_TO_YMM_HIGH

.macro TARN_TEST_TO_MEMORY place
  TARN_TEST_WORD %rcx
  movq %rcx, \place
.endm
TARN_TEST_SPIN tarn_test_hold_red_zone, TARN_TEST_TO_MEMORY -8(%rsp)
TARN_TEST_SPIN tarn_test_hold_red_zone_end, TARN_TEST_TO_MEMORY -128(%rsp)
TARN_TEST_SPIN tarn_test_hold_stack, TARN_TEST_TO_MEMORY (%rsp)

.macro TARN_TEST_CALL name, load:vararg
  .globl \name
  .type \name, @function
\name:
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  subq $8, %rsp
  movq $0, (%rsp)
  \load
  xorl %ecx, %ecx
  movq %rsi, %rax
  movq %rdx, %rdi
  call *%rax
  movq $0, (%rsp)
  addq $8, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  ret
  .size \name, .-\name
.endm
TARN_TEST_CALL tarn_test_call_with_nothing, nop
TARN_TEST_CALL tarn_test_call_with_rbx, TARN_TEST_WORD %rbx
TARN_TEST_CALL tarn_test_call_with_rbp, TARN_TEST_WORD %rbp
TARN_TEST_CALL tarn_test_call_with_r12, TARN_TEST_WORD %r12
TARN_TEST_CALL tarn_test_call_with_r13, TARN_TEST_WORD %r13
TARN_TEST_CALL tarn_test_call_with_r14, TARN_TEST_WORD %r14
TARN_TEST_CALL tarn_test_call_with_r15, TARN_TEST_WORD %r15
TARN_TEST_CALL tarn_test_call_with_stack, TARN_TEST_TO_MEMORY (%rsp)
)");
