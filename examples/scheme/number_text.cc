// Numbers as text: the R7RS syntax of real numbers in radix 2 to 36, and back.
// Floats print with the fewest digits that read back as the same float, "1e21" style outside
// [1e-6, 1e21). In a radix that is a power of two they print their exact expansion; other radices
// are for exact numbers only.
// Not here: the procedures string->number and number->string (number_builtins.cc).
// I1 NumberToString of any number, parsed in the same radix, gives a number that is eqv to it.
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

#include "examples/scheme/error.h"
#include "examples/scheme/number.h"
#include "examples/scheme/number_rep.h"

namespace scheme {
namespace {

// Exact decimals with larger exponents are refused, because their digits would fill the memory.
constexpr int64_t kMaxExactExponent = 10'000'000;

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

bool AllDigits(std::string_view s, int radix) {
  for (const char c : s) {
    if (DigitValue(c) >= radix) return false;
  }
  return !s.empty();
}

std::string Lowercase(std::string_view s) {
  std::string r(s);
  for (char& c : r) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return r;
}

// `digits` is not empty and valid in the radix.
Value ParseDigits(std::string_view digits, int radix) {
  int64_t n = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n, radix);
  if (error == std::errc() && end == digits.data() + digits.size()) return MakeInteger(n);
  Mpz z;
  mpz_set_str(z, std::string(digits).c_str(), radix);
  return z.ToValue();
}

double ParseDecimalFloat(const std::string& text) {
  double d = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), d);
  if (error == std::errc()) return d;
  return std::strtod(text.c_str(), nullptr);  // out of range: infinity or zero
}

enum class Exactness { kAsWritten, kExact, kInexact };

// One number without sign and prefixes.
class RealParser {
 public:
  RealParser(std::string_view text, int radix, bool negative, Exactness exactness)
      : text_(text), radix_(radix), negative_(negative), exactness_(exactness) {}

  Value Parse() const {
    if (const size_t slash = text_.find('/'); slash != std::string_view::npos) {
      return ParseFraction(text_.substr(0, slash), text_.substr(slash + 1));
    }
    if (AllDigits(text_, radix_)) return Finish(ParseDigits(text_, radix_));
    return ParseWithPoint();
  }

 private:
  Value Finish(Value magnitude) const {
    if (exactness_ == Exactness::kInexact) {
      const double d = ToDouble(magnitude);
      return MakeFlonum(negative_ ? -d : d);
    }
    return negative_ ? Negate(magnitude) : magnitude;
  }

  Value ParseFraction(std::string_view n, std::string_view d) const {
    if (!AllDigits(n, radix_) || !AllDigits(d, radix_)) return kFalse;
    const Value denominator = ParseDigits(d, radix_);
    if (denominator == Value::Fixnum(0)) return kFalse;
    return Finish(MakeRatio(ParseDigits(n, radix_), denominator));
  }

  // digits [. digits] [e exponent]; the exponent in radix 10 only.
  Value ParseWithPoint() const {
    const size_t e = radix_ == 10 ? text_.find_first_of("eE") : std::string_view::npos;
    const std::string_view significand = text_.substr(0, e);
    int64_t exponent = 0;
    if (e != std::string_view::npos && !ParseExponent(text_.substr(e + 1), &exponent))
      return kFalse;
    const size_t point = significand.find('.');
    const std::string_view whole = significand.substr(0, point);
    const std::string_view fraction =
        point == std::string_view::npos ? std::string_view() : significand.substr(point + 1);
    const std::string digits = std::string(whole) + std::string(fraction);
    if (!AllDigits(digits, radix_)) return kFalse;
    if (exactness_ != Exactness::kExact && radix_ == 10) {
      std::string text = std::string(whole.empty() ? "0" : whole) + "." +
                         std::string(fraction.empty() ? "0" : fraction) + "e" +
                         std::to_string(exponent);
      const double d = ParseDecimalFloat(text);
      return MakeFlonum(negative_ ? -d : d);
    }
    return ParseExactly(digits, exponent - static_cast<int64_t>(fraction.size()));
  }

  // digits * radix ^ scale, computed exactly.
  Value ParseExactly(const std::string& digits, int64_t scale) const {
    if (scale > kMaxExactExponent || scale < -kMaxExactExponent) return kFalse;
    const Value n = ParseDigits(digits, radix_);
    const Value power =
        IntPower(Value::Fixnum(radix_), static_cast<uint64_t>(scale < 0 ? -scale : scale));
    const Value magnitude = scale < 0 ? MakeRatio(n, power) : IntMultiply(n, power);
    if (exactness_ == Exactness::kExact) return Finish(magnitude);
    const double d = ToDouble(magnitude);
    return MakeFlonum(negative_ ? -d : d);
  }

  // An exponent too large for an int64 becomes one that is far out of every range.
  static bool ParseExponent(std::string_view s, int64_t* exponent) {
    const bool negative = !s.empty() && s[0] == '-';
    if (!s.empty() && (s[0] == '+' || s[0] == '-')) s.remove_prefix(1);
    if (!AllDigits(s, 10)) return false;
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), *exponent);
    static_cast<void>(end);
    if (error != std::errc()) *exponent = 1'000'000'000'000;
    if (negative) *exponent = -*exponent;
    return true;
  }

  std::string_view text_;
  int radix_;
  bool negative_;
  Exactness exactness_;
};

// Reads "#x", "#e" and so on off the front. False for a repeated or unknown prefix.
bool ReadPrefixes(std::string_view* text, int* radix, Exactness* exactness) {
  bool radix_seen = false;
  while (text->size() >= 2 && (*text)[0] == '#') {
    const char c = static_cast<char>((*text)[1] | 0x20);
    text->remove_prefix(2);
    if (c == 'e' || c == 'i') {
      if (*exactness != Exactness::kAsWritten) return false;
      *exactness = c == 'e' ? Exactness::kExact : Exactness::kInexact;
      continue;
    }
    if (radix_seen) return false;
    radix_seen = true;
    if (c != 'x' && c != 'd' && c != 'o' && c != 'b') return false;
    *radix = c == 'x' ? 16 : c == 'd' ? 10 : c == 'o' ? 8 : 2;
  }
  return true;
}

std::string IntegerToString(Value v, int radix) {
  if (v.IsFixnum()) {
    char buffer[72];
    const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), v.AsFixnum(), radix);
    static_cast<void>(error);
    return std::string(buffer, end);
  }
  const IntView z(v);
  std::string text(mpz_sizeinbase(z, radix) + 2, '\0');
  mpz_get_str(text.data(), radix, z);
  text.resize(text.find('\0'));
  return text;
}

// d is finite and not negative.
std::string DecimalFloat(double d) {
  char buffer[64];
  const auto [end, error] =
      std::to_chars(buffer, buffer + sizeof(buffer), d, std::chars_format::scientific);
  static_cast<void>(error);
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  std::string digits(text.substr(0, e));
  if (digits.size() > 1) digits.erase(1, 1);  // the point
  const bool negative_exponent = text[e + 1] == '-';
  int exponent = 0;
  std::from_chars(text.data() + e + 2, text.data() + text.size(), exponent);
  if (negative_exponent) exponent = -exponent;
  const int count = static_cast<int>(digits.size());
  if (exponent < -6 || exponent >= 21) {
    if (count > 1) digits.insert(1, ".");
    return digits + "e" + std::to_string(exponent);
  }
  if (exponent < 0) {
    return "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  }
  if (count <= exponent + 1) {
    return digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0";
  }
  return digits.insert(static_cast<size_t>(exponent + 1), ".");
}

// The exact expansion of d >= 0, finite, in a radix of 2 ^ bits.
std::string BinaryFloat(double d, int radix, int bits) {
  const Value exact = ExactFromDouble(d);
  const Value whole = IntQuotient(Numerator(exact), Denominator(exact));
  Value rest = IntRemainder(Numerator(exact), Denominator(exact));
  std::string text = IntegerToString(whole, radix) + ".";
  if (rest == Value::Fixnum(0)) return text + "0";
  while (rest != Value::Fixnum(0)) {
    const Value shifted = IntShift(rest, bits);
    text += IntegerToString(IntQuotient(shifted, Denominator(exact)), radix);
    rest = IntRemainder(shifted, Denominator(exact));
  }
  return text;
}

std::string FloatToString(double d, int radix) {
  if (std::isnan(d)) return "+nan.0";
  const std::string sign = std::signbit(d) ? "-" : "";
  if (std::isinf(d)) return (sign.empty() ? "+" : sign) + "inf.0";
  if (radix == 10) return sign + DecimalFloat(std::fabs(d));
  if ((radix & (radix - 1)) != 0) Error("radix of a float must be 10 or a power of two");
  return sign + BinaryFloat(std::fabs(d), radix, __builtin_ctz(static_cast<unsigned>(radix)));
}

}  // namespace

Value ParseNumber(std::string_view text, int radix) {
  Exactness exactness = Exactness::kAsWritten;
  if (!ReadPrefixes(&text, &radix, &exactness) || text.empty()) return kFalse;
  bool negative = false;
  if (text[0] == '+' || text[0] == '-') {
    const std::string lower = Lowercase(text.substr(1));
    negative = text[0] == '-';
    if (lower == "inf.0" || lower == "nan.0") {
      if (exactness == Exactness::kExact) return kFalse;
      const double d = lower == "inf.0" ? std::numeric_limits<double>::infinity()
                                        : std::numeric_limits<double>::quiet_NaN();
      return MakeFlonum(negative && lower == "inf.0" ? -d : d);
    }
    text.remove_prefix(1);
  }
  return RealParser(text, radix, negative, exactness).Parse();
}

std::string NumberToString(Value v, int radix) {
  switch (CheckedKind(v)) {
    case NumberKind::kFlonum:
      return FloatToString(FlonumValue(v), radix);
    case NumberKind::kRatnum:
      return IntegerToString(Numerator(v), radix) + "/" + IntegerToString(Denominator(v), radix);
    default:
      return IntegerToString(v, radix);
  }
}

}  // namespace scheme
