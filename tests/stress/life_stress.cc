// life_stress --seconds S --threads N [--seed X] [--raw 1]: threads make objects with finalizers,
// cleanups, destructors, weak references and entries of weak maps, and drop them, beside
// collections. Every object carries its number and what has happened to it; a wrong order, a second
// call or a lost object ends the program with a message. With --raw 1 the objects have pointers
// that are written without barriers instead (life_raw_objects.h): then every collection scans all
// stacks twice, and looks into such objects again. At the end everything that was registered must
// have been called, but for what stale words on stacks still hold.
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "tarn/tarn.h"
#include "tests/stress/life_raw_objects.h"
#include "tests/stress/stress_rng.h"

namespace {

using stress::Rng;

enum State : uint32_t { kLive = 0x11, kFinalized = 0x22, kDestroyed = 0x33 };

struct Counters {
  std::atomic<uint64_t> made{0}, destroyed{0};
  std::atomic<uint64_t> finalizers{0}, finalized{0};
  std::atomic<uint64_t> cleanups{0}, cleaned{0};
  std::atomic<uint64_t> registered{0}, polled{0};
  std::atomic<uint64_t> strong{0}, gone{0}, entries{0};
};
Counters g;

[[noreturn]] void Fail(const char* what, uint64_t id, uint64_t found) {
  std::fprintf(stderr, "life_stress: %s: object %" PRIu64 ", found %" PRIx64 "\n", what, id, found);
  std::abort();
}

uint64_t SumOf(uint64_t id) { return Rng(id).Next(); }

struct Thing {
  uint64_t id;
  uint64_t sum;
  std::atomic<uint32_t> state{kLive};
  std::atomic<uint32_t> has_finalizer{0};
  tarn::gc_ptr<Thing> child;
  tarn::gc_weak_ptr<Thing> known;

  explicit Thing(uint64_t n) : id(n), sum(SumOf(n)) { ++g.made; }
  Thing(const Thing&) = delete;
  Thing& operator=(const Thing&) = delete;
  // What it refers to is readable, destroyed or not.
  ~Thing() {
    Check("destroyed twice or overwritten");
    if (has_finalizer != 0) Fail("destroyed before its finalizer", id, state);
    if (const Thing* c = child) {
      const uint32_t s = c->state;
      if (s != kLive && s != kFinalized && s != kDestroyed) Fail("child of a dead object", id, s);
    }
    state = kDestroyed;
    ++g.destroyed;
  }
  void Check(const char* what) const {
    const uint32_t s = state;
    if (sum != SumOf(id) || (s != kLive && s != kFinalized)) Fail(what, id, s);
  }
  static constexpr auto tarn_layout = tarn::fields(&Thing::child, &Thing::known);
};

void Finalize(Thing* t) {
  t->Check("finalized");
  if (t->state != kLive || t->has_finalizer == 0) Fail("finalized twice", t->id, t->state);
  for (const Thing* c = t->child; c != nullptr; c = c->child) c->Check("reached from a finalizer");
  if (t->known.get() == t) Fail("weakly reachable in its finalizer", t->id, 0);
  if (const Thing* c = t->child; c != nullptr && c->state != kLive) {
    Fail("finalized after what it refers to", t->id, c->state);
  }
  t->has_finalizer = 0;
  t->state = kFinalized;
  ++g.finalized;
}

class Worker {
 public:
  Worker(uint64_t seed, tarn::gc_weak_map<Thing, Thing>& shared, tarn::gc_queue<Thing>& queue)
      : rng_(seed), shared_(shared), queue_(queue), strong_(kSlots), weak_(kSlots) {}

  void Step() {
    const size_t i = rng_.Next() % kSlots;
    switch (rng_.Next() % 8) {
      case 0:
      case 1:
        strong_[i] = Make();
        break;
      case 2:
        strong_[i] = nullptr;
        break;
      case 3:
        if (Thing* t = strong_[i]) weak_[i] = t;
        break;
      case 4:
        if (Thing* t = weak_[i].get()) {
          t->Check("made strong");
          ++g.strong;
          strong_[rng_.Next() % kSlots] = t;
        } else {
          ++g.gone;
        }
        break;
      case 5:
        if (Thing* t = strong_[i]) {
          Thing* value = Make();
          value->child = t;  // leads to its key
          (rng_.Next() % 2 ? shared_ : mine_).set(t, value);
        }
        break;
      case 6:
        if (Thing* t = strong_[i]) Look(t);
        break;
      default:
        if (rng_.Next() % 64 == 0) mortal_ = tarn::gc_queue<Thing>();
        while (Thing* t = mortal_.Poll()) t->Check("polled from a queue that goes");
        while (Thing* t = rng_.Next() % 4 == 0 ? queue_.Poll() : nullptr) {
          t->Check("polled");
          ++g.polled;
        }
    }
  }

 private:
  static constexpr size_t kSlots = 128;

  void Look(Thing* t) {
    for (auto* map : {&mine_, &shared_}) {
      if (Thing* value = map->get(t)) {
        value->Check("value of a weak map");
        if (value->child != t) Fail("value of another key", t->id, value->id);
        ++g.entries;
        if (rng_.Next() % 4 == 0) map->erase(t);
      }
    }
  }

  Thing* Make() {
    static std::atomic<uint64_t> next{1};
    Thing* t = tarn::make_gc<Thing>(next++);
    const uint64_t what = rng_.Next();
    // A child that is its own: states are looked at from the parent's finalizer.
    if (what & 1) t->child = tarn::make_gc<Thing>(next++);
    if (what & 2) t->known = t;
    if ((what & 12) == 4) {
      t->has_finalizer = 1;
      if (!tarn::SetFinalizer(t, &Finalize).ok()) Fail("no finalizer", t->id, 0);
      ++g.finalizers;
    } else if ((what & 12) == 8) {
      if (!queue_.Register(t).ok()) Fail("not registered", t->id, 0);
      ++g.registered;
    } else if ((what & 12) == 12) {
      if (!mortal_.Register(t).ok()) Fail("not registered", t->id, 0);
    }
    for (int i = 0; i < static_cast<int>(what >> 8 & 3); ++i) {
      Thing* arg = what & 16 ? tarn::make_gc<Thing>(next++) : nullptr;
      auto c = tarn::AddCleanup(
          t,
          [](Thing* a) {
            if (a != nullptr) a->Check("argument of a cleanup");
            ++g.cleaned;
          },
          arg);
      if (!c.ok()) Fail("no cleanup", t->id, 0);
      ++g.cleanups;
      if (rng_.Next() % 8 == 0 && c->Stop()) --g.cleanups;
    }
    return t;
  }

  Rng rng_;
  tarn::gc_weak_map<Thing, Thing>& shared_;
  tarn::gc_queue<Thing>& queue_;
  tarn::gc_weak_map<Thing, Thing> mine_;
  tarn::gc_queue<Thing> mortal_;  // another one now and then
  std::vector<tarn::gc_root<Thing>> strong_;
  std::vector<tarn::gc_weak_root<Thing>> weak_;
};

// make(seed) is a worker.
template <class MakeWorker>
void RunWorkers(int seconds, int threads, uint64_t seed, MakeWorker&& make) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      auto worker = make(seed + static_cast<uint64_t>(t));
      while (!stop) worker.Step();
    });
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (std::chrono::steady_clock::now() < end) tarn::Collect();
  stop = true;
  for (std::thread& t : workers) tarn::Blocked([&] { t.join(); });
}

void RunFor(int seconds, int threads, uint64_t seed) {
  tarn::gc_weak_map<Thing, Thing> shared;
  tarn::gc_queue<Thing> queue;
  RunWorkers(seconds, threads, seed, [&](uint64_t s) { return Worker(s, shared, queue); });
}

void RunRawFor(int seconds, int threads, uint64_t seed) {
  RunWorkers(seconds, threads, seed, [](uint64_t s) { return stress::RawWorker(s); });
}

// Objects that wait are found dead one after the other: chains of entries, cleanups behind
// finalizers.
void LetAllDie() {
  for (int i = 0; i < 12; ++i) {
    std::thread([] {
      tarn::Collect();
      tarn::RunFinalizers();
    }).join();
  }
  while (tarn::ReadyFinalizers() != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void Expect(const char* what, uint64_t want, uint64_t have, uint64_t slack) {
  std::printf("%s: %" PRIu64 " of %" PRIu64 "\n", what, have, want);
  if (have > want || have + slack < want) Fail(what, want, have);
}

}  // namespace

int main(int argc, char** argv) {
  int seconds = 5, threads = 4, raw = 0;
  uint64_t seed = std::random_device()();
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--seconds") == 0) seconds = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--threads") == 0) threads = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--raw") == 0) raw = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--seed") == 0) seed = std::strtoull(argv[i + 1], nullptr, 0);
  }
  std::printf("life_stress --seed %" PRIu64 " --raw %d\n", seed, raw);
  std::fflush(stdout);
  std::thread([&] { (raw != 0 ? RunRawFor : RunFor)(seconds, threads, seed); }).join();
  LetAllDie();
  tarn::VerifyHeapForDebugging();
  constexpr uint64_t kSlack = 200;  // held by stale words of threads that live
  Expect("destroyed", g.made, g.destroyed, kSlack);
  Expect("finalized", g.finalizers, g.finalized, kSlack);
  Expect("cleaned", g.cleanups, g.cleaned, kSlack);
  std::printf("polled %" PRIu64 " of %" PRIu64 "; strong %" PRIu64 ", gone %" PRIu64
              ", entries found %" PRIu64 "\n",
              g.polled.load(), g.registered.load(), g.strong.load(), g.gone.load(),
              g.entries.load());
  const stress::RawCounters& r = stress::g_raw;
  Expect("raw destroyed", r.made, r.destroyed, kSlack);
  Expect("raw finalized", r.finalizers, r.finalized, kSlack);
  std::printf("raw polled %" PRIu64 " of %" PRIu64 "; links %" PRIu64 ", moved %" PRIu64 "\n",
              r.polled.load(), r.registered.load(), r.links.load(), r.moved.load());
  return 0;
}
