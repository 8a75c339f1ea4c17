// What the string builtins are made of: copying, comparing and searching the characters of Strings.
// Not here: the representation and UTF-8 (objects.h).
// I1 Strings made here are as narrow as their characters allow.
// Positions are character indices and must be in range; nothing here raises an error.
#ifndef EXAMPLES_SCHEME_STRING_UTIL_H_
#define EXAMPLES_SCHEME_STRING_UTIL_H_

#include <cstddef>
#include <cstdint>

#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

inline constexpr uint32_t kNarrowLimit = 0x100;  // characters from here on make a string wide

// True if a character of [start, end) does not fit a narrow string.
bool NeedsWide(const String* s, size_t start, size_t end);

// to[at ...] = from[start, end). The two may be the same string. `to` is widened when needed.
void CopyChars(String* to, size_t at, const String* from, size_t start, size_t end);

String* Substring(const String* s, size_t start, size_t end);

// Order of code points: negative, 0 or positive.
int CompareText(const String* a, const String* b);
// Whether `part` stands in `s` at position i.
bool MatchesAt(const String* s, size_t i, const String* part);
// The first position in [start, end) where `part` stands, entirely inside the range; -1 if none.
int64_t FindForward(const String* s, const String* part, size_t start, size_t end);
// The last such position.
int64_t FindBackward(const String* s, const String* part, size_t start, size_t end);

// With ß expanded to "SS", the only such case handled; otherwise character by character.
String* UpcaseText(const String* s);
// A capital sigma at the end of a word becomes a final sigma.
String* DowncaseText(const String* s);
// Equal for strings that differ in case only.
String* FoldText(const String* s);

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_STRING_UTIL_H_
