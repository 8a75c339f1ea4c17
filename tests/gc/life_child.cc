// What destructors and finalizers need a process of their own for. Prints what happened; 0 is success.
//   life_child backlog OBJECTS    objects with destructors are dropped faster than they can be destroyed
//   life_child hard_limit BYTES   the same where only destructors make room
//   life_child exit_waits         main returns while a finalizer runs
//   life_child exit_inside        a finalizer ends the process
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <thread>

#include "tarn/tarn.h"

namespace {

void SleepMillis(long ms) {
  const timespec t{ms / 1000, ms % 1000 * 1'000'000};
  nanosleep(&t, nullptr);
}

struct Slow {
  static std::atomic<uint64_t> destroyed;

  char text[56] = {};
  explicit Slow(char c) { text[0] = c; }
  ~Slow() {
    volatile int work = 0;
    for (int i = 0; i < 500; ++i) work = work + 1;
    ++destroyed;
  }
};
std::atomic<uint64_t> Slow::destroyed{0};

[[gnu::noinline]] void Drop(int n) {
  for (int i = 0; i < n; ++i) tarn::make_gc<Slow>('x');
}

int Backlog(uint64_t objects) {
  constexpr uint64_t kBatch = 10'000;
  uint64_t peak = 0;
  for (uint64_t made = 0; made < objects; made += kBatch) {
    Drop(kBatch);
    const uint64_t now = tarn::ReadMemStats().heap_alloc;
    if (now > peak) peak = now;
  }
  std::printf("peak %llu\n", static_cast<unsigned long long>(peak));
  return 0;
}

int HardLimit(int64_t bytes) {
  tarn::SetHardLimit(bytes);
  struct Big {
    char text[32 << 10] = {};
    ~Big() { ++Slow::destroyed; }
  };
  for (int64_t made = 0; made < 20 * bytes; made += static_cast<int64_t>(sizeof(Big))) {
    tarn::make_gc<Big>();
  }
  std::printf("destroyed some: %d\n", Slow::destroyed > 0);
  return 0;
}

// Ends when main has returned: later than the handler that tarn installs with its thread.
struct Static {
  std::atomic<int> state{1};
  ~Static() {
    if (state.exchange(0) == 2) {
      std::printf("destroyed under a finalizer\n");
      std::fflush(stdout);
    }
  }
};
Static g_static;

std::atomic<bool> g_started{false};

template <class F>
void FinalizeWith(F f) {
  std::thread([f] {
    if (!tarn::SetFinalizer(tarn::make_gc<int[]>(100), [f](int*) { f(); }).ok()) std::abort();
  }).join();
  tarn::Collect();
  while (!g_started) SleepMillis(1);
}

int ExitWaits() {
  static std::atomic<bool> main_is_done{false};
  FinalizeWith([] {
    g_static.state = 2;
    g_started = true;
    while (!main_is_done) SleepMillis(1);
    SleepMillis(200);
    if (g_static.state.exchange(1) != 2) std::printf("the static object is gone\n");
    std::printf("finalizer done\n");
  });
  std::printf("main done\n");
  main_is_done = true;
  return 0;
}

int ExitInside() {
  FinalizeWith([] {
    g_started = true;
    std::exit(7);
  });
  SleepMillis(60'000);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  const auto is = [&](const char* name, int args) {
    return std::strcmp(what, name) == 0 && argc == args + 2;
  };
  if (is("backlog", 1)) return Backlog(std::strtoull(argv[2], nullptr, 0));
  if (is("hard_limit", 1)) return HardLimit(std::atoll(argv[2]));
  if (is("exit_waits", 0)) return ExitWaits();
  if (is("exit_inside", 0)) return ExitInside();
  std::fprintf(stderr, "life_child: unknown command\n");
  return 2;
}
