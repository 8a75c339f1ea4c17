// finalizers N: N objects of 32 bytes that are told when they die, dropped at once: with a finalizer, and,
// where the peer has such a thing, with a cleanup, which does not see the object. In batches, so that the
// collector has what it dropped to look at beside what is new. The time includes collections and calls.
#include <peer.h>

#include <atomic>
#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "bench/workloads/workload.h"

namespace bench {
namespace {

struct Object {
  uint64_t values[4];
};

std::atomic<uint64_t> called{0};

inline void OnDeath(Object*) { called.fetch_add(1, std::memory_order_relaxed); }
inline void OnGone(uint64_t) { called.fetch_add(1, std::memory_order_relaxed); }

// Objects that a stale word holds, and those of the last batch, may live on.
void WaitForCalls(uint64_t n) {
  for (int i = 0; i < 100 && called.load(std::memory_order_relaxed) < n - n / 1000; ++i) {
    peer::Collect();
    peer::RunFinalizers();
  }
}

void Report(const char* what, uint64_t n, uint64_t start, uint64_t registered) {
  const auto per = [n](uint64_t ns) { return static_cast<double>(ns) / static_cast<double>(n); };
  std::printf("~ %s: %.1f ns, of which registration %.1f ns\n", what, per(Now() - start),
              per(registered));
  const bool all = called.load(std::memory_order_relaxed) >= n - n / 1000;
  std::printf("%" PRIu64 " objects, %s called\n", n, all ? "all" : "NOT ALL");
}

template <class F>
void RunOne(const char* what, uint64_t n, F&& make) {
  called = 0;
  const uint64_t start = Now();
  for (uint64_t i = 0; i < n; ++i) make(i);
  const uint64_t registered = Now() - start;
  WaitForCalls(n);
  Report(what, n, start, registered);
}

void Run(const Args& args) {
  const uint64_t n = args.Number(0);
  RunOne("finalizer", n, [](uint64_t i) {
    auto* p = peer::New<Object>();
    p->values[0] = i;
    peer::SetFinalizer<Object, &OnDeath>(p);
  });
  RunOne("cleanup", n, [](uint64_t i) {
    auto* p = peer::New<Object>();
    p->values[0] = i;
    peer::AddCleanup<Object, &OnDeath, &OnGone>(p, i);
  });
}

}  // namespace

const Workload kFinalizers = {"finalizers", "N", {"10000000"}, {"100000"}, Run};

}  // namespace bench
