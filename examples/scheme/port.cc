#include "examples/scheme/port.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "examples/scheme/builtins.h"
#include "examples/scheme/error.h"
#include "examples/scheme/port_builtins.h"

namespace scheme {
namespace {

constexpr size_t kFileBufferBytes = 8192;
constexpr size_t kFirstMemoryBytes = 64;
constexpr size_t kLongestUtf8 = 4;

uint8_t* NewBuffer(size_t bytes) {
  return static_cast<uint8_t*>(tarn::AllocateBytes(bytes, tarn::Scan::kNone));
}

tarn::gc_root<Port>* g_open_outputs = nullptr;  // first of the list; never destroyed: used at exit

// keeps I4.
void Link(Port* port) {
  if (g_open_outputs == nullptr) g_open_outputs = new tarn::gc_root<Port>;
  Port* first = g_open_outputs->get();
  port->next = first;
  if (first != nullptr) first->previous = port;
  g_open_outputs->set(port);
}

void Unlink(Port* port) {
  Port *next = port->next, *previous = port->previous;
  if (next != nullptr) next->previous = previous;
  if (previous != nullptr) {
    previous->next = next;
  } else {
    g_open_outputs->set(next);
  }
  port->next = port->previous = nullptr;
}

Port* NewPort(int fd, uint8_t flags, size_t capacity, Value name) {
  Port* port = make_gc<Port>();
  InitHeader(port);
  port->header.flags = flags | Port::kOpen;
  port->fd = fd;
  port->capacity = capacity;
  if (capacity > 0) port->buffer = NewBuffer(capacity);
  port->name.Init(name);
  return port;
}

// Moves what is left to the front of a buffer of at least `capacity` bytes.
void Resize(Port* port, size_t capacity) {
  const std::string_view rest = port->Pending();
  uint8_t* old = port->buffer;
  uint8_t* to = capacity > port->capacity ? NewBuffer(capacity) : old;
  if (!rest.empty()) std::memmove(to, rest.data(), rest.size());
  port->capacity = std::max<size_t>(capacity, port->capacity);
  port->end = rest.size();
  port->start = 0;
  if (to != old) port->buffer = to;
}

// Writes all bytes; false, and errno, when the system refuses. Those of a heap object: the caller
// keeps it alive.
bool WriteFully(int fd, std::string_view bytes) {
  bool written = true;
  tarn::Blocked([&] {  // keeps I5
    while (!bytes.empty() && written) {
      const ssize_t n = write(fd, bytes.data(), bytes.size());
      if (n >= 0) {
        bytes.remove_prefix(static_cast<size_t>(n));
      } else {
        written = errno == EINTR;
      }
    }
  });
  return written;
}

// Writes out what is pending. On failure it is dropped, so that closing does not fail again.
bool Drain(Port* port) {
  if (port->Has(Port::kInMemory)) return true;
  const bool written = WriteFully(static_cast<int>(port->fd), port->Pending());
  port->start = port->end = 0;
  return written;
}

void CheckOpen(const Port* port) {
  if (!port->Has(Port::kOpen)) Error("port is closed:", {Value::Of(port)});
}

}  // namespace

Port* NewFilePort(int fd, uint8_t flags, Value name) {
  Port* port = NewPort(fd, flags, kFileBufferBytes, name);
  if ((flags & Port::kOutput) != 0 && isatty(fd) == 1) port->header.flags |= Port::kTerminal;
  if ((flags & Port::kOutput) != 0) Link(port);
  return port;
}

Port* NewInputPort(std::string_view bytes, uint8_t flags) {
  Port* port = NewPort(-1, flags | Port::kInput | Port::kInMemory, bytes.size(), kFalse);
  uint8_t* b = port->buffer;
  if (!bytes.empty()) std::memcpy(b, bytes.data(), bytes.size());
  port->end = bytes.size();
  return port;
}

Port* NewOutputPort(uint8_t flags) {
  return NewPort(-1, flags | Port::kOutput | Port::kInMemory, 0, kFalse);
}

bool FillBuffer(Port* port) {
  CheckOpen(port);
  if (port->Has(Port::kInMemory)) return false;
  if (port->fd == STDIN_FILENO) FlushStandardOutput();  // keeps I3
  Resize(port, kFileBufferBytes);
  if (port->end == port->capacity) return true;
  uint8_t* b = port->buffer;
  ssize_t n;
  const int fd = static_cast<int>(port->fd);
  uint8_t* const to = b + port->end;
  const size_t room = port->capacity - port->end;
  tarn::Blocked([&] {  // keeps I5
    do {
      n = read(fd, to, room);
    } while (n < 0 && errno == EINTR);
  });
  if (n < 0) FileError(std::string("cannot read: ") + std::strerror(errno), port->name);
  port->end += static_cast<size_t>(n);
  return n > 0;
}

int32_t PeekByte(Port* port) {
  CheckOpen(port);
  if (port->start == port->end && !FillBuffer(port)) return -1;
  const uint8_t* b = port->buffer;
  return b[port->start];
}

int32_t ReadByte(Port* port) {
  const int32_t byte = PeekByte(port);
  if (byte >= 0) ++port->start;
  return byte;
}

namespace {

// The character at the front and its length in bytes; length 0 at the end of input.
int32_t FrontChar(Port* port, size_t* length) {
  const int32_t first = PeekByte(port);
  *length = first < 0 ? 0 : 1;
  if (first < 0x80) return first;
  const size_t expected = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  while (port->end - port->start < expected && FillBuffer(port)) {
  }
  size_t pos = 0;
  const uint32_t c = DecodeUtf8(port->Pending().substr(0, kLongestUtf8), &pos);
  *length = pos;
  return static_cast<int32_t>(c);
}

}  // namespace

int32_t PeekChar(Port* port) {
  size_t length;
  return FrontChar(port, &length);
}

int32_t ReadChar(Port* port) {
  size_t length;
  const int32_t c = FrontChar(port, &length);
  port->start += length;
  return c;
}

bool IsInputReady(Port* port) {
  CheckOpen(port);
  if (port->start < port->end || port->Has(Port::kInMemory)) return true;
  pollfd p = {static_cast<int>(port->fd), POLLIN, 0};
  return poll(&p, 1, 0) != 0;
}

void WriteBytes(Port* port, std::string_view bytes) {
  CheckOpen(port);
  if (bytes.empty()) return;
  if (bytes.size() > port->capacity - port->end) {
    if (port->Has(Port::kInMemory)) {
      Resize(port, std::max({kFirstMemoryBytes, 2 * port->capacity, port->end + bytes.size()}));
    } else {
      FlushPort(port);
    }
  }
  if (bytes.size() > port->capacity) {  // a file port with an empty buffer
    if (!WriteFully(static_cast<int>(port->fd), bytes)) {
      FileError(std::string("cannot write: ") + std::strerror(errno), port->name);
    }
    return;
  }
  uint8_t* b = port->buffer;
  std::memcpy(b + port->end, bytes.data(), bytes.size());
  port->end += bytes.size();
  if (port->Has(Port::kUnbuffered) ||
      (port->Has(Port::kTerminal) && bytes.find('\n') != std::string_view::npos)) {
    FlushPort(port);
  }
}

void FlushPort(Port* port) {
  if (!port->Has(Port::kOutput | Port::kOpen)) return;
  if (!Drain(port)) FileError(std::string("cannot write: ") + std::strerror(errno), port->name);
}

void ClosePort(Port* port) {
  if (!port->Has(Port::kOpen)) return;
  const bool written = !port->Has(Port::kOutput) || Drain(port);
  const int error = errno;
  port->header.flags &= static_cast<uint8_t>(~Port::kOpen);
  if (port->Has(Port::kOutput) && !port->Has(Port::kInMemory)) Unlink(port);
  // The standard descriptors stay open: whoever opened a file next would get their numbers.
  const int fd = static_cast<int>(port->fd);
  if (fd > STDERR_FILENO) tarn::Blocked([&] { close(fd); });  // keeps I5
  port->fd = -1;
  if (!written) FileError(std::string("cannot write: ") + std::strerror(error), port->name);
}

// ---- the standard ports ----

namespace {

struct StandardPorts {
  tarn::gc_root<Parameter> input, output, error;
  tarn::gc_root<Port> standard_output;
};
StandardPorts* g_standard = nullptr;  // made once at start, never destroyed: used at exit

Parameter* DefinePortParameter(std::string_view name, Port* port) {
  Parameter* p = NewParameter(Value::Of(port), kFalse);
  DefineGlobal(name, Value::Of(p));
  return p;
}

Port* PortOf(Parameter* p, uint8_t direction) {
  const Value v = CurrentValue(p);
  if (!v.Is<Port>() || !v.As<Port>()->Has(direction)) {
    WrongType(v, direction == Port::kInput ? "an input port" : "an output port");
  }
  return v.As<Port>();
}

}  // namespace

Port* CurrentInputPort() { return PortOf(g_standard->input.get(), Port::kInput); }
Port* CurrentOutputPort() { return PortOf(g_standard->output.get(), Port::kOutput); }
Port* CurrentErrorPort() { return PortOf(g_standard->error.get(), Port::kOutput); }

// ---- the driver's ----

namespace {

int g_lost_output = 0;  // errno of the first write of the functions below that failed

void NoteFailure() {
  if (g_lost_output == 0) g_lost_output = errno;
}

void ReportLoss(int error, const std::string& name) {
  PrintToStandardError(std::string("scheme: cannot write: ") + std::strerror(error) + ": " + name +
                       "\n");
}

}  // namespace

void FlushStandardOutput() {
  if (g_standard == nullptr) return;
  Port* port = g_standard->standard_output.get();
  if (port->Has(Port::kOpen) && !Drain(port)) NoteFailure();
}

bool FinishPorts() {
  FlushStandardOutput();
  bool complete = true;
  if (g_lost_output != 0) {
    ReportLoss(g_lost_output, "standard output");
    complete = false;
  }
  Port* port = g_open_outputs == nullptr ? nullptr : g_open_outputs->get();
  for (; port != nullptr; port = port->next) {
    if (Drain(port)) continue;
    ReportLoss(errno, ToUtf8(port->name.Get().As<String>()));
    complete = false;
  }
  return complete;
}

void PrintToStandardOutput(std::string_view text) {
  FlushStandardOutput();
  if (!WriteFully(STDOUT_FILENO, text)) NoteFailure();
}

// Where nobody could read of it, a failure is none.
void PrintToStandardError(std::string_view text) {
  FlushStandardOutput();
  WriteFully(STDERR_FILENO, text);
}

void RegisterStandardPorts() {
  Port* in = NewFilePort(STDIN_FILENO, Port::kInput, MakeString("standard input"));
  Port* out = NewFilePort(STDOUT_FILENO, Port::kOutput, MakeString("standard output"));
  Port* err =
      NewFilePort(STDERR_FILENO, Port::kOutput | Port::kUnbuffered, MakeString("standard error"));
  g_standard = new StandardPorts;
  g_standard->standard_output = out;
  g_standard->input = DefinePortParameter("current-input-port", in);
  g_standard->output = DefinePortParameter("current-output-port", out);
  g_standard->error = DefinePortParameter("current-error-port", err);
}

}  // namespace scheme
