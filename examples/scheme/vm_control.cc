// apply, call/cc, entering continuations, argument lists. See vm.h, continuation.h.
#include <cstring>

#include "examples/scheme/builtins.h"
#include "examples/scheme/vm.h"
#include "examples/scheme/vm_slow.h"

namespace scheme {

namespace {

// Frames are copied back until this many words are on the stack.
constexpr uint64_t kRestoreWords = 256;

}  // namespace

// ---- arguments ----

size_t Vm::CollectRest(Code* code, size_t n) {
  Value list = kNull;
  for (size_t i = n; i > code->required; i--)
    list = Cons(sp[-static_cast<int64_t>(n - i) - 1], list);
  sp -= n - code->required;
  *sp++ = list;
  return code->required + 1u;
}

Closure* Vm::SelectClause(Closure* f, size_t n) {
  for (uint32_t i = 0; i < f->header.word; i++) {
    auto* clause = f->captured()[i].Get().As<Closure>();
    const Code* code = clause->code;
    if (n == code->required || (n > code->required && code->HasRest())) return clause;
  }
  ArityError(Value::Of(f), n);
}

void Vm::ArityError(Value f, size_t n) {
  std::string expected;
  Value name = kFalse;
  if (f.Is<Closure>()) {
    const Code* code = f.As<Closure>()->code;
    if (code->name != nullptr) name = Value::Of(code->name.get());
    if (code->IsCase()) {
      expected = "one of several numbers";
    } else {
      if (code->HasRest()) expected = "at least ";
      expected += std::to_string(code->required);
    }
  } else {
    auto* b = f.As<Builtin>();
    name = Value::Of(b->name.get());
    if (b->max_args < 0) expected = "at least ";
    expected += std::to_string(b->min_args);
    if (b->max_args > b->min_args) expected += " to " + std::to_string(b->max_args);
  }
  roots.who = name;
  Error("wrong number of arguments: expected " + expected + ", got " + std::to_string(n));
}

// For a tail call, before the caller's frame is gone.
void Vm::CheckArity(Value f, size_t n) {
  const Code* code = f.As<Closure>()->code;
  if (code->IsCase()) {
    SelectClause(f.As<Closure>(), n);
  } else if (n < code->required || (n > code->required && !code->HasRest())) {
    ArityError(f, n);
  }
}

// ---- builtins that the VM runs itself ----

size_t Vm::Control(Builtin* b, size_t n) {
  if (n < static_cast<size_t>(b->min_args) ||
      (b->max_args >= 0 && n > static_cast<size_t>(b->max_args))) {
    ArityError(Value::Of(b), n);
  }
  Value* args = sp - n;
  switch (static_cast<VmBuiltin>(b->header.small)) {
    case VmBuiltin::kNone:
      break;
    case VmBuiltin::kApply: {
      roots.acc = args[0];
      Value list = sp[-1];
      roots.who = Value::Of(b);
      const int64_t length = ListLength(list);
      if (length < 0) WrongType(list, "a list");
      if (length > hard_limit - sp) StackOverflow();
      std::memmove(args, args + 1, (n - 2) * sizeof(Value));
      sp -= 2;
      for (; list.IsPair(); list = Cdr(list)) *sp++ = Car(list);
      return n - 2 + static_cast<size_t>(length);
    }
    case VmBuiltin::kApplyValues: {
      roots.acc = args[0];
      const Value v = args[1];
      if (!v.Is<Values>()) {
        sp -= 2;
        *sp++ = v;
        return 1;
      }
      auto* values = v.As<Values>();
      if (static_cast<int64_t>(values->header.word) > hard_limit - sp) StackOverflow();
      sp -= 2;
      for (uint32_t i = 0; i < values->header.word; i++) *sp++ = values->items()[i];
      return values->header.word;
    }
    case VmBuiltin::kCallCc: {
      const Value f = args[0];
      sp--;
      const Value k = Capture();
      roots.acc = f;
      *sp++ = k;
      return 1;
    }
    case VmBuiltin::kThrow: {  // (%throw k values): the winders have been run
      return Throw(args[0].As<Continuation>(), args[1]);
    }
  }
  Error("unknown VM builtin");
}

// A continuation in roots.acc is called with n arguments.
size_t Vm::EnterContinuation(size_t n) {
  auto* k = roots.acc.As<Continuation>();
  const Value values = MakeValues(sp - n, n);
  sp -= n;
  if (k->winders.Get() == roots.winders) {
    return Throw(k, values);
  }
  *sp++ = Value::Of(k);
  *sp++ = values;
  roots.acc = roots.rewind->value;
  return 2;
}

// ---- continuations ----

// Moves the stack to the heap. Afterwards the VM is at the bottom of an empty stack.
Value Vm::Capture() {
  auto* k = make_gc<Continuation>();
  InitHeader(k);
  k->winders.Init(roots.winders);
  k->handlers.Init(roots.handlers);
  k->params.Init(roots.params);
  // An empty piece below an empty one is of no use; a loop that captures in its tail call would chain them.
  Continuation* next = roots.next;
  while (next != nullptr && next->length == 0) next = next->next;
  k->next = next;
  const auto length = static_cast<uint64_t>(sp - base);
  if (roots.closure != roots.underflow) {
    static_assert(sizeof(Slot) == sizeof(Value));
    auto* copy = make_gc_tail<StackCopy, Slot>(length);
    InitHeader(copy);
    tarn::gc_uninitialized_copy(copy->words(), reinterpret_cast<const Slot*>(base), length);
    k->copy = copy;
    k->length = length;
    k->fp = static_cast<uint64_t>(fp - base);
    k->closure = roots.closure;
    k->pc = reinterpret_cast<uintptr_t>(pc);
  }
  roots.next = k;
  sp = base;
  fp = base;
  roots.closure = roots.underflow;
  pc = roots.underflow->code->instructions;
  return Value::Of(k);
}

// Leaves the VM about to underflow into k with `values` in the accumulator.
size_t Vm::Throw(Continuation* k, Value values) {
  sp = base;
  fp = base;
  limit = soft_limit;
  roots.next = k;
  roots.closure = roots.underflow;
  pc = roots.underflow->code->instructions;
  roots.winders = k->winders;
  roots.handlers = k->handlers;
  roots.params = k->params;
  roots.acc = values;
  return kNoCall;
}

bool Vm::Underflow() {
  Continuation* k = roots.next;
  while (k != nullptr && k->length == 0) k = k->next;
  roots.next = k;
  if (k == nullptr) return false;
  // Find the lowest frame to copy: [start, length) with `frame` its fp.
  uint64_t frame = k->fp;
  Closure* closure = k->closure;
  auto start_of = [&](uint64_t at, const Closure* c) { return at - 3 - c->code->params; };
  auto below = [&](uint64_t at) { return k->Word(at - 3).As<Closure>(); };
  uint64_t start = start_of(frame, closure);
  while (start > 0 && k->length - start < kRestoreWords) {
    closure = below(frame);
    frame -= static_cast<uint64_t>(k->Word(frame - 2).AsFixnum());
    start = start_of(frame, closure);
  }
  Continuation* rest = k->next;
  if (start > 0) {
    rest = make_gc<Continuation>();
    InitHeader(rest);
    rest->winders.Init(k->winders);
    rest->handlers.Init(k->handlers);
    rest->params.Init(k->params);
    rest->next = k->next;
    rest->copy = k->copy.get();
    rest->length = start;
    rest->fp = frame - static_cast<uint64_t>(k->Word(frame - 2).AsFixnum());
    rest->closure = below(frame);
    rest->pc = k->Word(frame - 1).w;
  }
  // The stack is no heap object: its words need no barrier.
  std::memcpy(static_cast<void*>(base), k->copy->words() + start,
              (k->length - start) * sizeof(Value));
  sp = base + (k->length - start);
  Value* lowest = base + (frame - start);
  lowest[-3] = Value::Of(roots.underflow);  // keeps I2
  lowest[-2] = Value::Fixnum(lowest - base);
  lowest[-1] = Value{reinterpret_cast<uintptr_t>(roots.underflow->code->instructions.get())};
  fp = base + (k->fp - start);
  roots.closure = k->closure;
  pc = reinterpret_cast<const uint16_t*>(k->pc);
  roots.next = rest;
  return true;
}

}  // namespace scheme
