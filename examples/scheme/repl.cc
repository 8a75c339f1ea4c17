// The read-eval-print loop on standard input: a prompt if that is a terminal, values printed as
// `write` does, errors reported and survived, expressions continued over lines.
#include <unistd.h>

#include <cstdio>
#include <string>

#include "examples/scheme/builtins.h"
#include "examples/scheme/environment.h"
#include "examples/scheme/interpreter.h"
#include "examples/scheme/port.h"
#include "examples/scheme/printer.h"
#include "examples/scheme/reader.h"
#include "examples/scheme/source_file.h"

namespace scheme {
namespace {

void PrintResult(Value v) {
  FlushStandardPorts();
  if (v == kUnspecified) return;
  if (v.Is<Values>()) {
    auto* values = v.As<Values>();
    for (uint32_t i = 0; i < values->header.word; i++) {
      std::printf("%s\n", WriteToString(values->items()[i]).c_str());
    }
  } else {
    std::printf("%s\n", WriteToString(v).c_str());
  }
  std::fflush(stdout);
}

void ReportThrown() {
  FlushStandardPorts();
  std::fprintf(stderr, "%s\n", UncaughtMessage(g_vm.roots.thrown, "").c_str());
}

// Text that was read but not evaluated yet, and the line its first character is on.
struct Pending {
  std::string text;
  int line = 1;

  void Consume(size_t bytes) {
    for (size_t i = 0; i < bytes; i++) line += text[i] == '\n' ? 1 : 0;
    text.erase(0, bytes);
  }
};

enum class Step { kDone, kIncomplete, kNothing, kExit };

// Reads and evaluates one expression of the pending text.
Step EvaluateOne(Pending* pending, bool at_end, int* exit_code) {
  TextSource text(pending->text, pending->line);
  IdentityMap* lines = IdentityMap::New();
  SourceReader reader{&text, "repl", lines};
  Value form;
  try {
    form = reader.Read();
  } catch (const SchemeThrow&) {
    if (reader.incomplete && !at_end) return Step::kIncomplete;
    ReportThrown();
    pending->Consume(pending->text.size());  // what follows an error is of no use
    return Step::kNothing;
  }
  if (form == kEof) {
    pending->Consume(pending->text.size());
    return Step::kNothing;
  }
  pending->Consume(text.position());
  try {
    const SourceInfo source{MakeString("repl").As<String>(), lines, false};
    Closure* thunk = CompileTop(form, source, UserEnvironment());
    Value result;
    if (Evaluate(thunk, &result, exit_code)) {
      PrintResult(result);
    } else if (*exit_code >= 0) {
      return Step::kExit;
    }
  } catch (const SchemeThrow&) {
    ReportThrown();
  }
  return Step::kDone;
}

// The next line of standard input without its newline, through the port that programs read from
// too.
bool ReadLine(std::string* line) {
  line->clear();
  Port* in = CurrentInputPort();
  for (;;) {
    const int32_t c = ReadByte(in);
    if (c < 0) return !line->empty();
    if (c == '\n') return true;
    line->push_back(static_cast<char>(c));
  }
}

}  // namespace

int RunRepl() {
  const bool interactive = isatty(STDIN_FILENO) != 0;
  Pending pending;
  std::string line;
  int exit_code = 0;
  bool incomplete = false;
  for (;;) {
    if (interactive) {
      std::fputs(incomplete ? "... " : "> ", stdout);
      std::fflush(stdout);
    }
    const bool more = ReadLine(&line);
    if (more) pending.text += line + "\n";
    Step step = Step::kDone;
    while (step == Step::kDone && !pending.text.empty()) {
      step = EvaluateOne(&pending, !more, &exit_code);
    }
    FlushStandardPorts();
    if (step == Step::kExit) return exit_code;
    incomplete = step == Step::kIncomplete;
    if (!more) break;
  }
  if (interactive) std::fputs("\n", stdout);
  return 0;
}

}  // namespace scheme
