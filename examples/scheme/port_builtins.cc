// Opening, closing and asking about ports; files.
#include "examples/scheme/port_builtins.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "examples/scheme/builtins.h"

namespace scheme {
namespace {

Port* PortArg(Args args, size_t i) { return TypedArg<Port>(args, i, "a port"); }

// The port that is argument i, of the direction and content that `flags` demand.
Port* CheckedPort(Args args, size_t i, uint8_t direction, uint8_t binary) {
  Port* port = PortArg(args, i);
  const bool right = port->Has(direction) && (port->header.flags & Port::kBinary) == binary;
  if (!right && direction == Port::kInput) {
    WrongType(args[i], binary != 0 ? "a binary input port" : "a textual input port");
  }
  if (!right) WrongType(args[i], binary != 0 ? "a binary output port" : "a textual output port");
  return port;
}

// ---- predicates ----

template <uint8_t kFlags>
Value HasFlags(Args args) {
  return Value::Bool(args[0].Is<Port>() && args[0].As<Port>()->Has(kFlags));
}
Value IsTextual(Args args) {
  return Value::Bool(args[0].Is<Port>() && !args[0].As<Port>()->Has(Port::kBinary));
}
template <uint8_t kDirection>
Value IsOpen(Args args) {
  Port* port = PortArg(args, 0);
  if (!port->Has(kDirection)) {
    WrongType(args[0], kDirection == Port::kInput ? "an input port" : "an output port");
  }
  return Value::Bool(port->Has(Port::kOpen));
}

// ---- files ----

Value OpenFile(Args args, int mode, uint8_t flags) {
  const std::string name = ToUtf8(StringArg(args, 0));
  constexpr mode_t kPermissions = 0666;  // less the umask
  int fd = -1;
  tarn::Blocked([&] {  // a FIFO keeps us waiting until somebody opens its other end
    do {
      fd = open(name.c_str(), mode | O_CLOEXEC, kPermissions);
    } while (fd < 0 && errno == EINTR);
  });
  if (fd < 0) FileError(std::string("cannot open file: ") + std::strerror(errno), args[0]);
  return Value::Of(NewFilePort(fd, flags, args[0]));
}

constexpr int kCreate = O_WRONLY | O_CREAT;
Value OpenInputFile(Args args) { return OpenFile(args, O_RDONLY, Port::kInput); }
Value OpenBinaryInputFile(Args args) {
  return OpenFile(args, O_RDONLY, Port::kInput | Port::kBinary);
}
Value OpenOutputFile(Args args) { return OpenFile(args, kCreate | O_TRUNC, Port::kOutput); }
Value OpenBinaryOutputFile(Args args) {
  return OpenFile(args, kCreate | O_TRUNC, Port::kOutput | Port::kBinary);
}
Value OpenAppendFile(Args args) { return OpenFile(args, kCreate | O_APPEND, Port::kOutput); }

Value FileExists(Args args) {
  const std::string name = ToUtf8(StringArg(args, 0));
  bool exists = false;
  tarn::Blocked([&] { exists = access(name.c_str(), F_OK) == 0; });
  return Value::Bool(exists);
}

Value DeleteFile(Args args) {
  const std::string name = ToUtf8(StringArg(args, 0));
  int result = 0;
  tarn::Blocked([&] { result = unlink(name.c_str()); });
  if (result != 0) {
    FileError(std::string("cannot delete file: ") + std::strerror(errno), args[0]);
  }
  return kUnspecified;
}

// ---- memory ----

Value OpenInputString(Args args) { return Value::Of(NewInputPort(ToUtf8(StringArg(args, 0)), 0)); }
Value OpenInputBytevector(Args args) {
  Bytevector* b = BytevectorArg(args, 0);
  return Value::Of(
      NewInputPort({reinterpret_cast<const char*>(b->bytes()), b->length}, Port::kBinary));
}
Value OpenOutputString(Args) { return Value::Of(NewOutputPort(0)); }
Value OpenOutputBytevector(Args) { return Value::Of(NewOutputPort(Port::kBinary)); }

Port* CollectorArg(Args args, uint8_t binary) {
  Port* port = CheckedPort(args, 0, Port::kOutput, binary);
  if (!port->Has(Port::kInMemory)) WrongType(args[0], "a port that collects in memory");
  return port;
}
Value GetOutputString(Args args) { return MakeString(CollectorArg(args, 0)->Pending()); }
Value GetOutputBytevector(Args args) {
  const std::string_view bytes = CollectorArg(args, Port::kBinary)->Pending();
  Bytevector* b = NewBytevector(bytes.size());
  if (!bytes.empty()) std::memcpy(b->bytes(), bytes.data(), bytes.size());
  return Value::Of(b);
}

// ---- closing ----

template <uint8_t kDirection>
Value Close(Args args) {
  Port* port = PortArg(args, 0);
  if (kDirection != 0 && !port->Has(kDirection)) {
    WrongType(args[0], kDirection == Port::kInput ? "an input port" : "an output port");
  }
  ClosePort(port);
  return kUnspecified;
}

constexpr BuiltinSpec kSpecs[] = {
    {"port?", HasFlags<0>, 1, 1},
    {"input-port?", HasFlags<Port::kInput>, 1, 1},
    {"output-port?", HasFlags<Port::kOutput>, 1, 1},
    {"binary-port?", HasFlags<Port::kBinary>, 1, 1},
    {"textual-port?", IsTextual, 1, 1},
    {"input-port-open?", IsOpen<Port::kInput>, 1, 1},
    {"output-port-open?", IsOpen<Port::kOutput>, 1, 1},
    {"open-input-file", OpenInputFile, 1, 1},
    {"open-output-file", OpenOutputFile, 1, 1},
    {"open-append-file", OpenAppendFile, 1, 1},
    {"open-binary-input-file", OpenBinaryInputFile, 1, 1},
    {"open-binary-output-file", OpenBinaryOutputFile, 1, 1},
    {"file-exists?", FileExists, 1, 1},
    {"delete-file", DeleteFile, 1, 1},
    {"open-input-string", OpenInputString, 1, 1},
    {"open-input-bytevector", OpenInputBytevector, 1, 1},
    {"open-output-string", OpenOutputString, 0, 0},
    {"open-output-bytevector", OpenOutputBytevector, 0, 0},
    {"get-output-string", GetOutputString, 1, 1},
    {"get-output-bytevector", GetOutputBytevector, 1, 1},
    {"close-port", Close<0>, 1, 1},
    {"close-input-port", Close<Port::kInput>, 1, 1},
    {"close-output-port", Close<Port::kOutput>, 1, 1},
};

}  // namespace

Port* InputPortArg(Args args, size_t i, uint8_t binary) {
  if (i < args.size()) return CheckedPort(args, i, Port::kInput, binary);
  Value current = Value::Of(CurrentInputPort());
  return CheckedPort({&current, 1}, 0, Port::kInput, binary);
}

Port* OutputPortArg(Args args, size_t i, uint8_t binary) {
  if (i < args.size()) return CheckedPort(args, i, Port::kOutput, binary);
  Value current = Value::Of(CurrentOutputPort());
  return CheckedPort({&current, 1}, 0, Port::kOutput, binary);
}

void RegisterPortBuiltins() {
  RegisterStandardPorts();
  DefineBuiltins(kSpecs);
  RegisterPortInputBuiltins();
  RegisterPortOutputBuiltins();
}

}  // namespace scheme
