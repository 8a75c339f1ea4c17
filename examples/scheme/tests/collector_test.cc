// The interpreter and the collector, seen from another thread of the process: a program that waits
// in a system call holds up no collection, and no object of the interpreter makes a collection stop
// the program.
// A hung collection is found by the test's time limit.
#include <fcntl.h>
#include <sys/stat.h>
#include <tarn/tarn.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "examples/scheme/interpreter.h"
#include "examples/scheme/port.h"

namespace {

constexpr char kFifo[] = "scheme_collector_test.fifo";
constexpr size_t kLongText = 300000;  // more than a pipe holds

void Demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "FAIL: %s\n", what);
  std::_Exit(1);
}

// The state letter of the main thread in /proc.
char MainThreadState() {
  const std::string pid = std::to_string(getpid());
  std::ifstream file("/proc/self/task/" + pid + "/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  return name_end == std::string::npos ? '?' : line[name_end + 2];
}

// Until the main thread has slept for a while: it waits for this end of the FIFO.
void AwaitSleep() {
  for (int asleep = 0; asleep < 20; asleep = MainThreadState() == 'S' ? asleep + 1 : 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

int OpenFifo(int mode) {
  const int fd = open(kFifo, mode);
  Demand(fd >= 0, "the FIFO opens");
  return fd;
}

void Write(int fd, const std::string& text) {
  Demand(write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()), "write");
  close(fd);
}

// Runs a program, while `other` runs on a thread of its own.
template <class F>
void Beside(F other, const std::string& program) {
  std::thread thread(other);
  Demand(scheme::RunExpressions(program) == 0, program.c_str());
  tarn::Blocked([&] { thread.join(); });
}

std::string Demanding(const std::string& expression) {
  return "(if " + expression + " (if #f #f) (error \"not so\"))";
}

void WaitingProgramHoldsUpNoCollection() {
  const std::string name = '"' + std::string(kFifo) + '"';
  const auto feed_after_collection = [](const char* text) {
    return [text] {
      AwaitSleep();
      tarn::Collect();
      Write(OpenFifo(O_WRONLY), text);
    };
  };
  std::puts("in open");
  Beside(feed_after_collection("a line\n"),
         Demanding("(equal? (call-with-input-file " + name + " read-line) \"a line\")"));
  std::puts("in read");
  Beside(
      [] {
        const int fd = OpenFifo(O_WRONLY);
        AwaitSleep();
        tarn::Collect();
        Write(fd, "a line\n");
      },
      Demanding("(equal? (call-with-input-file " + name + " read-line) \"a line\")"));
  std::puts("in load");
  Beside(feed_after_collection("(define loaded 42)\n"),
         "(load " + name + ")" + Demanding("(= loaded 42)"));
  std::puts("in a long write");
  Beside(
      [] {
        const int fd = OpenFifo(O_RDONLY);
        AwaitSleep();
        tarn::Collect();
        char buffer[4096];
        size_t total = 0;
        ssize_t n;
        while ((n = read(fd, buffer, sizeof buffer)) > 0) total += static_cast<size_t>(n);
        close(fd);
        Demand(total == kLongText, "all of the text arrives");
      },
      "(call-with-output-file " + name + " (lambda (p) (write-string (make-string " +
          std::to_string(kLongText) + " #\\a) p)))");
}

// Objects whose words are not exact are looked at again while all threads wait.
void NoObjectMakesACollectionStopTheProgram() {
  std::puts("stops");
  const char* const program = R"(
    (define saved '())
    (define (deep n)
      (if (= n 0)
          (call/cc (lambda (k) (set! saved (cons k saved)) 0))
          (+ 1 (deep (- n 1)))))
    (define (product n) (if (= n 0) 1 (* n (product (- n 1)))))
    (define big (product 3000))
    (define shown (number->string (quotient big (product 2000))))
    (define root (exact-integer-sqrt big))
    (for-each deep '(10 1000 30000))
    (gc)
    (gc)
    (define entered 0)
    (if (< entered 3) (begin (set! entered (+ entered 1)) ((list-ref saved (- 3 entered)) 1)))
    (gc)
    (if (not (= (string->number shown) (quotient big (product 2000)))) (error "not so")))";
  Demand(scheme::RunExpressions(program) == 0, "continuations and large numbers");
  const tarn::HandshakeTimes stops = tarn::ReadHandshakeTimes(tarn::HandshakeKind::kStop);
  Demand(stops.round.count == 0, "no collection stops the program");
}

}  // namespace

int main() {
  tarn::ThreadScope thread(tarn::ThreadOptions{.cooperative = true});
  Demand(thread.status().ok(), "the thread attaches");
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  unlink(kFifo);
  Demand(mkfifo(kFifo, 0600) == 0, "mkfifo");
  scheme::InitInterpreter(scheme::VmOptions{}, {"test"});
  WaitingProgramHoldsUpNoCollection();
  NoObjectMakesACollectionStopTheProgram();
  Demand(scheme::FinishPorts(), "output is written");
  unlink(kFifo);
  return 0;
}
