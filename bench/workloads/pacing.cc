// pacing SHAPE MB: 200 steps, each of which replaces live objects, allocates MB/8 of garbage, and
// moves the live set to its next size:
//   steady     MB all the time           growing    from MB/8 to 2 MB
//   bursty     MB; garbage in every other ten steps, tenfold, computing in the others
//   shrinking  from 2 MB to MB/8
// What the collector makes of it is in its trace: bench/pacing.py reads it.
#include <peer.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "bench/workloads/workload.h"

namespace bench {
namespace {

constexpr uint64_t kSteps = 200;

struct Object {
  peer::Ptr<Object> other;
  uint64_t value;
  uint64_t rest[6];
};
static_assert(sizeof(Object) == 64);

// In objects.
uint64_t LiveAt(const std::string& shape, uint64_t mb, uint64_t step) {
  const uint64_t unit = (mb << 20) / sizeof(Object);
  const uint64_t grown = unit / 8 + (2 * unit - unit / 8) * step / (kSteps - 1);
  if (shape == "growing") return grown;
  if (shape == "shrinking") return 2 * unit + unit / 8 - grown;
  if (shape == "steady" || shape == "bursty") return unit;
  std::fprintf(stderr, "%s is none of steady, growing, shrinking, bursty\n", shape.c_str());
  std::exit(2);
}

class Table {
 public:
  explicit Table(uint64_t capacity) : slots_(peer::NewArray<peer::Ptr<Object>>(capacity)) {}

  void Resize(uint64_t size) {
    for (; size_ < size; ++size_) slots_[size_] = Make();
    for (; size_ > size; --size_) {
      peer::Free(slots_[size_ - 1]);
      slots_[size_ - 1] = nullptr;
    }
  }
  void Replace(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      peer::Ptr<Object>& slot = slots_[rng_.Below(size_)];
      peer::Free(slot);
      slot = Make();
    }
  }
  void MakeGarbage(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) peer::Free(Make());
  }
  uint64_t Sum() const {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < size_; ++i) sum += slots_[i]->value;
    return sum;
  }

 private:
  Object* Make() {
    Object* o = peer::New<Object>();
    o->value = ++made_;
    return o;
  }

  peer::Ptr<Object>* slots_;
  uint64_t size_ = 0;
  uint64_t made_ = 0;
  Rng rng_{1};
};

uint64_t Compute(uint64_t count) {
  Rng rng(1);
  uint64_t x = 0;
  for (uint64_t i = 0; i < count; ++i) x ^= rng.Next();
  return x;
}

void Run(const Args& args) {
  const std::string& shape = args.Text(0);
  const uint64_t mb = args.Number(1);
  const uint64_t garbage = (mb << 20) / sizeof(Object) / 8;
  const bool bursty = shape == "bursty";
  uint64_t computed = 0;
  Table table(1 + std::max(LiveAt(shape, mb, 0), LiveAt(shape, mb, kSteps - 1)));
  for (uint64_t step = 0; step < kSteps; ++step) {
    const uint64_t live = LiveAt(shape, mb, step);
    table.Resize(live);
    if (bursty && step / 10 % 2 == 1) {
      computed += Compute(80'000 * mb);
      continue;
    }
    table.Replace(live / 50);
    table.MakeGarbage(bursty ? 10 * garbage : garbage);
  }
  std::printf("sum %" PRIu64 ", computed %" PRIu64 "\n", table.Sum(), computed);
}

}  // namespace

const Workload kPacing = {"pacing", "SHAPE MB", {"steady", "64"}, {"bursty", "2"}, Run};

}  // namespace bench
