// The bytevector procedures of R7RS, and UTF-8 conversion of strings.
#include <algorithm>
#include <cstring>
#include <string>

#include "examples/scheme/builtins.h"

namespace scheme {
namespace {

uint8_t ByteArg(Args args, size_t i) {
  if (!args[i].IsFixnum() || args[i].AsFixnum() < 0 || args[i].AsFixnum() > 255) {
    WrongType(args[i], "a byte");
  }
  return static_cast<uint8_t>(args[i].AsFixnum());
}

size_t ElementArg(Args args, size_t i, size_t length) {
  if (length == 0) OutOfRange(args[i]);
  return IndexArg(args, i, length - 1);
}

Value IsBytevectorP(Args args) { return Value::Bool(args[0].Is<Bytevector>()); }

Value MakeBytevector(Args args) {
  const size_t n = IndexArg(args, 0, size_t{1} << 40);
  const uint8_t fill = args.size() > 1 ? ByteArg(args, 1) : 0;
  Bytevector* b = NewBytevector(n);
  if (fill != 0) std::memset(b->bytes(), fill, n);
  return Value::Of(b);
}

Value BytevectorOf(Args args) {
  Bytevector* b = NewBytevector(args.size());
  for (size_t i = 0; i < args.size(); ++i) b->bytes()[i] = ByteArg(args, i);
  return Value::Of(b);
}

Value BytevectorLength(Args args) {
  return Value::Fixnum(static_cast<int64_t>(BytevectorArg(args, 0)->length));
}

Value BytevectorRef(Args args) {
  Bytevector* b = BytevectorArg(args, 0);
  return Value::Fixnum(b->bytes()[ElementArg(args, 1, b->length)]);
}

Value BytevectorSet(Args args) {
  Bytevector* b = BytevectorArg(args, 0);
  b->bytes()[ElementArg(args, 1, b->length)] = ByteArg(args, 2);
  return kUnspecified;
}

Value CopyOf(Bytevector* b, Range range) {
  Bytevector* r = NewBytevector(range.end - range.start);
  std::copy(b->bytes() + range.start, b->bytes() + range.end, r->bytes());
  return Value::Of(r);
}

Value BytevectorCopy(Args args) {
  Bytevector* b = BytevectorArg(args, 0);
  return CopyOf(b, RangeArgs(args, 1, b->length));
}

Value BytevectorCopyInto(Args args) {
  Bytevector* to = BytevectorArg(args, 0);
  const size_t at = IndexArg(args, 1, to->length);
  Bytevector* from = BytevectorArg(args, 2);
  const Range range = RangeArgs(args, 3, from->length);
  if (range.end - range.start > to->length - at) OutOfRange(args[1]);
  std::memmove(to->bytes() + at, from->bytes() + range.start, range.end - range.start);
  return kUnspecified;
}

Value BytevectorAppend(Args args) {
  size_t n = 0;
  for (size_t i = 0; i < args.size(); ++i) n += BytevectorArg(args, i)->length;
  Bytevector* r = NewBytevector(n);
  uint8_t* at = r->bytes();
  for (size_t i = 0; i < args.size(); ++i) {
    Bytevector* b = BytevectorArg(args, i);
    at = std::copy(b->bytes(), b->bytes() + b->length, at);
  }
  return Value::Of(r);
}

Value BytevectorFill(Args args) {
  Bytevector* b = BytevectorArg(args, 0);
  const uint8_t fill = ByteArg(args, 1);
  const Range range = RangeArgs(args, 2, b->length);
  std::fill(b->bytes() + range.start, b->bytes() + range.end, fill);
  return kUnspecified;
}

// Malformed bytes become U+FFFD.
Value Utf8ToString(Args args) {
  Bytevector* b = BytevectorArg(args, 0);
  const Range range = RangeArgs(args, 1, b->length);
  const char* bytes = reinterpret_cast<const char*>(b->bytes());
  return MakeString({bytes + range.start, range.end - range.start});
}

Value StringToUtf8(Args args) {
  const String* s = StringArg(args, 0);
  const Range range = RangeArgs(args, 1, s->length);
  std::string text;
  for (size_t i = range.start; i < range.end; ++i) AppendUtf8(&text, s->At(i));
  Bytevector* b = NewBytevector(text.size());
  std::copy(text.begin(), text.end(), b->bytes());
  return Value::Of(b);
}

constexpr BuiltinSpec kSpecs[] = {
    {"bytevector?", IsBytevectorP, 1, 1},
    {"make-bytevector", MakeBytevector, 1, 2},
    {"bytevector", BytevectorOf, 0, kAnyArgs},
    {"bytevector-length", BytevectorLength, 1, 1},
    {"bytevector-u8-ref", BytevectorRef, 2, 2},
    {"bytevector-u8-set!", BytevectorSet, 3, 3},
    {"bytevector-copy", BytevectorCopy, 1, 3},
    {"bytevector-copy!", BytevectorCopyInto, 3, 5},
    {"bytevector-append", BytevectorAppend, 0, kAnyArgs},
    {"bytevector-fill!", BytevectorFill, 2, 4},
    {"utf8->string", Utf8ToString, 1, 3},
    {"string->utf8", StringToUtf8, 1, 3},
};

}  // namespace

void RegisterBytevectorBuiltins() { DefineBuiltins(kSpecs); }

}  // namespace scheme
