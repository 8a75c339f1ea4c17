// The instruction set. A program is a sequence of 16-bit units: an opcode and its operands.
// The machine has an accumulator and a stack; fp points just above the frame's control words:
//
//   fp[-3-n] .. fp[-4]   the n parameters
//   fp[-3]               the caller's closure
//   fp[-2]               fp minus the caller's fp, as a fixnum (so frames may be copied elsewhere)
//   fp[-1]               the return address
//   fp[0] ...            local variables and temporaries
//
// Operands: s local slot (signed), k constant index, i immediate integer (signed), n count, m
// parameters of the running procedure, f captured index, o 32-bit branch offset from the end of the
// instruction. "Push" forms do the same and push the accumulator.
#ifndef EXAMPLES_SCHEME_OPCODES_H_
#define EXAMPLES_SCHEME_OPCODES_H_

#include <cstdint>

namespace scheme {

// Two-operand families. Suffix: S the first operand is popped, the second is the accumulator; L the
// first is local s; I accumulator and immediate i; LI local and immediate; LL two locals.
#define SCHEME_FIVE_MODES(X, name) X(name##S) X(name##L) X(name##I) X(name##LI) X(name##LL)
#define SCHEME_TWO_MODES(X, name) X(name##S) X(name##L)

// clang-format off
#define SCHEME_OPCODES(X)                                                                     \
  /* acc = ... */                                                                             \
  X(Const) X(Fix) X(Local) X(Free) X(Global) X(BoxLocal) X(BoxFree) X(PushConst) X(PushFix)   \
  X(PushLocal) X(PushFree) X(PushGlobal) X(Push) X(Drop)                                      \
  /* ... = acc */                                                                             \
  X(SetLocal) X(PopLocal) X(SetBoxLocal) X(SetBoxFree) X(SetGlobal) X(DefineGlobal)           \
  /* MakeBox s: local s into a box; PushBox: push a box of an unassigned variable */          \
  X(MakeBox) X(PushBox)                                                                       \
  /* Jump o; Loop o: backwards, may collect; Unless o / When o: test the accumulator */       \
  X(Jump) X(Loop) X(Unless) X(When) X(UnlessNull) X(UnlessNullL) X(UnlessPair) X(UnlessPairL) \
  /* Closure k n source...: source is slot * 2, or captured index * 2 + 1. */                 \
  /* EmptyClosure k pushes one whose captured values FillClosure s n source... sets. */       \
  /* CaseClosure k n: pops the closures of n clauses. */                                      \
  X(Closure) X(EmptyClosure) X(FillClosure) X(CaseClosure) X(Call) X(TailCall) X(CallGlobal)  \
  X(TailCallGlobal) X(Return) X(Underflow) SCHEME_FIVE_MODES(X, Add)                          \
  SCHEME_FIVE_MODES(X, Sub) SCHEME_FIVE_MODES(X, Mul) SCHEME_FIVE_MODES(X, Lt)                \
  SCHEME_FIVE_MODES(X, Gt) SCHEME_FIVE_MODES(X, Le) SCHEME_FIVE_MODES(X, Ge)                  \
  SCHEME_FIVE_MODES(X, NumEq) SCHEME_FIVE_MODES(X, Eq)                                        \
  /* ... and branch by o when false */                                                        \
  SCHEME_FIVE_MODES(X, UnlessLt) SCHEME_FIVE_MODES(X, UnlessGt)                               \
  SCHEME_FIVE_MODES(X, UnlessLe) SCHEME_FIVE_MODES(X, UnlessGe)                               \
  SCHEME_FIVE_MODES(X, UnlessNumEq) SCHEME_FIVE_MODES(X, UnlessEq) X(AddLIPush) X(SubLIPush)  \
  SCHEME_TWO_MODES(X, Cons) SCHEME_TWO_MODES(X, VectorRef) SCHEME_TWO_MODES(X, StringRef)     \
  SCHEME_TWO_MODES(X, SetCar) SCHEME_TWO_MODES(X, SetCdr) SCHEME_TWO_MODES(X, Eqv)            \
  SCHEME_TWO_MODES(X, Quotient) SCHEME_TWO_MODES(X, Remainder) SCHEME_TWO_MODES(X, Modulo)    \
  SCHEME_TWO_MODES(X, CharEq) SCHEME_TWO_MODES(X, CharLt) SCHEME_TWO_MODES(X, RecordIs)       \
  X(Car) X(Cdr) X(CarL) X(CdrL) X(CarLPush) X(CdrLPush) X(Caar) X(Cadr) X(Cdar) X(Cddr)       \
  X(Not) X(NullP) X(PairP) X(SymbolP) X(StringP) X(VectorP) X(CharP) X(ProcedureP) X(EofP)    \
  X(VectorLength) X(CharToInteger)                                                            \
  /* operands but the last on the stack */                                                    \
  X(VectorSet) X(RecordRef) X(RecordSet)
// clang-format on

enum class Op : uint16_t {
#define SCHEME_OP(name) k##name,
  SCHEME_OPCODES(SCHEME_OP)
#undef SCHEME_OP
};

constexpr Op Plus(Op base, int n) { return static_cast<Op>(static_cast<int>(base) + n); }

// Distances of the modes from the S form of a family.
inline constexpr int kModeS = 0, kModeL = 1, kModeI = 2, kModeLI = 3, kModeLL = 4;

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_OPCODES_H_
