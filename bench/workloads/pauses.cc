// pauses LIVE_MB SECONDS THREADS: LIVE_MB of 64-byte objects in short lists stay alive; meanwhile
// THREADS threads allocate short-lived objects, store pointers into a ring of their own and into
// the old lists, and read the clock after every few operations. A gap is the time between two
// readings when it is above 5 us: the thread was kept from running, by the collector, by assisting
// it, or by the system. A gap in which the system took the CPU away is counted apart, since on a
// busy machine it says nothing of the heap.
#include <peer.h>
#include <sys/resource.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "bench/workloads/workload.h"

namespace bench {
namespace {

constexpr uint64_t kListLength = 64;
constexpr uint64_t kRing = 1024;
constexpr uint64_t kOpsPerReading = 8;
constexpr uint64_t kGap = 5000;  // nanoseconds

struct Object {
  peer::Ptr<Object> next, other;
  uint64_t value;
  uint64_t rest[5];
};
static_assert(sizeof(Object) == 64);

struct Outcome {
  Histogram intervals, gaps, own_gaps;
  uint64_t ops = 0;
};

uint64_t Preemptions() {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  return static_cast<uint64_t>(usage.ru_nivcsw);
}

peer::Ptr<Object>* Build(uint64_t lists) {
  auto* heads = peer::NewArray<peer::Ptr<Object>>(lists);
  for (uint64_t i = 0; i < kListLength; ++i) {
    for (uint64_t list = 0; list < lists; ++list) {
      Object* o = peer::New<Object>();
      o->value = i + list;
      o->next = heads[list];
      heads[list] = o;
    }
  }
  return heads;
}

// The thread owns lists [first, last).
class Mutator {
 public:
  Mutator(peer::Ptr<Object>* heads, uint64_t first, uint64_t last)
      : heads_(heads),
        ring_(peer::NewArray<peer::Ptr<Object>>(kRing)),
        rng_(first + 1),
        first_(first),
        lists_(last - first) {}

  void Run(uint64_t until, Outcome& outcome) {
    uint64_t preemptions = Preemptions();
    uint64_t last = Now();
    while (last < until) {
      for (uint64_t i = 0; i < kOpsPerReading; ++i) Operate();
      outcome.ops += kOpsPerReading;
      const uint64_t now = Now();
      outcome.intervals.Add(now - last);
      if (now - last >= kGap) [[unlikely]] {
        const uint64_t preemptions_now = Preemptions();
        outcome.gaps.Add(now - last);
        if (preemptions_now == preemptions) outcome.own_gaps.Add(now - last);
        preemptions = preemptions_now;
        last = Now();  // what the accounting took is no gap
      } else {
        last = now;
      }
    }
  }

 private:
  void Operate() {
    const uint64_t random = rng_.Next();
    Object* fresh = peer::New<Object>();
    fresh->value = random;
    peer::Ptr<Object>& slot = ring_[random % kRing];
    peer::Free(slot);
    slot = fresh;
    Object* old = heads_[first_ + (random >> 10) % lists_];
    old->other = heads_[first_ + (random >> 40) % lists_];
  }

  peer::Ptr<Object>* heads_;
  peer::Ptr<Object>* ring_;
  Rng rng_;
  uint64_t first_, lists_;
};

void Report(const std::vector<Outcome>& outcomes, double seconds) {
  static Outcome all;
  for (const Outcome& o : outcomes) {
    all.intervals.Merge(o.intervals);
    all.gaps.Merge(o.gaps);
    all.own_gaps.Merge(o.own_gaps);
    all.ops += o.ops;
  }
  all.intervals.Print("intervals of 8 operations");
  all.gaps.Print("gaps above 5 us");
  all.own_gaps.Print("gaps above 5 us without preemption");
  std::printf(
      "~ time in gaps: %.2f%%\n",
      static_cast<double>(all.gaps.sum()) / (seconds * 1e7 * static_cast<double>(outcomes.size())));
  std::printf("~ operations per second: %.0f\n", static_cast<double>(all.ops) / seconds);
}

void Run(const Args& args) {
  const uint64_t lists = (args.Number(0) << 20) / (sizeof(Object) * kListLength);
  const uint64_t threads = args.Number(2);
  peer::Ptr<Object>* heads = Build(lists);
  peer::Collect();
  const uint64_t collections = peer::Collections();
  std::vector<Outcome> outcomes(threads);
  const uint64_t start = Now();
  const uint64_t until = start + args.Number(1) * 1'000'000'000;
  RunThreads(threads, [&](uint64_t i) {
    Mutator(heads, lists * i / threads, lists * (i + 1) / threads).Run(until, outcomes[i]);
  });
  Report(outcomes, static_cast<double>(Now() - start) / 1e9);
  Histogram pauses;
  const uint64_t during = peer::Collections() - collections;
  std::vector<uint64_t> all = peer::Pauses();
  for (size_t i = 0; i < all.size() && i < during; ++i) pauses.Add(all[all.size() - 1 - i]);
  std::printf("~ collections meanwhile: %" PRIu64 "\n", during);
  pauses.Print("pauses that the collector counted");
  peer::PrintHandshakes();
  uint64_t sum = 0;
  for (uint64_t list = 0; list < lists; ++list) {
    for (const Object* o = heads[list]; o != nullptr; o = o->next) sum += o->value;
  }
  std::printf("%" PRIu64 " lists, sum %" PRIu64 "\n", lists, sum);
}

}  // namespace

const Workload kPauses = {
    "pauses", "LIVE_MB SECONDS THREADS", {"1024", "20", "2"}, {"16", "1", "2"}, Run};

}  // namespace bench
