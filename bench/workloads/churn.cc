// churn LIVE OPS THREADS: each thread has a table of LIVE entries, an entry being an object with a
// key, a pointer-free blob of 64 to 575 bytes and a link, and replaces entries at random OPS times.
// Printed: how long a batch of 100 replacements takes, as the threads see it.
// A new entry links to a random old one, whose own link is cut: one dead entry more per entry at
// most. Links are never followed, so with malloc they may dangle.
#include <peer.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "bench/workloads/workload.h"

namespace bench {
namespace {

constexpr uint64_t kBatch = 100;

struct Entry {
  uint64_t key;
  peer::Ptr<char> blob;
  peer::Ptr<Entry> link;
  uint64_t size;
};

// First and last byte of the blob tell whose it is.
Entry* NewEntry(Rng& rng) {
  const uint64_t key = rng.Next();
  const uint64_t size = 64 + rng.Below(512);
  char* blob = peer::NewBytes(size);
  blob[0] = static_cast<char>(key);
  blob[size - 1] = static_cast<char>(key >> 8);
  return peer::New<Entry>(key, blob, nullptr, size);
}

bool IsIntact(const Entry& e) {
  return e.blob[0] == static_cast<char>(e.key) &&
         e.blob[e.size - 1] == static_cast<char>(e.key >> 8);
}

struct Outcome {
  uint64_t sum = 0;
  uint64_t damaged = 0;
  Histogram batches;
};

void Replace(peer::Ptr<Entry>* table, uint64_t live, Rng& rng, Outcome& outcome) {
  Entry* fresh = NewEntry(rng);
  Entry* linked = table[rng.Below(live)];
  linked->link = nullptr;
  fresh->link = linked;
  const uint64_t at = rng.Below(live);
  Entry* old = table[at];
  outcome.sum += old->key;
  outcome.damaged += IsIntact(*old) ? 0 : 1;
  table[at] = fresh;
  peer::Free(old->blob);
  peer::Free(old);
}

void RunThread(uint64_t live, uint64_t ops, uint64_t seed, Outcome& outcome) {
  Rng rng(seed);
  auto* table = peer::NewArray<peer::Ptr<Entry>>(live);
  for (uint64_t i = 0; i < live; ++i) table[i] = NewEntry(rng);
  uint64_t last = Now();
  for (uint64_t i = 1; i <= ops; ++i) {
    Replace(table, live, rng, outcome);
    if (i % kBatch != 0) continue;
    const uint64_t now = Now();
    outcome.batches.Add(now - last);
    last = now;
  }
  for (uint64_t i = 0; i < live; ++i) {
    outcome.sum += table[i]->key;
    outcome.damaged += IsIntact(*table[i]) ? 0 : 1;
  }
}

void Run(const Args& args) {
  const uint64_t live = args.Number(0), ops = args.Number(1), threads = args.Number(2);
  std::vector<Outcome> outcomes(threads);
  const uint64_t start = Now();
  RunThreads(threads, [&](uint64_t i) { RunThread(live, ops, i + 1, outcomes[i]); });
  const double seconds = static_cast<double>(Now() - start) / 1e9;
  for (uint64_t i = 1; i < threads; ++i) {
    outcomes[0].sum += outcomes[i].sum;
    outcomes[0].damaged += outcomes[i].damaged;
    outcomes[0].batches.Merge(outcomes[i].batches);
  }
  outcomes[0].batches.Print("batches of 100");
  std::printf("~ replacements per second: %.0f\n", static_cast<double>(ops * threads) / seconds);
  std::printf("%" PRIu64 " replacements, sum %" PRIu64 ", damaged %" PRIu64 "\n", ops * threads,
              outcomes[0].sum, outcomes[0].damaged);
}

}  // namespace

const Workload kChurn = {
    "churn", "LIVE OPS THREADS", {"1000000", "5000000", "1"}, {"2000", "50000", "2"}, Run};

}  // namespace bench
