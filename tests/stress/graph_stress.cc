// graph_stress: threads change graphs of checksummed objects and verify everything they touch.
//   graph_stress --seed N --seconds S --threads T [--markers M]
// Each thread owns its graph; trees that nothing else refers to are handed from thread to thread
// through locked mailboxes. Threads end and are replaced all the time. GODEBUG=gcstress=50,
// clobberfree=1,verify=1 makes it sharper. A failure prints the seed and aborts.
// I1 A thread's tables live on its native stack alone; everything else hangs on them, on locals
//    of deep recursions, or on gc_roots.
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "tests/stress/graph_objects.h"
#include "tests/support/polled_mutex.h"

namespace graph_stress {
namespace {

struct Settings {
  uint64_t seed = std::random_device()();
  double seconds = 10;
  int threads = 4;
  int markers = 0;
};

struct Message {
  tarn::gc_root<Header> tree;
  uint64_t seq = 0;
};

struct Mailbox {
  tarn::rt::PolledMutex lock;
  std::vector<Message> messages;
};

struct Shared {
  Settings settings;
  std::vector<Mailbox> boxes;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> steps{0};
  std::atomic<uint64_t> objects{0};
  std::atomic<uint64_t> received{0};
  std::atomic<uint64_t> threads{0};
};

// Thrown by ThrowFromDepth.
struct Unwind {
  uint64_t depth;
};

class Worker {
 public:
  Worker(Shared& shared, uint32_t id, uint64_t seed) : shared_(shared), id_(id), rng_(seed) {}

  // Runs for a random number of steps with the tables on the native stack.
  [[gnu::noinline]] void Run() {
    Slot table[kSlots] = {};
    TinySlot tiny_table[kTinySlots] = {};
    table_ = table;
    tiny_table_ = tiny_table;
    for (uint64_t left = 200 + rng_.Below(5000); left > 0 && !shared_.stop.load(); --left) {
      Step();
      ++steps_;
    }
    for (Slot& s : table) Get(s);
    CheckTiny();
    table_ = nullptr;
    tiny_table_ = nullptr;
    shared_.steps += steps_;
    shared_.objects += objects_;
  }

 private:
  static constexpr size_t kSlots = 48;
  static constexpr uint64_t kObjectsPerGraph = 4000;
  struct Slot {
    Header* object;
    uint64_t seq;
  };

  static constexpr size_t kTinySlots = 100;
  struct TinySlot {
    uint32_t* object;
    uint32_t value;
  };

  Header* Get(const Slot& s) {
    if (s.object != nullptr) Check(s.object, s.seq);
    return s.object;
  }
  void Put(Slot& s, Header* p) { s = {p, p == nullptr ? 0 : p->seq}; }
  Slot& Any() { return table_[rng_.Below(kSlots)]; }
  Header* Make() {
    ++objects_;
    return New(static_cast<Kind>(rng_.Below(static_cast<uint64_t>(Kind::kEnd))), id_, rng_);
  }

  void Step() {
    switch (rng_.Below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return Grow();
      case 4:
      case 5:
        return Walk();
      case 6:
      case 7:
        return Rewire();
      case 8:
        return Put(Any(), nullptr);
      case 9:
        return Send();
      case 10:
        return Receive();
      case 11:
        return Deep();
      case 12:
        return rng_.OneIn(4) ? Throw() : Tiny();
      case 13:
        return Handles();
      case 14:
        return Garbage();
      default:
        return Rare();
    }
  }

  // A new object with edges to what is there; all is dropped now and then.
  void Grow() {
    if (objects_ >= next_reset_) {
      for (size_t i = 0; i < kSlots; ++i) Put(table_[i], nullptr);
      next_reset_ = objects_ + kObjectsPerGraph;
    }
    Header* p = Make();
    const uint64_t seq = p->seq;
    const size_t n = EdgeCount(p);
    for (size_t i = 0; i < n && i < 8; ++i) SetEdge(p, AnEdge(n), Get(Any()), rng_);
    Check(p, seq);
    Put(Any(), p);
  }

  // Often the last, which is in the last slice of a large object.
  size_t AnEdge(size_t n) { return rng_.OneIn(3) ? n - 1 : rng_.Below(n); }

  void Walk() {
    Header* p = Get(Any());
    for (int i = 0; i < 30 && p != nullptr && EdgeCount(p) != 0; ++i) {
      p = Follow(p, AnEdge(EdgeCount(p)));
    }
  }

  // Stores and swaps somewhere near a slot.
  void Rewire() {
    Header* p = Get(Any());
    if (p == nullptr || EdgeCount(p) == 0) return;
    const size_t n = EdgeCount(p), i = rng_.Below(n), j = rng_.Below(n);
    if (Header* deeper = Follow(p, i); deeper != nullptr && rng_.OneIn(2)) {
      if (EdgeCount(deeper) != 0) SetEdge(deeper, rng_.Below(EdgeCount(deeper)), p, rng_);
    }
    if (rng_.OneIn(2)) {
      Header* a = Follow(p, i);
      Header* b = Follow(p, j);
      SetEdge(p, i, b, rng_);
      SetEdge(p, j, a, rng_);
    } else {
      SetEdge(p, i, rng_.OneIn(3) ? nullptr : Get(Any()), rng_);
    }
    Follow(p, i);
  }

  // A tree that only its root refers to.
  Header* Tree(int depth) {
    Header* p = Make();
    const uint64_t seq = p->seq;
    const size_t n = EdgeCount(p);
    if (depth > 0) {
      for (size_t i = 0; i < n && i < 2; ++i) SetEdge(p, i, Tree(depth - 1), rng_);
    }
    Check(p, seq);
    return p;
  }
  void CheckTree(const Header* p, int depth) {
    const size_t n = EdgeCount(p);
    for (size_t i = 0; i < n && i < 2 && depth > 0; ++i) {
      if (const Header* child = Follow(p, i)) CheckTree(child, depth - 1);
    }
  }

  void Send() {
    Header* tree = Tree(3);
    Message m{tree, tree->seq};
    Mailbox& box = shared_.boxes[rng_.Below(shared_.boxes.size())];
    std::lock_guard<tarn::rt::PolledMutex> hold(box.lock);
    if (box.messages.size() < 50) {
      box.messages.push_back(std::move(m));
    } else {
      std::swap(box.messages[rng_.Below(50)], m);
    }
  }
  void Receive() {
    Message m;
    Mailbox& box = shared_.boxes[id_ % shared_.boxes.size()];
    {
      std::lock_guard<tarn::rt::PolledMutex> hold(box.lock);
      if (box.messages.empty()) return;
      Message& taken = box.messages[rng_.Below(box.messages.size())];
      m = std::move(taken);
      taken = std::move(box.messages.back());
      box.messages.pop_back();
    }
    Check(m.tree, m.seq);
    CheckTree(m.tree, 3);
    Put(Any(), m.tree);
    shared_.received.fetch_add(1, std::memory_order_relaxed);
  }

  // Objects that only frames of a recursion hold.
  void Deep() { Recurse(rng_.Below(200)); }
  [[gnu::noinline]] void Recurse(uint64_t depth) {
    Header* mine = Make();
    const uint64_t seq = mine->seq;
    if (depth > 0) {
      Recurse(depth - 1);
    } else {
      Garbage();
    }
    Check(mine, seq);
  }

  void Throw() {
    Header* mine = Make();
    const uint64_t seq = mine->seq;
    try {
      ThrowFromDepth(rng_.Below(30));
    } catch (const Unwind&) {
      Check(mine, seq);
    }
  }
  [[gnu::noinline]] void ThrowFromDepth(uint64_t depth) {
    Header* mine = Make();
    const uint64_t seq = mine->seq;
    tarn::gc_root<Header> root = mine;
    if (depth == 0) throw Unwind{depth};
    try {
      ThrowFromDepth(depth - 1);
    } catch (const Unwind& u) {
      Check(mine, seq);
      Check(root, seq);
      Make();
      throw Unwind{u.depth + 1};
    }
  }

  // Pointer-free objects below 16 bytes, which share blocks. They live long, so that a block which
  // two threads use shows.
  void Tiny() {
    for (uint64_t k = rng_.Below(40); k-- > 0;) {
      TinySlot& t = tiny_table_[rng_.Below(kTinySlots)];
      t.value = static_cast<uint32_t>(rng_.Next()) | 1;
      if (rng_.OneIn(2)) {
        t.object = tarn::make_gc<uint32_t>(t.value);
      } else {
        auto* p = tarn::make_gc<std::array<uint32_t, 3>>();
        if ((*p)[0] != 0 || (*p)[1] != 0 || (*p)[2] != 0) WrongTiny(p->data());
        *p = {t.value, t.value, t.value};
        t.object = p->data() + rng_.Below(3);
      }
    }
    CheckTiny();
  }
  void CheckTiny() {
    for (size_t i = 0; i < kTinySlots; ++i) {
      const TinySlot& t = tiny_table_[i];
      if (t.object != nullptr && *t.object != t.value) WrongTiny(t.object);
    }
  }
  [[noreturn]] void WrongTiny(const uint32_t* p) {
    std::fprintf(stderr, "graph_stress: seed %" PRIu64 ": wrong tiny object at %p\n",
                 shared_.settings.seed, static_cast<const void*>(p));
    std::abort();
  }

  void Handles() {
    std::vector<std::pair<tarn::gc_root<Header>, uint64_t>> handles;
    const uint64_t n = rng_.Below(40);
    for (uint64_t i = 0; i < n; ++i) {
      Header* p = rng_.OneIn(2) ? Make() : Get(Any());
      handles.emplace_back(p, p == nullptr ? 0 : p->seq);
      if (rng_.OneIn(3)) handles.push_back(handles[rng_.Below(handles.size())]);
      if (rng_.OneIn(3)) std::swap(handles.front(), handles.back());
      if (rng_.OneIn(4)) handles.erase(handles.begin());
    }
    for (auto& [handle, seq] : handles) {
      if (handle) Check(handle, seq);
    }
  }

  void Garbage() {
    for (uint64_t i = rng_.Below(50); i-- > 0;) Make();
  }

  // An object of several of the marker's slices whose children nothing else holds.
  void Large() {
    const Kind kind = rng_.OneIn(2) ? Kind::kArray : Kind::kWords;
    Header* p = New(kind, id_, rng_, (150 << 10) + rng_.Below(500 << 10));
    const uint64_t seq = p->seq;
    const size_t n = EdgeCount(p);
    size_t edges[8];
    for (size_t& e : edges) {
      e = AnEdge(n);
      SetEdge(p, e, Make(), rng_);
    }
    if (rng_.OneIn(2)) {
      tarn::Collect();
      Garbage();
    }
    for (size_t e : edges) Follow(p, e);
    Check(p, seq);
    Put(Any(), p);
  }

  // Trees that nothing but a root range refers to, for a while; one of them outlives the range on this
  // stack alone.
  [[gnu::noinline]] void Range() {
    constexpr size_t kWords = 100;
    std::vector<uintptr_t> words(kWords);
    std::vector<uint64_t> seqs(kWords);
    tarn::AddRootRange(words.data(), words.data() + kWords);
    FillRange(words, seqs);
    for (uint64_t n = rng_.Below(200); n > 0; --n) rng_.OneIn(2) ? Walk() : Garbage();
    const size_t taken = rng_.Below(kWords);
    auto* tree = reinterpret_cast<Header*>(words[taken]);
    words[taken] = 0;
    tarn::RemoveRootRange(words.data());
    for (uint64_t n = rng_.Below(200); n > 0; --n) Garbage();
    Check(tree, seqs[taken]);
    CheckTree(tree, 1);
  }
  [[gnu::noinline]] void FillRange(std::vector<uintptr_t>& words, std::vector<uint64_t>& seqs) {
    for (size_t i = 0; i < words.size(); ++i) {
      const Header* tree = Tree(1);
      seqs[i] = tree->seq;
      words[i] = reinterpret_cast<uintptr_t>(tree);
    }
  }

  void Rare() {
    const uint64_t r = rng_.Below(200);
    if (r == 6) Range();
    if (r < 4) tarn::Collect();
    if (r == 4) tarn::SetGcPercent(static_cast<int>(10 + rng_.Below(300)));
    if (r == 5) tarn::ReadMemStats();
    if (r > 190) tarn::Blocked([] { usleep(200); });
    if (r > 100 && r < 130) tarn::Safepoint();
    if (r > 40 && r < 46) Large();
  }

  Shared& shared_;
  const uint32_t id_;
  Rng rng_;
  Slot* table_ = nullptr;
  TinySlot* tiny_table_ = nullptr;
  uint64_t objects_ = 0;
  uint64_t next_reset_ = kObjectsPerGraph;
  uint64_t steps_ = 0;
};

// One place of the team: a thread after the other.
void RunPlace(Shared& shared, uint32_t place) {
  Rng seeds(shared.settings.seed * 1000 + place);
  for (uint32_t generation = 0; !shared.stop.load(); ++generation) {
    const auto places = static_cast<uint32_t>(shared.boxes.size());
    std::thread([&, seed = seeds.Next()] {
      Worker(shared, place + generation * places, seed).Run();
    }).join();
    ++shared.threads;
  }
}

void Run(const Settings& settings) {
  Shared shared;
  shared.settings = settings;
  shared.boxes = std::vector<Mailbox>(static_cast<size_t>(settings.threads));
  std::vector<std::thread> places;
  for (int t = 0; t < settings.threads; ++t) {
    places.emplace_back([&, t] { RunPlace(shared, static_cast<uint32_t>(t)); });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(settings.seconds));
  // On a busy machine a few collections take longer than asked for.
  for (int i = 0; i < 300 && tarn::ReadMemStats().num_gc < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  shared.stop = true;
  for (std::thread& t : places) t.join();
  for (Mailbox& box : shared.boxes) {
    for (const Message& m : box.messages) Check(m.tree, m.seq);
  }
  shared.boxes.clear();
  tarn::Collect();
  tarn::VerifyHeapForDebugging();
  const tarn::MemStats s = tarn::ReadMemStats();
  std::printf("%" PRIu64 " threads, %" PRIu64 " steps, %" PRIu64 " objects, %" PRIu64
              " trees received, %" PRIu64 " collections, %" PRIu64 " MB left\n",
              shared.threads.load(), shared.steps.load(), shared.objects.load(),
              shared.received.load(), s.num_gc, s.heap_alloc >> 20);
  if (shared.objects.load() == 0 || s.num_gc < 3) {
    std::fprintf(stderr, "graph_stress: nothing was stressed\n");
    std::exit(1);
  }
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
    } else if (is("--markers")) {
      s.markers = std::atoi(value);
    } else {
      std::fprintf(stderr, "graph_stress: unknown option %s\n", argv[i]);
      std::exit(2);
    }
  }
  return s;
}

}  // namespace
}  // namespace graph_stress

int main(int argc, char** argv) {
  const graph_stress::Settings settings = graph_stress::Parse(argc, argv);
  std::printf("graph_stress --seed %" PRIu64 " --seconds %g --threads %d --markers %d\n",
              settings.seed, settings.seconds, settings.threads, settings.markers);
  std::fflush(stdout);
  graph_stress::SetSeed(settings.seed);
  if (settings.markers != 0) {
    tarn::Options options;
    options.markers = settings.markers;
    if (const absl::Status status = tarn::Init(options); !status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      return 1;
    }
  }
  graph_stress::Run(settings);
  return 0;
}
