// The numeric tower: generic arithmetic and comparison across fixnums, bignums, ratios and floats,
// and conversion between exact and inexact. Not here: integers among themselves
// (number_integer.cc). I1 Exact with exact gives exact; a float operand makes the result a float.
// I2 Comparison is by exact value, so that it stays transitive between floats and big integers.
// I3 Conversion to a float rounds to nearest, ties to even, subnormals included.
#include <bit>
#include <cmath>
#include <limits>

#include "examples/scheme/error.h"
#include "examples/scheme/number.h"
#include "examples/scheme/number_rep.h"

namespace scheme {
namespace {

enum class Level { kInteger, kRatio, kFloat };  // what an operation on two numbers works on

Level LevelOf(Value a, Value b) {
  const NumberKind x = CheckedKind(a), y = CheckedKind(b);
  if (x == NumberKind::kFlonum || y == NumberKind::kFlonum) return Level::kFloat;
  if (x == NumberKind::kRatnum || y == NumberKind::kRatnum) return Level::kRatio;
  return Level::kInteger;
}

// an/ad + bn/bd, or the difference.
Value RatioSum(Value a, Value b, Value (*combine)(Value, Value)) {
  const Value ad = Denominator(a), bd = Denominator(b);
  const Value n = combine(IntMultiply(Numerator(a), bd), IntMultiply(Numerator(b), ad));
  return MakeRatio(n, IntMultiply(ad, bd));
}

// n / d for positive integers, correctly rounded (keeps I3).
double PositiveRatioToDouble(mpz_srcptr n, mpz_srcptr d) {
  // Scale so that the integer quotient has 64 or 65 bits; what is left over only breaks ties.
  const int64_t shift = 64 - (static_cast<int64_t>(mpz_sizeinbase(n, 2)) -
                              static_cast<int64_t>(mpz_sizeinbase(d, 2)));
  Mpz scaled, q, rest;
  if (shift >= 0) {
    mpz_mul_2exp(scaled, n, static_cast<mp_bitcnt_t>(shift));
    mpz_fdiv_qr(q, rest, scaled, d);
  } else {
    mpz_mul_2exp(scaled, d, static_cast<mp_bitcnt_t>(-shift));
    mpz_fdiv_qr(q, rest, n, scaled);
  }
  const int64_t q_bits = static_cast<int64_t>(mpz_sizeinbase(q, 2));
  const int64_t exponent = q_bits - 1 - shift;  // the value is 1.xxx * 2^exponent
  if (exponent > 1023) return std::numeric_limits<double>::infinity();
  if (exponent < -1076) return 0.0;
  const int64_t precision = exponent >= -1022 ? 53 : 53 - (-1022 - exponent);
  const mp_bitcnt_t drop = static_cast<mp_bitcnt_t>(q_bits - precision);  // at least 11
  const bool half = mpz_tstbit(q, drop - 1) != 0;
  const bool sticky = rest.sign() != 0 || mpz_scan1(q, 0) < drop - 1;
  mpz_fdiv_q_2exp(q, q, drop);
  uint64_t mantissa = mpz_get_ui(q);
  if (half && (sticky || (mantissa & 1) != 0)) ++mantissa;
  return std::ldexp(static_cast<double>(mantissa),
                    static_cast<int>(static_cast<int64_t>(drop) - shift));
}

double RatioToDouble(Value n, Value d) {
  const bool negative = IntSign(n) < 0;
  Mpz magnitude(n);
  mpz_abs(magnitude, magnitude);
  const double r = PositiveRatioToDouble(magnitude, IntView(d));
  return negative ? -r : r;
}

// Three-way comparison of numbers, none of them NaN (keeps I2).
int Compare(Value a, Value b) {
  const bool a_float = IsFlonum(a), b_float = IsFlonum(b);
  if (a_float && b_float) {
    const double x = FlonumValue(a), y = FlonumValue(b);
    return (x > y) - (x < y);
  }
  if (a_float) return -Compare(b, a);
  if (b_float) {
    const double y = FlonumValue(b);
    if (std::isinf(y)) return y > 0 ? -1 : 1;
    constexpr int64_t kExactInDouble = int64_t{1} << 53;
    if (a.IsFixnum() && a.AsFixnum() < kExactInDouble && a.AsFixnum() > -kExactInDouble) {
      const double x = static_cast<double>(a.AsFixnum());
      return (x > y) - (x < y);
    }
    return CompareExact(a, ExactFromDouble(y));
  }
  return CompareExact(a, b);
}

bool IsNan(Value v) { return IsFlonum(v) && std::isnan(FlonumValue(v)); }

bool CheckOrdered(Value a, Value b) {
  CheckedKind(a);
  CheckedKind(b);
  return !IsNan(a) && !IsNan(b);
}

// Integer division on integers that may be floats.
Value DivideIntegers(Value a, Value b, Value (*divide)(Value, Value)) {
  CheckedKind(a);
  CheckedKind(b);
  if (!IsInteger(a)) WrongType(a, "an integer");
  if (!IsInteger(b)) WrongType(b, "an integer");
  const bool inexact = IsFlonum(a) || IsFlonum(b);
  const Value y = ToExact(b);
  if (y == Value::Fixnum(0)) DivisionByZero();
  const Value r = divide(ToExact(a), y);
  return inexact ? ToInexact(r) : r;
}

}  // namespace

bool IsNumber(Value v) { return KindOf(v) != NumberKind::kNone; }

NumberKind CheckedKind(Value v) {
  const NumberKind kind = KindOf(v);
  if (kind == NumberKind::kNone) WrongType(v, "a number");
  return kind;
}

void DivisionByZero() { Error("division by zero"); }

Value MakeRatio(Value n, Value d) {
  if (d == Value::Fixnum(1)) return n;
  if (IntSign(d) < 0) {
    n = IntNegate(n);
    d = IntNegate(d);
  }
  const Value g = IntGcd(n, d);
  if (g != Value::Fixnum(1)) {
    n = IntQuotient(n, g);
    d = IntQuotient(d, g);
  }
  if (d == Value::Fixnum(1)) return n;
  Ratnum* r = make_gc<Ratnum>();
  InitHeader(r);
  r->numerator.Init(n);
  r->denominator.Init(d);
  return Value::Of(r);
}

Value Add(Value a, Value b) {
  switch (LevelOf(a, b)) {
    case Level::kInteger:
      return IntAdd(a, b);
    case Level::kRatio:
      return RatioSum(a, b, IntAdd);
    default:
      return MakeFlonum(ToDouble(a) + ToDouble(b));
  }
}

Value Subtract(Value a, Value b) {
  switch (LevelOf(a, b)) {
    case Level::kInteger:
      return IntSubtract(a, b);
    case Level::kRatio:
      return RatioSum(a, b, IntSubtract);
    default:
      return MakeFlonum(ToDouble(a) - ToDouble(b));
  }
}

Value Multiply(Value a, Value b) {
  switch (LevelOf(a, b)) {
    case Level::kInteger:
      return IntMultiply(a, b);
    case Level::kRatio:
      return MakeRatio(IntMultiply(Numerator(a), Numerator(b)),
                       IntMultiply(Denominator(a), Denominator(b)));
    default:
      if (a == Value::Fixnum(0) || b == Value::Fixnum(0)) return Value::Fixnum(0);
      return MakeFlonum(ToDouble(a) * ToDouble(b));
  }
}

Value Divide(Value a, Value b) {
  const Level level = LevelOf(a, b);
  if (b == Value::Fixnum(0)) DivisionByZero();
  if (level == Level::kFloat) return MakeFlonum(ToDouble(a) / ToDouble(b));
  return MakeRatio(IntMultiply(Numerator(a), Denominator(b)),
                   IntMultiply(Denominator(a), Numerator(b)));
}

bool NumEqual(Value a, Value b) { return CheckOrdered(a, b) && Compare(a, b) == 0; }
bool NumLess(Value a, Value b) { return CheckOrdered(a, b) && Compare(a, b) < 0; }
bool NumLessEqual(Value a, Value b) { return CheckOrdered(a, b) && Compare(a, b) <= 0; }

Value Quotient(Value a, Value b) { return DivideIntegers(a, b, IntQuotient); }
Value Remainder(Value a, Value b) { return DivideIntegers(a, b, IntRemainder); }
Value Modulo(Value a, Value b) { return DivideIntegers(a, b, IntModulo); }
Value FloorQuotient(Value a, Value b) { return DivideIntegers(a, b, IntFloorQuotient); }

Value Negate(Value v) {
  switch (CheckedKind(v)) {
    case NumberKind::kFlonum:
      return MakeFlonum(-FlonumValue(v));
    case NumberKind::kRatnum:
      return MakeRatio(IntNegate(Numerator(v)), Denominator(v));
    default:
      return IntNegate(v);
  }
}

int Sign(Value v) {
  if (CheckedKind(v) == NumberKind::kFlonum) {
    const double d = FlonumValue(v);
    return (d > 0) - (d < 0);
  }
  return IntSign(Numerator(v));
}

int CompareExact(Value a, Value b) {
  if (a.Is<Ratnum>() || b.Is<Ratnum>()) {
    return IntCompare(IntMultiply(Numerator(a), Denominator(b)),
                      IntMultiply(Numerator(b), Denominator(a)));
  }
  return IntCompare(a, b);
}

bool IsInteger(Value v) {
  if (IsFlonum(v))
    return std::isfinite(FlonumValue(v)) && std::trunc(FlonumValue(v)) == FlonumValue(v);
  return IsExactInteger(v);
}

bool IsRational(Value v) { return IsFlonum(v) ? std::isfinite(FlonumValue(v)) : IsNumber(v); }

double ToDouble(Value v) {
  switch (CheckedKind(v)) {
    case NumberKind::kFixnum:
      return static_cast<double>(v.AsFixnum());
    case NumberKind::kFlonum:
      return FlonumValue(v);
    default:
      return RatioToDouble(Numerator(v), Denominator(v));
  }
}

Value ExactFromDouble(double d) {
  int exponent;
  const double fraction = std::frexp(d, &exponent);
  const int64_t mantissa = static_cast<int64_t>(std::ldexp(fraction, 53));
  exponent -= 53;
  const Value n = Value::Fixnum(mantissa);
  if (exponent >= 0) return IntShift(n, exponent);
  return MakeRatio(n, IntShift(Value::Fixnum(1), -exponent));
}

Value ToExact(Value v) {
  if (CheckedKind(v) != NumberKind::kFlonum) return v;
  const double d = FlonumValue(v);
  if (!std::isfinite(d)) Error("no exact value:", {v});
  return ExactFromDouble(d);
}

Value ToInexact(Value v) {
  return CheckedKind(v) == NumberKind::kFlonum ? v : MakeFlonum(ToDouble(v));
}

bool NumEqv(Value a, Value b) {
  const NumberKind kind = KindOf(a);
  if (kind != KindOf(b)) return false;
  switch (kind) {
    case NumberKind::kFlonum:
      return std::bit_cast<uint64_t>(FlonumValue(a)) == std::bit_cast<uint64_t>(FlonumValue(b));
    case NumberKind::kNone:
    case NumberKind::kFixnum:
      return a == b;
    default:
      return CompareExact(a, b) == 0;
  }
}

uint64_t HashNumber(Value v) {
  constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15;
  const auto mix = [](uint64_t h, uint64_t word) {
    h = (h ^ word) * kMultiplier;
    return h ^ (h >> 29);
  };
  switch (KindOf(v)) {
    case NumberKind::kFlonum:
      return mix(1, std::bit_cast<uint64_t>(FlonumValue(v)));
    case NumberKind::kRatnum:
      return mix(HashNumber(Numerator(v)), HashNumber(Denominator(v)));
    case NumberKind::kBignum: {
      Bignum* b = v.As<Bignum>();
      uint64_t h = b->header.flags;
      for (size_t i = 0; i < b->size(); ++i) h = mix(h, b->limbs()[i]);
      return h;
    }
    default:
      return mix(0, v.w);
  }
}

}  // namespace scheme
