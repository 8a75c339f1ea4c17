// Powers, roots, logarithms and trigonometry.
// I1 An exact result is given where it is known: roots of exact squares, integer powers of exact
//    numbers, and functions of exact 0 or 1 whose value is 0 or 1.
// I2 There are no complex numbers: where the mathematical result is one, the result is +nan.0.
#include <cmath>

#include "examples/scheme/builtins.h"
#include "examples/scheme/number.h"
#include "examples/scheme/number_builtins.h"
#include "examples/scheme/number_rep.h"

namespace scheme {
namespace {

const Value kZero = Value::Fixnum(0);
const Value kOne = Value::Fixnum(1);

// `argument` when exact gives exact `result`; everything else goes through the function on doubles.
Value Apply(Args args, double (*function)(double), Value argument, Value result) {
  if (args[0] == argument) return result;
  return MakeFlonum(function(ToDouble(args[0])));
}

// Natural logarithm of a non-negative number, also of integers beyond the range of a double.
double LogOf(Value v) {
  const double d = ToDouble(v);
  if (!std::isinf(d) || IsFlonum(v) || Sign(v) < 0) return std::log(d);
  const Value whole = IntFloorQuotient(Numerator(v), Denominator(v));
  signed long exponent;
  const double fraction = mpz_get_d_2exp(&exponent, IntView(whole));
  return std::log(fraction) + static_cast<double>(exponent) * std::log(2.0);
}

Value Exp(Args args) { return Apply(args, std::exp, kZero, kOne); }
Value Sin(Args args) { return Apply(args, std::sin, kZero, kZero); }
Value Cos(Args args) { return Apply(args, std::cos, kZero, kOne); }
Value Tan(Args args) { return Apply(args, std::tan, kZero, kZero); }
Value Asin(Args args) { return Apply(args, std::asin, kZero, kZero); }
Value Acos(Args args) { return Apply(args, std::acos, kOne, kZero); }

Value Log(Args args) {
  if (args.size() == 1) return args[0] == kOne ? kZero : MakeFlonum(LogOf(args[0]));
  const double base = ToDouble(args[1]);
  const double d = ToDouble(args[0]);
  // log2 and log10 are exact at powers, the quotient of two logarithms is not.
  if (base == 2.0 && !std::isinf(d)) return MakeFlonum(std::log2(d));
  if (base == 10.0 && !std::isinf(d)) return MakeFlonum(std::log10(d));
  return MakeFlonum(LogOf(args[0]) / LogOf(args[1]));
}

Value Atan(Args args) {
  if (args.size() == 1) return Apply(args, std::atan, kZero, kZero);
  if (args[0] == kZero && !IsFlonum(args[1]) && Sign(args[1]) > 0) return kZero;
  return MakeFlonum(std::atan2(ToDouble(args[0]), ToDouble(args[1])));
}

// The root of a non-negative exact integer when it is a square, else "nothing".
Value ExactRoot(Value n) {
  if (IntSign(n) < 0) return Value{0};
  const IntView z(n);
  if (mpz_perfect_square_p(z) == 0) return Value{0};
  Mpz root;
  mpz_sqrt(root, z);
  return root.ToValue();
}

Value Sqrt(Args args) {
  const Value v = args[0];
  if (CheckedKind(v) == NumberKind::kFlonum) return MakeFlonum(std::sqrt(FlonumValue(v)));
  const Value n = ExactRoot(Numerator(v)), d = ExactRoot(Denominator(v));
  if (!n.IsNothing() && !d.IsNothing()) return MakeRatio(n, d);
  const double approximate = ToDouble(v);
  if (!std::isinf(approximate) || approximate < 0) return MakeFlonum(std::sqrt(approximate));
  Mpz root;  // so large that its integer root has all the digits of a double
  mpz_sqrt(root, IntView(IntFloorQuotient(Numerator(v), Denominator(v))));
  return MakeFlonum(ToDouble(root.ToValue()));
}

Value ExactIntegerSqrt(Args args) {
  const Value n = ExactIntegerArg(args, 0);
  if (IntSign(n) < 0) WrongType(n, "a non-negative exact integer");
  Mpz root, rest;
  mpz_sqrtrem(root, rest, IntView(n));
  const Value both[] = {root.ToValue(), rest.ToValue()};
  return MakeValues(both, 2);
}

Value ExactPower(Value base, Value exponent) {
  const bool invert = IntSign(exponent) < 0;
  if (invert && base == kZero) DivisionByZero();
  // A bignum exponent is allowed for the bases 0, 1 and -1 only.
  uint64_t e;
  if (exponent.IsFixnum()) {
    const int64_t n = exponent.AsFixnum();
    e = static_cast<uint64_t>(invert ? -n : n);
  } else {
    e = (uint64_t{1} << 63) | (IntIsOdd(exponent) ? 1 : 0);
  }
  const Value n = IntPower(Numerator(base), e), d = IntPower(Denominator(base), e);
  return invert ? MakeRatio(d, n) : MakeRatio(n, d);
}

Value Expt(Args args) {
  const Value base = args[0], exponent = args[1];
  CheckedKind(base);
  CheckedKind(exponent);
  if (IsExactInteger(exponent)) {
    if (!IsFlonum(base)) return ExactPower(base, exponent);
    if (exponent == kZero) return kOne;
  }
  if (exponent.Is<Ratnum>() && exponent.As<Ratnum>()->denominator.Get() == Value::Fixnum(2) &&
      !IsFlonum(base)) {
    const Value n = ExactRoot(Numerator(base)), d = ExactRoot(Denominator(base));
    if (!n.IsNothing() && !d.IsNothing()) {
      return ExactPower(MakeRatio(n, d), exponent.As<Ratnum>()->numerator);
    }
  }
  return MakeFlonum(std::pow(ToDouble(base), ToDouble(exponent)));
}

constexpr BuiltinSpec kSpecs[] = {
    {"exp", Exp, 1, 1},   {"log", Log, 1, 2},
    {"sin", Sin, 1, 1},   {"cos", Cos, 1, 1},
    {"tan", Tan, 1, 1},   {"asin", Asin, 1, 1},
    {"acos", Acos, 1, 1}, {"atan", Atan, 1, 2},
    {"sqrt", Sqrt, 1, 1}, {"exact-integer-sqrt", ExactIntegerSqrt, 1, 1},
    {"expt", Expt, 2, 2},
};

}  // namespace

void RegisterMathBuiltins() { DefineBuiltins(kSpecs); }

}  // namespace scheme
