// Writing: data, characters, strings and bytes.
#include <string>

#include "examples/scheme/builtins.h"
#include "examples/scheme/port_builtins.h"
#include "examples/scheme/printer.h"

namespace scheme {
namespace {

template <PrintMode kMode>
Value Write(Args args) {
  Port* port = OutputPortArg(args, 1, 0);
  std::string text;
  Print(&text, args[0], kMode);
  WriteBytes(port, text);
  return kUnspecified;
}

Value WriteLine(Args args) {
  Port* port = OutputPortArg(args, 1, 0);
  std::string text;
  Print(&text, args[0], PrintMode::kWrite);
  text += '\n';
  WriteBytes(port, text);
  return kUnspecified;
}

Value Newline(Args args) {
  WriteBytes(OutputPortArg(args, 0, 0), "\n");
  return kUnspecified;
}

Value WriteChar(Args args) {
  std::string text;
  AppendUtf8(&text, CharArg(args, 0));
  WriteBytes(OutputPortArg(args, 1, 0), text);
  return kUnspecified;
}

// (write-string string [port [start [end]]])
Value WriteString(Args args) {
  const String* s = StringArg(args, 0);
  Port* port = OutputPortArg(args, 1, 0);
  const Range range = RangeArgs(args, 2, s->length);
  std::string text;
  for (size_t i = range.start; i < range.end; ++i) AppendUtf8(&text, s->At(i));
  WriteBytes(port, text);
  return kUnspecified;
}

Value WriteU8(Args args) {
  if (!args[0].IsFixnum() || args[0].AsFixnum() < 0 || args[0].AsFixnum() > 255) {
    WrongType(args[0], "a byte");
  }
  const char byte = static_cast<char>(args[0].AsFixnum());
  WriteBytes(OutputPortArg(args, 1, Port::kBinary), {&byte, 1});
  return kUnspecified;
}

// (write-bytevector bytevector [port [start [end]]])
Value WriteBytevector(Args args) {
  Bytevector* b = BytevectorArg(args, 0);
  Port* port = OutputPortArg(args, 1, Port::kBinary);
  const Range range = RangeArgs(args, 2, b->length);
  WriteBytes(port,
             {reinterpret_cast<const char*>(b->bytes()) + range.start, range.end - range.start});
  return kUnspecified;
}

Value FlushOutputPort(Args args) {
  Port* port = args.size() > 0 ? TypedArg<Port>(args, 0, "an output port") : CurrentOutputPort();
  FlushPort(port);
  return kUnspecified;
}

constexpr BuiltinSpec kSpecs[] = {
    {"write", Write<PrintMode::kWrite>, 1, 2},
    {"write-shared", Write<PrintMode::kWriteShared>, 1, 2},
    {"write-simple", Write<PrintMode::kWriteSimple>, 1, 2},
    {"display", Write<PrintMode::kDisplay>, 1, 2},
    {"write-line", WriteLine, 1, 2},
    {"newline", Newline, 0, 1},
    {"write-char", WriteChar, 1, 2},
    {"write-string", WriteString, 1, 4},
    {"write-u8", WriteU8, 1, 2},
    {"write-bytevector", WriteBytevector, 1, 4},
    {"flush-output-port", FlushOutputPort, 0, 1},
    {"flush-output", FlushOutputPort, 0, 1},
};

}  // namespace

void RegisterPortOutputBuiltins() { DefineBuiltins(kSpecs); }

}  // namespace scheme
