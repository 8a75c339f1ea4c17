// Port: buffered input or output of bytes, over a file descriptor, a string or a bytevector.
// Textual ports hold UTF-8; characters are decoded and encoded as they pass.
// Not here: the procedures (port_*.cc), what `write` prints (printer.h).
// I1 Input: buffer[start, end) is read ahead. Output: buffer[0, end) waits to be written (file), or
//    is all that was written (string, bytevector).
// I2 fd is -1 for ports in memory and for closed ports.
// I3 Output to standard error is never held back; standard output is flushed before standard input
//    is read and at each newline if it is a terminal.
// I4 Open output files are in a list that keeps them alive, so that what they hold back is written
//    when the program ends, however it ends.
// I5 The thread is in a blocked scope in every system call that may wait.
// An input port that becomes garbage while open keeps its descriptor: programs close their ports.
// Locking: none.
#ifndef EXAMPLES_SCHEME_PORT_H_
#define EXAMPLES_SCHEME_PORT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "examples/scheme/objects.h"
#include "examples/scheme/reader.h"
#include "examples/scheme/value.h"

namespace scheme {

struct Port {
  static constexpr Type kType = Type::kPort;
  // header.flags
  static constexpr uint8_t kInput = 1, kOutput = 2, kBinary = 4, kOpen = 8, kInMemory = 16,
                           kUnbuffered = 32, kTerminal = 64;
  Header header;
  int64_t fd;
  uint64_t capacity;
  uint64_t start;
  uint64_t end;
  gc_ptr<uint8_t> buffer;  // noscan bytes
  Slot name;               // of the file, for messages; #f in memory
  gc_ptr<Port> next;       // in the list of I4
  gc_ptr<Port> previous;

  bool Has(uint8_t flags) const { return (header.flags & flags) == flags; }
  std::string_view Pending() const {
    const uint8_t* b = buffer;
    return {reinterpret_cast<const char*>(b) + start, end - start};
  }
};

// flags: kInput or kOutput, kBinary or not. name: the file's, for messages.
Port* NewFilePort(int fd, uint8_t flags, Value name);
Port* NewInputPort(std::string_view bytes, uint8_t flags);  // reads a copy of `bytes`
Port* NewOutputPort(uint8_t flags);                         // collects in memory

// ---- input; -1 is the end of input. Raise a file error when reading fails. ----
int32_t PeekByte(Port* port);
int32_t ReadByte(Port* port);
int32_t PeekChar(Port* port);  // a code point; U+FFFD for malformed bytes
int32_t ReadChar(Port* port);
// More bytes into an empty or partly read buffer; false at the end of input.
bool FillBuffer(Port* port);
bool IsInputReady(Port* port);  // whether reading would not block

// ---- output. Raise a file error when writing fails. ----
void WriteBytes(Port* port, std::string_view bytes);
void FlushPort(Port* port);

void ClosePort(Port* port);  // flushes; closing again does nothing

// The values of (current-input-port) and so on.
Port* CurrentInputPort();
Port* CurrentOutputPort();
Port* CurrentErrorPort();

// ---- for the driver; none of these raises an error ----
// Writes out what standard output holds back. A failure is remembered for FinishPorts.
void FlushStandardOutput();
// At the end of the program: writes out what open output files hold back. False if something could
// not be written, now or by the functions here; says what on standard error.
bool FinishPorts();
// Text of the driver itself, behind what the program has written.
void PrintToStandardOutput(std::string_view text);
void PrintToStandardError(std::string_view text);

// A port as the reader sees it.
class PortSource : public CharSource {
 public:
  explicit PortSource(Port* port) : port_(port) {}
  int32_t Peek() override { return PeekChar(port_); }
  int32_t Next() override { return ReadChar(port_); }

 private:
  Port* port_;
};

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_PORT_H_
