// Bitwise operations on exact integers of any size, in two's complement with infinite sign, and
// random numbers.
// The random sequence starts from a fixed seed, so that programs are reproducible; random-seed!
// changes it.
// I1 random-integer is uniform: candidates outside the range are drawn again.
#include <cstdint>

#include "examples/scheme/builtins.h"
#include "examples/scheme/number.h"
#include "examples/scheme/number_builtins.h"
#include "examples/scheme/number_rep.h"

namespace scheme {
namespace {

using MpzOperation = void (*)(mpz_ptr, mpz_srcptr, mpz_srcptr);

Value Fold(Args args, int64_t unit, MpzOperation operation, int64_t (*small)(int64_t, int64_t)) {
  Value result = Value::Fixnum(unit);
  for (size_t i = 0; i < args.size(); ++i) {
    const Value next = ExactIntegerArg(args, i);
    if (result.IsFixnum() && next.IsFixnum()) {
      result = Value::Fixnum(small(result.AsFixnum(), next.AsFixnum()));
    } else {
      Mpz z;
      operation(z, IntView(result), IntView(next));
      result = z.ToValue();
    }
  }
  return result;
}

int64_t SmallAnd(int64_t a, int64_t b) { return a & b; }
int64_t SmallOr(int64_t a, int64_t b) { return a | b; }
int64_t SmallXor(int64_t a, int64_t b) { return a ^ b; }
Value BitwiseAnd(Args args) { return Fold(args, -1, mpz_and, SmallAnd); }
Value BitwiseOr(Args args) { return Fold(args, 0, mpz_ior, SmallOr); }
Value BitwiseXor(Args args) { return Fold(args, 0, mpz_xor, SmallXor); }

Value Complement(Value n) { return IntSubtract(Value::Fixnum(-1), n); }
Value BitwiseNot(Args args) { return Complement(ExactIntegerArg(args, 0)); }

Value ArithmeticShift(Args args) { return IntShift(ExactIntegerArg(args, 0), FixnumArg(args, 1)); }
Value ShiftRight(Args args) { return IntShift(ExactIntegerArg(args, 0), -FixnumArg(args, 1)); }

// Ones of a non-negative number; zeros of a negative one.
Value BitCount(Args args) {
  Value n = ExactIntegerArg(args, 0);
  if (IntSign(n) < 0) n = Complement(n);
  return MakeInteger(static_cast<int64_t>(mpz_popcount(IntView(n))));
}

Value IntegerLength(Args args) {
  Value n = ExactIntegerArg(args, 0);
  if (IntSign(n) < 0) n = Complement(n);
  return MakeInteger(static_cast<int64_t>(IntBitLength(n)));
}

Value IsBitSet(Args args) {
  const int64_t index = FixnumArg(args, 0);
  const Value n = ExactIntegerArg(args, 1);
  if (index < 0) OutOfRange(args[0]);
  return Value::Bool(mpz_tstbit(IntView(n), static_cast<mp_bitcnt_t>(index)) != 0);
}

Value FirstSetBit(Args args) {
  const Value n = ExactIntegerArg(args, 0);
  if (IntSign(n) == 0) return Value::Fixnum(-1);
  return MakeInteger(static_cast<int64_t>(mpz_scan1(IntView(n), 0)));
}

// ---- random numbers: splitmix64 (Steele, Lea, Flood) ----

uint64_t g_random_state = 20120913;

uint64_t NextRandom() {
  uint64_t z = g_random_state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// Uniform in [0, n), n > 0: draws as many bits as n - 1 has until the number is below n (I1).
Value RandomBelow(Value n) {
  const size_t bits = IntBitLength(IntSubtract(n, Value::Fixnum(1)));
  const size_t limbs = (bits + 63) / 64;
  if (limbs == 0) return Value::Fixnum(0);
  const unsigned excess = static_cast<unsigned>(limbs * 64 - bits);
  for (;;) {
    Mpz z;
    mp_limb_t* p = mpz_limbs_write(z, static_cast<mp_size_t>(limbs));
    for (size_t i = 0; i < limbs; ++i) p[i] = NextRandom();
    p[limbs - 1] >>= excess;
    mpz_limbs_finish(z, static_cast<mp_size_t>(limbs));
    const Value candidate = z.ToValue();
    if (IntCompare(candidate, n) < 0) return candidate;
  }
}

Value RandomInteger(Args args) {
  const Value n = ExactIntegerArg(args, 0);
  if (IntSign(n) <= 0) WrongType(n, "a positive exact integer");
  return RandomBelow(n);
}

// In (0, 1).
Value RandomReal(Args) {
  return MakeFlonum((static_cast<double>(NextRandom() >> 12) + 0.5) * 0x1p-52);
}

Value RandomSeed(Args args) {
  g_random_state = HashNumber(ExactIntegerArg(args, 0));
  return kUnspecified;
}

constexpr BuiltinSpec kSpecs[] = {
    {"bitwise-and", BitwiseAnd, 0, kAnyArgs},
    {"bitwise-or", BitwiseOr, 0, kAnyArgs},
    {"bitwise-ior", BitwiseOr, 0, kAnyArgs},
    {"bitwise-xor", BitwiseXor, 0, kAnyArgs},
    {"bitwise-not", BitwiseNot, 1, 1},
    {"arithmetic-shift", ArithmeticShift, 2, 2},
    {"shift-left", ArithmeticShift, 2, 2},
    {"shift-right", ShiftRight, 2, 2},
    {"bit-count", BitCount, 1, 1},
    {"integer-length", IntegerLength, 1, 1},
    {"bit-set?", IsBitSet, 2, 2},
    {"first-set-bit", FirstSetBit, 1, 1},
    {"random-integer", RandomInteger, 1, 1},
    {"random-real", RandomReal, 0, 0},
    {"random-seed!", RandomSeed, 1, 1},
};

}  // namespace

void RegisterBitBuiltins() { DefineBuiltins(kSpecs); }

}  // namespace scheme
