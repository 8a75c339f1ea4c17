// barrier_stress: threads do, as often as they can, what concurrent marking can only survive with
// every piece of its barrier protocol, while collections follow one another without a pause.
//   barrier_stress --seed N --seconds S --threads T
// To be run with GODEBUG=gcstoptheworld=0,clobberfree=1, and with gccheckmark=1 besides; also with
// gcstoptheworld=1, where threads stop one after the other without barriers. A failure prints the
// seed. Which mutants of the protocol it notices, and how fast: mutants.sh, README.md.
// I1 No memory is scanned conservatively but stacks: with other such memory all stacks are scanned
//    again at the end of marking, which hides what the barriers miss.
// I2 What a thread drops is gone from its registers and from the stack below it, as far as can be
//    done in C++, and from its hazards (Forget).
// A quarter of the threads is cooperative: they answer late, so that handshakes reach threads at
// very different times.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "tests/stress/barrier_objects.h"
#include "tests/stress/stress_rng.h"

namespace barrier_stress {
namespace {

struct Settings {
  uint64_t seed = std::random_device()();
  double seconds = 10;
  int threads = 8;
};

struct Shared {
  explicit Shared(const Settings& s)
      : settings(s), offers(static_cast<size_t>(std::max(s.threads, 1))) {}

  const Settings settings;
  World world;
  std::vector<Slow::Offer> offers;
  std::atomic<bool> stop{false};
  // relaxed: statistics.
  std::atomic<uint64_t> steps{0};
  std::atomic<uint64_t> threads{0};
};

class Worker {
 public:
  Worker(Shared& shared, size_t place, bool cooperative, uint64_t seed)
      : shared_(shared), place_(place), cooperative_(cooperative), rng_(seed) {}

  // Runs for a random number of steps with what it holds on the native stack.
  [[gnu::noinline]] void Run() {
    Held held[kHeld] = {};
    Slow* slow[kSlow] = {};
    Node* decoy = NewNode();
    held_ = held;
    slow_ = slow;
    decoy_ = decoy;
    uint64_t left = 2000 + rng_.Below(50000);
    for (; left > 0 && !shared_.stop.load(std::memory_order_relaxed); --left) {
      Step();
      Pace();
      ++steps_;
    }
    for (Held& h : held) CheckHeld(h);
    for (const Slow* p : slow) CheckSlow(p);
    shared_.steps.fetch_add(steps_, std::memory_order_relaxed);
  }

 private:
  // So many that most are held for more than a cycle.
  static constexpr size_t kHeld = 512, kSlow = 32;
  struct Held {
    Node* node;
    uint64_t seq;
    bool is_published;  // from a slot: others may hold it, nobody changes it
  };

  void Step() {
    using W = Worker;
    static constexpr void (Worker::*kSteps[])() = {
        &W::Hide,    &W::Hide,    &W::Hide,     &W::GiveBack,      &W::Unhook,
        &W::Swap,    &W::Swap,    &W::Extend,   &W::Extend,        &W::Extend,
        &W::UseSlot, &W::UseSlot, &W::StoreNew, &W::StoreNew,      &W::LookAt,
        &W::Take,    &W::Offer,   &W::Exchange, &W::CompareAndSwap};
    (this->*kSteps[rng_.Below(std::size(kSteps))])();
  }

  // When the thread lets others run, and when a cooperative one answers.
  void Pace() {
    if (cooperative_ && rng_.OneIn(64)) tarn::Safepoint();
    if (rng_.OneIn(256)) sched_yield();
    if (rng_.OneIn(1024)) usleep(static_cast<useconds_t>(rng_.Below(1000)));
    if (rng_.OneIn(1024)) tarn::Blocked([] { usleep(200); });
  }

  static void CheckHeld(const Held& h) {
    if (h.node == nullptr) return;
    if (h.is_published) return Check(h.node, h.seq);
    CheckChain(h.node, h.seq);
  }
  Held& AnyHeld() { return held_[rng_.Below(kHeld)]; }
  void Hold(Node* p, uint64_t seq, bool is_published) {
    Held& h = AnyHeld();
    CheckHeld(h);
    h = {p, seq, is_published};
  }

  // The store takes the place of the last one in the thread's hazards; dead frames are overwritten.
  [[gnu::noinline]] void Forget() {
    decoy_->edges[1] = nullptr;
    volatile uintptr_t below[96];
    for (volatile uintptr_t& word : below) word = 0;
  }

  // Locks some cell that nobody is at; null if there is none.
  Cell* Lock() {
    for (int i = 0; i < 8; ++i) {
      Cell* cell = shared_.world.cells[rng_.Below(World::kCells)].get();
      if (cell->TryLock()) return cell;
    }
    return nullptr;
  }
  Slot* AnySlot() { return shared_.world.slots[rng_.Below(World::kSlots)].get(); }
  static void Put(Cell* cell, Node* p) {
    cell->target = p == nullptr ? 0 : p->seq.load(std::memory_order_relaxed);
    cell->to = p;
  }

  // A node that only this thread's stack refers to: one it holds, or a new one.
  Node* Private() {
    Held& h = AnyHeld();
    if (h.node == nullptr || h.is_published || rng_.OneIn(4)) {
      return NewChain(1 + (rng_.OneIn(4) ? rng_.Below(20) : 0));
    }
    Check(h.node, h.seq);
    return std::exchange(h, Held{}).node;
  }

  // Load, overwrite; the chain is then on this stack alone, for a while.
  [[gnu::noinline]] void Hide() {
    Cell* cell = Lock();
    if (cell == nullptr) return;
    Node* p = cell->to;
    const uint64_t seq = cell->target;
    if (rng_.OneIn(2)) {
      Put(cell, nullptr);
    } else {
      Put(cell, NewNode());
    }
    cell->Unlock();
    if (p != nullptr) Hold(p, seq, false);
  }

  // The rest of a private chain, then on this stack alone. A marker that comes to the chain's first
  // node late, because that is in a barrier's buffer, does not find the rest any more.
  [[gnu::noinline]] void Unhook() {
    const Held& h = AnyHeld();
    if (h.node == nullptr || h.is_published) return;
    Check(h.node, h.seq);
    Node* rest = h.node->edges[0];
    const uint64_t seq = h.node->targets[0];
    if (rest == nullptr) return;
    SetEdge(h.node, 0, nullptr);
    Hold(rest, seq, false);
  }

  // What is on this stack alone into a cell.
  [[gnu::noinline]] void GiveBack() {
    Cell* cell = Lock();
    if (cell == nullptr) return;
    if (cell->to) Check(cell->to, cell->target);
    Put(cell, Private());
    cell->Unlock();
    Forget();
  }

  [[gnu::noinline]] void Swap() {
    Cell* a = Lock();
    if (a == nullptr) return;
    if (Cell* b = Lock()) {
      std::swap(a->target, b->target);
      swap(a->to, b->to);
      if (b->to) Check(b->to, b->target);
      b->Unlock();
    }
    if (a->to) Check(a->to, a->target);
    a->Unlock();
  }

  // New nodes into an old one at once, and newer ones behind them.
  [[gnu::noinline]] void StoreNew() {
    Cell* cell = Lock();
    if (cell == nullptr) return;
    Put(cell, NewNode());
    Node* p = cell->to;
    for (uint64_t n = rng_.OneIn(16) ? 100 : rng_.Below(6); n > 0; --n) {
      SetEdge(p, 0, NewNode());
      p = p->edges[0];
    }
    cell->Unlock();
    Forget();
  }

  // A private chain behind what a cell holds, which another thread may have made just now.
  [[gnu::noinline]] void Extend() {
    Cell* cell = Lock();
    if (cell == nullptr) return;
    if (Node* p = cell->to) {
      Check(p, cell->target);
      SetEdge(p, 1, Private());
    }
    cell->Unlock();
    Forget();
  }

  void UseSlot() { bursts_ ? Burst() : Race(); }

  // A node into a slot and nowhere else; a cycle or so later back from there. The other thread of the
  // slot may have had a store to it in flight all the time.
  [[gnu::noinline]] void Race() {
    const auto now = std::chrono::steady_clock::now();
    if (now < race_due_) return;
    if (is_stored_) {
      TakeFromSlot();
      race_due_ = now + std::chrono::microseconds(rng_.Below(1000));
    } else {
      StoreToSlot();
      race_due_ = now + std::chrono::microseconds(rng_.Below(8000));
    }
    is_stored_ = !is_stored_;
    Forget();
  }
  [[gnu::noinline]] void StoreToSlot() { OwnSlot()->to = Publish(NewNode()); }
  [[gnu::noinline]] void TakeFromSlot() {
    if (Node* p = OwnSlot()->to) Hold(p, SeqOf(p), true);
  }
  // Two threads share one most of the time.
  Slot* OwnSlot() {
    const size_t i = rng_.OneIn(64) ? rng_.Below(World::kSlots) : place_ / 2;
    return shared_.world.slots[i % World::kSlots].get();
  }

  // One store after the other, so that a handshake often finds the thread within one.
  [[gnu::noinline]] void Burst() {
    Node* nodes[4];
    for (Node*& p : nodes) p = Publish(NewNode());
    Slot* slot = OwnSlot();
    for (uint64_t n = rng_.Below(400); n > 0; --n) slot->to = nodes[n % 4];
    if (rng_.OneIn(4)) slot->to = nullptr;
  }

  // What comes out is on the stacks alone of those that have seen it.
  [[gnu::noinline]] void Exchange() {
    Node* old = AnySlot()->shared.exchange(Publish(NewNode()));
    Hold(old, SeqOf(old), true);
    Forget();
  }
  [[gnu::noinline]] void CompareAndSwap() {
    Slot* slot = AnySlot();
    Node* const expected = slot->shared.load();
    Node* found = expected;
    if (slot->shared.compare_exchange_strong(found, Publish(NewNode()))) {
      Hold(expected, SeqOf(expected), true);
    } else {
      Check(found,
            SeqOf(found));  // and `expected`, which another thread took out, is whole all the same
      Check(expected, SeqOf(expected));
    }
    Forget();
  }

  // Stores into an object under construction.
  [[gnu::noinline]] void Take() {
    Slow::Offer& offer = shared_.offers[rng_.Below(shared_.offers.size())];
    // acquire: the object is cleared.
    uintptr_t state = offer.state.load(std::memory_order_acquire);
    if (state <= Slow::Offer::kDone || !offer.state.compare_exchange_strong(
                                           state, Slow::Offer::kTaken, std::memory_order_acquire)) {
      return;
    }
    Fill(*reinterpret_cast<Slow*>(~state));
    // release: pairs with the acquire of the constructor.
    offer.state.store(Slow::Offer::kDone, std::memory_order_release);
    Forget();
  }
  // Ends with a store that took long, if there is one: it may have been in flight during handshakes.
  [[gnu::noinline]] void Fill(Slow& slow) {
    auto last = std::chrono::steady_clock::now();
    for (uint64_t n = 1 + rng_.Below(200); n > 0; --n) {
      Node* p = Private();
      slow.target = p->seq.load(std::memory_order_relaxed);
      slow.child = p;
      const auto now = std::chrono::steady_clock::now();
      if (now - last > std::chrono::microseconds(200)) return;
      last = now;
    }
  }

  [[gnu::noinline]] void Offer() {
    Slow*& slow = slow_[rng_.Below(kSlow)];
    CheckSlow(slow);
    if (rng_.OneIn(8)) slow = tarn::make_gc<Slow>(shared_.offers[place_], rng_.Below(4000));
  }
  static void CheckSlow(const Slow* slow) {
    if (slow != nullptr && slow->child) CheckChain(slow->child, slow->target);
  }

  void LookAt() {
    CheckHeld(AnyHeld());
    Cell* cell = Lock();
    if (cell == nullptr) return;
    if (cell->to) CheckChain(cell->to, cell->target);
    cell->Unlock();
  }

  Shared& shared_;
  const size_t place_;
  const bool cooperative_;
  stress::Rng rng_;
  Held* held_ = nullptr;
  Slow** slow_ = nullptr;
  Node* decoy_ = nullptr;
  uint64_t steps_ = 0;
  // How this thread uses its slot.
  const bool bursts_ = place_ % 2 == 0;
  bool is_stored_ = false;
  std::chrono::steady_clock::time_point race_due_;
};

// One place of the team: a thread after the other.
void RunPlace(Shared& shared, size_t place) {
  stress::Rng seeds(shared.settings.seed * 1000 + place);
  while (!shared.stop.load(std::memory_order_relaxed)) {
    std::thread([&, seed = seeds.Next()] {
      tarn::ThreadOptions options;
      options.cooperative = place % 4 == 3;
      tarn::ThreadScope scope(options);
      Worker(shared, place, options.cooperative, seed).Run();
    }).join();
    shared.threads.fetch_add(1, std::memory_order_relaxed);
  }
}

int Run(const Settings& settings) {
  Shared shared(settings);
  MakeWorld(shared.world);
  std::vector<std::thread> places;
  for (size_t p = 0; p < shared.offers.size(); ++p) {
    places.emplace_back([&, p] { RunPlace(shared, p); });
  }
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::nanoseconds>(
                                             std::chrono::duration<double>(settings.seconds));
  // On a busy machine a few collections take longer than asked for.
  while (std::chrono::steady_clock::now() < end || tarn::ReadMemStats().num_gc < 3) tarn::Collect();
  shared.stop = true;
  tarn::Blocked([&] {
    for (std::thread& t : places) t.join();
  });
  CheckWorld(shared.world);
  tarn::Collect();
  CheckWorld(shared.world);
  tarn::VerifyHeapForDebugging();
  const tarn::MemStats stats = tarn::ReadMemStats();
  std::printf("%" PRIu64 " threads, %" PRIu64 " steps, %" PRIu64 " objects, %" PRIu64
              " collections\n",
              shared.threads.load(), shared.steps.load(), stats.mallocs, stats.num_gc);
  if (stats.num_gc < 3 || shared.steps.load() == 0) {
    std::fprintf(stderr, "barrier_stress: nothing was stressed\n");
    return 1;
  }
  return 0;
}

Settings Parse(int argc, char** argv) {
  Settings s;
  for (int i = 1; i + 1 < argc; i += 2) {
    const auto is = [&](const char* name) { return std::strcmp(argv[i], name) == 0; };
    const char* value = argv[i + 1];
    if (is("--seed")) {
      s.seed = std::strtoull(value, nullptr, 0);
    } else if (is("--seconds")) {
      s.seconds = std::atof(value);
    } else if (is("--threads")) {
      s.threads = std::atoi(value);
    } else {
      std::fprintf(stderr, "barrier_stress: unknown option %s\n", argv[i]);
      std::exit(2);
    }
  }
  return s;
}

}  // namespace
}  // namespace barrier_stress

int main(int argc, char** argv) {
  const barrier_stress::Settings settings = barrier_stress::Parse(argc, argv);
  std::printf("barrier_stress --seed %" PRIu64 " --seconds %g --threads %d\n", settings.seed,
              settings.seconds, settings.threads);
  std::fflush(stdout);
  barrier_stress::SetSeed(settings.seed);
  return barrier_stress::Run(settings);
}
