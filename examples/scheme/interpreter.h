// The interpreter as a whole: start, running programs, reporting errors. One per process.
// Reading order for the rest: README.md.
#ifndef EXAMPLES_SCHEME_INTERPRETER_H_
#define EXAMPLES_SCHEME_INTERPRETER_H_

#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "examples/scheme/error.h"
#include "examples/scheme/value.h"
#include "examples/scheme/vm.h"

namespace scheme {

// Builds the heap structures, defines the builtins and compiles lib/*.scm. Call once, from the
// thread that will run programs, after it became a cooperative tarn thread.
void InitInterpreter(const VmOptions& options, const std::vector<std::string>& command_line);

// Each returns the exit code of the process: errors are reported on standard error as
// "file.scm:12: error: ...".
int RunFile(const std::string& path);
int RunExpressions(std::string_view text);  // prints the value of the last one
int RunRepl();

// Evaluates `thunk` and reports what goes wrong. False: it did not return; *exit_code is set if
// (exit) was called, else -1.
bool Evaluate(Closure* thunk, Value* result, int* exit_code);
// The line that reports an uncaught condition.
std::string UncaughtMessage(Value condition, const std::string& where);
// A line on standard error, behind what the program has written.
void Report(const std::string& message);
void ReportOutOfMemory();
// Runs f(), which may raise. False if it did, or if memory was short, which is then reported.
template <class F>
bool Reported(F f) {
  try {
    f();
    return true;
  } catch (const SchemeThrow&) {
    Report(UncaughtMessage(g_vm.roots.thrown, ""));
  } catch (const std::bad_alloc&) {
    ReportOutOfMemory();
  }
  return false;
}
// As `write` does, with a newline; several values take several lines. May raise.
void PrintResult(Value v);

Value CommandLineList();
Value FeatureList();

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_INTERPRETER_H_
