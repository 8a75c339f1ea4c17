// mark OBJECTS: a random graph of 64-byte objects in shuffled order: a cycle through all of them in
// random order, and one pointer of each to any other. Five forced collections, timed each, so what
// is measured is the tracing loop on memory without locality.
#include <peer.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "bench/workloads/workload.h"

namespace bench {
namespace {

struct Object {
  peer::Ptr<Object> next, other;
  uint64_t value;
  uint64_t rest[5];
};
static_assert(sizeof(Object) == 64);

Object* Build(uint64_t n) {
  Rng rng(1);
  auto* objects = peer::NewArray<peer::Ptr<Object>>(n);
  for (uint64_t i = 0; i < n; ++i) {
    Object* o = peer::New<Object>();
    o->value = i;
    objects[i] = o;
  }
  for (uint64_t i = n - 1; i > 0; --i) {
    const uint64_t j = rng.Below(i + 1);
    Object* o = objects[i];
    objects[i] = objects[j];
    objects[j] = o;
  }
  for (uint64_t i = 0; i < n; ++i) {
    objects[i]->next = objects[i + 1 == n ? 0 : i + 1];
    objects[i]->other = objects[rng.Below(n)];
  }
  Object* first = objects[0];
  peer::Free(objects);
  return first;
}

void Run(const Args& args) {
  const uint64_t n = args.Number(0);
  const uint64_t start = Now();
  Object* first = Build(n);
  std::printf("~ build %.0f ms\n", static_cast<double>(Now() - start) / 1e6);
  for (uint64_t i = 1; i <= 5; ++i) TimeCollection(i);
  uint64_t count = 0, sum = 0;
  const Object* o = first;
  do {
    ++count;
    sum += o->value ^ o->other->value;
    o = o->next;
  } while (o != first);
  std::printf("%" PRIu64 " objects, sum %" PRIu64 "\n", count, sum);
}

}  // namespace

const Workload kMark = {"mark", "OBJECTS", {"10000000"}, {"20000"}, Run};

}  // namespace bench
