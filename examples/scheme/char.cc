#include "examples/scheme/char.h"

#include <locale.h>
#include <wctype.h>

#include <algorithm>
#include <iterator>

#include "examples/scheme/builtins.h"

namespace scheme {
namespace {

// The zeros of all runs of ten decimal digits (general category Nd), ascending.
constexpr uint32_t kZeros[] = {
    0x30,    0x660,   0x6f0,   0x7c0,   0x966,   0x9e6,   0xa66,   0xae6,   0xb66,   0xbe6,
    0xc66,   0xce6,   0xd66,   0xde6,   0xe50,   0xed0,   0xf20,   0x1040,  0x1090,  0x17e0,
    0x1810,  0x1946,  0x19d0,  0x1a80,  0x1a90,  0x1b50,  0x1bb0,  0x1c40,  0x1c50,  0xa620,
    0xa8d0,  0xa900,  0xa9d0,  0xa9f0,  0xaa50,  0xabf0,  0xff10,  0x104a0, 0x10d30, 0x11066,
    0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0,
    0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2,
    0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0};
static_assert(std::is_sorted(std::begin(kZeros), std::end(kZeros)));

constexpr uint32_t kDottedI = 0x130, kDotlessI = 0x131;  // these have no simple folding

// Never freed: lives as long as the process. Null when the system has no such locale.
locale_t Utf8Locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

bool IsAscii(uint32_t c) { return c < 0x80; }

}  // namespace

uint32_t Upcase(uint32_t c) {
  if (IsAscii(c)) return c >= 'a' && c <= 'z' ? c - 0x20 : c;
  return Utf8Locale() == nullptr ? c : towupper_l(c, Utf8Locale());
}

uint32_t Downcase(uint32_t c) {
  if (IsAscii(c)) return c >= 'A' && c <= 'Z' ? c + 0x20 : c;
  return Utf8Locale() == nullptr ? c : towlower_l(c, Utf8Locale());
}

uint32_t Foldcase(uint32_t c) {
  if (IsAscii(c)) return Downcase(c);
  return c == kDottedI || c == kDotlessI ? c : Downcase(Upcase(c));
}

bool IsAlphabetic(uint32_t c) {
  if (IsAscii(c)) return Downcase(c) >= 'a' && Downcase(c) <= 'z';
  return Utf8Locale() != nullptr && iswalpha_l(c, Utf8Locale()) != 0 && DigitOf(c) < 0;
}

bool IsUpperCase(uint32_t c) {
  if (IsAscii(c)) return c >= 'A' && c <= 'Z';
  return Utf8Locale() != nullptr && iswupper_l(c, Utf8Locale()) != 0;
}

bool IsLowerCase(uint32_t c) {
  if (IsAscii(c)) return c >= 'a' && c <= 'z';
  return Utf8Locale() != nullptr && iswlower_l(c, Utf8Locale()) != 0;
}

bool IsWhitespace(uint32_t c) {
  return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

int DigitOf(uint32_t c) {
  const uint32_t* above = std::upper_bound(std::begin(kZeros), std::end(kZeros), c);
  if (above == std::begin(kZeros)) return -1;
  const uint32_t value = c - above[-1];
  return value < 10 ? static_cast<int>(value) : -1;
}

namespace {

Value IsCharP(Args args) { return Value::Bool(args[0].IsChar()); }
Value CharToInteger(Args args) { return Value::Fixnum(CharArg(args, 0)); }
Value IntegerToChar(Args args) {
  const int64_t n = FixnumArg(args, 0);
  if (!IsCodePoint(n)) WrongType(args[0], "a Unicode scalar value");
  return Value::Char(static_cast<uint32_t>(n));
}

template <uint32_t (*kMap)(uint32_t)>
Value MapChar(Args args) {
  return Value::Char(kMap(CharArg(args, 0)));
}
template <bool (*kTest)(uint32_t)>
Value TestChar(Args args) {
  return Value::Bool(kTest(CharArg(args, 0)));
}
Value IsNumericP(Args args) { return Value::Bool(DigitOf(CharArg(args, 0)) >= 0); }
Value DigitValueP(Args args) {
  const int digit = DigitOf(CharArg(args, 0));
  return digit < 0 ? kFalse : Value::Fixnum(digit);
}

// (char->digit c [radix]) and (digit->char n [radix]); #f when there is none.
int64_t RadixArg(Args args) {
  if (args.size() < 2) return 10;
  const int64_t radix = FixnumArg(args, 1);
  if (radix < 2 || radix > 36) WrongType(args[1], "a radix");
  return radix;
}
Value CharToDigit(Args args) {
  const uint32_t c = Downcase(CharArg(args, 0));
  const int64_t digit = c >= 'a' && c <= 'z' ? static_cast<int64_t>(c) - 'a' + 10 : DigitOf(c);
  return digit >= 0 && digit < RadixArg(args) ? Value::Fixnum(digit) : kFalse;
}
Value DigitToChar(Args args) {
  const int64_t digit = FixnumArg(args, 0);
  if (digit < 0 || digit >= RadixArg(args)) return kFalse;
  return Value::Char(static_cast<uint32_t>("0123456789abcdefghijklmnopqrstuvwxyz"[digit]));
}

// All arguments are checked, also those behind the first pair that fails.
template <bool (*kHolds)(uint32_t, uint32_t), bool kFold>
Value CompareChars(Args args) {
  bool result = true;
  uint32_t previous = 0;
  for (size_t i = 0; i < args.size(); ++i) {
    const uint32_t c = kFold ? Foldcase(CharArg(args, i)) : CharArg(args, i);
    if (i > 0) result = kHolds(previous, c) && result;
    previous = c;
  }
  return Value::Bool(result);
}
bool Equal(uint32_t a, uint32_t b) { return a == b; }
bool Less(uint32_t a, uint32_t b) { return a < b; }
bool Greater(uint32_t a, uint32_t b) { return a > b; }
bool LessEqual(uint32_t a, uint32_t b) { return a <= b; }
bool GreaterEqual(uint32_t a, uint32_t b) { return a >= b; }

constexpr BuiltinSpec kSpecs[] = {
    {"char?", IsCharP, 1, 1},
    {"char->integer", CharToInteger, 1, 1},
    {"integer->char", IntegerToChar, 1, 1},
    {"char-upcase", MapChar<Upcase>, 1, 1},
    {"char-downcase", MapChar<Downcase>, 1, 1},
    {"char-foldcase", MapChar<Foldcase>, 1, 1},
    {"char-alphabetic?", TestChar<IsAlphabetic>, 1, 1},
    {"char-upper-case?", TestChar<IsUpperCase>, 1, 1},
    {"char-lower-case?", TestChar<IsLowerCase>, 1, 1},
    {"char-whitespace?", TestChar<IsWhitespace>, 1, 1},
    {"char-numeric?", IsNumericP, 1, 1},
    {"digit-value", DigitValueP, 1, 1},
    {"char->digit", CharToDigit, 1, 2},
    {"digit->char", DigitToChar, 1, 2},
    {"char=?", CompareChars<Equal, false>, 1, kAnyArgs},
    {"char<?", CompareChars<Less, false>, 1, kAnyArgs},
    {"char>?", CompareChars<Greater, false>, 1, kAnyArgs},
    {"char<=?", CompareChars<LessEqual, false>, 1, kAnyArgs},
    {"char>=?", CompareChars<GreaterEqual, false>, 1, kAnyArgs},
    {"char-ci=?", CompareChars<Equal, true>, 1, kAnyArgs},
    {"char-ci<?", CompareChars<Less, true>, 1, kAnyArgs},
    {"char-ci>?", CompareChars<Greater, true>, 1, kAnyArgs},
    {"char-ci<=?", CompareChars<LessEqual, true>, 1, kAnyArgs},
    {"char-ci>=?", CompareChars<GreaterEqual, true>, 1, kAnyArgs},
};

}  // namespace

void RegisterCharBuiltins() { DefineBuiltins(kSpecs); }

}  // namespace scheme
