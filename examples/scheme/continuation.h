// Continuations: pieces of the VM stack copied to the heap, chained.
// Capturing moves the whole VM stack into one new piece and leaves the stack empty; when the stack
// underflows, the topmost frames of the newest piece are copied back. So repeated captures at one
// depth copy only what was added since, and a continuation may be entered any number of times.
// I1 A piece is immutable; it ends at a frame boundary and starts at one.
// I2 The lowest frame on the stack returns to the Underflow instruction.
// I3 Each word of a piece is exact for the value codec: a Value, a frame size (a fixnum), or a return
//    address, which is even and points into the instructions of the closure that the same frame
//    holds, between their first and their last unit. All of them are live: the stack that they come
//    from is scanned whole, so that what a dead variable names is not freed while the word is there.
#ifndef EXAMPLES_SCHEME_CONTINUATION_H_
#define EXAMPLES_SCHEME_CONTINUATION_H_

#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

// Tail: the words.
struct StackCopy {
  static constexpr Type kType = Type::kInternal;
  Header header;
  Slot* words() { return gc_tail<Slot>(this); }
};

struct Continuation {
  static constexpr Type kType = Type::kContinuation;
  Header header;
  gc_ptr<StackCopy> copy;     // shared by split pieces
  uint64_t length;            // words of it that belong to this piece
  uint64_t fp;                // index of the topmost frame's fp
  gc_ptr<Closure> closure;    // running in that frame
  uintptr_t pc;               // where it goes on; points into the code of `closure`
  gc_ptr<Continuation> next;  // what is below
  Slot winders;               // dynamic state at the capture
  Slot handlers;
  Slot params;

  Value Word(uint64_t i) const { return copy->words()[i]; }
};

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_CONTINUATION_H_
