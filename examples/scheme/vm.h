// The virtual machine: registers, stack, and the dispatch loop.
// The stack is a large mapping outside the heap, of which the kernel commits what is used; tarn
// scans it conservatively from the bottom to `sp` through a thread root callback. I1 At every
// allocation `sp` in memory is at or above the last live word (the loop stores it before calls). I2
// Only the dispatch loop runs Scheme code; builtins never do. Split over vm.cc (start, errors,
// locations), vm_dispatch.cc (the loop), vm_control.cc (apply, continuations), vm_slow.h (uncommon
// operands).
#ifndef EXAMPLES_SCHEME_VM_H_
#define EXAMPLES_SCHEME_VM_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "examples/scheme/code.h"
#include "examples/scheme/continuation.h"
#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

// What a Builtin without a function does (header.small).
enum class VmBuiltin : uint16_t { kNone, kApply, kApplyValues, kCallCc, kThrow };

struct Vm {
  // Registers of the running procedure while it is inside a call; the loop keeps copies.
  Value* sp;
  Value* fp;
  const uint16_t* pc;

  Value* base;        // bottom of the stack
  Value* soft_limit;  // a procedure may start while sp is below `limit`
  Value* hard_limit;  // soft limit plus room to handle the overflow itself
  Value* limit;       // one of the two

  // Roots, scanned as words; keep them together.
  struct Roots {
    Value acc;
    Closure* closure;          // running
    Continuation* next;        // below the bottom of the stack
    Value winders;             // list of #(before after handlers params), innermost first
    Value handlers;            // list of procedures, innermost first
    Value params;              // list of (parameter . value), innermost first
    Value thrown;              // in flight with SchemeThrow or SchemeExit
    Value who;                 // the Builtin or symbol to name in an error
    Condition* out_of_memory;  // made at the start, when there is memory
    Closure* underflow;        // its code is the Underflow instruction
    Cell* raise;               // Scheme procedures that the VM calls
    Cell* rewind;
  } roots;

  // Runs a procedure without arguments to its end. Throws SchemeUncaught or SchemeExit.
  Value Run(Closure* thunk);

  Value Dispatch(size_t call_args);

  // vm_control.cc; registers are in the Vm. They return the number of arguments of the next call,
  // whose procedure is in roots.acc; or kNoCall: the accumulator goes to the continuation below the
  // stack.
  static constexpr size_t kNoCall = SIZE_MAX;
  size_t Control(Builtin* b, size_t n);
  size_t EnterContinuation(size_t n);
  Value Capture();
  size_t Throw(Continuation* k, Value values);
  bool Underflow();  // false: there is nothing below, the run is over

  size_t CollectRest(Code* code, size_t n);  // arguments beyond the required ones into a list
  Closure* SelectClause(Closure* f, size_t n);
  void CheckArity(Value f, size_t n);
  [[noreturn]] void StackOverflow();
  [[noreturn]] void ArityError(Value f, size_t n);
  void Reset();
};

extern Vm g_vm;

// An uncaught condition, in g_vm.roots.thrown; `where` is its place, empty when unknown.
struct SchemeUncaught {
  std::string where;
};
// (exit): the code.
struct SchemeExit {
  int code;
};

struct VmOptions {
  size_t stack_bytes = size_t{512} << 20;
};
void InitVm(const VmOptions& options);
// The place that the innermost program frame (not of the library) is at: "file:line", or "".
std::string CurrentLocation();
// Top of the trace: procedure names and lines, innermost first.
std::string Backtrace(int max_frames);

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_VM_H_
