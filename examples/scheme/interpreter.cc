#include "examples/scheme/interpreter.h"

#include <cstdio>

#include "examples/scheme/builtins.h"
#include "examples/scheme/environment.h"
#include "examples/scheme/expander.h"
#include "examples/scheme/native_stack.h"
#include "examples/scheme/port.h"
#include "examples/scheme/prelude.h"
#include "examples/scheme/primitives.h"
#include "examples/scheme/printer.h"
#include "examples/scheme/source_file.h"
#include "examples/scheme/symbol_table.h"

namespace scheme {
namespace {

tarn::gc_root<Pair>* g_command_line = nullptr;  // set once at start, never destroyed

void RegisterBuiltins() {
  RegisterControlBuiltins();
  RegisterListBuiltins();
  RegisterVectorBuiltins();
  RegisterRecordBuiltins();
  RegisterSystemBuiltins();
  RegisterNumberBuiltins();
  RegisterStringBuiltins();
  RegisterCharBuiltins();
  RegisterPortBuiltins();
  RegisterHashTableBuiltins();
  RegisterBytevectorBuiltins();
}

// lib/*.scm, embedded by the build.
void LoadPrelude() {
  for (const PreludeFile& file : PreludeFiles()) {
    IdentityMap* lines = IdentityMap::New(256);
    ValueList* forms = ValueList::New();
    const SourceInfo source{MakeString(file.name).As<String>(), lines, true};
    try {
      ReadAllFormsFromText(file.text, file.name, lines, forms);
      for (size_t i = 0; i < forms->size(); i++) {
        g_vm.Run(CompileTop((*forms)[i], source, SystemEnvironment()));
      }
    } catch (const SchemeThrow&) {
      Report(UncaughtMessage(g_vm.roots.thrown, ""));
      std::exit(70);
    } catch (const SchemeUncaught& e) {
      Report(UncaughtMessage(g_vm.roots.thrown, e.where));
      std::exit(70);
    }
  }
}

void SetCommandLine(const std::vector<std::string>& words) {
  Value list = kNull;
  for (size_t i = words.size(); i > 0; i--) list = Cons(MakeString(words[i - 1]), list);
  const Value holder = Cons(list, kNull);
  g_command_line = new tarn::gc_root<Pair>(holder.AsPair());
}

}  // namespace

void Report(const std::string& message) { PrintToStandardError(message + "\n"); }

void InitInterpreter(const VmOptions& options, const std::vector<std::string>& command_line) {
  InitNativeStackLimit();
  InitSymbolTable();
  InitEnvironments();
  InitVm(options);
  SetCommandLine(command_line);
  BindSpecialForms();
  RegisterBuiltins();
  MarkPrimitiveCells();
  LoadPrelude();
}

Value CommandLineList() { return g_command_line->get()->car; }

Value FeatureList() {
  Value list = kNull;
  for (const char* name : {"tarn", "full-unicode", "ratios", "exact-closed", "r7rs"}) {
    list = Cons(Sym(name), list);
  }
  return list;
}

std::string UncaughtMessage(Value v, const std::string& where) {
  std::string place = where, text;
  if (v.Is<Condition>()) {
    auto* c = v.As<Condition>();
    if (c->where.Get().Is<String>()) place = ToUtf8(c->where.Get().As<String>());
    text = ConditionText(c);
  } else {
    text = "uncaught exception: " + WriteToString(v);
  }
  if (!place.empty()) place += ": ";
  return place + "error: " + text;
}

bool Evaluate(Closure* thunk, Value* result, int* exit_code) {
  *exit_code = -1;
  try {
    *result = g_vm.Run(thunk);
    return true;
  } catch (const SchemeUncaught& e) {
    Report(UncaughtMessage(g_vm.roots.thrown, e.where));
  } catch (const SchemeExit& e) {
    *exit_code = e.code;
  }
  g_vm.Reset();
  return false;
}

void ReportOutOfMemory() {
  PrintToStandardError(UncaughtMessage(Value::Of(g_vm.roots.out_of_memory), "") + "\n");
}

int RunFile(const std::string& path) {
  // (load path), so that the file's forms run one after the other inside one run of the VM.
  const Value form = MakeList(std::array{Sym("load"), MakeString(path)}.data(), 2);
  const SourceInfo source{MakeString(path).As<String>(), IdentityMap::New(), true};
  Closure* thunk = CompileTop(form, source, SystemEnvironment());
  Value result;
  int exit_code;
  const bool ok = Evaluate(thunk, &result, &exit_code);
  return ok ? 0 : exit_code < 0 ? 1 : exit_code;
}

int RunExpressions(std::string_view text) {
  IdentityMap* lines = IdentityMap::New();
  ValueList* forms = ValueList::New();
  if (!Reported([&] { ReadAllFormsFromText(text, "-e", lines, forms); })) return 1;
  const SourceInfo source{MakeString("-e").As<String>(), lines, false};
  Value result = kUnspecified;
  for (size_t i = 0; i < forms->size(); i++) {
    Closure* thunk = nullptr;
    if (!Reported([&] { thunk = CompileTop((*forms)[i], source, UserEnvironment()); })) return 1;
    int exit_code;
    if (!Evaluate(thunk, &result, &exit_code)) return exit_code < 0 ? 1 : exit_code;
  }
  return Reported([&] { PrintResult(result); }) ? 0 : 1;
}

void PrintResult(Value v) {
  if (v.Is<Values>()) {
    auto* values = v.As<Values>();
    for (uint32_t i = 0; i < values->header.word; i++) PrintResult(values->items()[i]);
  } else if (v != kUnspecified) {
    PrintToStandardOutput(WriteToString(v) + "\n");
  }
}

}  // namespace scheme
