// Fast paths and operand modes of the dispatch loop: the part of vm_dispatch.cc that says how operands are
// fetched and how fixnum arithmetic detects what it cannot do.
// The macros use the loop's locals (acc, pc, sp, fp) and its CASE, NEXT, SYNC and LOCAL; for vm_dispatch.cc
// alone.
#ifndef EXAMPLES_SCHEME_VM_OPERANDS_H_
#define EXAMPLES_SCHEME_VM_OPERANDS_H_

#include <cstdint>

#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

[[gnu::always_inline]] inline int32_t ReadOffset(const uint16_t* pc) {
  int32_t offset;
  __builtin_memcpy(&offset, pc, sizeof offset);
  return offset;
}

[[gnu::always_inline]] inline bool BothFixnums(Value a, Value b) { return (a.w & b.w & 1) != 0; }

[[gnu::always_inline]] inline int64_t Signed(Value v) { return static_cast<int64_t>(v.w); }

[[gnu::always_inline]] inline bool IsClosure(Value v) {
  return (v.w & 7) == 0 && v.AsHeader()->type == Type::kClosure;
}

[[gnu::always_inline]] inline Value AddFast(Value a, Value b, bool* ok) {
  int64_t sum = 0;
  *ok = BothFixnums(a, b) && !__builtin_add_overflow(Signed(a), Signed(b) - 1, &sum);
  return Value{static_cast<uintptr_t>(sum)};
}
[[gnu::always_inline]] inline Value SubFast(Value a, Value b, bool* ok) {
  int64_t difference = 0;
  *ok = BothFixnums(a, b) && !__builtin_sub_overflow(Signed(a), Signed(b) - 1, &difference);
  return Value{static_cast<uintptr_t>(difference)};
}
[[gnu::always_inline]] inline Value MulFast(Value a, Value b, bool* ok) {
  int64_t product = 0;
  *ok = BothFixnums(a, b) && !__builtin_mul_overflow(Signed(a) - 1, b.AsFixnum(), &product);
  return Value{static_cast<uintptr_t>(product) + 1};
}

}  // namespace scheme

// The five operand modes of a family; BODY uses a and b and ends the instruction.
#define FIVE(name, BODY)                                 \
  CASE(name##S) {                                        \
    const Value b = acc, a = *--sp;                      \
    BODY                                                 \
  }                                                      \
  CASE(name##L) {                                        \
    const Value b = acc, a = LOCAL(0);                   \
    pc += 1;                                             \
    BODY                                                 \
  }                                                      \
  CASE(name##I) {                                        \
    const Value b = Value::Fixnum(S16(0)), a = acc;      \
    pc += 1;                                             \
    BODY                                                 \
  }                                                      \
  CASE(name##LI) {                                       \
    const Value b = Value::Fixnum(S16(1)), a = LOCAL(0); \
    pc += 2;                                             \
    BODY                                                 \
  }                                                      \
  CASE(name##LL) {                                       \
    const Value b = LOCAL(1), a = LOCAL(0);              \
    pc += 2;                                             \
    BODY                                                 \
  }

#define TWO(name, BODY)                \
  CASE(name##S) {                      \
    const Value b = acc, a = *--sp;    \
    BODY                               \
  }                                    \
  CASE(name##L) {                      \
    const Value b = acc, a = LOCAL(0); \
    pc += 1;                           \
    BODY                               \
  }

#define ARITHMETIC(Fast, Slow) \
  {                            \
    bool ok;                   \
    acc = Fast(a, b, &ok);     \
    if (!ok) [[unlikely]] {    \
      SYNC();                  \
      acc = Slow(a, b);        \
    }                          \
    NEXT();                    \
  }

#define COMPARED(op, slow) (BothFixnums(a, b) ? (Signed(a) op Signed(b)) : (SYNC(), (slow)))
#define COMPARE(op, slow)                  \
  {                                        \
    acc = Value::Bool(COMPARED(op, slow)); \
    NEXT();                                \
  }
#define BRANCH_UNLESS(condition)        \
  {                                     \
    const bool c = (condition);         \
    pc += 2 + (c ? 0 : ReadOffset(pc)); \
    NEXT();                             \
  }

#endif  // EXAMPLES_SCHEME_VM_OPERANDS_H_
