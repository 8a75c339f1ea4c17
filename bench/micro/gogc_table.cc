// gogc_table: what GOGC costs and gives. A live set of trees stays as it is while a fixed multiple of
// it is allocated as garbage; for each GOGC the number of collections, the peak of the pages in use,
// the rule live * (1 + GOGC/100), their ratio, and the wall time and the sum of pauses.
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

// The peak of the bytes in spans.
uint64_t AllocateGarbage(uint64_t bytes) {
  const tarn::rt::HeapStats& stats = tarn::rt::Instance::Get().heap().stats();
  uint64_t peak = 0;
  for (uint64_t i = 0; i < bytes / sizeof(Node); ++i) {
    tarn::make_gc<Node>();
    if (i % 1024 == 0) peak = std::max(peak, tarn::rt::HeapStats::Get(stats.in_use_pages));
  }
  return peak * tarn::internal::kPageBytes;
}

void Row(int percent, int depth, uint64_t rounds) {
  tarn::SetGcPercent(percent);
  tarn::gc_root<Node> live;
  std::thread([&] { live = Tree(depth); }).join();
  tarn::Collect();
  tarn::Collect();
  const tarn::MemStats before = tarn::ReadMemStats();
  const auto start = std::chrono::steady_clock::now();
  uint64_t peak = 0;
  std::thread([&] { peak = AllocateGarbage(rounds * before.heap_alloc); }).join();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  const tarn::MemStats after = tarn::ReadMemStats();
  const double mb = 1 << 20;
  const auto live_mb = static_cast<double>(before.heap_alloc) / mb;
  const auto peak_mb = static_cast<double>(peak) / mb;
  const auto pause = static_cast<double>(after.pause_total_ns - before.pause_total_ns) / 1e9;
  std::printf("%6s %10.1f %12" PRIu64 " %10.1f ",
              percent < 0 ? "off" : std::to_string(percent).c_str(), live_mb,
              after.num_gc - before.num_gc, peak_mb);
  if (percent < 0) {
    std::printf("%10s %7s", "-", "-");
  } else {
    // The heap is never collected below 4 MiB * GOGC / 100.
    const double rule = std::max(live_mb * (1 + percent / 100.0), 4 * percent / 100.0);
    std::printf("%10.1f %7.3f", rule, peak_mb / rule);
  }
  std::printf(" %8.2f %8.2f\n", wall.count(), pause);
}

}  // namespace

int main(int argc, char** argv) {
  const bool smoke = argc > 1 && std::strcmp(argv[1], "--smoke") == 0;
  const int depth = smoke ? 14 : 19;  // 2 MiB or 64 MiB live
  const uint64_t rounds = smoke ? 10 : 20;
  std::printf("%6s %10s %12s %10s %10s %7s %8s %8s\n", "GOGC", "live MiB", "collections",
              "peak MiB", "rule MiB", "ratio", "wall s", "pause s");
  for (int percent : {25, 100, 400, -1}) Row(percent, depth, rounds);
  return 0;
}
