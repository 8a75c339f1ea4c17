// wide-array SIZE ROUNDS: one array of SIZE pointers to small objects. In each round an eighth of
// them is replaced at random, and a forced collection is timed: one object that several markers
// must share, and that nothing should wait for.
#include <peer.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "bench/workloads/workload.h"

namespace bench {
namespace {

struct Leaf {
  uint64_t value, rest;
};

void Run(const Args& args) {
  const uint64_t size = args.Number(0), rounds = args.Number(1);
  Rng rng(1);
  auto* array = peer::NewArray<peer::Ptr<Leaf>>(size);
  for (uint64_t i = 0; i < size; ++i) array[i] = peer::New<Leaf>(i, uint64_t{0});
  for (uint64_t round = 1; round <= rounds; ++round) {
    for (uint64_t i = 0; i < size / 8; ++i) {
      peer::Ptr<Leaf>& slot = array[rng.Below(size)];
      Leaf* old = slot;
      slot = peer::New<Leaf>(old->value + round, uint64_t{0});
      peer::Free(old);
    }
    TimeCollection(round);
  }
  uint64_t sum = 0;
  for (uint64_t i = 0; i < size; ++i) sum += array[i]->value;
  std::printf("%" PRIu64 " pointers, sum %" PRIu64 "\n", size, sum);
}

}  // namespace

const Workload kWideArray = {"wide-array", "SIZE ROUNDS", {"10000000", "10"}, {"20000", "3"}, Run};

}  // namespace bench
