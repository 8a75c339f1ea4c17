// Operations on operands that the dispatch loop does not handle itself. They may allocate and
// raise.
#ifndef EXAMPLES_SCHEME_VM_SLOW_H_
#define EXAMPLES_SCHEME_VM_SLOW_H_

#include "examples/scheme/builtins.h"
#include "examples/scheme/number.h"
#include "examples/scheme/vm.h"

namespace scheme {

[[gnu::noinline]] Value SlowAdd(Value a, Value b);
[[gnu::noinline]] Value SlowSub(Value a, Value b);
[[gnu::noinline]] Value SlowMul(Value a, Value b);
[[gnu::noinline]] bool SlowLt(Value a, Value b, const char* who);
[[gnu::noinline]] bool SlowLe(Value a, Value b, const char* who);
[[gnu::noinline]] bool SlowNumEq(Value a, Value b);
[[gnu::noinline]] Value SlowQuotient(Value a, Value b);
[[gnu::noinline]] Value SlowRemainder(Value a, Value b);
[[gnu::noinline]] Value SlowModulo(Value a, Value b);

// These only raise.
[[noreturn, gnu::noinline]] void FailType(const char* who, Value got, const char* expected);
[[noreturn, gnu::noinline]] void FailVectorRef(const char* who, Value vector, Value index);
[[noreturn, gnu::noinline]] void FailStringRef(Value string, Value index);
[[noreturn, gnu::noinline]] void FailChars(const char* who, Value a, Value b);
[[noreturn, gnu::noinline]] void FailRecord(Value got, Value type);
[[noreturn, gnu::noinline]] void FailUnbound(Cell* cell);
[[noreturn, gnu::noinline]] void FailUnassigned();
[[noreturn, gnu::noinline]] void FailApply(Value f);

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_VM_SLOW_H_
