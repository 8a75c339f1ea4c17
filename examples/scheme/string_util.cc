#include "examples/scheme/string_util.h"

#include <algorithm>
#include <cstring>

#include "examples/scheme/char.h"

namespace scheme {
namespace {

constexpr uint32_t kSharpS = 0xdf, kCapitalSigma = 0x3a3, kSigma = 0x3c3, kFinalSigma = 0x3c2;

uint8_t* Narrow(const String* s) { return s->buffer; }
uint32_t* Wide(const String* s) {
  uint8_t* b = s->buffer;
  return reinterpret_cast<uint32_t*>(b);
}

// Applies `map` to each character; each sharp s becomes two characters `expanded`, unless that is
// 0.
String* MapText(const String* s, uint32_t (*map)(uint32_t), uint32_t expanded) {
  size_t extra = 0;
  bool wide = false;
  for (size_t i = 0; i < s->length; ++i) {
    if (expanded != 0 && s->At(i) == kSharpS) ++extra;
    wide = wide || map(s->At(i)) >= kNarrowLimit;
  }
  String* r = NewString(s->length + extra, wide);
  size_t at = 0;
  for (size_t i = 0; i < s->length; ++i) {
    if (expanded != 0 && s->At(i) == kSharpS) {
      StringPut(r, at++, expanded);
      StringPut(r, at++, expanded);
    } else {
      StringPut(r, at++, map(s->At(i)));
    }
  }
  return r;
}

}  // namespace

bool NeedsWide(const String* s, size_t start, size_t end) {
  if (!s->IsWide()) return false;
  const uint32_t* p = Wide(s);
  return std::any_of(p + start, p + end, [](uint32_t c) { return c >= kNarrowLimit; });
}

void CopyChars(String* to, size_t at, const String* from, size_t start, size_t end) {
  const size_t n = end - start;
  if (n == 0) return;
  if (to->IsWide() == from->IsWide()) {
    const size_t width = to->IsWide() ? sizeof(uint32_t) : 1;
    std::memmove(Narrow(to) + at * width, Narrow(from) + start * width, n * width);
    return;
  }
  // Different widths, hence different strings.
  for (size_t i = 0; i < n; ++i) StringPut(to, at + i, from->At(start + i));
}

String* Substring(const String* s, size_t start, size_t end) {
  String* r = NewString(end - start, NeedsWide(s, start, end));
  CopyChars(r, 0, s, start, end);
  return r;
}

int CompareText(const String* a, const String* b) {
  const size_t n = std::min(a->length, b->length);
  if (!a->IsWide() && !b->IsWide() && n > 0) {
    const int c = std::memcmp(Narrow(a), Narrow(b), n);
    if (c != 0) return c;
  } else {
    for (size_t i = 0; i < n; ++i) {
      if (a->At(i) != b->At(i)) return a->At(i) < b->At(i) ? -1 : 1;
    }
  }
  return a->length == b->length ? 0 : a->length < b->length ? -1 : 1;
}

bool MatchesAt(const String* s, size_t i, const String* part) {
  if (part->length > s->length - i) return false;
  if (part->length == 0) return true;
  if (!s->IsWide() && !part->IsWide()) {
    return std::memcmp(Narrow(s) + i, Narrow(part), part->length) == 0;
  }
  for (size_t k = 0; k < part->length; ++k) {
    if (s->At(i + k) != part->At(k)) return false;
  }
  return true;
}

int64_t FindForward(const String* s, const String* part, size_t start, size_t end) {
  for (size_t i = start; i + part->length <= end; ++i) {
    if (MatchesAt(s, i, part)) return static_cast<int64_t>(i);
  }
  return -1;
}

int64_t FindBackward(const String* s, const String* part, size_t start, size_t end) {
  if (part->length > end - start) return -1;
  for (size_t i = end - part->length + 1; i-- > start;) {
    if (MatchesAt(s, i, part)) return static_cast<int64_t>(i);
  }
  return -1;
}

String* UpcaseText(const String* s) { return MapText(s, Upcase, 'S'); }
String* FoldText(const String* s) { return MapText(s, Foldcase, 's'); }

String* DowncaseText(const String* s) {
  String* r = MapText(s, Downcase, 0);
  for (size_t i = 1; i < s->length; ++i) {
    if (s->At(i) != kCapitalSigma || !IsAlphabetic(s->At(i - 1))) continue;
    const bool last = i + 1 == s->length || !IsAlphabetic(s->At(i + 1));
    StringPut(r, i, last ? kFinalSigma : kSigma);
  }
  return r;
}

}  // namespace scheme
