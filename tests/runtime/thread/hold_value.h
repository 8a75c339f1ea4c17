// Assembly functions that keep a word in exactly one place, so that a test can tell whether a stack
// scan looks there. The word is given as its complement, which no scan mistakes for it. x86-64.
#ifndef TARN_TESTS_RUNTIME_THREAD_HOLD_VALUE_H_
#define TARN_TESTS_RUNTIME_THREAD_HOLD_VALUE_H_

#include <cstdint>

// Each sets *started = 1 and spins until *stop != 0, with the word only in the place that its name
// says.
using HoldFn = void (*)(const uint64_t* complement, uint32_t* started, const uint32_t* stop);
// Each holds the word in a register and calls call(arg); in between it is nowhere else.
using HoldCallFn = void (*)(const uint64_t* complement, void (*call)(void*), void* arg);

extern "C" {
void tarn_test_hold_nowhere(const uint64_t*, uint32_t*, const uint32_t*);
void tarn_test_hold_rax(const uint64_t*, uint32_t*, const uint32_t*);
void tarn_test_hold_rbx(const uint64_t*, uint32_t*, const uint32_t*);
void tarn_test_hold_rbp(const uint64_t*, uint32_t*, const uint32_t*);
void tarn_test_hold_r8(const uint64_t*, uint32_t*, const uint32_t*);
void tarn_test_hold_r12(const uint64_t*, uint32_t*, const uint32_t*);
void tarn_test_hold_r15(const uint64_t*, uint32_t*, const uint32_t*);
void tarn_test_hold_xmm7(const uint64_t*, uint32_t*, const uint32_t*);
void tarn_test_hold_xmm15(const uint64_t*, uint32_t*, const uint32_t*);
void tarn_test_hold_ymm3_high(const uint64_t*, uint32_t*, const uint32_t*);  // needs AVX
void tarn_test_hold_red_zone(const uint64_t*, uint32_t*, const uint32_t*);
void tarn_test_hold_red_zone_end(const uint64_t*, uint32_t*, const uint32_t*);
void tarn_test_hold_stack(const uint64_t*, uint32_t*, const uint32_t*);

void tarn_test_call_with_nothing(const uint64_t*, void (*)(void*), void*);
void tarn_test_call_with_rbx(const uint64_t*, void (*)(void*), void*);
void tarn_test_call_with_rbp(const uint64_t*, void (*)(void*), void*);
void tarn_test_call_with_r12(const uint64_t*, void (*)(void*), void*);
void tarn_test_call_with_r13(const uint64_t*, void (*)(void*), void*);
void tarn_test_call_with_r14(const uint64_t*, void (*)(void*), void*);
void tarn_test_call_with_r15(const uint64_t*, void (*)(void*), void*);
void tarn_test_call_with_stack(const uint64_t*, void (*)(void*), void*);
}

#endif  // TARN_TESTS_RUNTIME_THREAD_HOLD_VALUE_H_
