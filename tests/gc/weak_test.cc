// Weak pointers, maps and sets.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tarn/finalizer.h"
#include "tarn/gc_weak_map.h"
#include "tarn/gc_weak_ptr.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/life_test_util.h"
#include "tests/gc/manual_collections.h"
#include "tests/support/test_seed.h"

namespace tarn {
namespace {

using rt::Hidden;
using rt::IsAllocated;
using rt::kSlowdown;
using rt::LifeNode;
using rt::MakeLifeNode;
using rt::OnOtherThread;
using rt::RunAllReady;
using rt::TestRng;
using rt::TestSeed;

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

class WeakTest : public rt::EmbedderRunsFinalizers {};

TEST_F(WeakTest, IsOneWordAndNullByDefault) {
  static_assert(sizeof(gc_weak_ptr<int>) == sizeof(int*));
  gc_weak_ptr<LifeNode> none, null = nullptr, null_pointer = static_cast<LifeNode*>(nullptr);
  EXPECT_EQ(nullptr, none.get());
  EXPECT_TRUE(none.is_null() && null.is_null() && null_pointer.is_null());
  EXPECT_TRUE(none == null && null == null_pointer);
}

TEST_F(WeakTest, IsNullOnceTheObjectIsDeadAndNotBefore) {
  gc_root<LifeNode> root;
  gc_weak_root<LifeNode> weak;
  const Hidden h = MakeLifeNode([&](LifeNode* n) {
    root = n;
    weak = n;
    EXPECT_EQ(n, weak.get());
  });
  Collect();
  EXPECT_TRUE(IsAllocated(h));
  OnOtherThread([&] { EXPECT_EQ(root.get(), weak.get()); });
  root = nullptr;
  Collect();
  EXPECT_EQ(nullptr, weak.get());
  EXPECT_FALSE(weak.is_null());
  EXPECT_FALSE(IsAllocated(h));
}

TEST_F(WeakTest, EqualityIsOfTheObjectAndOutlivesIt) {
  constexpr size_t kObjects = 10;
  std::vector<gc_weak_root<LifeNode>> a(kObjects), b(kObjects);
  std::vector<gc_weak_root<gc_ptr<LifeNode>>> inside(kObjects), inside_too(kObjects);
  const auto check = [&] {
    for (size_t i = 0; i < kObjects; ++i) {
      for (size_t j = 0; j < kObjects; ++j) {
        EXPECT_EQ(i == j, a[i] == b[j]);
        EXPECT_EQ(i == j, inside[i] == inside_too[j]);
      }
    }
  };
  std::vector<gc_root<LifeNode>> roots(kObjects);
  for (size_t i = 0; i < kObjects; ++i) {
    MakeLifeNode([&](LifeNode* n) {
      roots[i] = n;
      a[i] = n;
      b[i] = n;
      inside[i] = &n->next;
      inside_too[i] = &n->next;
      gc_weak_root<gc_ptr<LifeNode>> other = &n->other;
      EXPECT_FALSE(inside[i] == other);
    });
  }
  check();
  Collect();
  check();
  OnOtherThread([&] {
    for (size_t i = 0; i < kObjects; ++i) {
      EXPECT_TRUE(a[i] == gc_weak_root<LifeNode>(roots[i].get()));
      EXPECT_EQ(&roots[i]->next, inside[i].get());
    }
  });
  roots.clear();
  Collect();
  check();
  for (size_t i = 0; i < kObjects; ++i) {
    EXPECT_EQ(nullptr, a[i].get());
    EXPECT_EQ(nullptr, inside[i].get());
  }
}

TEST_F(WeakTest, MembersOfHeapObjectsKeepTheHandleAndNotTheObject) {
  struct Holder {
    gc_weak_ptr<LifeNode> weak;
    gc_ptr<LifeNode> strong;
  };
  static_assert(internal::PrecisionOf<Holder>() == internal::Precision::kExact);
  gc_root<Holder> holder;
  Hidden h;
  OnOtherThread([&] {
    holder = make_gc<Holder>();
    LifeNode* n = make_gc<LifeNode>(6, nullptr, nullptr);
    h = Hidden(n);
    holder->weak = n;
    holder->strong = n;
  });
  Collect();
  OnOtherThread([&] {
    ASSERT_NE(nullptr, holder->weak.get());
    EXPECT_EQ(6, holder->weak.get()->value);
    holder->strong = nullptr;
  });
  Collect();
  EXPECT_FALSE(IsAllocated(h));
  OnOtherThread([&] { EXPECT_EQ(nullptr, holder->weak.get()); });
}

TEST_F(WeakTest, NullWhenAFinalizerIsReadyInsideItAndAfterwards) {
  static gc_weak_root<LifeNode>* weak_in_finalizer;
  static gc_weak_root<LifeNode>* made_in_finalizer;
  static gc_root<LifeNode>* keep;
  gc_weak_root<LifeNode> weak, again;
  gc_root<LifeNode> root;
  weak_in_finalizer = &weak;
  made_in_finalizer = &again;
  keep = &root;
  MakeLifeNode([&](LifeNode* n) {
    weak = n;
    ASSERT_TRUE(SetFinalizer(n, [](LifeNode* p) {
                  EXPECT_EQ(nullptr, weak_in_finalizer->get());
                  *keep = p;
                  *made_in_finalizer = p;
                  EXPECT_EQ(p, made_in_finalizer->get());
                }).ok());
    EXPECT_EQ(n, weak.get());
  });
  Collect();
  EXPECT_EQ(nullptr, weak.get());
  RunAllReady();
  Collect();
  EXPECT_EQ(nullptr, weak.get());
  OnOtherThread([&] {
    EXPECT_EQ(root.get(), again.get());
    EXPECT_FALSE(weak == again);
  });
  root = nullptr;
  Collect();
  EXPECT_EQ(nullptr, again.get());
}

TEST_F(WeakTest, NullWhenACleanupRuns) {
  static gc_weak_root<LifeNode>* weak_in_cleanup;
  gc_weak_root<LifeNode> weak;
  weak_in_cleanup = &weak;
  MakeLifeNode([&](LifeNode* n) {
    weak = n;
    ASSERT_TRUE(AddCleanup(n, [] { EXPECT_EQ(nullptr, weak_in_cleanup->get()); }).ok());
  });
  Collect();
  EXPECT_EQ(nullptr, weak.get());
  EXPECT_EQ(1u, RunAllReady());
}

// What is kept alive only by something that waits for its finalizer is alive.
TEST_F(WeakTest, NotNullWhileAFinalizerStillNeedsTheObject) {
  gc_weak_root<LifeNode> owner, owned;
  MakeLifeNode([&](LifeNode* n) {
    n->next = make_gc<LifeNode>(4, nullptr, nullptr);
    owner = n;
    owned = n->next.get();
    ASSERT_TRUE(SetFinalizer(n, [](LifeNode*) {}).ok());
  });
  Collect();
  EXPECT_EQ(nullptr, owner.get());
  OnOtherThread([&] {
    ASSERT_NE(nullptr, owned.get());
    EXPECT_EQ(4, owned.get()->value);
  });
  RunAllReady();
  Collect();
  EXPECT_EQ(nullptr, owned.get());
}

TEST_F(WeakTest, ElementsOfLargeArrays) {
  OnOtherThread([] {
    auto* a = make_gc<int[]>(size_t{1} << 19);
    gc_weak_ptr<int> x = &a[65536], y = &a[65536], z = &a[0];
    EXPECT_TRUE(x == y);
    EXPECT_FALSE(x == z);
    EXPECT_EQ(&a[65536], x.get());
  });
}

TEST(WeakDeathTest, MadeOfSomethingOutsideTheHeapAborts) {
  static int global;
  EXPECT_DEATH(gc_weak_root<int>{&global}, "weak pointer is made of what is not in the heap");
}

// Objects that are only weakly known are made strong at any moment of a cycle, in the end of marking
// above all, and must be whole or gone. (A conversion that is not shaded fails here.)
TEST_F(WeakTest, WeakToStrongBesideCollections) {
  constexpr int kThreads = 3;
  const uint64_t seed = TestSeed();
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> strong{0}, gone{0};
  UseFinalizerThread(true);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      TestRng rng(seed + static_cast<uint64_t>(t));
      constexpr size_t kSlots = 64;
      std::vector<gc_weak_root<LifeNode>> weak(kSlots);
      std::vector<int> value(kSlots, 0);
      while (!stop) {
        const size_t i = rng.Below(kSlots);
        LifeNode* n = weak[i].get();
        if (n == nullptr) {
          ++gone;
          value[i] = static_cast<int>(rng.Next() & 0xffffff);
          n = make_gc<LifeNode>(value[i], nullptr, nullptr);
          n->next = make_gc<LifeNode>(value[i], nullptr, nullptr);
          weak[i] = n;
          if (rng.Below(8) == 0 && !SetFinalizer(n, [](LifeNode* p) {
                                      if (p->value != p->next->value) std::abort();
                                    }).ok()) {
            std::abort();
          }
          continue;
        }
        ++strong;
        if (rng.Below(4) == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
        if (n->value != value[i] || n->next->value != value[i]) std::abort();
        n->other = make_gc<LifeNode>(1, nullptr, nullptr);
      }
    });
  }
  const int cycles = TARN_ASAN || TARN_TSAN ? 60 : 150;
  for (int i = 0; i < cycles; ++i) Collect();
  stop = true;
  for (std::thread& t : threads) Blocked([&] { t.join(); });
  EXPECT_GT(strong, 100u);
  EXPECT_GT(gone, 100u);
}

// --- Maps ---

TEST_F(WeakTest, MapHoldsValuesAsLongAsKeys) {
  gc_weak_map<LifeNode, LifeNode> map;
  gc_root<LifeNode> key;
  Hidden value;
  OnOtherThread([&] {
    key = make_gc<LifeNode>();
    LifeNode* v = make_gc<LifeNode>(5, nullptr, nullptr);
    value = Hidden(v);
    EXPECT_FALSE(map.contains(key));
    map.set(key, v);
    EXPECT_TRUE(map.contains(key));
  });
  Collect();
  Collect();
  ASSERT_TRUE(IsAllocated(value));
  OnOtherThread([&] { EXPECT_EQ(5, map.get(key)->value); });
  EXPECT_EQ(1u, map.size());
  key = nullptr;
  Collect();
  EXPECT_FALSE(IsAllocated(value));
  EXPECT_EQ(0u, map.size());
}

TEST_F(WeakTest, MapOperations) {
  gc_weak_map<LifeNode, LifeNode> map, other;
  OnOtherThread([&] {
    LifeNode* k = make_gc<LifeNode>();
    LifeNode* l = make_gc<LifeNode>();
    LifeNode* v = make_gc<LifeNode>();
    LifeNode* w = make_gc<LifeNode>();
    EXPECT_EQ(nullptr, map.get(k));
    EXPECT_EQ(nullptr, map.get(nullptr));
    map.set(k, v);
    other.set(k, w);
    map.set(l, nullptr);
    EXPECT_EQ(v, map.get(k));
    EXPECT_EQ(w, other.get(k));
    EXPECT_TRUE(map.contains(l));
    EXPECT_EQ(2u, map.size());
    map.set(k, w);
    EXPECT_EQ(w, map.get(k));
    EXPECT_EQ(2u, map.size());
    EXPECT_TRUE(map.erase(k));
    EXPECT_FALSE(map.erase(k));
    EXPECT_EQ(nullptr, map.get(k));
    EXPECT_EQ(w, other.get(k));
    map.clear();
    EXPECT_FALSE(map.contains(l));
    EXPECT_EQ(0u, map.size());
    gc_weak_map<LifeNode, LifeNode> moved = std::move(other);
    EXPECT_EQ(w, moved.get(k));
    gc_weak_set<LifeNode> set;
    set.insert(k);
    EXPECT_TRUE(set.contains(k));
    EXPECT_FALSE(set.contains(l));
    EXPECT_TRUE(set.erase(k));
    EXPECT_FALSE(set.contains(k));
  });
}

TEST_F(WeakTest, MapDiesWithItsValues) {
  gc_root<LifeNode> key;
  Hidden value;
  {
    gc_weak_map<LifeNode, LifeNode> map;
    OnOtherThread([&] {
      key = make_gc<LifeNode>();
      LifeNode* v = make_gc<LifeNode>();
      value = Hidden(v);
      map.set(key, v);
    });
    Collect();
    EXPECT_TRUE(IsAllocated(value));
  }
  Collect();
  EXPECT_FALSE(IsAllocated(value));
}

TEST_F(WeakTest, ValuesThatLeadToTheirKeysKeepNothingAlive) {
  gc_weak_map<LifeNode, LifeNode> map;
  std::vector<Hidden> all;
  OnOtherThread([&] {
    LifeNode* k = make_gc<LifeNode>();
    map.set(k, k);
    LifeNode* a = make_gc<LifeNode>();
    LifeNode* b = make_gc<LifeNode>();
    LifeNode* via = make_gc<LifeNode>(0, b, nullptr);
    map.set(a, via);
    map.set(b, a);
    for (LifeNode* n : {k, a, b, via}) all.emplace_back(n);
  });
  Collect();
  EXPECT_EQ(0u, rt::CountAllocated(all));
  EXPECT_EQ(0u, map.size());
}

TEST_F(WeakTest, EntryIsGoneBeforeTheFinalizerOfTheKey) {
  static gc_weak_map<LifeNode, LifeNode>* map_in_finalizer;
  gc_weak_map<LifeNode, LifeNode> map;
  map_in_finalizer = &map;
  static int seen;
  seen = 0;
  MakeLifeNode([&](LifeNode* n) {
    map.set(n, make_gc<LifeNode>());
    ASSERT_TRUE(
        SetFinalizer(n, [](LifeNode* p) { seen = map_in_finalizer->contains(p) ? 2 : 1; }).ok());
  });
  Collect();
  RunAllReady();
  EXPECT_EQ(1, seen);
}

// A chain: each value is the key of the next entry, in the order in which a naive marker is slowest.
TEST_F(WeakTest, ChainLivesAndDiesInOneCollection) {
  const size_t length = 1'000'000 / (kSlowdown * (kSlowdown > 1 ? 2 : 1));
  gc_weak_map<LifeNode, LifeNode> map;
  gc_root<LifeNode> first;
  std::vector<Hidden> all;
  OnOtherThread([&] {
    LifeNode* n = make_gc<LifeNode>();
    first = n;
    all.emplace_back(n);
    for (size_t i = 1; i < length; ++i) {
      LifeNode* next = make_gc<LifeNode>(static_cast<int>(i), nullptr, nullptr);
      map.set(n, next);
      all.emplace_back(next);
      n = next;
    }
  });
  Collect();
  EXPECT_EQ(length, rt::CountAllocated(all));
  OnOtherThread([&] {
    LifeNode* n = first;
    for (size_t i = 1; i < length; ++i) {
      n = map.get(n);
      ASSERT_NE(nullptr, n);
      ASSERT_EQ(static_cast<int>(i), n->value);
    }
    EXPECT_EQ(nullptr, map.get(n));
  });
  first = nullptr;
  Collect();
  EXPECT_EQ(0u, rt::CountAllocated(all));
  EXPECT_EQ(0u, map.size());
}

// Threads change shared maps beside collections; values know their keys' numbers.
TEST_F(WeakTest, MapsBesideCollections) {
  constexpr int kThreads = 3;
  const uint64_t seed = TestSeed();
  gc_weak_map<LifeNode, LifeNode> shared;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> found{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      TestRng rng(seed + static_cast<uint64_t>(t));
      gc_weak_map<LifeNode, LifeNode> mine;
      constexpr size_t kKeys = 200;
      LifeNode* keys = make_gc<LifeNode>();  // a chain of keys, on this thread's stack
      size_t n_keys = 0;
      while (!stop) {
        if (n_keys == kKeys) {
          keys = make_gc<LifeNode>();
          n_keys = 0;
        }
        LifeNode* k = make_gc<LifeNode>(static_cast<int>(rng.Next() & 0xffffff), keys, nullptr);
        keys = k;
        ++n_keys;
        gc_weak_map<LifeNode, LifeNode>& map = rng.Below(2) == 0 ? shared : mine;
        LifeNode* v = make_gc<LifeNode>(k->value + 1, nullptr, nullptr);
        v->next = make_gc<LifeNode>(k->value + 2, k, nullptr);  // leads to its key
        map.set(k, v);
        v = nullptr;
        size_t steps = rng.Below(20);
        for (LifeNode* q = keys; q != nullptr && steps-- != 0; q = q->next) {
          LifeNode* value = mine.get(q);
          if (value == nullptr) value = shared.get(q);
          if (value == nullptr) continue;
          ++found;
          if (value->value != q->value + 1 || value->next->value != q->value + 2 ||
              value->next->next != q) {
            std::abort();
          }
          if (rng.Below(10) == 0) mine.erase(q);
        }
        if (rng.Below(1000) == 0) mine.clear();
      }
    });
  }
  // Nothing holds the threads up here, so that a cycle takes long where the collector gets little CPU.
  const int cycles = TARN_ASAN || TARN_TSAN ? 40 : 80;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (int i = 0; i < cycles && (i < 5 || std::chrono::steady_clock::now() < end); ++i) Collect();
  EXPECT_TRUE(rt::Eventually([&] { return found > 100; }));
  stop = true;
  for (std::thread& t : threads) Blocked([&] { t.join(); });
}

}  // namespace
}  // namespace tarn
