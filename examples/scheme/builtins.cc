// Defining builtins and checking their arguments. See builtins.h.
#include "examples/scheme/builtins.h"

#include <string>

#include "examples/scheme/environment.h"
#include "examples/scheme/vm.h"

namespace scheme {

void DefineGlobal(std::string_view name, Value v) {
  SystemEnvironment()->CellForDefinition(Sym(name))->value.Set(v);
}

void DefineBuiltins(std::span<const BuiltinSpec> specs) {
  for (const BuiltinSpec& spec : specs) {
    auto* b = make_gc<Builtin>();
    InitHeader(b);
    b->min_args = spec.min_args;
    b->max_args = spec.max_args;
    b->fn = reinterpret_cast<uintptr_t>(spec.fn);
    b->name = Intern(spec.name);
    DefineGlobal(spec.name, Value::Of(b));
  }
}

Value CurrentValue(Parameter* p) {
  for (Value l = g_vm.roots.params; l.IsPair(); l = Cdr(l)) {
    if (Car(Car(l)) == Value::Of(p)) return Cdr(Car(l));
  }
  return p->value;
}

bool IsProcedure(Value v) {
  if (!v.IsObject()) return false;
  switch (v.AsHeader()->type) {
    case Type::kClosure:
    case Type::kBuiltin:
    case Type::kContinuation:
    case Type::kParameter:
      return true;
    default:
      return false;
  }
}

int64_t FixnumArg(Args args, size_t i) {
  if (!args[i].IsFixnum()) WrongType(args[i], "an exact integer");
  return args[i].AsFixnum();
}

size_t IndexArg(Args args, size_t i, size_t limit) {
  const int64_t n = FixnumArg(args, i);
  if (n < 0 || static_cast<uint64_t>(n) > limit) OutOfRange(args[i]);
  return static_cast<size_t>(n);
}

uint32_t CharArg(Args args, size_t i) {
  if (!args[i].IsChar()) WrongType(args[i], "a character");
  return args[i].AsChar();
}

Range RangeArgs(Args args, size_t i, size_t size) {
  Range r{0, size};
  if (i < args.size() && args[i] != kDefault) r.start = IndexArg(args, i, size);
  if (i + 1 < args.size() && args[i + 1] != kDefault) r.end = IndexArg(args, i + 1, size);
  if (r.start > r.end) OutOfRange(args[i]);
  return r;
}

}  // namespace scheme
