// String procedures beyond R7RS that programs expect: search, split, join, trim, pad.
// Where SRFI 13 has the procedure, the arguments are in its order.
#include "examples/scheme/builtins.h"
#include "examples/scheme/char.h"
#include "examples/scheme/string_builtins.h"
#include "examples/scheme/string_util.h"

namespace scheme {
namespace {

Value IndexOrFalse(int64_t i) { return i < 0 ? kFalse : Value::Fixnum(i); }

// (string-contains string part [start [end]])
Value StringContains(Args args) {
  const String* s = StringArg(args, 0);
  const String* part = StringArg(args, 1);
  const Range range = RangeArgs(args, 2, s->length);
  return IndexOrFalse(FindForward(s, part, range.start, range.end));
}

// (string-search-forward part string start)
Value StringSearchForward(Args args) {
  const String* s = StringArg(args, 1);
  const size_t start = args.size() > 2 ? IndexArg(args, 2, s->length) : 0;
  return IndexOrFalse(FindForward(s, StringArg(args, 0), start, s->length));
}

// (string-search-backward part string end): the index where the match ends.
Value StringSearchBackward(Args args) {
  const String* part = StringArg(args, 0);
  const String* s = StringArg(args, 1);
  const size_t end = args.size() > 2 ? IndexArg(args, 2, s->length) : s->length;
  const int64_t i = FindBackward(s, part, 0, end);
  return i < 0 ? kFalse : Value::Fixnum(i + static_cast<int64_t>(part->length));
}

// (%string-index string char start end), and the same from the right.
Value StringIndex(Args args) {
  const String* s = StringArg(args, 0);
  const uint32_t c = CharArg(args, 1);
  const Range range = RangeArgs(args, 2, s->length);
  for (size_t i = range.start; i < range.end; ++i) {
    if (s->At(i) == c) return Value::Fixnum(static_cast<int64_t>(i));
  }
  return kFalse;
}
Value StringIndexRight(Args args) {
  const String* s = StringArg(args, 0);
  const uint32_t c = CharArg(args, 1);
  const Range range = RangeArgs(args, 2, s->length);
  for (size_t i = range.end; i-- > range.start;) {
    if (s->At(i) == c) return Value::Fixnum(static_cast<int64_t>(i));
  }
  return kFalse;
}

Value IsPrefix(Args args) {
  return Value::Bool(MatchesAt(StringArg(args, 1), 0, StringArg(args, 0)));
}
Value IsSuffix(Args args) {
  const String* part = StringArg(args, 0);
  const String* s = StringArg(args, 1);
  return Value::Bool(part->length <= s->length && MatchesAt(s, s->length - part->length, part));
}
Value IsEmpty(Args args) { return Value::Bool(StringArg(args, 0)->length == 0); }

Value StringReverse(Args args) {
  const String* s = StringArg(args, 0);
  String* r = NewString(s->length, NeedsWide(s, 0, s->length));
  for (size_t i = 0; i < s->length; ++i) StringPut(r, s->length - 1 - i, s->At(i));
  return Value::Of(r);
}

// (string-join strings [delimiter]); the delimiter is " " when absent.
Value StringJoin(Args args) {
  const Value delimiter_value = args.size() > 1 ? args[1] : MakeString(" ");
  if (!delimiter_value.Is<String>()) WrongType(delimiter_value, "a string");
  const String* delimiter = delimiter_value.As<String>();
  const int64_t count = ListLength(args[0]);
  if (count < 0) WrongType(args[0], "a proper list");
  size_t length = count > 1 ? static_cast<size_t>(count - 1) * delimiter->length : 0;
  bool wide = count > 1 && NeedsWide(delimiter, 0, delimiter->length);
  for (Value p = args[0]; p.IsPair(); p = Cdr(p)) {
    if (!Car(p).Is<String>()) WrongType(Car(p), "a string");
    const String* s = Car(p).As<String>();
    length += s->length;
    wide = wide || NeedsWide(s, 0, s->length);
  }
  String* r = NewString(length, wide);
  size_t at = 0;
  for (Value p = args[0]; p.IsPair(); p = Cdr(p)) {
    if (p != args[0]) {
      CopyChars(r, at, delimiter, 0, delimiter->length);
      at += delimiter->length;
    }
    const String* s = Car(p).As<String>();
    CopyChars(r, at, s, 0, s->length);
    at += s->length;
  }
  return Value::Of(r);
}

// Pieces of s between the places where `part` stands; built from the right.
Value SplitAt(const String* s, const String* part) {
  Value list = kNull;
  size_t end = s->length;
  for (;;) {
    const int64_t i = FindBackward(s, part, 0, end);
    if (i < 0) return Cons(Value::Of(Substring(s, 0, end)), list);
    list = Cons(Value::Of(Substring(s, static_cast<size_t>(i) + part->length, end)), list);
    end = static_cast<size_t>(i);
  }
}

Value SplitAtWhitespace(const String* s) {
  Value list = kNull;
  size_t end = s->length;
  while (end > 0) {
    while (end > 0 && IsWhitespace(s->At(end - 1))) --end;
    size_t start = end;
    while (start > 0 && !IsWhitespace(s->At(start - 1))) --start;
    if (start < end) list = Cons(Value::Of(Substring(s, start, end)), list);
    end = start;
  }
  return list;
}

// (string-split string [delimiter]): the delimiter is a character or a non-empty string, and then
// pieces may be empty; without one, the words between white space.
Value StringSplit(Args args) {
  const String* s = StringArg(args, 0);
  if (args.size() == 1) return SplitAtWhitespace(s);
  if (args[1].IsChar()) {
    String* one = NewString(1, args[1].AsChar() >= kNarrowLimit);
    StringPut(one, 0, args[1].AsChar());
    return SplitAt(s, one);
  }
  const String* delimiter = StringArg(args, 1);
  if (delimiter->length == 0) WrongType(args[1], "a non-empty string");
  return SplitAt(s, delimiter);
}

Value Trim(Args args, bool left, bool right) {
  const String* s = StringArg(args, 0);
  size_t start = 0, end = s->length;
  while (left && start < end && IsWhitespace(s->At(start))) ++start;
  while (right && start < end && IsWhitespace(s->At(end - 1))) --end;
  return Value::Of(Substring(s, start, end));
}
Value StringTrim(Args args) { return Trim(args, true, true); }
Value StringTrimLeft(Args args) { return Trim(args, true, false); }
Value StringTrimRight(Args args) { return Trim(args, false, true); }

// (string-pad-left string n [char]): cuts or fills on the left, so that the end stays.
Value Pad(Args args, bool left) {
  const String* s = StringArg(args, 0);
  const size_t n = IndexArg(args, 1, size_t{1} << 32);
  const uint32_t fill = args.size() > 2 ? CharArg(args, 2) : ' ';
  if (n <= s->length) {
    return Value::Of(left ? Substring(s, s->length - n, s->length) : Substring(s, 0, n));
  }
  const size_t missing = n - s->length;
  String* r = NewString(n, fill >= kNarrowLimit || NeedsWide(s, 0, s->length));
  for (size_t i = 0; i < missing; ++i) StringPut(r, left ? i : s->length + i, fill);
  CopyChars(r, left ? missing : 0, s, 0, s->length);
  return Value::Of(r);
}
Value StringPadLeft(Args args) { return Pad(args, true); }
Value StringPadRight(Args args) { return Pad(args, false); }

constexpr BuiltinSpec kSpecs[] = {
    {"string-contains", StringContains, 2, 4},
    {"string-search-forward", StringSearchForward, 2, 3},
    {"string-search-backward", StringSearchBackward, 2, 3},
    {"%string-index", StringIndex, 2, 4},
    {"%string-index-right", StringIndexRight, 2, 4},
    {"string-prefix?", IsPrefix, 2, 2},
    {"string-suffix?", IsSuffix, 2, 2},
    {"string-null?", IsEmpty, 1, 1},
    {"string-reverse", StringReverse, 1, 1},
    {"string-join", StringJoin, 1, 2},
    {"string-split", StringSplit, 1, 2},
    {"string-trim", StringTrim, 1, 1},
    {"string-trim-left", StringTrimLeft, 1, 1},
    {"string-trim-right", StringTrimRight, 1, 1},
    {"string-pad-left", StringPadLeft, 2, 3},
    {"string-pad-right", StringPadRight, 2, 3},
};

}  // namespace

void RegisterStringExtras() { DefineBuiltins(kSpecs); }

}  // namespace scheme
