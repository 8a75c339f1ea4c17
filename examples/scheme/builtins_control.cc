// Builtins close to the VM: the registers of the dynamic state, values, apply and call/cc,
// evaluation. The procedures that programs use are built on these in lib/control.scm.
#include "examples/scheme/builtins.h"
#include "examples/scheme/environment.h"
#include "examples/scheme/source_file.h"
#include "examples/scheme/vm.h"

namespace scheme {
namespace {

// ---- the dynamic state ----

Value Winders(Args) { return g_vm.roots.winders; }
Value SetWinders(Args a) {
  g_vm.roots.winders = a[0];
  return kUnspecified;
}
Value Handlers(Args) { return g_vm.roots.handlers; }
Value SetHandlers(Args a) {
  g_vm.roots.handlers = a[0];
  return kUnspecified;
}
Value Params(Args) { return g_vm.roots.params; }
Value SetParams(Args a) {
  g_vm.roots.params = a[0];
  return kUnspecified;
}
Value ContinuationWinders(Args a) {
  return TypedArg<Continuation>(a, 0, "a continuation")->winders;
}

[[noreturn]] void ThrowUncaught(Value v) {
  g_vm.roots.thrown = v;
  throw SchemeUncaught{CurrentLocation()};
}
Value Uncaught(Args a) { ThrowUncaught(a[0]); }

// ---- procedures and values ----

Value IsProcedureObject(Args a) { return Value::Bool(IsProcedure(a[0])); }
Value ValuesOf(Args a) { return MakeValues(a.v, a.n); }

// (%values->vector v required rest?)
Value ValuesToVector(Args a) {
  size_t n = 1;
  Vector* all;
  if (a[0].Is<Values>()) {
    auto* v = a[0].As<Values>();
    n = v->header.word;
    all = NewVector(n, kFalse);
    for (size_t i = 0; i < n; i++) all->items()[i].Set(v->items()[i]);
  } else {
    all = NewVector(1, a[0]);
  }
  const auto required = static_cast<size_t>(a[1].AsFixnum());
  const bool rest = a[2].IsTrue();
  if (n < required || (n > required && !rest)) {
    g_vm.roots.who = kFalse;
    Error("wrong number of values: expected " + std::to_string(required) + ", got " +
          std::to_string(n));
  }
  if (!rest) return Value::Of(all);
  Vector* result = NewVector(required + 1, kFalse);
  Value list = kNull;
  for (size_t i = n; i > required; i--) list = Cons(all->items()[i - 1], list);
  for (size_t i = 0; i < required; i++) result->items()[i].Set(all->items()[i]);
  result->items()[required].Set(list);
  return Value::Of(result);
}

Value ProcedureName(Args a) {
  Symbol* name = nullptr;
  if (a[0].Is<Closure>()) name = a[0].As<Closure>()->code->name;
  if (a[0].Is<Builtin>()) name = a[0].As<Builtin>()->name;
  return name == nullptr ? kFalse : Value::Of(name);
}

// ---- evaluation ----

Environment* EnvironmentArg(Args a, size_t i) {
  if (i >= a.size()) return UserEnvironment();
  return TypedArg<Environment>(a, i, "an environment");
}

// (%compile form [env]): a procedure without arguments.
Value Compile(Args a) {
  const SourceInfo source{MakeString("eval").As<String>(), IdentityMap::New(), false};
  return Value::Of(CompileTop(a[0], source, EnvironmentArg(a, 1)));
}

// What is left of a file that is being loaded.
struct Unit {
  static constexpr Type kType = Type::kInternal;
  Header header;
  gc_ptr<ValueList> forms;
  gc_ptr<IdentityMap> lines;
  gc_ptr<String> file;
  uint64_t next;
};

// (%open-unit file env)
Value OpenUnit(Args a) {
  g_vm.roots.who = Sym("load");
  auto* unit = make_gc<Unit>();
  InitHeader(unit);
  unit->file = StringArg(a, 0);
  unit->forms = ValueList::New();
  unit->lines = IdentityMap::New(1024);
  ReadAllForms(ToUtf8(unit->file), unit->lines, unit->forms);
  Environment* env = EnvironmentArg(a, 1);
  const SourceInfo source{unit->file, unit->lines, false};
  Expander(source, env).PrepareDefinitions(unit->forms->ToList(), env);
  return Value::Of(unit);
}

// (%next-thunk unit env): the next form as a procedure, #f after the last.
Value NextThunk(Args a) {
  auto* unit = a[0].As<Unit>();
  if (unit->next == unit->forms->size()) return kFalse;
  const Value form = (*unit->forms)[unit->next];
  unit->forms->Set(unit->next, kFalse);  // big literals may go
  unit->next++;
  const SourceInfo source{unit->file, unit->lines, false};
  return Value::Of(CompileTop(form, source, EnvironmentArg(a, 1)));
}

Value InteractionEnvironment(Args) { return Value::Of(UserEnvironment()); }
Value LibraryEnvironment(Args) {
  // A fresh child: definitions made through it stay in it.
  return Value::Of(Environment::New(SystemEnvironment()));
}
Value IsEnvironment(Args a) { return Value::Bool(a[0].Is<Environment>()); }

constexpr BuiltinSpec kSpecs[] = {
    {"%winders", Winders, 0, 0},
    {"%set-winders!", SetWinders, 1, 1},
    {"%handlers", Handlers, 0, 0},
    {"%set-handlers!", SetHandlers, 1, 1},
    {"%params", Params, 0, 0},
    {"%set-params!", SetParams, 1, 1},
    {"%continuation-winders", ContinuationWinders, 1, 1},
    {"%uncaught", Uncaught, 1, 1},
    {"procedure?", IsProcedureObject, 1, 1},
    {"values", ValuesOf, 0, kAnyArgs},
    {"%values->vector", ValuesToVector, 3, 3},
    {"procedure-name", ProcedureName, 1, 1},
    {"%compile", Compile, 1, 2},
    {"%open-unit", OpenUnit, 2, 2},
    {"%next-thunk", NextThunk, 2, 2},
    {"interaction-environment", InteractionEnvironment, 0, 0},
    {"system-global-environment", LibraryEnvironment, 0, 0},
    {"scheme-report-environment", LibraryEnvironment, 0, 1},
    {"null-environment", LibraryEnvironment, 0, 1},
    {"environment", LibraryEnvironment, 0, kAnyArgs},
    {"environment?", IsEnvironment, 1, 1},
};

void DefineVmBuiltin(const char* name, VmBuiltin which, int min_args, int max_args) {
  auto* b = make_gc<Builtin>();
  InitHeader(b);
  b->header.small = static_cast<uint16_t>(which);
  b->min_args = min_args;
  b->max_args = max_args;
  b->name = Intern(name);
  DefineGlobal(name, Value::Of(b));
}

}  // namespace

void RegisterControlBuiltins() {
  DefineBuiltins(kSpecs);
  DefineVmBuiltin("apply", VmBuiltin::kApply, 2, kAnyArgs);
  DefineVmBuiltin("%apply-values", VmBuiltin::kApplyValues, 2, 2);
  DefineVmBuiltin("call-with-current-continuation", VmBuiltin::kCallCc, 1, 1);
  DefineVmBuiltin("call/cc", VmBuiltin::kCallCc, 1, 1);
  DefineVmBuiltin("%throw", VmBuiltin::kThrow, 2, 2);
  // Calls of these keep the caller's frame.
  for (const char* name : {"error", "raise", "exit", "assert-failed", "%uncaught"}) {
    SystemEnvironment()->CellForDefinition(Sym(name))->header.flags |= Cell::kNeverReturns;
  }
}

}  // namespace scheme
