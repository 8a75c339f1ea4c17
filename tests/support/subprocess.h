// Runs a program of the test suite in a process of its own and returns what it said: for tests of
// start, exit, environment and limits, which need a fresh heap.
// Not here: death tests of one statement (GoogleTest has them).
#ifndef TARN_TESTS_SUPPORT_SUBPROCESS_H_
#define TARN_TESTS_SUPPORT_SUBPROCESS_H_

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tarn::rt {

struct ProcessResult {
  int exit_code = -1;  // -1: ended by a signal
  int signal = 0;
  std::string out;
  std::string err;
};

struct ProcessSpec {
  std::vector<std::string> args;                                 // args[0]: the program
  std::vector<std::pair<std::string, std::string>> environment;  // added to the current one
  size_t address_space = 0;                                      // RLIMIT_AS; 0: as it is
  unsigned seconds = 600;                                        // SIGALRM ends the program then
};

namespace subprocess_detail {

[[noreturn]] inline void Exec(const ProcessSpec& spec, int out, int err) {
  dup2(out, 1);
  dup2(err, 2);
  for (const char* name :
       {"GOGC", "GODEBUG", "MEMLIMIT", "GOMEMLIMIT", "MEMHARDLIMIT", "MEMLIMIT_MINGOGC"})
    unsetenv(name);
  for (const auto& [name, value] : spec.environment) setenv(name.c_str(), value.c_str(), 1);
  if (spec.address_space != 0) {
    const rlimit limit{spec.address_space, spec.address_space};
    if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(126);
  }
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  alarm(spec.seconds);
  std::vector<char*> argv;
  for (const std::string& a : spec.args) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

// Appends what can be read; false at the end.
inline bool Drain(int fd, std::string& to) {
  char buf[4096];
  const ssize_t n = read(fd, buf, sizeof(buf));
  if (n <= 0) return false;
  to.append(buf, static_cast<size_t>(n));
  return true;
}

// On a busy machine the collector may say that it has waited for a thread for ten seconds.
inline void DropWaitingLines(std::string& text) {
  constexpr std::string_view kLine = "tarn: collector waits for thread";
  for (size_t at = 0; at < text.size();) {
    const size_t newline = text.find('\n', at);
    const size_t end = newline == std::string::npos ? text.size() : newline + 1;
    if (text.compare(at, kLine.size(), kLine) == 0) {
      text.erase(at, end - at);
    } else {
      at = end;
    }
  }
}

}  // namespace subprocess_detail

inline ProcessResult RunProcess(const ProcessSpec& spec) {
  ProcessResult result;
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0) return result;
  if (pipe2(err, O_CLOEXEC) != 0) return result;
  const pid_t child = fork();
  if (child == 0) subprocess_detail::Exec(spec, out[1], err[1]);
  close(out[1]);
  close(err[1]);
  pollfd fds[] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  std::string* texts[] = {&result.out, &result.err};
  for (int open = 2; open > 0;) {
    if (poll(fds, 2, -1) < 0) continue;
    for (int i = 0; i < 2; ++i) {
      if (fds[i].fd < 0 || fds[i].revents == 0) continue;
      if (subprocess_detail::Drain(fds[i].fd, *texts[i])) continue;
      close(fds[i].fd);
      fds[i].fd = -1;
      --open;
    }
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
  }
  subprocess_detail::DropWaitingLines(result.err);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

// The lines of a text, without their newlines.
inline std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

}  // namespace tarn::rt

#endif  // TARN_TESTS_SUPPORT_SUBPROCESS_H_
