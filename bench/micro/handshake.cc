// How long a round of handshakes takes: the asker's wait, with N threads that spin on however many
// CPUs the process may use, with and without the threads giving up their slice after they have
// answered.
// Usage: handshake [--smoke] [--cpus=N] [--rounds=N]
// Prints one line per case: threads, policy, rounds, median, 90th, 99th percentile and maximum in
// microseconds. Rounds are 5 ms apart, so that the threads are spread over the run queues again.
#include "runtime/thread/handshake.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "runtime/base/clock.h"
#include "runtime/thread/stop_world.h"
#include "runtime/thread/thread_registry.h"

namespace {

enum class State { kSpinning, kBlocked, kSleeping };

struct Case {
  int threads;
  State state;
  bool gives_up;
  bool stops;
};

const char* Name(State state) {
  switch (state) {
    case State::kSpinning:
      return "spinning";
    case State::kBlocked:
      return "blocked";
    case State::kSleeping:
      return "sleeping";
  }
  return "?";
}

void RunThread(State state, std::atomic<int>& ready, const std::atomic<bool>& stop) {
  tarn::rt::EnsureAttached();
  ++ready;
  uint64_t spins = 0;
  while (!stop.load(std::memory_order_relaxed)) {
    if (state == State::kSpinning) {
      asm volatile("" : "+r"(spins));
      ++spins;
    } else if (state == State::kBlocked) {
      tarn::rt::RunBlocked([] { std::this_thread::sleep_for(std::chrono::milliseconds(50)); });
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
}

// A stop is measured until the world stands still; waking the threads again is not part of it.
double RoundMicros(bool stops) {
  const int64_t start = tarn::rt::MonotonicNanos();
  int64_t end = 0;
  if (stops) {
    tarn::rt::StopTheWorld stop;
    end = tarn::rt::MonotonicNanos();
  } else {
    tarn::rt::Handshake([](tarn::rt::Mutator&, void*) {}, nullptr);
    end = tarn::rt::MonotonicNanos();
  }
  return static_cast<double>(end - start) / 1e3;
}

void Measure(const Case& c, int rounds) {
  tarn::rt::SetGiveUpSlice(c.gives_up);
  std::atomic<bool> stop{false};
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < c.threads; ++i) {
    threads.emplace_back([&] { RunThread(c.state, ready, stop); });
  }
  while (ready != c.threads) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::vector<double> micros;
  for (int i = 0; i < rounds; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    micros.push_back(RoundMicros(c.stops));
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  std::sort(micros.begin(), micros.end());
  const auto at = [&](double q) {
    return micros[static_cast<size_t>(q * static_cast<double>(micros.size() - 1))];
  };
  std::printf(
      "%-9s %4d %-8s %-12s %5zu rounds  p50 %10.1f  p90 %10.1f  p99 %10.1f  max %10.1f us\n",
      c.stops ? "stop" : "handshake", c.threads, Name(c.state),
      c.gives_up ? "gives-up" : "keeps-slice", micros.size(), at(0.5), at(0.9), at(0.99),
      micros.back());
  std::fflush(stdout);
}

void UseCpus(int count) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int i = 0; i < count; ++i) CPU_SET(i, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) std::perror("sched_setaffinity");
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 200;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--smoke") == 0) {
      rounds = 3;
    } else if (std::strncmp(argv[i], "--rounds=", 9) == 0) {
      rounds = std::max(1, std::atoi(argv[i] + 9));
    } else if (std::strncmp(argv[i], "--cpus=", 7) == 0) {
      UseCpus(std::max(1, std::atoi(argv[i] + 7)));
    } else {
      std::fprintf(stderr, "usage: handshake [--smoke] [--cpus=N] [--rounds=N]\n");
      return 2;
    }
  }
  for (const bool gives_up : {false, true}) {
    for (const int threads : {1, 8, 64}) {
      Measure({threads, State::kSpinning, gives_up, false}, rounds);
    }
  }
  Measure({64, State::kBlocked, true, false}, rounds);
  Measure({64, State::kSleeping, true, false}, rounds);
  Measure({64, State::kSleeping, true, true}, rounds);
  Measure({64, State::kSpinning, true, true}, rounds);
  return 0;
}
