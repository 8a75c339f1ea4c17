// How long the machine alone keeps threads from running: N threads read the clock in a loop and use no
// heap. What `workloads pauses` shows is to be read against this: on a virtual machine the host takes
// CPUs away for milliseconds, which no counter of the guest shows.
// Usage: machine_gaps [--smoke] [THREADS [SECONDS]]
// Prints per thread the gaps above 5 us between two readings, and those of them in which the system
// counted no preemption.
#include <sys/resource.h>

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "runtime/base/clock.h"

namespace {

using tarn::rt::MonotonicNanos;

constexpr int64_t kGapNanos = 5000;

long Preemptions() {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

struct Gaps {
  std::vector<int64_t> all, own;  // own: without preemption

  void Watch(double seconds) {
    long preemptions = Preemptions();
    int64_t last = MonotonicNanos();
    const int64_t end = last + static_cast<int64_t>(seconds * 1e9);
    while (last < end) {
      const int64_t now = MonotonicNanos();
      if (now - last < kGapNanos) {
        last = now;
        continue;
      }
      const long preemptions_now = Preemptions();
      all.push_back(now - last);
      if (preemptions_now == preemptions) own.push_back(now - last);
      preemptions = preemptions_now;
      last = MonotonicNanos();  // what the accounting took is no gap
    }
  }
};

void Print(int thread, const char* what, std::vector<int64_t>& gaps) {
  std::sort(gaps.begin(), gaps.end());
  const auto at = [&](double share) {
    if (gaps.empty()) return 0.0;
    const auto i = static_cast<size_t>(share * static_cast<double>(gaps.size() - 1));
    return static_cast<double>(gaps[i]) / 1e3;
  };
  std::printf("thread %d %-18s %7zu, p50 %.1f, p99 %.1f, p99.9 %.1f, max %.1f us\n", thread, what,
              gaps.size(), at(0.5), at(0.99), at(0.999), at(1));
}

}  // namespace

int main(int argc, char** argv) {
  const bool smoke = argc > 1 && std::strcmp(argv[1], "--smoke") == 0;
  const int threads = argc > 1 && !smoke ? std::max(1, std::atoi(argv[1])) : 1;
  const double seconds = smoke ? 0.2 : argc > 2 ? std::atof(argv[2]) : 10;
  std::vector<Gaps> gaps(static_cast<size_t>(threads));
  std::vector<std::thread> watchers;
  for (Gaps& g : gaps) watchers.emplace_back([&g, seconds] { g.Watch(seconds); });
  for (std::thread& t : watchers) t.join();
  for (int i = 0; i < threads; ++i) {
    Print(i, "gaps above 5 us", gaps[static_cast<size_t>(i)].all);
    Print(i, "without preemption", gaps[static_cast<size_t>(i)].own);
  }
  return 0;
}
