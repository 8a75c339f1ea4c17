// gcbench, gcbench-xl: Ellis, Kovac and Boehm's GCBench. A stretch tree, a long-lived tree and
// array, and for each depth from 4 on equally much in short-lived trees, half of them built from
// the root down (stores into old objects), half from the leaves up. -xl has 16 times the live data.
#include <peer.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "bench/workloads/workload.h"

namespace bench {
namespace {

struct Node {
  peer::Ptr<Node> left, right;
  int32_t i, j;
};

struct Shape {
  uint64_t stretch_depth;
  uint64_t long_lived_depth;  // also that of the largest short-lived trees
  uint64_t array_size;
};

uint64_t TreeSize(uint64_t depth) { return (uint64_t{1} << (depth + 1)) - 1; }

void Populate(uint64_t depth, Node* node) {
  if (depth == 0) return;
  node->left = peer::New<Node>();
  node->right = peer::New<Node>();
  Populate(depth - 1, node->left);
  Populate(depth - 1, node->right);
}

Node* MakeTree(uint64_t depth) {
  if (depth == 0) return peer::New<Node>();
  Node* left = MakeTree(depth - 1);
  return peer::New<Node>(left, MakeTree(depth - 1), 0, 0);
}

void Drop(Node* node) {
  if (!peer::kManual || node == nullptr) return;
  Drop(node->left);
  Drop(node->right);
  peer::Free(node);
}

uint64_t Count(const Node* node) {
  return node == nullptr ? 0 : 1 + Count(node->left) + Count(node->right);
}

void Construct(const Shape& shape, uint64_t depth) {
  const uint64_t trees = 2 * TreeSize(shape.stretch_depth) / TreeSize(depth);
  const uint64_t start = Now();
  for (uint64_t i = 0; i < trees; ++i) {
    Node* top = peer::New<Node>();
    Populate(depth, top);
    Drop(top);
  }
  const uint64_t middle = Now();
  for (uint64_t i = 0; i < trees; ++i) Drop(MakeTree(depth));
  std::printf("%" PRIu64 " trees of depth %" PRIu64 ", twice\n", trees, depth);
  std::printf("~ top down %.0f ms, bottom up %.0f ms\n", static_cast<double>(middle - start) / 1e6,
              static_cast<double>(Now() - middle) / 1e6);
}

void RunShape(const Shape& shape) {
  Drop(MakeTree(shape.stretch_depth));
  Node* long_lived = peer::New<Node>();
  Populate(shape.long_lived_depth, long_lived);
  auto* array = reinterpret_cast<double*>(peer::NewBytes(shape.array_size * sizeof(double)));
  for (uint64_t i = 0; i < shape.array_size / 2; ++i) array[i] = 1.0 / static_cast<double>(i + 1);
  for (uint64_t d = 4; d <= shape.long_lived_depth; d += 2) Construct(shape, d);
  std::printf("long-lived nodes %" PRIu64 ", array[1000] %.6f\n", Count(long_lived), array[1000]);
  Drop(long_lived);
  peer::Free(array);
}

void RunNormal(const Args&) { RunShape({18, 16, 500'000}); }
void RunXl(const Args& args) {
  const uint64_t depth = args.Number(0);
  RunShape({depth, depth - 2, (uint64_t{4'000'000} << depth) >> 22});
}

}  // namespace

const Workload kGcBench = {"gcbench", "", {}, {}, RunNormal};
const Workload kGcBenchXl = {"gcbench-xl", "STRETCH_DEPTH", {"22"}, {"15"}, RunXl};

}  // namespace bench
