// The system around the program: exit, time, environment variables, the heap; and small odds and
// ends (booleans, symbols, void).
#include <chrono>
#include <cstdlib>
#include <ctime>

#include "examples/scheme/builtins.h"
#include "examples/scheme/interpreter.h"
#include "examples/scheme/number.h"
#include "examples/scheme/vm.h"

extern char** environ;

namespace scheme {
namespace {

// ---- exit ----

// (%exit code): the winders have been run.
Value Exit(Args a) {
  const Value v = a[0];
  int code = 0;
  if (v.IsFixnum()) {
    code = static_cast<int>(v.AsFixnum() & 255);
  } else if (v.IsFalse()) {
    code = 1;
  }
  throw SchemeExit{code};
}

Value EmergencyExit(Args a) {
  Value code = a.Or(0, kTrue);
  return Exit(Args{&code, 1});
}

// ---- time and environment ----

int64_t Nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Value CurrentSecond(Args) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return MakeFlonum(std::chrono::duration<double>(now).count());
}
Value CurrentJiffy(Args) { return MakeInteger(Nanoseconds() / 1000); }
Value JiffiesPerSecond(Args) { return Value::Fixnum(1000000); }
// Processor time of the process in seconds.
Value Runtime(Args) {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return MakeFlonum(static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9);
}
Value RealTime(Args) { return MakeFlonum(static_cast<double>(Nanoseconds()) * 1e-6); }

Value CommandLine(Args) { return CommandLineList(); }

Value GetVariable(Args a) {
  const char* v = std::getenv(ToUtf8(StringArg(a, 0)).c_str());
  return v == nullptr ? kFalse : MakeString(v);
}

Value GetVariables(Args) {
  Value list = kNull;
  for (char** e = environ; *e != nullptr; e++) {
    const std::string_view entry = *e;
    const size_t eq = entry.find('=');
    if (eq == std::string_view::npos) continue;
    list = Cons(Cons(MakeString(entry.substr(0, eq)), MakeString(entry.substr(eq + 1))), list);
  }
  return list;
}

Value Features(Args) { return FeatureList(); }

// ---- the heap ----

Value CollectGarbage(Args) {
  tarn::Collect();
  return kUnspecified;
}

// An association list of the numbers that a program may want to see.
Value HeapStatistics(Args) {
  const auto s = tarn::ReadMemStats();
  auto entry = [](const char* name, uint64_t n) {
    return Cons(Sym(name), MakeInteger(static_cast<int64_t>(n)));
  };
  Value list = kNull;
  list = Cons(entry("allocated-bytes", s.total_alloc), list);
  list = Cons(entry("live-bytes", s.heap_alloc), list);
  list = Cons(entry("collections", s.num_gc), list);
  return list;
}

// ---- odds and ends ----

Value IsBoolean(Args a) { return Value::Bool(a[0] == kTrue || a[0] == kFalse); }
Value IsSymbol(Args a) { return Value::Bool(a[0].Is<Symbol>()); }
Value Not(Args a) { return Value::Bool(a[0].IsFalse()); }
Value IsDefault(Args a) { return Value::Bool(a[0] == kDefault); }
Value Void(Args) { return kUnspecified; }

Value BooleanSame(Args a) {
  for (size_t i = 0; i < a.n; i++) {
    if (a[i] != kTrue && a[i] != kFalse) WrongType(a[i], "a boolean");
  }
  for (size_t i = 1; i < a.n; i++) {
    if (a[i] != a[0]) return kFalse;
  }
  return kTrue;
}

Value SymbolSame(Args a) {
  for (size_t i = 0; i < a.n; i++) SymbolArg(a, i);
  for (size_t i = 1; i < a.n; i++) {
    if (a[i] != a[0]) return kFalse;
  }
  return kTrue;
}

Value SymbolLess(Args a) { return Value::Bool(SymbolArg(a, 0)->Name() < SymbolArg(a, 1)->Name()); }

Value GenerateSymbol(Args a) {
  static int64_t counter = 0;
  std::string name = a.n > 0 && a[0].Is<Symbol>() ? std::string(a[0].As<Symbol>()->Name()) : "g";
  name += std::to_string(++counter);
  return Value::Of(NewUninternedSymbol(name));
}

constexpr BuiltinSpec kSpecs[] = {
    {"%exit", Exit, 1, 1},
    {"emergency-exit", EmergencyExit, 0, 1},
    {"current-second", CurrentSecond, 0, 0},
    {"current-jiffy", CurrentJiffy, 0, 0},
    {"jiffies-per-second", JiffiesPerSecond, 0, 0},
    {"runtime", Runtime, 0, 0},
    {"real-time", RealTime, 0, 0},
    {"command-line", CommandLine, 0, 0},
    {"get-environment-variable", GetVariable, 1, 1},
    {"get-environment-variables", GetVariables, 0, 0},
    {"features", Features, 0, 0},
    {"gc", CollectGarbage, 0, 0},
    {"collect-garbage", CollectGarbage, 0, 0},
    {"heap-statistics", HeapStatistics, 0, 0},
    {"boolean?", IsBoolean, 1, 1},
    {"symbol?", IsSymbol, 1, 1},
    {"not", Not, 1, 1},
    {"default-object?", IsDefault, 1, 1},
    {"void", Void, 0, kAnyArgs},
    {"boolean=?", BooleanSame, 2, kAnyArgs},
    {"symbol=?", SymbolSame, 1, kAnyArgs},
    {"symbol<?", SymbolLess, 2, 2},
    {"generate-uninterned-symbol", GenerateSymbol, 0, 1},
    {"gensym", GenerateSymbol, 0, 1},
};

}  // namespace

void RegisterSystemBuiltins() { DefineBuiltins(kSpecs); }

}  // namespace scheme
