// Exact integers: fixnums that overflow into Bignums and back, on GMP's mpn and mpz functions.
// Not here: ratios and floats (number_tower.cc).
// Sums and products are computed straight into the result object; the rarer operations go through a
// GMP temporary.
#include <cstdlib>
#include <new>

#include "examples/scheme/error.h"
#include "examples/scheme/number.h"
#include "examples/scheme/number_rep.h"

namespace scheme {
namespace {

// What GMP holds when an exception passes through it is lost.
void* GmpReallocate(void* old, size_t, size_t bytes) {
  void* p = std::realloc(old, bytes);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
void* GmpAllocate(size_t bytes) { return GmpReallocate(nullptr, 0, bytes); }
void GmpFree(void* p, size_t) { std::free(p); }

Bignum* NewBignum(size_t limbs) {
  if (limbs > kMaxIntegerBits / GMP_NUMB_BITS) Error("integer too large");
  Bignum* b = make_gc_tail<Bignum, mp_limb_t>(limbs);
  InitHeader(b);
  b->header.word = static_cast<uint32_t>(limbs);
  return b;
}

uint64_t Magnitude(int64_t n) {
  return n < 0 ? 0 - static_cast<uint64_t>(n) : static_cast<uint64_t>(n);
}

// Sign and magnitude of an exact integer, without copying the limbs.
struct Limbs {
  explicit Limbs(Value v) {
    if (v.IsFixnum()) {
      small = Magnitude(v.AsFixnum());
      p = &small;
      n = small == 0 ? 0 : 1;
      negative = v.AsFixnum() < 0;
    } else {
      Bignum* b = v.As<Bignum>();
      p = b->limbs();
      n = b->size();
      negative = b->IsNegative();
    }
  }
  Limbs(const Limbs&) = delete;
  Limbs& operator=(const Limbs&) = delete;

  mp_limb_t small = 0;
  const mp_limb_t* p;
  size_t n;
  bool negative;
};

// keeps I1: drops zero limbs at the top and returns a fixnum when the value fits. A result that
// uses less than half of its block is copied.
Value Normalized(Bignum* b, bool negative) {
  const size_t room = b->size();
  size_t n = room;
  const mp_limb_t* p = b->limbs();
  while (n > 0 && p[n - 1] == 0) --n;
  if (n == 0) return Value::Fixnum(0);
  if (n == 1) {
    const mp_limb_t limit = static_cast<mp_limb_t>(kFixnumMax) + (negative ? 1 : 0);
    if (p[0] <= limit) {
      const int64_t magnitude = static_cast<int64_t>(p[0]);
      return Value::Fixnum(negative ? -magnitude : magnitude);
    }
  }
  if (n * 2 < room) {
    Bignum* copy = NewBignum(n);
    mpn_copyi(copy->limbs(), p, static_cast<mp_size_t>(n));
    b = copy;
  }
  b->header.word = static_cast<uint32_t>(n);
  b->header.flags = negative ? Bignum::kNegative : 0;
  return Value::Of(b);
}

int CompareMagnitude(const Limbs& a, const Limbs& b) {
  if (a.n != b.n) return a.n < b.n ? -1 : 1;
  if (a.n == 0) return 0;
  const int c = mpn_cmp(a.p, b.p, static_cast<mp_size_t>(a.n));
  return c < 0 ? -1 : c > 0 ? 1 : 0;
}

// a + b, or a - b when `flip`.
Value AddSigned(Value va, Value vb, bool flip) {
  const Limbs a(va), b(vb);
  const bool b_negative = b.negative != flip;
  if (b.n == 0) return va;
  if (a.n == 0) return flip ? IntNegate(vb) : vb;
  const int order = CompareMagnitude(a, b);
  const Limbs& big = order >= 0 ? a : b;
  const Limbs& low = order >= 0 ? b : a;
  if (a.negative == b_negative) {
    Bignum* r = NewBignum(big.n + 1);
    r->limbs()[big.n] = mpn_add(r->limbs(), big.p, static_cast<mp_size_t>(big.n), low.p,
                                static_cast<mp_size_t>(low.n));
    return Normalized(r, a.negative);
  }
  if (order == 0) return Value::Fixnum(0);
  Bignum* r = NewBignum(big.n);
  mpn_sub(r->limbs(), big.p, static_cast<mp_size_t>(big.n), low.p, static_cast<mp_size_t>(low.n));
  return Normalized(r, order > 0 ? a.negative : b_negative);
}

template <class Op>
Value ViaMpz(Value a, Value b, Op op) {
  Mpz r;
  op(static_cast<mpz_ptr>(r), IntView(a), IntView(b));
  return r.ToValue();
}

}  // namespace

void InstallGmpMemory() { mp_set_memory_functions(GmpAllocate, GmpReallocate, GmpFree); }

IntView::IntView(Value v) {
  if (v.IsFixnum()) {
    const int64_t n = v.AsFixnum();
    small_ = Magnitude(n);
    mpz_roinit_n(&z_, &small_, n < 0 ? -1 : n > 0 ? 1 : 0);
  } else {
    Bignum* b = v.As<Bignum>();
    const mp_size_t n = static_cast<mp_size_t>(b->size());
    mpz_roinit_n(&z_, b->limbs(), b->IsNegative() ? -n : n);
  }
}

Value Mpz::ToValue() const { return IntegerFromMpz(&z_); }

Value IntegerFromMpz(mpz_srcptr z) {
  const size_t n = mpz_size(z);
  if (n == 0) return Value::Fixnum(0);
  if (n == 1 && mpz_limbs_read(z)[0] <= static_cast<mp_limb_t>(kFixnumMax)) {
    return Value::Fixnum(mpz_sgn(z) * static_cast<int64_t>(mpz_limbs_read(z)[0]));
  }
  Bignum* b = NewBignum(n);
  mpn_copyi(b->limbs(), mpz_limbs_read(z), static_cast<mp_size_t>(n));
  return Normalized(b, mpz_sgn(z) < 0);
}

Value MakeInteger(int64_t n) {
  if (FitsFixnum(n)) return Value::Fixnum(n);
  Bignum* b = NewBignum(1);
  b->limbs()[0] = Magnitude(n);
  b->header.flags = n < 0 ? Bignum::kNegative : 0;
  return Value::Of(b);
}

Value IntAdd(Value a, Value b) {
  if (a.IsFixnum() && b.IsFixnum()) return MakeInteger(a.AsFixnum() + b.AsFixnum());
  return AddSigned(a, b, false);
}

Value IntSubtract(Value a, Value b) {
  if (a.IsFixnum() && b.IsFixnum()) return MakeInteger(a.AsFixnum() - b.AsFixnum());
  return AddSigned(a, b, true);
}

Value IntMultiply(Value a, Value b) {
  if (a.IsFixnum() && b.IsFixnum()) {
    int64_t product;
    if (!__builtin_mul_overflow(a.AsFixnum(), b.AsFixnum(), &product)) return MakeInteger(product);
  }
  const Limbs x(a), y(b);
  if (x.n == 0 || y.n == 0) return Value::Fixnum(0);
  const Limbs& big = x.n >= y.n ? x : y;
  const Limbs& low = x.n >= y.n ? y : x;
  Bignum* r = NewBignum(big.n + low.n);
  if (a == b) {
    mpn_sqr(r->limbs(), big.p, static_cast<mp_size_t>(big.n));
  } else {
    mpn_mul(r->limbs(), big.p, static_cast<mp_size_t>(big.n), low.p, static_cast<mp_size_t>(low.n));
  }
  return Normalized(r, x.negative != y.negative);
}

Value IntNegate(Value a) {
  if (a.IsFixnum()) return MakeInteger(-a.AsFixnum());
  Bignum* old = a.As<Bignum>();
  Bignum* b = NewBignum(old->size());
  mpn_copyi(b->limbs(), old->limbs(), static_cast<mp_size_t>(old->size()));
  return Normalized(b, !old->IsNegative());
}

int IntSign(Value a) {
  if (a.IsFixnum()) return (a.AsFixnum() > 0) - (a.AsFixnum() < 0);
  return a.As<Bignum>()->IsNegative() ? -1 : 1;
}

int IntCompare(Value a, Value b) {
  if (a.IsFixnum() && b.IsFixnum()) {
    return (a.AsFixnum() > b.AsFixnum()) - (a.AsFixnum() < b.AsFixnum());
  }
  const Limbs x(a), y(b);
  if (x.negative != y.negative) return x.negative ? -1 : 1;
  return x.negative ? -CompareMagnitude(x, y) : CompareMagnitude(x, y);
}

bool IntIsOdd(Value a) {
  return a.IsFixnum() ? (a.AsFixnum() & 1) != 0 : (a.As<Bignum>()->limbs()[0] & 1) != 0;
}

Value IntGcd(Value a, Value b) { return ViaMpz(a, b, mpz_gcd); }

// The quotients and remainders of two fixnums fit an int64: magnitudes are at most 2^62.
Value IntQuotient(Value a, Value b) {
  if (a.IsFixnum() && b.IsFixnum()) return MakeInteger(a.AsFixnum() / b.AsFixnum());
  return ViaMpz(a, b, mpz_tdiv_q);
}

Value IntRemainder(Value a, Value b) {
  if (a.IsFixnum() && b.IsFixnum()) return Value::Fixnum(a.AsFixnum() % b.AsFixnum());
  return ViaMpz(a, b, mpz_tdiv_r);
}

Value IntFloorQuotient(Value a, Value b) {
  if (a.IsFixnum() && b.IsFixnum()) {
    const int64_t x = a.AsFixnum(), y = b.AsFixnum();
    const int64_t rest = x % y;
    return MakeInteger(x / y - (rest != 0 && (rest < 0) != (y < 0) ? 1 : 0));
  }
  return ViaMpz(a, b, mpz_fdiv_q);
}

Value IntModulo(Value a, Value b) {
  if (a.IsFixnum() && b.IsFixnum()) {
    const int64_t y = b.AsFixnum();
    const int64_t rest = a.AsFixnum() % y;
    return Value::Fixnum(rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest);
  }
  return ViaMpz(a, b, mpz_fdiv_r);
}

size_t IntBitLength(Value a) { return IntSign(a) == 0 ? 0 : mpz_sizeinbase(IntView(a), 2); }

Value IntPower(Value base, uint64_t exponent) {
  if (exponent == 0) return Value::Fixnum(1);
  if (base == Value::Fixnum(0) || base == Value::Fixnum(1)) return base;
  if (base == Value::Fixnum(-1)) return Value::Fixnum((exponent & 1) != 0 ? -1 : 1);
  // The result has more than (bits - 1) * exponent bits; base is at least 2 in magnitude.
  if (exponent > kMaxIntegerBits || (IntBitLength(base) - 1) * exponent > kMaxIntegerBits) {
    Error("result too large");
  }
  Mpz r;
  mpz_pow_ui(r, IntView(base), exponent);
  return r.ToValue();
}

Value IntShift(Value a, int64_t bits) {
  if (IntSign(a) == 0) return a;
  Mpz r;
  if (bits >= 0) {
    if (static_cast<uint64_t>(bits) > kMaxIntegerBits) Error("result too large");
    mpz_mul_2exp(r, IntView(a), static_cast<mp_bitcnt_t>(bits));
  } else {
    mpz_fdiv_q_2exp(r, IntView(a), static_cast<mp_bitcnt_t>(-bits));
  }
  return r.ToValue();
}

}  // namespace scheme
