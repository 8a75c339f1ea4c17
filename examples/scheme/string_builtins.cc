// The string procedures of R7RS, and symbol names.
// Not here: search, split, join and other practical extras (string_extras.cc); procedures that take
// procedures (lib/*.scm).
// I1 A literal string is never changed: the mutators raise an error.
#include "examples/scheme/string_builtins.h"

#include <cstdint>

#include "examples/scheme/builtins.h"
#include "examples/scheme/string_util.h"

namespace scheme {
namespace {

// keeps I1.
String* MutableStringArg(Args args, size_t i) {
  String* s = StringArg(args, i);
  if (s->IsImmutable()) Error("cannot change a literal string:", {args[i]});
  return s;
}

size_t LengthArg(Args args, size_t i) { return IndexArg(args, i, size_t{1} << 40); }

// [start [end]] of the string that is argument `of`.
Range StringRange(Args args, size_t of, size_t i) {
  return RangeArgs(args, i, StringArg(args, of)->length);
}

// ---- construction and access ----

Value IsStringP(Args args) { return Value::Bool(args[0].Is<String>()); }

Value MakeStringP(Args args) {
  const size_t n = LengthArg(args, 0);
  const uint32_t fill = args.size() > 1 ? CharArg(args, 1) : ' ';
  String* s = NewString(n, fill >= kNarrowLimit);
  for (size_t i = 0; i < n; ++i) StringPut(s, i, fill);
  return Value::Of(s);
}

Value StringOf(Args args) {
  bool wide = false;
  for (size_t i = 0; i < args.size(); ++i) wide = CharArg(args, i) >= kNarrowLimit || wide;
  String* s = NewString(args.size(), wide);
  for (size_t i = 0; i < args.size(); ++i) StringPut(s, i, args[i].AsChar());
  return Value::Of(s);
}

Value StringLength(Args args) {
  return Value::Fixnum(static_cast<int64_t>(StringArg(args, 0)->length));
}

size_t ElementArg(Args args, size_t i, size_t length) {
  if (length == 0) OutOfRange(args[i]);
  return IndexArg(args, i, length - 1);
}

Value StringRef(Args args) {
  const String* s = StringArg(args, 0);
  return Value::Char(s->At(ElementArg(args, 1, s->length)));
}

Value StringSet(Args args) {
  String* s = MutableStringArg(args, 0);
  StringPut(s, ElementArg(args, 1, s->length), CharArg(args, 2));
  return kUnspecified;
}

Value SubstringP(Args args) {
  const Range range = StringRange(args, 0, 1);
  return Value::Of(Substring(StringArg(args, 0), range.start, range.end));
}

Value StringAppend(Args args) {
  size_t length = 0;
  bool wide = false;
  for (size_t i = 0; i < args.size(); ++i) {
    const String* s = StringArg(args, i);
    length += s->length;
    wide = wide || NeedsWide(s, 0, s->length);
  }
  String* r = NewString(length, wide);
  size_t at = 0;
  for (size_t i = 0; i < args.size(); ++i) {
    const String* s = StringArg(args, i);
    CopyChars(r, at, s, 0, s->length);
    at += s->length;
  }
  return Value::Of(r);
}

Value StringCopyInto(Args args) {
  String* to = MutableStringArg(args, 0);
  const size_t at = IndexArg(args, 1, to->length);
  const String* from = StringArg(args, 2);
  const Range range = StringRange(args, 2, 3);
  if (range.end - range.start > to->length - at) OutOfRange(args[1]);
  CopyChars(to, at, from, range.start, range.end);
  return kUnspecified;
}

Value StringFill(Args args) {
  String* s = MutableStringArg(args, 0);
  const uint32_t c = CharArg(args, 1);
  const Range range = StringRange(args, 0, 2);
  for (size_t i = range.start; i < range.end; ++i) StringPut(s, i, c);
  return kUnspecified;
}

// ---- conversion ----

Value StringToList(Args args) {
  const String* s = StringArg(args, 0);
  const Range range = StringRange(args, 0, 1);
  Value list = kNull;
  for (size_t i = range.end; i-- > range.start;) list = Cons(Value::Char(s->At(i)), list);
  return list;
}

Value ListToString(Args args) {
  const int64_t n = ListLength(args[0]);
  if (n < 0) WrongType(args[0], "a proper list");
  bool wide = false;
  for (Value p = args[0]; p.IsPair(); p = Cdr(p)) {
    if (!Car(p).IsChar()) WrongType(Car(p), "a character");
    wide = wide || Car(p).AsChar() >= kNarrowLimit;
  }
  String* s = NewString(static_cast<size_t>(n), wide);
  size_t i = 0;
  for (Value p = args[0]; p.IsPair(); p = Cdr(p)) StringPut(s, i++, Car(p).AsChar());
  return Value::Of(s);
}

Value StringToVector(Args args) {
  const String* s = StringArg(args, 0);
  const Range range = StringRange(args, 0, 1);
  Vector* v = NewVector(range.end - range.start, kFalse);
  for (size_t i = range.start; i < range.end; ++i) {
    v->items()[i - range.start].Set(Value::Char(s->At(i)));
  }
  return Value::Of(v);
}

Value VectorToString(Args args) {
  Vector* v = VectorArg(args, 0);
  const Range range = RangeArgs(args, 1, v->length);
  String* s = NewString(range.end - range.start, false);
  for (size_t i = range.start; i < range.end; ++i) {
    const Value c = v->items()[i];
    if (!c.IsChar()) WrongType(c, "a character");
    StringPut(s, i - range.start, c.AsChar());
  }
  return Value::Of(s);
}

Value SymbolToString(Args args) { return MakeString(SymbolArg(args, 0)->Name()); }
Value StringToSymbol(Args args) { return Sym(ToUtf8(StringArg(args, 0))); }
Value StringToUninternedSymbol(Args args) {
  return Value::Of(NewUninternedSymbol(ToUtf8(StringArg(args, 0))));
}
Value SymbolAppend(Args args) {
  std::string name;
  for (size_t i = 0; i < args.size(); ++i) name += SymbolArg(args, i)->Name();
  return Sym(name);
}

// ---- comparison and case ----

// All arguments are checked, also those behind the first pair that fails.
template <bool (*kHolds)(int), bool kFold>
Value CompareStrings(Args args) {
  for (size_t i = 0; i < args.size(); ++i) StringArg(args, i);
  const auto text = [&](size_t i) {
    return kFold ? FoldText(StringArg(args, i)) : StringArg(args, i);
  };
  for (size_t i = 1; i < args.size(); ++i) {
    if (!kHolds(CompareText(text(i - 1), text(i)))) return kFalse;
  }
  return kTrue;
}
bool Equal(int order) { return order == 0; }
bool Less(int order) { return order < 0; }
bool Greater(int order) { return order > 0; }
bool LessEqual(int order) { return order <= 0; }
bool GreaterEqual(int order) { return order >= 0; }

template <String* (*kMap)(const String*)>
Value MapString(Args args) {
  return Value::Of(kMap(StringArg(args, 0)));
}

constexpr BuiltinSpec kSpecs[] = {
    {"string?", IsStringP, 1, 1},
    {"make-string", MakeStringP, 1, 2},
    {"string", StringOf, 0, kAnyArgs},
    {"string-length", StringLength, 1, 1},
    {"string-ref", StringRef, 2, 2},
    {"string-set!", StringSet, 3, 3},
    {"substring", SubstringP, 2, 3},
    {"string-copy", SubstringP, 1, 3},
    {"string-append", StringAppend, 0, kAnyArgs},
    {"string-copy!", StringCopyInto, 3, 5},
    {"string-fill!", StringFill, 2, 4},
    {"string->list", StringToList, 1, 3},
    {"list->string", ListToString, 1, 1},
    {"string->vector", StringToVector, 1, 3},
    {"vector->string", VectorToString, 1, 3},
    {"symbol->string", SymbolToString, 1, 1},
    {"string->symbol", StringToSymbol, 1, 1},
    {"string->uninterned-symbol", StringToUninternedSymbol, 1, 1},
    {"symbol-append", SymbolAppend, 0, kAnyArgs},
    {"string=?", CompareStrings<Equal, false>, 1, kAnyArgs},
    {"string<?", CompareStrings<Less, false>, 1, kAnyArgs},
    {"string>?", CompareStrings<Greater, false>, 1, kAnyArgs},
    {"string<=?", CompareStrings<LessEqual, false>, 1, kAnyArgs},
    {"string>=?", CompareStrings<GreaterEqual, false>, 1, kAnyArgs},
    {"string-ci=?", CompareStrings<Equal, true>, 1, kAnyArgs},
    {"string-ci<?", CompareStrings<Less, true>, 1, kAnyArgs},
    {"string-ci>?", CompareStrings<Greater, true>, 1, kAnyArgs},
    {"string-ci<=?", CompareStrings<LessEqual, true>, 1, kAnyArgs},
    {"string-ci>=?", CompareStrings<GreaterEqual, true>, 1, kAnyArgs},
    {"string-upcase", MapString<UpcaseText>, 1, 1},
    {"string-downcase", MapString<DowncaseText>, 1, 1},
    {"string-foldcase", MapString<FoldText>, 1, 1},
};

}  // namespace

void RegisterStringBuiltins() {
  DefineBuiltins(kSpecs);
  RegisterStringExtras();
}

}  // namespace scheme
