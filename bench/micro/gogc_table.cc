// gogc_table: what GOGC costs and gives. A live set of trees stays as it is while a fixed multiple of
// it is allocated as garbage; for each GOGC the number of collections, the peak of the pages in use,
// the rule live * (1 + GOGC/100), their ratio, the highest goal, which counts as live what is allocated
// beside marking (with GODEBUG=gcstoptheworld=1 nothing is), the peak of the live bytes over it, and the
// wall time.
//   gogc_table [--smoke]
#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include "gc/api/instance.h"
#include "tarn/tarn.h"

namespace {

struct Node {
  tarn::gc_ptr<Node> left, right;
  uint64_t numbers[6];
};

Node* Tree(int depth) {
  Node* n = tarn::make_gc<Node>();
  if (depth > 0) {
    n->left = Tree(depth - 1);
    n->right = Tree(depth - 1);
  }
  return n;
}

struct Peaks {
  uint64_t in_spans = 0, live = 0, goal = 0;  // bytes
};

Peaks AllocateGarbage(uint64_t bytes) {
  using tarn::rt::HeapStats;
  tarn::rt::Instance& instance = tarn::rt::Instance::Get();
  const HeapStats& stats = instance.heap().stats();
  Peaks peaks;
  for (uint64_t i = 0; i < bytes / sizeof(Node); ++i) {
    tarn::make_gc<Node>();
    if (i % 1024 != 0) continue;
    peaks.in_spans =
        std::max(peaks.in_spans, HeapStats::Get(stats.in_use_pages) * tarn::internal::kPageBytes);
    peaks.live = std::max(peaks.live, HeapStats::Get(stats.live));
    peaks.goal = std::max(peaks.goal, instance.collector().goal());
  }
  return peaks;
}

void Row(int percent, int depth, uint64_t rounds) {
  tarn::SetGcPercent(percent);
  tarn::gc_root<Node> live;
  std::thread([&] { live = Tree(depth); }).join();
  tarn::Collect();
  tarn::Collect();
  const tarn::MemStats before = tarn::ReadMemStats();
  const auto start = std::chrono::steady_clock::now();
  Peaks peaks;
  std::thread([&] { peaks = AllocateGarbage(rounds * before.heap_alloc); }).join();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  const tarn::MemStats after = tarn::ReadMemStats();
  const double mb = 1 << 20;
  const auto live_mb = static_cast<double>(before.heap_alloc) / mb;
  const auto peak_mb = static_cast<double>(peaks.in_spans) / mb;
  const auto goal_mb = static_cast<double>(peaks.goal) / mb;
  std::printf("%6s %10.1f %12" PRIu64 " %10.1f ",
              percent < 0 ? "off" : std::to_string(percent).c_str(), live_mb,
              after.num_gc - before.num_gc, peak_mb);
  if (percent < 0) {
    std::printf("%10s %7s %9s %9s", "-", "-", "-", "-");
  } else {
    // The heap is never collected below 4 MiB * GOGC / 100.
    const double rule = std::max(live_mb * (1 + percent / 100.0), 4 * percent / 100.0);
    std::printf("%10.1f %7.3f %9.1f %9.3f", rule, peak_mb / rule, goal_mb,
                static_cast<double>(peaks.live) / mb / goal_mb);
  }
  std::printf(" %8.2f\n", wall.count());
}

}  // namespace

int main(int argc, char** argv) {
  const bool smoke = argc > 1 && std::strcmp(argv[1], "--smoke") == 0;
  const int depth = smoke ? 14 : 19;  // 2 MiB or 64 MiB live
  const uint64_t rounds = smoke ? 10 : 20;
  std::printf("%6s %10s %12s %10s %10s %7s %9s %9s %8s\n", "GOGC", "live MiB", "collections",
              "peak MiB", "rule MiB", "ratio", "goal MiB", "live/goal", "wall s");
  for (int percent : {25, 100, 400, -1}) Row(percent, depth, rounds);
  return 0;
}
