// scheme: the driver.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "examples/scheme/heap.h"
#include "examples/scheme/interpreter.h"
#include "examples/scheme/port.h"

namespace {

constexpr char kHelp[] =
    "usage: scheme [OPTION]... [FILE [ARGUMENT]...]\n"
    "Runs the Scheme program in FILE; without FILE, reads expressions and prints their values.\n"
    "  -e EXPRESSIONS    evaluate, print the value of the last one, and exit\n"
    "  --stack-mb=N      largest size of the program's stack (512)\n"
    "  --help            this text\n"
    "The heap takes its settings from the environment: GOGC, MEMLIMIT, GODEBUG.\n";

int Usage(const char* message, const char* what) {
  std::fprintf(stderr, "scheme: %s%s\n%s", message, what, kHelp);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  tarn::ThreadScope thread(tarn::ThreadOptions{.cooperative = true});
  if (!thread.status().ok()) {
    std::fprintf(stderr, "scheme: %s\n", std::string(thread.status().message()).c_str());
    return 70;
  }
  scheme::VmOptions options;
  const char* expressions = nullptr;
  int i = 1;
  for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
    if (std::strcmp(argv[i], "--help") == 0) {
      std::fputs(kHelp, stdout);
      return 0;
    }
    if (std::strcmp(argv[i], "-e") == 0) {
      if (++i == argc) return Usage("-e needs an expression", "");
      expressions = argv[i];
    } else if (std::strncmp(argv[i], "--stack-mb=", 11) == 0) {
      const long mb = std::strtol(argv[i] + 11, nullptr, 10);
      if (mb < 1 || mb > 1 << 20) return Usage("bad size: ", argv[i]);
      options.stack_bytes = static_cast<size_t>(mb) << 20;
    } else if (std::strcmp(argv[i], "--") == 0) {
      i++;
      break;
    } else {
      return Usage("unknown option: ", argv[i]);
    }
  }
  std::vector<std::string> command_line(argv + i, argv + argc);
  if (command_line.empty()) command_line.emplace_back("scheme");
  int code = 1;
  try {
    scheme::InitInterpreter(options, command_line);
    code = expressions != nullptr ? scheme::RunExpressions(expressions)
           : i < argc             ? scheme::RunFile(argv[i])
                                  : scheme::RunRepl();
  } catch (const std::bad_alloc&) {  // where no program runs that could be told
    std::fputs("scheme: out of memory\n", stderr);
  }
  const bool written = scheme::FinishPorts();
  return code == 0 && !written ? 1 : code;
}
