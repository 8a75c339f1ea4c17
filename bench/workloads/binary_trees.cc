// binary-trees DEPTH THREADS: the Benchmarks Game program. A stretch tree of DEPTH+1, a long-lived
// tree of DEPTH, and 2^(DEPTH-d+4) short-lived trees of each depth d = 4, 6, .. DEPTH, divided
// evenly among the threads.
#include <peer.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <vector>

#include "bench/workloads/workload.h"

namespace bench {
namespace {

struct Tree {
  peer::Ptr<Tree> left, right;
};

Tree* Make(uint64_t depth) {
  if (depth == 0) return peer::New<Tree>();
  Tree* left = Make(depth - 1);
  return peer::New<Tree>(left, Make(depth - 1));
}

uint64_t Check(const Tree* t) {
  if (t->left == nullptr) return 1;
  return 1 + Check(t->left) + Check(t->right);
}

void Drop(Tree* t) {
  if (!peer::kManual) return;
  if (t->left != nullptr) {
    Drop(t->left);
    Drop(t->right);
  }
  peer::Free(t);
}

uint64_t MakeAndCheck(uint64_t depth) {
  Tree* t = Make(depth);
  const uint64_t nodes = Check(t);
  Drop(t);
  return nodes;
}

void Run(const Args& args) {
  constexpr uint64_t kMinDepth = 4;
  const uint64_t depth = std::max(args.Number(0), kMinDepth + 2);
  const uint64_t threads = args.Number(1);
  std::printf("stretch tree of depth %" PRIu64 " check: %" PRIu64 "\n", depth + 1,
              MakeAndCheck(depth + 1));
  Tree* long_lived = Make(depth);
  for (uint64_t d = kMinDepth; d <= depth; d += 2) {
    const uint64_t trees = uint64_t{1} << (depth - d + kMinDepth);
    std::vector<uint64_t> nodes(threads);
    RunThreads(threads, [&](uint64_t thread) {
      uint64_t sum = 0;
      for (uint64_t i = thread; i < trees; i += threads) sum += MakeAndCheck(d);
      nodes[thread] = sum;
    });
    uint64_t sum = 0;
    for (uint64_t n : nodes) sum += n;
    std::printf("%" PRIu64 " trees of depth %" PRIu64 " check: %" PRIu64 "\n", trees, d, sum);
  }
  std::printf("long lived tree of depth %" PRIu64 " check: %" PRIu64 "\n", depth,
              Check(long_lived));
  Drop(long_lived);
}

}  // namespace

const Workload kBinaryTrees = {"binary-trees", "DEPTH THREADS", {"21", "1"}, {"12", "2"}, Run};

}  // namespace bench
