// A guard for recursive C++ code (reader, expander, ...): a Scheme error instead of a crash when
// nesting is deeper than the native stack.
#ifndef EXAMPLES_SCHEME_NATIVE_STACK_H_
#define EXAMPLES_SCHEME_NATIVE_STACK_H_

#include <cstdint>

namespace scheme {

// Lowest address that recursion may reach; set once at start by InitNativeStackLimit.
extern uintptr_t g_native_stack_limit;
void InitNativeStackLimit();
[[noreturn]] void NestingTooDeep();

inline void CheckNativeStack() {
  if (reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) < g_native_stack_limit) {
    NestingTooDeep();
  }
}

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_NATIVE_STACK_H_
