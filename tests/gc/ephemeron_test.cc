// Entries of weak maps: what keeps a value alive, and until when. The tests that need something to
// happen while marking runs hold the collector there (marking_hooks.h).
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tarn/finalizer.h"
#include "tarn/gc_queue.h"
#include "tarn/gc_weak_map.h"
#include "tarn/gc_weak_ptr.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/life_test_util.h"
#include "tests/gc/manual_collections.h"
#include "tests/gc/marking_hooks.h"
#include "tests/support/polled_mutex.h"
#include "tests/support/test_seed.h"

namespace tarn {
namespace {

using rt::Hidden;
using rt::IsAllocated;
using rt::kSlowdown;
using rt::LifeNode;
using rt::OnDeepStack;
using rt::OnOtherThread;
using rt::RunAllReady;
using rt::TestRng;
using rt::TestSeed;

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

using Map = gc_weak_map<LifeNode, LifeNode>;

class EphemeronTest : public rt::EmbedderRunsFinalizers {};

LifeNode* NewNode(int value = 0) { return make_gc<LifeNode>(value, nullptr, nullptr); }

TEST_F(EphemeronTest, OverwrittenAndErasedValuesDie) {
  Map map;
  gc_root<LifeNode> key;
  Hidden first, second;
  OnDeepStack([&] {
    key = NewNode();
    LifeNode* v = NewNode(1);
    first = Hidden(v);
    map.set(key, v);
  });
  Collect();
  EXPECT_TRUE(IsAllocated(first));
  OnDeepStack([&] {
    LifeNode* v = NewNode(2);
    second = Hidden(v);
    map.set(key, v);
  });
  Collect();
  EXPECT_FALSE(IsAllocated(first));
  EXPECT_TRUE(IsAllocated(second));
  EXPECT_EQ(1u, map.size());
  OnDeepStack([&] { EXPECT_TRUE(map.erase(key)); });
  Collect();
  EXPECT_FALSE(IsAllocated(second));
  EXPECT_EQ(0u, map.size());
}

TEST_F(EphemeronTest, TwoMapsWithOneKey) {
  Map a;
  auto b = std::make_unique<Map>();
  gc_root<LifeNode> key;
  Hidden of_a, of_b;
  OnDeepStack([&] {
    key = NewNode();
    LifeNode* v = NewNode(1);
    LifeNode* w = NewNode(2);
    of_a = Hidden(v);
    of_b = Hidden(w);
    a.set(key, v);
    b->set(key, w);
  });
  Collect();
  EXPECT_TRUE(IsAllocated(of_a) && IsAllocated(of_b));
  b.reset();
  Collect();
  EXPECT_TRUE(IsAllocated(of_a));
  EXPECT_FALSE(IsAllocated(of_b));
  OnDeepStack([&] { EXPECT_EQ(1, a.get(key)->value); });
  key = nullptr;
  Collect();
  EXPECT_FALSE(IsAllocated(of_a));
  EXPECT_EQ(0u, a.size());
}

struct MapHolder {
  int value = 0;
  Map map;
  gc_ptr<LifeNode> next;
  gc_ptr<MapHolder> other;
};

// The map ends with the destructor of the object in which it is; its values go then, and not
// before.
TEST_F(EphemeronTest, MapInAHeapObjectThatDies) {
  gc_root<LifeNode> key;
  gc_root<MapHolder> holder;
  Hidden value, holder_address;
  OnDeepStack([&] {
    key = NewNode();
    holder = make_gc<MapHolder>();
    holder_address = Hidden(holder.get());
    LifeNode* v = NewNode(5);
    value = Hidden(v);
    holder->map.set(key, v);
  });
  Collect();
  EXPECT_TRUE(IsAllocated(value));
  EXPECT_EQ(0u, ReadyFinalizers());
  holder = nullptr;
  Collect();
  EXPECT_EQ(1u, RunAllReady());
  Collect();
  EXPECT_FALSE(IsAllocated(value));
  EXPECT_FALSE(IsAllocated(holder_address));
  OnDeepStack([&] { EXPECT_NE(nullptr, key.get()); });
}

// Map and key die in one collection, in either order of their records.
TEST_F(EphemeronTest, MapAndKeyDieTogether) {
  std::vector<Hidden> all;
  for (int i = 0; i < 20; ++i) {
    OnDeepStack([&] {
      MapHolder* h = nullptr;
      if (i % 2 == 0) h = make_gc<MapHolder>();
      LifeNode* k = NewNode(i);
      if (h == nullptr) h = make_gc<MapHolder>();
      LifeNode* v = NewNode(1000 + i);
      h->map.set(k, v);
      h->next = k;
      all.emplace_back(h);
      all.emplace_back(k);
      all.emplace_back(v);
      if (i % 4 < 2) {
        v->next = k;
      }
    });
  }
  Collect();
  RunAllReady();
  Collect();
  EXPECT_EQ(0u, rt::CountAllocated(all));
}

// As documented: the map stays while the key of the value that leads to it lives, and no longer.
TEST_F(EphemeronTest, MapReachableFromItsOwnValueAlone) {
  gc_root<LifeNode> key;
  Hidden holder;
  OnDeepStack([&] {
    key = NewNode();
    MapHolder* h = make_gc<MapHolder>();
    holder = Hidden(h);
    h->map.set(key, reinterpret_cast<LifeNode*>(h));
  });
  Collect();
  Collect();
  EXPECT_TRUE(IsAllocated(holder));
  EXPECT_EQ(0u, RunAllReady());
  key = nullptr;
  Collect();
  EXPECT_EQ(1u, RunAllReady());
  Collect();
  EXPECT_FALSE(IsAllocated(holder));
}

// k1 -> v1 = k2 -> v2, in one map or two, added in either order, beginning or ending in a circle.
TEST_F(EphemeronTest, ValueIsTheKeyOfTheNext) {
  for (int shape = 0; shape < 16; ++shape) {
    Map a, b;
    Map& second = shape & 1 ? a : b;
    gc_root<LifeNode> first;
    std::vector<Hidden> all;
    OnDeepStack([&] {
      LifeNode* k1 = NewNode(1);
      LifeNode* k2 = NewNode(2);
      LifeNode* v2 = NewNode(3);
      first = k1;
      if (shape & 2) {
        a.set(k1, k2);
        second.set(k2, v2);
      } else {
        second.set(k2, v2);
        a.set(k1, k2);
      }
      if (shape & 4) v2->next = k1;
      if (shape & 8) second.set(v2, k1);
      for (LifeNode* n : {k1, k2, v2}) all.emplace_back(n);
    });
    Collect();
    EXPECT_EQ(3u, rt::CountAllocated(all)) << shape;
    OnDeepStack([&] {
      LifeNode* k2 = a.get(first);
      ASSERT_NE(nullptr, k2);
      ASSERT_NE(nullptr, second.get(k2));
      EXPECT_EQ(3, second.get(k2)->value);
    });
    first = nullptr;
    Collect();
    EXPECT_EQ(0u, rt::CountAllocated(all)) << shape;
    EXPECT_EQ(0u, a.size() + b.size());
  }
}

// The key of an entry is kept by an object with a finalizer: the value lives as long as that waits.
TEST_F(EphemeronTest, KeyThatAFinalizerStillNeeds) {
  static Map* map_in_finalizer;
  static int seen;
  seen = 0;
  Map map;
  map_in_finalizer = &map;
  Hidden value;
  OnDeepStack([&] {
    LifeNode* owner = NewNode();
    LifeNode* k = NewNode();
    LifeNode* v = NewNode(31);
    owner->next = k;
    map.set(k, v);
    value = Hidden(v);
    ASSERT_TRUE(SetFinalizer(owner, [](LifeNode* p) {
                  LifeNode* found = map_in_finalizer->get(p->next);
                  seen = found == nullptr ? -1 : found->value;
                }).ok());
  });
  Collect();
  Collect();
  EXPECT_TRUE(IsAllocated(value));
  RunAllReady();
  EXPECT_EQ(31, seen);
  Collect();
  EXPECT_FALSE(IsAllocated(value));
  EXPECT_EQ(0u, map.size());
}

// With `leads_to_key` the value is part of a cycle, as the rule of finalizers goes: what it refers
// to, its key, is kept for the finalizer, and so is the value. It dies when the entry goes.
TEST_F(EphemeronTest, ValueWithAFinalizer) {
  static int runs;
  for (const bool leads_to_key : {false, true}) {
    runs = 0;
    Map map;
    gc_root<LifeNode> key;
    Hidden k;
    OnDeepStack([&] {
      key = NewNode();
      k = Hidden(key.get());
      LifeNode* v = NewNode(8);
      if (leads_to_key) v->next = key.get();
      ASSERT_TRUE(SetFinalizer(v, [](LifeNode*) { ++runs; }).ok());
      map.set(key, v);
    });
    Collect();
    EXPECT_EQ(0u, RunAllReady());
    key = nullptr;
    Collect();
    EXPECT_EQ(leads_to_key ? 0u : 1u, RunAllReady());
    EXPECT_EQ(leads_to_key, IsAllocated(k));
    if (leads_to_key) OnDeepStack([&] { EXPECT_TRUE(map.erase(k.Reveal<LifeNode>())); });
    for (int i = 0; i < 3; ++i) {
      Collect();
      RunAllReady();
    }
    EXPECT_EQ(1, runs);
    EXPECT_FALSE(IsAllocated(k));
  }
}

// --- While marking runs ---

class EphemeronMarkingTest : public EphemeronTest {
 protected:
  void SetUp() override {
    if (!rt::HooksWork()) GTEST_SKIP() << "nothing runs beside marking";
    EphemeronTest::SetUp();
  }
};

// Entries come, change and go when their keys are marked already, or not yet.
TEST_F(EphemeronMarkingTest, ChangesWhileMarkingRuns) {
  constexpr size_t kKeys = 400;
  Map map;
  std::vector<gc_root<LifeNode>> early(kKeys);  // marked before the stop
  Hidden late;                                  // an array: only `behind` leads to it
  gc_root<char> behind;
  OnDeepStack([&] {
    auto* keys = make_gc<gc_ptr<LifeNode>[]>(kKeys);
    for (size_t i = 0; i < kKeys; ++i) {
      early[i] = NewNode(static_cast<int>(i));
      keys[i] = NewNode(static_cast<int>(i));
      if (i % 2 == 0) {
        map.set(early[i], NewNode(-1));
        map.set(keys[i], NewNode(-1));
      }
    }
    late = Hidden(keys);
    behind = reinterpret_cast<char*>(keys);
  });
  gc_root<LifeNode> keep_late_alive;  // the array goes; the keys stay on this list
  rt::DuringMarking(behind, [&] {
    auto* keys = late.Reveal<gc_ptr<LifeNode>>();
    for (size_t i = 0; i < kKeys; ++i) {
      for (LifeNode* k : {early[i].get(), keys[i].get()}) {
        if (i % 3 == 0) {
          map.erase(k);
        } else {
          LifeNode* v = NewNode(static_cast<int>(i) + 7);
          v->next = NewNode(static_cast<int>(i) + 8);
          map.set(k, v);
        }
      }
      keys[i]->other = keep_late_alive.get();
      keep_late_alive = keys[i].get();
    }
  });
  const auto check = [&] {
    OnOtherThread([&] {
      for (int i = 0; i < 20000; ++i) NewNode(-2);
    });
    size_t entries = 0;
    OnDeepStack([&] {
      const auto look = [&](LifeNode* k) {
        LifeNode* v = map.get(k);
        ASSERT_EQ(k->value % 3 == 0, v == nullptr);
        if (v == nullptr) return;
        ++entries;
        ASSERT_EQ(k->value + 7, v->value);
        ASSERT_EQ(k->value + 8, v->next->value);
      };
      for (auto& r : early) look(r);
      for (LifeNode* k = keep_late_alive; k != nullptr; k = k->other) look(k);
    });
    EXPECT_EQ(entries, map.size());
  };
  check();
  Collect();
  check();
  early.clear();
  keep_late_alive = nullptr;
  Collect();
  EXPECT_EQ(0u, map.size());
}

// A chain whose first key is found only when marking is nearly over.
TEST_F(EphemeronMarkingTest, ChainBehindALateKey) {
  const size_t length = 20000 / kSlowdown;
  Map map;
  gc_root<char> behind;
  gc_root<LifeNode> first;
  Hidden late;
  std::vector<Hidden> all;
  OnDeepStack([&] {
    LifeNode* n = NewNode(0);
    late = Hidden(n);
    behind = reinterpret_cast<char*>(n);
    all.emplace_back(n);
    for (size_t i = 1; i < length; ++i) {
      LifeNode* next = NewNode(static_cast<int>(i));
      map.set(n, next);
      all.emplace_back(next);
      n = next;
    }
  });
  rt::DuringMarking(behind, [&] { first = late.Reveal<LifeNode>(); });
  EXPECT_EQ(length, rt::CountAllocated(all));
  EXPECT_EQ(length - 1, map.size());
  first = nullptr;
  Collect();
  EXPECT_EQ(0u, rt::CountAllocated(all));
}

// A value that was read from the map while marking runs, and whose entry was erased then, is alive.
TEST_F(EphemeronMarkingTest, ValueTakenOutWhileMarkingRuns) {
  Map map;
  gc_root<char> behind;
  gc_root<LifeNode> taken;
  Hidden late;
  OnDeepStack([&] {
    LifeNode* k = NewNode();
    LifeNode* v = NewNode(77);
    v->next = NewNode(78);
    map.set(k, v);
    late = Hidden(k);
    behind = reinterpret_cast<char*>(k);
  });
  rt::DuringMarking(behind, [&] {
    LifeNode* k = late.Reveal<LifeNode>();
    LifeNode* v = map.get(k);
    map.erase(k);
    taken = v;
  });
  OnOtherThread([] {
    for (int i = 0; i < 20000; ++i) NewNode(-2);
  });
  OnDeepStack([&] {
    EXPECT_EQ(77, taken->value);
    EXPECT_EQ(78, taken->next->value);
  });
}

// --- Weak references to what the program gets back ---

// Null when a queue hands the object back, and for what is destroyed, at the latest when the
// destructor runs; what the object keeps is still known.
TEST_F(EphemeronTest, WeakIsNullAtPoll) {
  gc_queue<LifeNode> queue;
  gc_weak_root<LifeNode> weak, inner;
  Map map;
  OnDeepStack([&] {
    LifeNode* n = NewNode(1);
    n->next = NewNode(2);
    weak = n;
    inner = n->next.get();
    map.set(n, NewNode(3));
    map.set(n->next, NewNode(4));
    ASSERT_TRUE(queue.Register(n).ok());
  });
  Collect();
  OnDeepStack([&] {
    EXPECT_EQ(nullptr, weak.get());
    LifeNode* n = queue.Poll();
    ASSERT_NE(nullptr, n);
    EXPECT_EQ(nullptr, weak.get());
    EXPECT_FALSE(map.contains(n));
    EXPECT_EQ(n->next.get(), inner.get());
    ASSERT_NE(nullptr, map.get(n->next));
    EXPECT_EQ(4, map.get(n->next)->value);
    gc_weak_root<LifeNode> again = n;
    EXPECT_EQ(n, again.get());
    EXPECT_FALSE(again == weak);
    weak = again;
    map.set(n, NewNode(5));
    EXPECT_EQ(5, map.get(n)->value);
  });
  Collect();
  EXPECT_EQ(nullptr, weak.get());
  EXPECT_EQ(nullptr, inner.get());
  EXPECT_EQ(0u, map.size());
}

struct SeesWeakly {
  static inline gc_weak_root<SeesWeakly>* self = nullptr;
  static inline gc_weak_root<LifeNode>* inner = nullptr;
  static inline int wrong = 0, destroyed = 0;
  int value = 9;
  gc_ptr<LifeNode> next;
  gc_weak_ptr<LifeNode> member;

  SeesWeakly() = default;
  SeesWeakly(const SeesWeakly&) = delete;
  SeesWeakly& operator=(const SeesWeakly&) = delete;
  // What dies with it is null, too: it was found dead together with this object, and is readable.
  ~SeesWeakly() {
    wrong += self->get() != nullptr;
    wrong += inner->get() != nullptr || member.get() != nullptr || member.is_null();
    wrong += next == nullptr || next->value != 17;
    ++destroyed;
  }
  static constexpr auto tarn_layout = fields(&SeesWeakly::next, &SeesWeakly::member);
};

TEST_F(EphemeronTest, WeakIsNullInDestructors) {
  gc_weak_root<SeesWeakly> self;
  gc_weak_root<LifeNode> inner;
  SeesWeakly::self = &self;
  SeesWeakly::inner = &inner;
  SeesWeakly::wrong = SeesWeakly::destroyed = 0;
  OnDeepStack([&] {
    SeesWeakly* s = make_gc<SeesWeakly>();
    s->next = NewNode(17);
    s->member = s->next.get();
    self = s;
    inner = s->next.get();
  });
  Collect();
  Collect();  // it waits, and comes back to life in each cycle; what knew it weakly stays null
  EXPECT_EQ(nullptr, self.get());
  EXPECT_EQ(nullptr, inner.get());
  RunAllReady();
  EXPECT_EQ(1, SeesWeakly::destroyed);
  EXPECT_EQ(0, SeesWeakly::wrong);
}

// --- Weak to strong, by many threads ---

struct Summed {
  uint64_t id = 0, sum = 0;
  gc_ptr<Summed> next;
};
uint64_t SumOf(uint64_t id) { return TestRng(id).Next(); }
Summed* NewSummed(uint64_t id) { return make_gc<Summed>(id, SumOf(id), nullptr); }
bool IsWhole(const Summed* s) {
  for (; s != nullptr; s = s->next) {
    if (s->sum != SumOf(s->id)) return false;
  }
  return true;
}

// All threads ask for the same objects, which nobody else holds for long: what one of them gets
// must be whole until it lets go, and what one saw as gone must be so for all.
TEST_F(EphemeronTest, SharedWeakReferencesBesideCollections) {
  constexpr int kThreads = 4;
  constexpr size_t kSlots = 32;
  const uint64_t seed = TestSeed();
  struct Slot {
    rt::PolledMutex lock;
    gc_weak_root<Summed> weak;
    uint64_t id = 0;
    std::atomic<uint64_t> gone_id{0};  // somebody has found this one gone
  };
  std::vector<Slot> slots(kSlots);
  std::atomic<uint64_t> strong{0}, gone{0}, next_id{1};
  std::atomic<int> wrong{0};
  std::atomic<bool> stop{false};
  UseFinalizerThread(true);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      TestRng rng(seed + t);
      std::vector<gc_root<Summed>> held(4);
      while (!stop) {
        Slot& slot = slots[rng.Below(kSlots)];
        gc_weak_root<Summed> weak;
        uint64_t id;
        {
          std::lock_guard<rt::PolledMutex> hold(slot.lock);
          weak = slot.weak;
          id = slot.id;
        }
        const bool was_gone = id != 0 && slot.gone_id == id;
        Summed* s = weak.get();
        if (s == nullptr) {
          if (id != 0) slot.gone_id = id;
          ++gone;
          std::lock_guard<rt::PolledMutex> hold(slot.lock);
          if (slot.id != id) continue;
          slot.id = next_id++;
          Summed* n = NewSummed(slot.id);
          n->next = NewSummed(slot.id + (uint64_t{1} << 40));
          slot.weak = n;
          continue;
        }
        ++strong;
        if (was_gone || s->id != id || !IsWhole(s)) ++wrong;
        for (uint64_t k = rng.Below(30); k != 0; --k) make_gc<LifeNode>();
        if (!IsWhole(s)) ++wrong;
        held[rng.Below(4)] = rng.Below(4) == 0 ? s : nullptr;
      }
    });
  }
  const int cycles = TARN_ASAN || TARN_TSAN ? 60 : 200;
  for (int i = 0; i < cycles; ++i) Collect();
  stop = true;
  for (std::thread& t : threads) Blocked([&] { t.join(); });
  EXPECT_EQ(0, wrong);
  EXPECT_GT(strong, 100u);
  EXPECT_GT(gone, 20u);
}

}  // namespace
}  // namespace tarn
