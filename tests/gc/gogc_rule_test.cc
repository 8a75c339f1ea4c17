// The promise of GOGC: with a steady live set, the heap peaks at live * (1 + GOGC/100), and the
// number of collections is what was allocated divided by the room between the two.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "gtest/gtest.h"
#include "tarn/tarn.h"
#include "tests/gc/gc_test_util.h"

namespace tarn {
namespace {

struct Node {
  gc_ptr<Node> left, right;
  uint64_t numbers[6];
};

Node* Tree(int depth) {
  Node* n = make_gc<Node>();
  if (depth > 0) {
    n->left = Tree(depth - 1);
    n->right = Tree(depth - 1);
  }
  return n;
}

struct Observed {
  double live = 0;
  double peak = 0;
  double allocated = 0;
  double collections = 0;
};

// Allocates garbage of `rounds` times the live set and watches the pages in use.
Observed Watch(int percent, double rounds) {
  SetGcPercent(percent);
  gc_root<Node> live;
  Observed o;
  // Large beside stacks and root cells, to which GOGC applies as well. Under ThreadSanitizer nearly
  // a megabyte of its own lies in each stack.
  rt::OnOtherThread([&] { live = Tree(rt::kSlowdown == 1 ? 18 : 17); });
  Collect();
  Collect();
  const MemStats before = ReadMemStats();
  o.live = static_cast<double>(before.heap_alloc);
  rt::OnOtherThread([&] {
    const rt::HeapStats& stats = rt::Instance::Get().heap().stats();
    const auto total = static_cast<uint64_t>(rounds * o.live / sizeof(Node));
    uint64_t peak = 0;
    for (uint64_t i = 0; i < total; ++i) {
      make_gc<Node>();
      if (i % 1024 == 0) peak = std::max(peak, rt::HeapStats::Get(stats.in_use_pages));
    }
    o.peak = static_cast<double>(peak * internal::kPageBytes);
  });
  const MemStats after = ReadMemStats();
  o.allocated = static_cast<double>(after.total_alloc - before.total_alloc);
  o.collections = static_cast<double>(after.num_gc - before.num_gc);
  return o;
}

TEST(GogcRuleTest, PeakAndNumberOfCollectionsFollowGogc) {
  for (int percent : {25, 100, 400}) {
    if (rt::kSlowdown != 1 && percent == 400) continue;  // too much to allocate
    const double p = percent / 100.0;
    const Observed o = Watch(percent, 20.5 * p);
    const double peak = o.live * (1 + p);
    const double collections = o.allocated / (o.live * p);
    std::printf("GOGC=%d live %.1f MB peak %.1f (rule %.1f) collections %.0f (rule %.1f)\n",
                percent, o.live / 1e6, o.peak / 1e6, peak / 1e6, o.collections, collections);
    EXPECT_NEAR(1, o.peak / peak, 0.1) << percent;
    EXPECT_NEAR(1, o.collections / collections, 0.1) << percent;
  }
}

}  // namespace
}  // namespace tarn
