// alloc N: N objects of 16, 32, 64 and 256 bytes, each with one pointer, dropped at once. With a
// collector the time includes its collections.
#include <peer.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "bench/workloads/workload.h"

namespace bench {
namespace {

template <size_t kBytes>
struct Object {
  peer::Ptr<Object> next;
  uint64_t values[kBytes / 8 - 1];
};

// The object escapes: what the compiler cannot see may have read it.
inline void Escape(const void* p) { asm volatile("" : : "r"(p) : "memory"); }

template <size_t kBytes>
void Allocate(uint64_t n) {
  static_assert(sizeof(Object<kBytes>) == kBytes);
  uint64_t sum = 0;
  const uint64_t start = Now();
  for (uint64_t i = 0; i < n; ++i) {
    auto* p = peer::New<Object<kBytes>>();
    p->values[0] = i;
    Escape(p);
    sum += p->values[0];
    peer::Free(p);
  }
  std::printf("~ %zu bytes: %.2f ns\n", kBytes,
              static_cast<double>(Now() - start) / static_cast<double>(n));
  std::printf("%" PRIu64 " objects of %zu bytes, sum %" PRIu64 "\n", n, kBytes, sum);
}

void Run(const Args& args) {
  const uint64_t n = args.Number(0);
  Allocate<16>(n);
  Allocate<32>(n);
  Allocate<64>(n);
  Allocate<256>(n);
}

}  // namespace

const Workload kAlloc = {"alloc", "N", {"100000000"}, {"100000"}, Run};

}  // namespace bench
