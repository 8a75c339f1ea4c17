// The program that tests of start, exit and limits run in a process of its own:
//   gc_child settings                    prints the GOGC in force
//   gc_child graph MARKERS SEED          builds a graph and prints what a collection leaves
//   gc_child exit_roots                  roots and allocation in static destructors
//   gc_child exit_threads                threads that allocate while main returns
//   gc_child exit_quick                  the same, left by quick_exit
//   gc_child start                       prints what Init says and whether an object can be made
//   gc_child start_by_use                makes an object without Init
//   gc_child fill                        allocates a 1 GiB heap full, drops all, goes on
//   gc_child churn N                     N rounds of garbage, then prints the collections
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "tarn/tarn.h"
#include "tests/gc/gc_test_util.h"

namespace tarn {
namespace {

struct Node {
  uint64_t value = 0;
  gc_ptr<Node> left, right;
};

int Settings() {
  std::printf("GOGC=%d\n", SetGcPercent(100));
  return 0;
}

// Nodes with random edges, among them arrays of several slices, of which a random part is rooted.
int BuildGraph(int markers, uint64_t seed) {
  Options options;
  options.markers = markers;
  options.gc_percent = -1;
  if (!Init(options).ok()) return 1;
  rt::TestRng rng(seed);
  std::vector<gc_root<void>> roots;
  rt::OnOtherThread([&] {
    const size_t kMany = 200'000 / rt::kSlowdown;
    std::vector<Node*> nodes;  // collection is off
    for (size_t i = 0; i < kMany; ++i) {
      Node* n = make_gc<Node>();
      n->value = rng.Next();
      if (i > 0 && rng.Below(4) != 0) n->left = nodes[rng.Below(i)];
      if (i > 0 && rng.Below(4) == 0) n->right = nodes[i - 1 - rng.Below(i) / 1000];
      nodes.push_back(n);
    }
    for (int k = 0; k < 20; ++k) {
      const size_t length = 1 + rng.Below(60'000);
      gc_ptr<Node>* array = make_gc<gc_ptr<Node>[]>(length);
      for (size_t i = 0; i < length; i += 7) array[i] = nodes[rng.Below(kMany / 2)];
      if (k % 2 == 0) roots.emplace_back(array);
    }
    for (int k = 0; k < 100; ++k) roots.emplace_back(nodes[rng.Below(kMany)]);
  });
  Collect();
  const MemStats s = ReadMemStats();
  std::printf("live %" PRIu64 " objects %" PRIu64 " bytes\n", s.heap_objects, s.heap_alloc);
  return s.heap_objects > 100 ? 0 : 1;
}

// Destroyed after main, in reverse order, when the main thread's thread_local destructors have run.
struct LateUser {
  gc_root<Node> root;
  ~LateUser() {
    if (!root) return;
    if (root->value != 42) std::abort();
    for (int i = 0; i < 1000; ++i) root->left = make_gc<Node>();
    Collect();
    if (root->left == nullptr) std::abort();
    std::printf("static destructor done\n");
    std::fflush(stdout);
  }
};
LateUser g_late;
gc_root<Node> g_root;
std::vector<gc_root<Node>> g_roots;
thread_local gc_root<Node> t_root;

int ExitWithRoots() {
  g_late.root = make_gc<Node>();
  g_late.root->value = 42;
  g_root = make_gc<Node>();
  for (int i = 0; i < 100; ++i) g_roots.emplace_back(make_gc<Node>());
  t_root = make_gc<Node>();
  std::thread([] { t_root = make_gc<Node>(); }).join();
  Collect();
  return 0;
}

void AllocateForEver() {
  gc_root<Node> keep;
  for (uint64_t i = 0;; ++i) {
    Node* n = make_gc<Node>();
    n->left = keep.get();
    keep = i % 1000 == 0 ? nullptr : n;
    make_gc<Node[]>(i % 300);
  }
}

int ExitWithThreads(bool quick) {
  for (int i = 0; i < 4; ++i) std::thread(&AllocateForEver).detach();
  gc_root<Node> root = make_gc<Node>();
  for (int i = 0; i < 20; ++i) {
    root->left = make_gc<Node>();
    Collect();
  }
  std::printf("main done\n");
  std::fflush(stdout);
  g_late.root = make_gc<Node>();
  g_late.root->value = 42;
  if (quick) std::quick_exit(0);
  return 0;
}

int StartByInit() {
  const absl::Status status = Init();
  std::printf("%s\n", status.ToString().c_str());
  if (!status.ok()) return 3;
  for (int i = 0; i < 100000; ++i) make_gc<Node>();
  Collect();
  std::printf("works\n");
  return 0;
}

// The rest of a full heap, by the way that small pointer-free objects go.
struct Twelve {
  char bytes[12];
};
bool FillWithTiny() {
  std::vector<gc_root<Twelve>> all;
  constexpr size_t kMost = 70'000'000;  // more than the cage holds
  try {
    for (size_t i = 0; i < kMost; ++i) all.emplace_back(make_gc<Twelve>());
  } catch (const std::bad_alloc&) {
    return true;
  }
  return false;
}

int Fill() {
  Options options;
  options.cage_bytes = size_t{1} << 30;
  if (!Init(options).ok()) return 1;
  for (int round = 0; round < 3; ++round) {
    std::vector<gc_root<char>> all;
    size_t bytes = 0;
    try {
      for (;;) {
        const size_t n = size_t{1} << (13 + all.size() % 12);
        all.emplace_back(static_cast<char*>(AllocateBytes(n, Scan::kNone)));
        *all.back() = static_cast<char>(all.size());
        bytes += n;
        if (all.size() % 1000 == 0) VerifyHeapForDebugging();
      }
    } catch (const std::bad_alloc&) {
      VerifyHeapForDebugging();
      if (!FillWithTiny()) return 6;
      std::printf("full after %zu MiB\n", bytes >> 20);
    }
    for (size_t i = 0; i < all.size(); ++i) {
      if (*all[i] != static_cast<char>(i + 1)) return 4;
    }
    if (bytes < size_t{700} << 20) return 5;
  }
  return 0;
}

int Churn(int rounds) {
  for (int i = 0; i < rounds; ++i) {
    for (int j = 0; j < 100; ++j) make_gc<Node[]>(400);
  }
  // The last collection, so that the number is final.
  SetGcPercent(-1);
  Collect();
  std::printf("%" PRIu64 "\n", ReadMemStats().num_gc);
  return 0;
}

int Run(int argc, char** argv) {
  const auto is = [&](const char* what) { return std::strcmp(argv[1], what) == 0; };
  if (argc < 2) return 2;
  if (is("settings")) return Settings();
  if (is("graph")) return BuildGraph(std::atoi(argv[2]), std::strtoull(argv[3], nullptr, 0));
  if (is("exit_roots")) return ExitWithRoots();
  if (is("exit_threads")) return ExitWithThreads(false);
  if (is("exit_quick")) return ExitWithThreads(true);
  if (is("start")) return StartByInit();
  if (is("start_by_use")) return make_gc<Node>()->value == 0 ? 0 : 1;
  if (is("fill")) return Fill();
  if (is("churn")) return Churn(std::atoi(argv[2]));
  return 2;
}

}  // namespace
}  // namespace tarn

int main(int argc, char** argv) { return tarn::Run(argc, argv); }
