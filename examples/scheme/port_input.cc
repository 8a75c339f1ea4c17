// Reading: characters, lines, strings, bytes and data.
#include <algorithm>
#include <cstring>
#include <string>

#include "examples/scheme/builtins.h"
#include "examples/scheme/port_builtins.h"

namespace scheme {
namespace {

Value CharOrEof(int32_t c) { return c < 0 ? kEof : Value::Char(static_cast<uint32_t>(c)); }
Value ByteOrEof(int32_t b) { return b < 0 ? kEof : Value::Fixnum(b); }

Value ReadCharP(Args args) { return CharOrEof(ReadChar(InputPortArg(args, 0, 0))); }
Value PeekCharP(Args args) { return CharOrEof(PeekChar(InputPortArg(args, 0, 0))); }
Value IsCharReady(Args args) { return Value::Bool(IsInputReady(InputPortArg(args, 0, 0))); }

Value ReadU8(Args args) { return ByteOrEof(ReadByte(InputPortArg(args, 0, Port::kBinary))); }
Value PeekU8(Args args) { return ByteOrEof(PeekByte(InputPortArg(args, 0, Port::kBinary))); }
Value IsU8Ready(Args args) {
  return Value::Bool(IsInputReady(InputPortArg(args, 0, Port::kBinary)));
}

// Up to the next newline, which is read and not returned.
Value ReadLine(Args args) {
  Port* port = InputPortArg(args, 0, 0);
  if (PeekByte(port) < 0) return kEof;
  std::string line;
  do {
    const std::string_view ahead = port->Pending();
    const size_t newline = ahead.find('\n');
    line += ahead.substr(0, newline);
    port->start += std::min(newline, ahead.size());
    if (newline != std::string_view::npos) {
      ++port->start;
      break;
    }
  } while (PeekByte(port) >= 0);
  return MakeString(line);
}

constexpr size_t kLongestRead = size_t{1} << 32;

// (read-string k [port]); also accepts (read-string port k).
Value ReadString(Args args) {
  if (args.size() == 2 && args[0].Is<Port>()) std::swap(args.v[0], args.v[1]);
  const size_t limit = IndexArg(args, 0, kLongestRead);
  Port* port = InputPortArg(args, 1, 0);
  if (limit == 0) return MakeString("");
  std::string text;
  for (size_t n = 0; n < limit; ++n) {
    const int32_t c = ReadChar(port);
    if (c < 0) break;
    AppendUtf8(&text, static_cast<uint32_t>(c));
  }
  return text.empty() ? kEof : MakeString(text);
}

// Reads up to `limit` bytes to `to`; the number read.
size_t ReadBlock(Port* port, uint8_t* to, size_t limit) {
  size_t n = 0;
  while (n < limit && PeekByte(port) >= 0) {
    const std::string_view ahead = port->Pending().substr(0, limit - n);
    std::memcpy(to + n, ahead.data(), ahead.size());
    n += ahead.size();
    port->start += ahead.size();
  }
  return n;
}

// The block grows as bytes arrive, so that a large k costs nothing by itself.
Value ReadBytevector(Args args) {
  const size_t limit = IndexArg(args, 0, kLongestRead);
  Port* port = InputPortArg(args, 1, Port::kBinary);
  if (limit == 0) return Value::Of(NewBytevector(0));
  std::string bytes;
  while (bytes.size() < limit && PeekByte(port) >= 0) {
    const std::string_view ahead = port->Pending().substr(0, limit - bytes.size());
    bytes += ahead;
    port->start += ahead.size();
  }
  if (bytes.empty()) return kEof;
  Bytevector* b = NewBytevector(bytes.size());
  std::memcpy(b->bytes(), bytes.data(), bytes.size());
  return Value::Of(b);
}

// (read-bytevector! bytevector [port [start [end]]])
Value ReadBytevectorInto(Args args) {
  Bytevector* b = BytevectorArg(args, 0);
  Port* port = InputPortArg(args, 1, Port::kBinary);
  const Range range = RangeArgs(args, 2, b->length);
  if (range.start == range.end) return Value::Fixnum(0);
  const size_t n = ReadBlock(port, b->bytes() + range.start, range.end - range.start);
  return n == 0 ? kEof : Value::Fixnum(static_cast<int64_t>(n));
}

Value Read(Args args) {
  PortSource source(InputPortArg(args, 0, 0));
  return ReadDatum(source);
}

Value EofObject(Args) { return kEof; }
Value IsEofObject(Args args) { return Value::Bool(args[0] == kEof); }

constexpr BuiltinSpec kSpecs[] = {
    {"read-char", ReadCharP, 0, 1},
    {"peek-char", PeekCharP, 0, 1},
    {"char-ready?", IsCharReady, 0, 1},
    {"read-line", ReadLine, 0, 1},
    {"read-string", ReadString, 1, 2},
    {"read-u8", ReadU8, 0, 1},
    {"peek-u8", PeekU8, 0, 1},
    {"u8-ready?", IsU8Ready, 0, 1},
    {"read-bytevector", ReadBytevector, 1, 2},
    {"read-bytevector!", ReadBytevectorInto, 1, 4},
    {"read", Read, 0, 1},
    {"eof-object", EofObject, 0, 0},
    {"eof-object?", IsEofObject, 1, 1},
};

}  // namespace

void RegisterPortInputBuiltins() { DefineBuiltins(kSpecs); }

}  // namespace scheme
