// Code: one compiled procedure. Not here: what the instructions do (opcodes.h, vm.cc).
// I1 Immutable after codegen has made it.
// I2 The instruction stream holds no references: they are constants, in the tail of the Code.
#ifndef EXAMPLES_SCHEME_CODE_H_
#define EXAMPLES_SCHEME_CODE_H_

#include <string>

#include "examples/scheme/containers.h"
#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

// A place in the source: the line, and above it the number of the file: 0 is the Code's own, others are
// in its list of included files.
inline constexpr uint32_t kLineBits = 24;
inline constexpr uint32_t kLineMask = (uint32_t{1} << kLineBits) - 1;
inline constexpr uint32_t kMaxIncluded = UINT32_MAX >> kLineBits;

// Program counter to place: ascending in pc.
struct LineEntry {
  uint32_t pc;
  uint32_t line;
};

// An instruction whose own name in messages is not the procedure that the program calls: `units` long from
// `pc` on, compiled from primitive number `primitive` (primitives.h). Ascending in pc.
struct AliasEntry {
  uint32_t pc;
  uint16_t units;
  uint16_t primitive;
};

// Tail: header.word constants.
struct Code {
  static constexpr Type kType = Type::kCode;
  static constexpr uint8_t kRest = 1;     // the last parameter takes the other arguments as a list
  static constexpr uint8_t kCase = 2;     // case-lambda: captured values are the clauses' closures
  static constexpr uint8_t kLibrary = 4;  // compiled from lib/*.scm: not named in error locations
  Header header;
  gc_ptr<uint16_t> instructions;  // noscan
  gc_ptr<LineEntry> lines;        // noscan
  gc_ptr<AliasEntry> aliases;     // noscan
  gc_ptr<Symbol> name;            // may be null
  gc_ptr<String> file;
  gc_ptr<ValueList> included;  // strings: files 1, 2, ...; null when there are none
  uint32_t line_count;
  uint32_t alias_count;
  uint32_t instruction_count;
  uint16_t required;     // parameters without the rest parameter
  uint16_t params;       // parameters with it: words below the frame's control words
  uint16_t frame_words;  // most words that the body pushes
  uint16_t captured;     // captured values of its closures

  bool HasRest() const { return (header.flags & kRest) != 0; }
  bool IsCase() const { return (header.flags & kCase) != 0; }
  Slot* constants() { return gc_tail<Slot>(this); }
};

// "file:line" of a place.
std::string PlaceText(const String* file, const ValueList* included, uint32_t place);

// An identifier made by a macro expansion: `name` (a Symbol or another Identifier) as the macro's
// definition sees it (syntax_rules.h).
struct Identifier {
  static constexpr Type kType = Type::kIdentifier;
  Header header;
  Slot name;
  Slot scope;  // a Scope or an Environment
};

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_CODE_H_
