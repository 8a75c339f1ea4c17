// long-list LENGTH ROUNDS: one singly linked list, in which marking has nothing to do in parallel,
// and which a recursive marker would overflow its stack on. In each round a forced collection is
// timed, and every tenth node is replaced.
#include <peer.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "bench/workloads/workload.h"

namespace bench {
namespace {

struct Node {
  peer::Ptr<Node> next;
  uint64_t value;
  uint64_t rest[2];
};

void ReplaceEveryTenth(Node* head) {
  uint64_t i = 0;
  for (Node* n = head; n->next != nullptr; n = n->next) {
    if (++i % 10 != 0) continue;
    Node* old = n->next;
    Node* fresh = peer::New<Node>();
    fresh->value = old->value + 1;
    fresh->next = old->next;
    n->next = fresh;
    peer::Free(old);
  }
}

void Run(const Args& args) {
  const uint64_t length = args.Number(0), rounds = args.Number(1);
  Node* head = peer::New<Node>();
  for (uint64_t i = 1; i < length; ++i) {
    Node* n = peer::New<Node>();
    n->value = i;
    n->next = head;
    head = n;
  }
  for (uint64_t round = 1; round <= rounds; ++round) {
    TimeCollection(round);
    ReplaceEveryTenth(head);
  }
  uint64_t sum = 0;
  for (const Node* n = head; n != nullptr; n = n->next) sum += n->value;
  std::printf("%" PRIu64 " nodes, sum %" PRIu64 "\n", length, sum);
}

}  // namespace

const Workload kLongList = {"long-list", "LENGTH ROUNDS", {"10000000", "5"}, {"20000", "3"}, Run};

}  // namespace bench
