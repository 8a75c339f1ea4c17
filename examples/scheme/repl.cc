// The read-eval-print loop on standard input: a prompt if that is a terminal, values printed as
// `write` does, errors reported and survived, expressions continued over lines.
#include <unistd.h>

#include <new>
#include <string>

#include "examples/scheme/builtins.h"
#include "examples/scheme/environment.h"
#include "examples/scheme/interpreter.h"
#include "examples/scheme/port.h"
#include "examples/scheme/reader.h"
#include "examples/scheme/source_file.h"

namespace scheme {
namespace {

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
    Report(UncaughtMessage(g_vm.roots.thrown, ""));
    pending->Consume(pending->text.size());  // what follows an error is of no use
    return Step::kNothing;
  } catch (const std::bad_alloc&) {
    ReportOutOfMemory();
    pending->Consume(pending->text.size());
    return Step::kNothing;
  }
  if (form == kEof) {
    pending->Consume(pending->text.size());
    return Step::kNothing;
  }
  pending->Consume(text.position());
  const SourceInfo source{MakeString("repl").As<String>(), lines, false};
  Closure* thunk = nullptr;
  Value result;
  if (!Reported([&] { thunk = CompileTop(form, source, UserEnvironment()); })) return Step::kDone;
  if (Evaluate(thunk, &result, exit_code)) {
    Reported([&] { PrintResult(result); });
  } else if (*exit_code >= 0) {
    return Step::kExit;
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
    if (interactive) PrintToStandardOutput(incomplete ? "... " : "> ");
    bool more = false;
    const bool read = Reported([&] {
      more = ReadLine(&line);
      if (more) pending.text += line + "\n";
    });
    if (!read) return 1;
    Step step = Step::kDone;
    while (step == Step::kDone && !pending.text.empty()) {
      step = EvaluateOne(&pending, !more, &exit_code);
    }
    FlushStandardOutput();
    if (step == Step::kExit) return exit_code;
    incomplete = step == Step::kIncomplete;
    if (!more) break;
  }
  if (interactive) PrintToStandardOutput("\n");
  return 0;
}

}  // namespace scheme
