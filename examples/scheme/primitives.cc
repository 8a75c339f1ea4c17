#include "examples/scheme/primitives.h"

#include "examples/scheme/environment.h"

namespace scheme {
namespace {

constexpr Op kNoBranch = Op::kUnderflow;

constexpr Primitive Five(const char* name, Op op, bool folds = false) {
  return {name, PrimShape::kFive, op, kNoBranch, 2, folds};
}
constexpr Primitive Compare(const char* name, Op op, Op unless) {
  return {name, PrimShape::kFive, op, unless, 2, false};
}
constexpr Primitive Two(const char* name, Op op) {
  return {name, PrimShape::kTwo, op, kNoBranch, 2, false};
}
constexpr Primitive One(const char* name, Op op) {
  return {name, PrimShape::kUnary, op, kNoBranch, 1, false};
}
constexpr Primitive Zero(const char* name, Op op, Op unless) {
  return {name, PrimShape::kWithZero, op, unless, 1, false};
}
constexpr Primitive Many(const char* name, Op op, uint8_t operands) {
  return {name, PrimShape::kMany, op, kNoBranch, operands, false};
}

constexpr Primitive kPrimitives[] = {
    Five("+", Op::kAddS, true),
    Five("-", Op::kSubS, true),
    Five("*", Op::kMulS, true),
    Compare("<", Op::kLtS, Op::kUnlessLtS),
    Compare(">", Op::kGtS, Op::kUnlessGtS),
    Compare("<=", Op::kLeS, Op::kUnlessLeS),
    Compare(">=", Op::kGeS, Op::kUnlessGeS),
    Compare("=", Op::kNumEqS, Op::kUnlessNumEqS),
    Compare("eq?", Op::kEqS, Op::kUnlessEqS),
    Zero("zero?", Op::kNumEqS, Op::kUnlessNumEqS),
    Zero("positive?", Op::kGtS, Op::kUnlessGtS),
    Zero("negative?", Op::kLtS, Op::kUnlessLtS),
    Two("cons", Op::kConsS),
    Two("vector-ref", Op::kVectorRefS),
    Two("string-ref", Op::kStringRefS),
    Two("set-car!", Op::kSetCarS),
    Two("set-cdr!", Op::kSetCdrS),
    Two("eqv?", Op::kEqvS),
    Two("quotient", Op::kQuotientS),
    Two("truncate-quotient", Op::kQuotientS),
    Two("remainder", Op::kRemainderS),
    Two("truncate-remainder", Op::kRemainderS),
    Two("modulo", Op::kModuloS),
    Two("floor-remainder", Op::kModuloS),
    Two("char=?", Op::kCharEqS),
    Two("char<?", Op::kCharLtS),
    Two("%record?", Op::kRecordIsS),
    One("car", Op::kCar),
    One("cdr", Op::kCdr),
    One("caar", Op::kCaar),
    One("cadr", Op::kCadr),
    One("cdar", Op::kCdar),
    One("cddr", Op::kCddr),
    One("not", Op::kNot),
    One("null?", Op::kNullP),
    One("pair?", Op::kPairP),
    One("symbol?", Op::kSymbolP),
    One("string?", Op::kStringP),
    One("vector?", Op::kVectorP),
    One("char?", Op::kCharP),
    One("procedure?", Op::kProcedureP),
    One("eof-object?", Op::kEofP),
    One("vector-length", Op::kVectorLength),
    One("char->integer", Op::kCharToInteger),
    Many("vector-set!", Op::kVectorSet, 3),
    Many("%record-ref", Op::kRecordRef, 3),
    Many("%record-set!", Op::kRecordSet, 4),
};

}  // namespace

std::span<const Primitive> Primitives() { return kPrimitives; }

bool IsAlias(const Primitive& p) {
  for (const Primitive& first : kPrimitives) {
    if (first.op == p.op) return &first != &p;
  }
  return false;
}

void MarkPrimitiveCells() {
  uint16_t number = 1;
  for (const Primitive& p : kPrimitives) {
    SystemEnvironment()->CellForDefinition(Sym(p.name))->header.small = number++;
  }
}

}  // namespace scheme
