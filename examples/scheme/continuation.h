// Continuations: pieces of the VM stack copied to the heap, chained.
// Capturing moves the whole VM stack into one new piece and leaves the stack empty; when the stack
// underflows, the topmost frames of the newest piece are copied back. So repeated captures at one
// depth copy only what was added since, and a continuation may be entered any number of times. I1 A
// piece is immutable; it ends at a frame boundary and starts at one. I2 The lowest frame on the
// stack returns to the Underflow instruction.
#ifndef EXAMPLES_SCHEME_CONTINUATION_H_
#define EXAMPLES_SCHEME_CONTINUATION_H_

#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

struct Continuation {
  static constexpr Type kType = Type::kContinuation;
  Header header;
  gc_ptr<uintptr_t> words;    // conservatively scanned copy of the stack; shared by split pieces
  uint64_t length;            // words of it that belong to this piece
  uint64_t fp;                // index of the topmost frame's fp
  gc_ptr<Closure> closure;    // running in that frame
  uintptr_t pc;               // where it goes on; points into the code of `closure`
  gc_ptr<Continuation> next;  // what is below
  Slot winders;               // dynamic state at the capture
  Slot handlers;
  Slot params;
};

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_CONTINUATION_H_
