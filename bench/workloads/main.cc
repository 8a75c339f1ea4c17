// The benchmark workloads, on the heap of one peer.
//   workloads NAME [ARGS]     a missing argument has its default
//   workloads NAME --smoke    the same work, for less than a second
//   workloads                 lists the workloads
// The last line is "TOTAL <seconds> s", wall time of the workload without process start.
#include <peer.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "bench/workloads/workload.h"

namespace {

using bench::Workload;

const std::vector<const Workload*>& Workloads() {
  static const std::vector<const Workload*> all = {
      &bench::kBinaryTrees, &bench::kGcBench,   &bench::kGcBenchXl,  &bench::kMark,
      &bench::kChurn,       &bench::kAlloc,     &bench::kPauses,     &bench::kPacing,
      &bench::kMessages,    &bench::kStringMap, &bench::kWideArray,  &bench::kLongList,
      &bench::kServer,      &bench::kSpike,     &bench::kFinalizers,
  };
  return all;
}

int List(FILE* out) {
  std::fprintf(out, "workloads NAME [ARGS | --smoke], on the heap of %s:\n", peer::kName);
  for (const Workload* w : Workloads()) {
    std::fprintf(out, "  %s %s  (", w->name, w->usage);
    for (const std::string& value : w->defaults) std::fprintf(out, " %s", value.c_str());
    std::fprintf(out, " )\n");
  }
  return out == stderr ? 2 : 0;
}

// Peak resident memory of this process in KiB, as the system counts it.
long PeakResident() {
  FILE* status = std::fopen("/proc/self/status", "r");
  if (status == nullptr) return 0;
  char line[256];
  long kib = 0;
  while (std::fgets(line, sizeof(line), status) != nullptr) {
    if (std::sscanf(line, "VmHWM: %ld", &kib) == 1) break;
  }
  std::fclose(status);
  return kib;
}

// CPU time of the process so far in seconds, collector threads included.
double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return List(stdout);
  std::vector<std::string> given(argv + 2, argv + argc);
  for (const Workload* w : Workloads()) {
    if (std::strcmp(w->name, argv[1]) != 0) continue;
    if (given == std::vector<std::string>{"--smoke"}) given = w->smoke;
    const bench::Args args(w->defaults, given);
    peer::Start();
    const uint64_t start = bench::Now();
    w->run(args);
    const double seconds = static_cast<double>(bench::Now() - start) / 1e9;
    std::printf("~ collections: %llu\n", static_cast<unsigned long long>(peer::Collections()));
    std::printf("~ CPU: %.3f s\n", CpuSeconds());
    std::printf("~ peak RSS: %ld MB\n", PeakResident() / 1024);
    std::printf("TOTAL %.3f s\n", seconds);
    return 0;
  }
  return List(stderr);
}
