// The arithmetic procedures of R7RS: predicates, + - * /, comparison, integer division, rounding,
// fractions, number->string.
// Not here: exp, sqrt and friends (number_math.cc), bits and random numbers (number_bits.cc).
#include "examples/scheme/number_builtins.h"

#include <cmath>
#include <string>

#include "examples/scheme/builtins.h"
#include "examples/scheme/number.h"
#include "examples/scheme/number_rep.h"

namespace scheme {
namespace {

// ---- predicates ----

Value IsNumberP(Args args) { return Value::Bool(IsNumber(args[0])); }
Value IsRationalP(Args args) { return Value::Bool(IsRational(args[0])); }
Value IsIntegerP(Args args) { return Value::Bool(IsInteger(args[0])); }
Value IsExactIntegerP(Args args) { return Value::Bool(IsExactInteger(args[0])); }
Value IsExactRationalP(Args args) { return Value::Bool(IsNumber(args[0]) && !IsFlonum(args[0])); }
Value IsExactP(Args args) { return Value::Bool(CheckedKind(args[0]) != NumberKind::kFlonum); }
Value IsInexactP(Args args) { return Value::Bool(CheckedKind(args[0]) == NumberKind::kFlonum); }
Value IsFlonumP(Args args) { return Value::Bool(IsFlonum(args[0])); }
Value IsFixnumP(Args args) { return Value::Bool(args[0].IsFixnum()); }

Value IsNanP(Args args) {
  return Value::Bool(CheckedKind(args[0]) == NumberKind::kFlonum &&
                     std::isnan(FlonumValue(args[0])));
}
Value IsInfiniteP(Args args) {
  return Value::Bool(CheckedKind(args[0]) == NumberKind::kFlonum &&
                     std::isinf(FlonumValue(args[0])));
}
Value IsFiniteP(Args args) {
  CheckedKind(args[0]);
  return Value::Bool(IsRational(args[0]));
}

bool IsZero(Value v) {
  return CheckedKind(v) == NumberKind::kFlonum ? FlonumValue(v) == 0 : v == Value::Fixnum(0);
}
Value IsZeroP(Args args) { return Value::Bool(IsZero(args[0])); }
Value IsPositiveP(Args args) { return Value::Bool(Sign(args[0]) > 0); }
Value IsNegativeP(Args args) { return Value::Bool(Sign(args[0]) < 0); }
Value IsOddP(Args args) { return Value::Bool(IntIsOdd(ToExact(IntegerArg(args, 0)))); }
Value IsEvenP(Args args) { return Value::Bool(!IntIsOdd(ToExact(IntegerArg(args, 0)))); }

// ---- arithmetic ----

Value AddAll(Args args) {
  Value sum = Value::Fixnum(0);
  for (size_t i = 0; i < args.size(); ++i) sum = Add(sum, args[i]);
  return sum;
}
Value MultiplyAll(Args args) {
  Value product = Value::Fixnum(1);
  for (size_t i = 0; i < args.size(); ++i) product = Multiply(product, args[i]);
  return product;
}
Value SubtractAll(Args args) {
  if (args.size() == 1) return Negate(args[0]);
  Value rest = args[0];
  for (size_t i = 1; i < args.size(); ++i) rest = Subtract(rest, args[i]);
  return rest;
}
Value DivideAll(Args args) {
  if (args.size() == 1) return Divide(Value::Fixnum(1), args[0]);
  Value rest = args[0];
  for (size_t i = 1; i < args.size(); ++i) rest = Divide(rest, args[i]);
  return rest;
}

// All arguments are checked, also those behind the first pair that fails.
template <bool (*kHolds)(Value, Value)>
Value CompareAll(Args args) {
  bool result = true;
  CheckedKind(args[0]);
  for (size_t i = 1; i < args.size(); ++i) result = kHolds(args[i - 1], args[i]) && result;
  return Value::Bool(result);
}
bool Greater(Value a, Value b) { return NumLess(b, a); }
bool GreaterEqual(Value a, Value b) { return NumLessEqual(b, a); }

// max or min; a float anywhere makes the result a float, NaN wins.
Value Extreme(Args args, bool (*better)(Value, Value)) {
  Value best = args[0];
  bool inexact = CheckedKind(best) == NumberKind::kFlonum;
  for (size_t i = 1; i < args.size(); ++i) {
    inexact = CheckedKind(args[i]) == NumberKind::kFlonum || inexact;
    const bool is_nan = IsFlonum(args[i]) && std::isnan(FlonumValue(args[i]));
    if (is_nan || better(args[i], best)) best = args[i];
  }
  return inexact ? ToInexact(best) : best;
}
Value Max(Args args) { return Extreme(args, Greater); }
Value Min(Args args) { return Extreme(args, NumLess); }

Value Abs(Args args) {
  if (CheckedKind(args[0]) == NumberKind::kFlonum) {
    return MakeFlonum(std::fabs(FlonumValue(args[0])));
  }
  return Sign(args[0]) < 0 ? Negate(args[0]) : args[0];
}
Value Square(Args args) { return Multiply(args[0], args[0]); }
Value Increment(Args args) { return Add(args[0], Value::Fixnum(1)); }
Value Decrement(Args args) { return Subtract(args[0], Value::Fixnum(1)); }

// ---- integer division ----

Value QuotientP(Args args) { return Quotient(args[0], args[1]); }
Value RemainderP(Args args) { return Remainder(args[0], args[1]); }
Value ModuloP(Args args) { return Modulo(args[0], args[1]); }
Value FloorQuotientP(Args args) { return FloorQuotient(args[0], args[1]); }
Value FloorDivide(Args args) {
  const Value both[] = {FloorQuotient(args[0], args[1]), Modulo(args[0], args[1])};
  return MakeValues(both, 2);
}
Value TruncateDivide(Args args) {
  const Value both[] = {Quotient(args[0], args[1]), Remainder(args[0], args[1])};
  return MakeValues(both, 2);
}

Value MagnitudeOf(Value v) { return Sign(v) < 0 ? Negate(v) : v; }

Value Gcd(Args args) {
  bool inexact = false;
  Value g = Value::Fixnum(0);
  for (size_t i = 0; i < args.size(); ++i) {
    inexact = IsFlonum(IntegerArg(args, i)) || inexact;
    g = IntGcd(g, ToExact(args[i]));
  }
  return inexact ? ToInexact(g) : g;
}
Value Lcm(Args args) {
  bool inexact = false;
  Value l = Value::Fixnum(1);
  for (size_t i = 0; i < args.size(); ++i) {
    inexact = IsFlonum(IntegerArg(args, i)) || inexact;
    const Value n = MagnitudeOf(ToExact(args[i]));
    if (l == Value::Fixnum(0) || n == Value::Fixnum(0)) {
      l = Value::Fixnum(0);
    } else {
      l = IntMultiply(IntQuotient(l, IntGcd(l, n)), n);
    }
  }
  return inexact ? ToInexact(l) : l;
}

// ---- fractions and rounding ----

Value NumeratorP(Args args) {
  CheckedKind(args[0]);
  if (IsFlonum(args[0])) return ToInexact(Numerator(ToExact(args[0])));
  return Numerator(args[0]);
}
Value DenominatorP(Args args) {
  CheckedKind(args[0]);
  if (IsFlonum(args[0])) return ToInexact(Denominator(ToExact(args[0])));
  return Denominator(args[0]);
}

Value FloorOf(Value ratio) { return IntFloorQuotient(Numerator(ratio), Denominator(ratio)); }

Value Floor(Args args) {
  if (CheckedKind(args[0]) == NumberKind::kFlonum) {
    return MakeFlonum(std::floor(FlonumValue(args[0])));
  }
  return FloorOf(args[0]);
}
Value Ceiling(Args args) {
  if (CheckedKind(args[0]) == NumberKind::kFlonum) {
    return MakeFlonum(std::ceil(FlonumValue(args[0])));
  }
  return IntNegate(FloorOf(Negate(args[0])));
}
Value Truncate(Args args) {
  if (CheckedKind(args[0]) == NumberKind::kFlonum) {
    return MakeFlonum(std::trunc(FlonumValue(args[0])));
  }
  return IntQuotient(Numerator(args[0]), Denominator(args[0]));
}
// To the nearest integer, ties to even.
Value Round(Args args) {
  const Value v = args[0];
  if (CheckedKind(v) == NumberKind::kFlonum) return MakeFlonum(std::nearbyint(FlonumValue(v)));
  if (IsExactInteger(v)) return v;
  const Value low = FloorOf(v);
  const int order = CompareExact(Subtract(v, low), MakeRatio(Value::Fixnum(1), Value::Fixnum(2)));
  const bool up = order > 0 || (order == 0 && IntIsOdd(low));
  return up ? IntAdd(low, Value::Fixnum(1)) : low;
}

// The simplest rational in [low, high], 0 < low <= high (Stern-Brocot descent by continued
// fractions): the integer part is shared until the interval contains an integer.
Value SimplestBetween(Value low, Value high) {
  const Value whole = FloorOf(low);
  if (CompareExact(whole, low) == 0) return whole;
  const Value next = IntAdd(whole, Value::Fixnum(1));
  if (CompareExact(next, high) <= 0) return next;
  const Value one = Value::Fixnum(1);
  const Value rest =
      SimplestBetween(Divide(one, Subtract(high, whole)), Divide(one, Subtract(low, whole)));
  return Add(whole, Divide(one, rest));
}

Value Rationalize(Args args) {
  const bool inexact =
      CheckedKind(args[0]) == NumberKind::kFlonum || CheckedKind(args[1]) == NumberKind::kFlonum;
  if (inexact && (!IsRational(args[0]) || !IsRational(args[1]))) {
    const double x = ToDouble(args[0]), tolerance = ToDouble(args[1]);
    if (std::isinf(tolerance) && std::isfinite(x)) return MakeFlonum(0.0);
    return MakeFlonum(std::isinf(x) && std::isfinite(tolerance) ? x : std::nan(""));
  }
  const Value x = ToExact(args[0]), tolerance = MagnitudeOf(ToExact(args[1]));
  const Value low = Subtract(x, tolerance), high = Add(x, tolerance);
  Value r = Value::Fixnum(0);
  if (Sign(low) > 0) {
    r = SimplestBetween(low, high);
  } else if (Sign(high) < 0) {
    r = Negate(SimplestBetween(Negate(high), Negate(low)));
  }
  return inexact ? ToInexact(r) : r;
}

// ---- exactness and text ----

Value Exact(Args args) { return ToExact(args[0]); }
Value Inexact(Args args) { return ToInexact(args[0]); }

int RadixArg(Args args, size_t i) {
  const Value v = args.Or(i, Value::Fixnum(10));
  if (!v.IsFixnum() || v.AsFixnum() < 2 || v.AsFixnum() > 36) WrongType(v, "a radix");
  return static_cast<int>(v.AsFixnum());
}
Value NumberToStringP(Args args) { return MakeString(NumberToString(args[0], RadixArg(args, 1))); }
Value StringToNumber(Args args) {
  return ParseNumber(ToUtf8(StringArg(args, 0)), RadixArg(args, 1));
}

constexpr BuiltinSpec kSpecs[] = {
    {"number?", IsNumberP, 1, 1},
    {"complex?", IsNumberP, 1, 1},
    {"real?", IsNumberP, 1, 1},
    {"rational?", IsRationalP, 1, 1},
    {"integer?", IsIntegerP, 1, 1},
    {"exact?", IsExactP, 1, 1},
    {"inexact?", IsInexactP, 1, 1},
    {"exact-integer?", IsExactIntegerP, 1, 1},
    {"exact-rational?", IsExactRationalP, 1, 1},
    {"flonum?", IsFlonumP, 1, 1},
    {"fixnum?", IsFixnumP, 1, 1},
    {"nan?", IsNanP, 1, 1},
    {"finite?", IsFiniteP, 1, 1},
    {"infinite?", IsInfiniteP, 1, 1},
    {"zero?", IsZeroP, 1, 1},
    {"positive?", IsPositiveP, 1, 1},
    {"negative?", IsNegativeP, 1, 1},
    {"odd?", IsOddP, 1, 1},
    {"even?", IsEvenP, 1, 1},
    {"+", AddAll, 0, kAnyArgs},
    {"*", MultiplyAll, 0, kAnyArgs},
    {"-", SubtractAll, 1, kAnyArgs},
    {"/", DivideAll, 1, kAnyArgs},
    {"=", CompareAll<NumEqual>, 1, kAnyArgs},
    {"<", CompareAll<NumLess>, 1, kAnyArgs},
    {">", CompareAll<Greater>, 1, kAnyArgs},
    {"<=", CompareAll<NumLessEqual>, 1, kAnyArgs},
    {">=", CompareAll<GreaterEqual>, 1, kAnyArgs},
    {"max", Max, 1, kAnyArgs},
    {"min", Min, 1, kAnyArgs},
    {"abs", Abs, 1, 1},
    {"magnitude", Abs, 1, 1},
    {"square", Square, 1, 1},
    {"1+", Increment, 1, 1},
    {"-1+", Decrement, 1, 1},
    {"quotient", QuotientP, 2, 2},
    {"remainder", RemainderP, 2, 2},
    {"modulo", ModuloP, 2, 2},
    {"truncate-quotient", QuotientP, 2, 2},
    {"truncate-remainder", RemainderP, 2, 2},
    {"floor-quotient", FloorQuotientP, 2, 2},
    {"floor-remainder", ModuloP, 2, 2},
    {"floor/", FloorDivide, 2, 2},
    {"truncate/", TruncateDivide, 2, 2},
    {"gcd", Gcd, 0, kAnyArgs},
    {"lcm", Lcm, 0, kAnyArgs},
    {"numerator", NumeratorP, 1, 1},
    {"denominator", DenominatorP, 1, 1},
    {"floor", Floor, 1, 1},
    {"ceiling", Ceiling, 1, 1},
    {"truncate", Truncate, 1, 1},
    {"round", Round, 1, 1},
    {"rationalize", Rationalize, 2, 2},
    {"exact", Exact, 1, 1},
    {"inexact", Inexact, 1, 1},
    {"inexact->exact", Exact, 1, 1},
    {"exact->inexact", Inexact, 1, 1},
    {"number->string", NumberToStringP, 1, 2},
    {"string->number", StringToNumber, 1, 2},
};

}  // namespace

Value IntegerArg(Args args, size_t i) {
  CheckedKind(args[i]);
  if (!IsInteger(args[i])) WrongType(args[i], "an integer");
  return args[i];
}

Value ExactIntegerArg(Args args, size_t i) {
  if (!IsExactInteger(args[i])) WrongType(args[i], "an exact integer");
  return args[i];
}

void RegisterNumberBuiltins() {
  InstallGmpMemory();
  DefineBuiltins(kSpecs);
  RegisterMathBuiltins();
  RegisterBitBuiltins();
}

}  // namespace scheme
