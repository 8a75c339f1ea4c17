// How exact numbers beyond fixnums are laid out on the heap, and the bridge to GMP.
// Not here: arithmetic across kinds (number_tower.cc), text (number_text.cc).
// I1 A Bignum never holds a value that fits a fixnum, and its top limb is not zero.
// I2 A Ratnum is in lowest terms; its denominator is an exact integer above 1.
// I3 Limbs are stored in the object, so a view of it is a plain GMP integer that must not be
//    written.
// I4 GMP's own temporaries are malloc's: it frees each of them, and links some to each other, which
//    blocks without pointers could not hold. No number keeps one.
// Locking: none; the interpreter is one thread. Cost: Bignum 8 + 8 n bytes, Ratnum 24 bytes.
#ifndef EXAMPLES_SCHEME_NUMBER_REP_H_
#define EXAMPLES_SCHEME_NUMBER_REP_H_

#include <gmp.h>

#include <cstddef>
#include <cstdint>

#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

static_assert(sizeof(mp_limb_t) == sizeof(uint64_t) && GMP_NAIL_BITS == 0);

// Tail: header.word limbs, least significant first.
struct Bignum {
  static constexpr Type kType = Type::kBignum;
  static constexpr uint8_t kNegative = 1;  // header.flags
  Header header;

  bool IsNegative() const { return (header.flags & kNegative) != 0; }
  size_t size() const { return header.word; }
  mp_limb_t* limbs() { return gc_tail<mp_limb_t>(this); }
};

struct Ratnum {
  static constexpr Type kType = Type::kRatnum;
  Header header;
  Slot numerator;
  Slot denominator;
};

enum class NumberKind { kFixnum, kBignum, kRatnum, kFlonum, kNone };

inline NumberKind KindOf(Value v) {
  if (v.IsFixnum()) return NumberKind::kFixnum;
  if (!v.IsObject()) return NumberKind::kNone;
  switch (v.AsHeader()->type) {
    case Type::kBignum:
      return NumberKind::kBignum;
    case Type::kRatnum:
      return NumberKind::kRatnum;
    case Type::kFlonum:
      return NumberKind::kFlonum;
    default:
      return NumberKind::kNone;
  }
}

inline bool IsExactInteger(Value v) { return v.IsFixnum() || v.Is<Bignum>(); }
inline bool IsFlonum(Value v) { return v.Is<Flonum>(); }
inline double FlonumValue(Value v) { return v.As<Flonum>()->value; }

// An exact integer as a GMP integer that must not be written. The object stays reachable through
// the view, which lives on the native stack.
class IntView {
 public:
  explicit IntView(Value v);
  IntView(const IntView&) = delete;
  IntView& operator=(const IntView&) = delete;
  operator mpz_srcptr() const { return &z_; }

 private:
  mp_limb_t small_ = 0;
  __mpz_struct z_;
};

// A GMP integer to compute with.
class Mpz {
 public:
  Mpz() { mpz_init(&z_); }
  explicit Mpz(Value exact_integer) { mpz_init_set(&z_, IntView(exact_integer)); }
  ~Mpz() { mpz_clear(&z_); }
  Mpz(const Mpz&) = delete;
  Mpz& operator=(const Mpz&) = delete;
  operator mpz_ptr() { return &z_; }
  operator mpz_srcptr() const { return &z_; }
  int sign() const { return mpz_sgn(&z_); }
  // The value as a fixnum or Bignum.
  Value ToValue() const;

 private:
  __mpz_struct z_;
};

// Makes GMP report a lack of memory as std::bad_alloc. Before the first use of GMP.
void InstallGmpMemory();

Value IntegerFromMpz(mpz_srcptr z);
// n / d in lowest terms; d != 0. An integer when d divides n.
Value MakeRatio(Value n, Value d);

// Exact integers only, unchecked.
Value IntAdd(Value a, Value b);
Value IntSubtract(Value a, Value b);
Value IntMultiply(Value a, Value b);
Value IntNegate(Value a);
int IntSign(Value a);
int IntCompare(Value a, Value b);  // -1, 0, 1
bool IntIsOdd(Value a);
Value IntGcd(Value a, Value b);
Value IntQuotient(Value a, Value b);   // truncating; b != 0, as below
Value IntRemainder(Value a, Value b);  // sign of a
Value IntFloorQuotient(Value a, Value b);
Value IntModulo(Value a, Value b);  // sign of b
size_t IntBitLength(Value a);       // of the magnitude; 0 for 0
Value IntPower(Value base, uint64_t exponent);
Value IntShift(Value a, int64_t bits);  // left if positive, else right with floor

// Results larger than this are refused with a Scheme error instead of exhausting memory.
inline constexpr uint64_t kMaxIntegerBits = uint64_t{1} << 32;

// The parts of an exact rational.
inline Value Numerator(Value v) { return v.Is<Ratnum>() ? v.As<Ratnum>()->numerator.Get() : v; }
inline Value Denominator(Value v) {
  return v.Is<Ratnum>() ? v.As<Ratnum>()->denominator.Get() : Value::Fixnum(1);
}

// Across kinds (number_tower.cc).
Value Negate(Value v);
int Sign(Value v);  // NaN has sign 0
int CompareExact(Value a, Value b);
bool IsInteger(Value v);   // 3 and 3.0, not 3.5, not +inf.0
bool IsRational(Value v);  // finite
double ToDouble(Value v);  // correctly rounded (ties to even)
Value ToExact(Value v);    // raises an error for infinities and NaN
Value ToInexact(Value v);
Value FloorQuotient(Value a, Value b);
Value ExactFromDouble(double d);  // d is finite

// Raises "not a number: ..." etc.
NumberKind CheckedKind(Value v);
[[noreturn]] void DivisionByZero();

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_NUMBER_REP_H_
