// Unicode properties and simple case mappings of single characters.
// Not here: mappings that change the length of a string (string_util.h).
// The case mappings and the alphabet are those of the C library's "C.UTF-8" locale, through the _l
// functions, so the process's own locale does not matter; where that locale is missing they cover
// ASCII only. Digits and white space are tables here, because the C library counts other things.
#ifndef EXAMPLES_SCHEME_CHAR_H_
#define EXAMPLES_SCHEME_CHAR_H_

#include <cstdint>

namespace scheme {

inline constexpr uint32_t kMaxCodePoint = 0x10ffff;
inline constexpr bool IsCodePoint(int64_t c) {
  return c >= 0 && c <= kMaxCodePoint && (c < 0xd800 || c > 0xdfff);
}

uint32_t Upcase(uint32_t c);
uint32_t Downcase(uint32_t c);
uint32_t Foldcase(uint32_t c);  // equal for characters that differ in case only
bool IsAlphabetic(uint32_t c);
bool IsUpperCase(uint32_t c);
bool IsLowerCase(uint32_t c);
bool IsWhitespace(uint32_t c);
int DigitOf(uint32_t c);  // the value of a decimal digit of any script, -1 for other characters

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_CHAR_H_
