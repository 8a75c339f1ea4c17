// A program whose use of memory is known, to be looked at from outside: bench/limits_demo.py runs it
// and draws what it does.
//   limits_demo spike MB SECONDS   twice: holds MB for a while, then little; garbage all the time. After
//                                  the first time nobody asks for the memory, after the second one
//                                  FreeOsMemory does
//   limits_demo leak MB SECONDS    keeps ever more, MB over the whole time, beside garbage; when an
//                                  allocation fails it drops everything and goes on
//   limits_demo --smoke
// The limits come from the environment. Every 50 ms it prints "~ TIME KEPT OBJECTS GOAL SOFT HARD" in
// bytes, and when something happens "! TIME WHAT"; TIME is CLOCK_MONOTONIC in nanoseconds.
#include <tarn/tarn.h>

#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Node {
  tarn::gc_ptr<Node> next;
  uint64_t value = 0;
  uint64_t rest[30] = {};
};
static_assert(sizeof(Node) == 256);

// What is kept: lists of at most a megabyte each, so that marking them need not follow one long chain.
struct Batch {
  tarn::gc_ptr<Batch> next;
  tarn::gc_ptr<Node> nodes;
};
constexpr uint64_t kBatchNodes = (1 << 20) / sizeof(Node);

constexpr uint64_t kStepMillis = 10;
constexpr uint64_t kGarbagePerStep = (2 << 20) / sizeof(Node);  // 200 MB a second
constexpr uint64_t kBaseMb = 10;

std::atomic<uint64_t> kept_bytes{0};  // relaxed everywhere: printed only

uint64_t Nanos() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
          .count());
}

void Event(const char* what) {
  std::printf("! %" PRIu64 " %s\n", Nanos(), what);
  std::fflush(stdout);
}

void PrintMemory() {
  const tarn::MemStats s = tarn::ReadMemStats();
  std::printf("~ %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
              Nanos(), kept_bytes.load(std::memory_order_relaxed), s.heap_alloc, s.next_gc,
              s.memory_limit, s.hard_limit);
  std::fflush(stdout);
}

// What the program keeps. Throws std::bad_alloc between two nodes.
class Kept {
 public:
  void Grow(uint64_t nodes) {
    for (; nodes > 0; --nodes) {
      if (in_first_ == kBatchNodes) {
        Batch* batch = tarn::make_gc<Batch>();
        batch->next = batches_.get();
        batches_ = batch;
        in_first_ = 0;
      }
      Node* node = tarn::make_gc<Node>();
      node->next = batches_->nodes;
      batches_->nodes = node;
      ++in_first_;
      kept_bytes.fetch_add(sizeof(Node), std::memory_order_relaxed);
    }
  }
  void Drop() {
    batches_ = nullptr;
    in_first_ = kBatchNodes;
    kept_bytes.store(0, std::memory_order_relaxed);
  }

 private:
  tarn::gc_root<Batch> batches_;
  uint64_t in_first_ = kBatchNodes;
};

uint64_t Nodes(uint64_t mb) { return (mb << 20) / sizeof(Node); }

void MakeGarbage() {
  for (uint64_t i = 0; i < kGarbagePerStep; ++i) tarn::make_gc<Node>()->value = i;
}

// Steps of 10 ms; one that took longer is not made up for.
template <class F>
void RunSteps(uint64_t steps, F&& f) {
  for (uint64_t i = 0; i < steps; ++i) {
    const Clock::time_point next = Clock::now() + milliseconds(kStepMillis);
    f();
    std::this_thread::sleep_until(next);
  }
}

// Of 20 parts of the time: 1 before, 2 to grow and hold, 7 after; the same again.
void Spike(uint64_t mb, uint64_t seconds) {
  Kept base;
  base.Grow(Nodes(kBaseMb));
  const uint64_t part = seconds * 1000 / kStepMillis / 20;
  for (int round = 0; round < 2; ++round) {
    RunSteps(part, MakeGarbage);
    {
      Kept spike;
      RunSteps(part, [&] {
        spike.Grow(Nodes(mb) / part);
        MakeGarbage();
      });
      RunSteps(part, MakeGarbage);
    }
    kept_bytes.store(kBaseMb << 20, std::memory_order_relaxed);
    Event("spike dropped");
    if (round == 1) {
      tarn::FreeOsMemory();
      Event("dropped, FreeOsMemory");
    }
    RunSteps(part * 7, MakeGarbage);
  }
}

void Leak(uint64_t mb, uint64_t seconds) {
  tarn::SetLimiterCallback([](void*) { Event("limiter engages"); }, nullptr);
  Kept base;
  base.Grow(Nodes(kBaseMb));
  Kept leak;
  Clock::time_point start = Clock::now();
  const Clock::time_point end = start + std::chrono::seconds(seconds);
  uint64_t leaked = 0;
  while (Clock::now() < end) {
    RunSteps(1, [&] {
      try {
        // As much as the time says, also when the collector is what takes the time.
        const std::chrono::duration<double> passed = Clock::now() - start;
        const double share = passed.count() / static_cast<double>(seconds);
        const auto wanted = static_cast<uint64_t>(static_cast<double>(Nodes(mb)) * share);
        for (; leaked < wanted; ++leaked) leak.Grow(1);
        MakeGarbage();
      } catch (const std::bad_alloc&) {
        leak.Drop();
        leaked = 0;
        start = Clock::now();
        kept_bytes.store(kBaseMb << 20, std::memory_order_relaxed);
        Event("bad_alloc, all dropped");
      }
    });
  }
  tarn::SetLimiterCallback(nullptr, nullptr);
}

int Usage() {
  std::fprintf(stderr,
               "limits_demo spike|leak MB SECONDS, or --smoke; see the top of the source\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  const char* smoke[] = {"", "spike", "20", "1"};
  const bool is_smoke = argc == 2 && std::strcmp(argv[1], "--smoke") == 0;
  if (argc != 4 && !is_smoke) return Usage();
  const char* what = is_smoke ? smoke[1] : argv[1];
  const uint64_t mb = std::strtoull(is_smoke ? smoke[2] : argv[2], nullptr, 10);
  const uint64_t seconds = std::strtoull(is_smoke ? smoke[3] : argv[3], nullptr, 10);
  const bool is_leak = std::strcmp(what, "leak") == 0;
  if ((!is_leak && std::strcmp(what, "spike") != 0) || mb == 0 || seconds == 0) return Usage();

  std::atomic<bool> stop{false};
  std::thread printer([&] {
    while (!stop.load(std::memory_order_relaxed)) {  // relaxed: late by one line
      PrintMemory();
      std::this_thread::sleep_for(milliseconds(50));
    }
  });
  (is_leak ? Leak : Spike)(mb, seconds);
  stop.store(true, std::memory_order_relaxed);
  printer.join();
  PrintMemory();
  return 0;
}
