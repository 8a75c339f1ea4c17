// What a collection decides while the program changes the graph: the order of finalizers,
// destructors that run before what they refer to is marked, records of objects that were scanned
// already. Most tests hold the collector at one point (marking_hooks.h), so that the order of
// events is the same each time.
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
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

namespace tarn {
namespace {

using rt::Hidden;
using rt::IsAllocated;
using rt::LifeNode;
using rt::OnOtherThread;
using rt::RunAllReady;

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

class LifeOrderTest : public rt::EmbedderRunsFinalizers {
 protected:
  void SetUp() override {
    if (!rt::HooksWork()) GTEST_SKIP() << "nothing runs beside marking";
    EmbedderRunsFinalizers::SetUp();
  }
};

constexpr uint64_t kSum = 0x5eed5eed5eed5eed;

// --- Destructors that are taken out between the decision and the revival ---

// One with pointers that the barriers see, one without.
struct ExactItem {
  uint64_t sum = kSum;
  gc_ptr<ExactItem> next;
};
struct RawItem {
  uint64_t sum = kSum;
  RawItem* next = nullptr;
};

std::atomic<int> g_destroyed{0}, g_wrong{0};
std::atomic<bool> g_collected{false};

// Takes its list apart: after that nothing but its own stack leads to the items.
template <class Item, class Pointer>
struct ListOwner {
  Pointer list{};
  uint64_t pad[5] = {};

  ListOwner() = default;
  ListOwner(const ListOwner&) = delete;
  ListOwner& operator=(const ListOwner&) = delete;
  ~ListOwner() {
    Item* item = list;
    list = nullptr;
    rt::DecidedStop::gate.Open();
    rt::SpinUntil([] { return g_collected.load(); }, std::chrono::seconds(60));
    while (item != nullptr) {
      if (item->sum != kSum || !IsAllocated(Hidden(item))) {
        ++g_wrong;
        break;
      }
      Item* next = item->next;
      item->next = nullptr;
      item = next;
    }
    ++g_destroyed;
  }
};
struct ExactOwner : ListOwner<ExactItem, gc_ptr<ExactItem>> {
  static constexpr auto tarn_layout = fields(&ExactOwner::list);
};
struct RawOwner : ListOwner<RawItem, RawItem*> {};
// The words that are written without barriers are told by a Trace method.
struct TracedOwner : ListOwner<RawItem, RawItem*> {
  void Trace(Tracer& t) const { t.VisitConservatively(&list, &list + 1); }
};

template <class Owner, class Item>
void DestroyBetweenDecisionAndRevival() {
  g_destroyed = 0;
  g_wrong = 0;
  g_collected = false;
  rt::OnDeepStack([] {
    Owner* owner = make_gc<Owner>();
    for (int i = 0; i < 20; ++i) {
      Item* item = make_gc<Item>();
      item->next = owner->list;
      owner->list = item;
    }
  });
  Collect();
  ASSERT_EQ(1u, ReadyFinalizers());
  rt::OnDeepStack([] { make_gc<rt::DecidedStop>(); });
  rt::DecidedStop::gate.Arm();
  std::thread destroyer([] {
    make_gc<LifeNode>();  // attached
    EXPECT_TRUE(rt::DecidedStop::gate.WaitUntilReached());
    const size_t n = RunFinalizers(1);
    rt::DecidedStop::gate.Open();  // if it has to wait
    if (n != 0) return;
    EXPECT_TRUE(rt::Eventually([] { return g_collected.load(); }));
    EXPECT_EQ(1u, RunFinalizers(1));
  });
  Collect();
  g_collected = true;
  Blocked([&] { destroyer.join(); });
  EXPECT_EQ(1, g_destroyed);
  EXPECT_EQ(0, g_wrong) << "a destructor saw freed memory";
}

// A stale word on the stack of the thread may keep the items: so there are a few rounds.
TEST_F(LifeOrderTest, DestroyedWhileDeathsAreDecidedConservative) {
  for (int i = 0; i < 5; ++i) DestroyBetweenDecisionAndRevival<RawOwner, RawItem>();
}
TEST_F(LifeOrderTest, DestroyedWhileDeathsAreDecidedExact) {
  DestroyBetweenDecisionAndRevival<ExactOwner, ExactItem>();
}
TEST_F(LifeOrderTest, DestroyedWhileDeathsAreDecidedTraced) {
  DestroyBetweenDecisionAndRevival<TracedOwner, RawItem>();
}

// --- Links that move while marking runs ---

// A is finalized before B although the link came when A's contents had been looked at already.
struct RawNode {
  int value = 0;
  RawNode* next = nullptr;
  RawNode* witness = nullptr;  // marked once the contents have been looked at
};
struct TracedNode {
  int value = 0;
  TracedNode* next = nullptr;
  TracedNode* witness = nullptr;
  void Trace(Tracer& t) const {
    t.VisitConservatively(&next, &next + 1);
    t.VisitConservatively(&witness, &witness + 1);
  }
};
struct ExactNode {
  int value = 0;
  gc_ptr<ExactNode> next;
  gc_ptr<ExactNode> witness;
};

std::vector<int> g_order;

enum class How { kFinalizer, kQueue };

template <class Node>
class MovedLink {
 public:
  explicit MovedLink(How how) : how_(how) {}

  // False if the collector did not look at A before the link came.
  bool Run() {
    g_order.clear();
    gc_root<char> holder;
    rt::OnDeepStack([&] {
      Node* a = make_gc<Node>();
      Node* b = make_gc<Node>();
      Node* p = make_gc<Node>();
      a->value = 1;
      b->value = 2;
      a->witness = make_gc<Node>();
      a_ = Hidden(a);
      b_ = Hidden(b);
      witness_ = Hidden(a->witness);
      p_ = Hidden(p);
      p->next = a;
      p->witness = b;
      Register(a);
      Register(b);
      holder = reinterpret_cast<char*>(p);
    });
    bool looked_at = false;
    rt::DuringMarking(holder, [&] {
      looked_at = rt::SpinUntil([&] { return rt::IsMarkedNow(witness_); },
                                std::chrono::milliseconds(200)) &&
                  !rt::IsMarkedNow(a_) && !rt::IsMarkedNow(b_);
      Node* p = p_.template Reveal<Node>();
      Node* a = p->next;
      Node* b = p->witness;
      a->next = b;
      p->next = nullptr;
      p->witness = nullptr;
    });
    // What waits for a queue or a finalizer is there at once, in the order of death.
    for (int i = 0; i < 6; ++i) {
      const size_t before = g_order.size();
      OnOtherThread([&] {
        RunFinalizers();
        while (Node* n = queue_.Poll()) g_order.push_back(n->value);
      });
      EXPECT_LE(g_order.size(), before + 1) << "found dead together with what refers to it";
      Collect();
    }
    EXPECT_EQ((std::vector<int>{1, 2}), g_order);
    return looked_at;
  }

 private:
  void Register(Node* n) {
    const absl::Status s = how_ == How::kQueue ? queue_.Register(n) : SetFinalizer(n, [](Node* p) {
      g_order.push_back(p->value);
      if (p->value == 1 && (p->next == nullptr || p->next->value != 2)) g_order.push_back(-1);
    });
    EXPECT_TRUE(s.ok()) << s;
  }

  const How how_;
  gc_queue<Node> queue_;
  Hidden a_, b_, p_, witness_;
};

template <class Node>
void OrderFollowsTheLink(How how) {
  int looked_at = 0;
  for (int i = 0; i < 40 && looked_at < 3 && !testing::Test::HasFailure(); ++i) {
    looked_at += MovedLink<Node>(how).Run();
  }
  std::printf("%d rounds in which the link came late\n", looked_at);
}

TEST_F(LifeOrderTest, LinkMovedWhileMarkingFinalizerConservative) {
  OrderFollowsTheLink<RawNode>(How::kFinalizer);
}
TEST_F(LifeOrderTest, LinkMovedWhileMarkingQueueConservative) {
  OrderFollowsTheLink<RawNode>(How::kQueue);
}
TEST_F(LifeOrderTest, LinkMovedWhileMarkingFinalizerTraced) {
  OrderFollowsTheLink<TracedNode>(How::kFinalizer);
}
// The barrier shades B here, and with the deletion A.
TEST_F(LifeOrderTest, LinkMovedWhileMarkingFinalizerExact) {
  g_order.clear();
  for (int i = 0; i < 3; ++i) {
    gc_root<char> holder;
    Hidden p;
    OnOtherThread([&] {
      ExactNode* n = make_gc<ExactNode>();
      n->next = make_gc<ExactNode>();
      n->next->value = 1;
      n->witness = make_gc<ExactNode>();
      n->witness->value = 2;
      const auto note = [](ExactNode* e) { g_order.push_back(e->value); };
      ASSERT_TRUE(SetFinalizer(n->next.get(), note).ok());
      ASSERT_TRUE(SetFinalizer(n->witness.get(), note).ok());
      p = Hidden(n);
      holder = reinterpret_cast<char*>(n);
    });
    rt::DuringMarking(holder, [&] {
      auto* n = p.Reveal<ExactNode>();
      n->next->next = n->witness.get();
      n->next = nullptr;
      n->witness = nullptr;
    });
    for (int k = 0; k < 6; ++k) {
      const size_t before = g_order.size();
      RunAllReady();
      EXPECT_LE(g_order.size(), before + 1) << "found dead together with what refers to it";
      Collect();
    }
  }
  EXPECT_EQ((std::vector<int>{1, 2, 1, 2, 1, 2}), g_order);
}

// --- Registration on objects that have been scanned ---

// The record comes when everything reachable is marked; the object dies in the next cycle.
TEST_F(LifeOrderTest, RegisteredWhileMarkingRuns) {
  static std::atomic<int> finalized, cleaned, wrong;
  finalized = cleaned = wrong = 0;
  constexpr int kObjects = 100;
  std::vector<gc_root<LifeNode>> roots(kObjects);
  std::vector<gc_weak_root<LifeNode>> weak(kObjects);
  std::vector<Hidden> captured;
  gc_queue<LifeNode> queue;
  OnOtherThread([&] {
    for (int i = 0; i < kObjects; ++i)
      roots[static_cast<size_t>(i)] = make_gc<LifeNode>(i, nullptr, nullptr);
  });
  Collect();  // they are old
  rt::DuringMarking([&] {
    for (size_t i = 0; i < kObjects; ++i) {
      LifeNode* n = roots[i];
      LifeNode* c = make_gc<LifeNode>(4711, nullptr, nullptr);
      captured.emplace_back(c);
      weak[i] = n;
      switch (i % 3) {
        case 0:
          ASSERT_TRUE(SetFinalizer(n, [c](LifeNode* p) {
                        wrong += c->value != 4711 || p->value % 3 != 0;
                        ++finalized;
                      }).ok());
          break;
        case 1:
          ASSERT_TRUE(AddCleanup(n, [c] {
                        wrong += c->value != 4711;
                        ++cleaned;
                      }).ok());
          break;
        default:
          ASSERT_TRUE(queue.Register(n).ok());
      }
      if (i % 2 == 0) roots[i] = nullptr;  // dies while it is marked, or not marked yet
    }
  });
  EXPECT_EQ(0u, RunAllReady()) << "an object that lived when the cycle began was found dead";
  OnOtherThread([&] { EXPECT_EQ(nullptr, queue.Poll()); });
  OnOtherThread([&] {
    for (size_t i = 0; i < kObjects; ++i) {
      if (roots[i]) {
        EXPECT_EQ(roots[i].get(), weak[i].get());
      }
    }
  });
  OnOtherThread([] {
    for (int i = 0; i < 20000; ++i) make_gc<LifeNode>(1, nullptr, nullptr);
  });
  roots.clear();
  Collect();
  OnOtherThread([&] {
    for (auto& w : weak) EXPECT_EQ(nullptr, w.get());
  });
  RunAllReady();
  size_t polled = 0;
  OnOtherThread([&] {
    while (LifeNode* n = queue.Poll()) {
      EXPECT_EQ(2, n->value % 3);
      ++polled;
    }
  });
  EXPECT_EQ(34, finalized);
  EXPECT_EQ(33, cleaned);
  EXPECT_EQ(33u, polled);
  EXPECT_EQ(0, wrong);
  Collect();
  Collect();
  EXPECT_EQ(0u, rt::CountAllocated(captured));
}

// An object that is weakly known alone is made strong and registered while marking runs: it lives.
TEST_F(LifeOrderTest, MadeStrongAndRegisteredWhileMarkingRuns) {
  static int finalized;
  finalized = 0;
  gc_weak_root<LifeNode> weak;
  gc_root<LifeNode> root;
  const Hidden h = rt::MakeLifeNode([&](LifeNode* n) {
    n->value = 12;
    n->next = make_gc<LifeNode>(13, nullptr, nullptr);
    weak = n;
  });
  rt::DuringMarking([&] {
    LifeNode* n = weak.get();
    ASSERT_NE(nullptr, n);
    ASSERT_TRUE(SetFinalizer(n, [](LifeNode* p) { finalized = p->next->value; }).ok());
  });
  EXPECT_TRUE(IsAllocated(h));
  EXPECT_EQ(0u, RunAllReady());
  Collect();
  EXPECT_EQ(nullptr, weak.get());
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ(13, finalized);
}

// The same when deaths have been decided and the dead are about to be revived: what was found dead
// is gone for everybody, what lives takes new records, and those that were just stopped stay so.
TEST_F(LifeOrderTest, WhenDeathsHaveBeenDecided) {
  static std::atomic<int> finalized, cleaned, wrong;
  for (int round = 0; round < 5; ++round) {
    finalized = cleaned = wrong = 0;
    gc_root<LifeNode> live, other;
    gc_weak_root<LifeNode> of_live, of_dead, of_finalized, of_kept, fresh;
    gc_weak_map<LifeNode, LifeNode> map;
    gc_queue<LifeNode> queue;
    Cleanup stopped;
    rt::OnDeepStack([&] {
      live = make_gc<LifeNode>(1, nullptr, nullptr);
      other = make_gc<LifeNode>(2, nullptr, nullptr);
      of_live = live.get();
      of_dead = make_gc<LifeNode>(3, nullptr, nullptr);
      LifeNode* f = make_gc<LifeNode>(4, nullptr, nullptr);
      f->next = make_gc<LifeNode>(5, nullptr, nullptr);
      of_finalized = f;
      of_kept = f->next.get();
      ASSERT_TRUE(SetFinalizer(f, [](LifeNode* p) {
                    wrong += p->next->value != 5;
                    ++finalized;
                  }).ok());
      stopped = *AddCleanup(live.get(), [] { ++wrong; });
      map.set(live, make_gc<LifeNode>(6, nullptr, nullptr));
      map.set(other, make_gc<LifeNode>(7, nullptr, nullptr));
    });
    rt::WhenDecided([&] {
      EXPECT_EQ(live.get(), of_live.get());
      EXPECT_EQ(nullptr, of_dead.get());
      EXPECT_EQ(nullptr, of_finalized.get());
      ASSERT_NE(nullptr, of_kept.get());
      EXPECT_EQ(5, of_kept.get()->value);
      EXPECT_TRUE(stopped.Stop());
      LifeNode* c = make_gc<LifeNode>(8, nullptr, nullptr);
      ASSERT_TRUE(AddCleanup(live.get(), [c] {
                    wrong += c->value != 8;
                    ++cleaned;
                  }).ok());
      ASSERT_TRUE(SetFinalizer(other.get(), [c](LifeNode* p) {
                    wrong += c->value != 8 || p->value != 2;
                    ++finalized;
                  }).ok());
      LifeNode* n = make_gc<LifeNode>(9, nullptr, nullptr);
      fresh = n;
      ASSERT_TRUE(queue.Register(n).ok());
      EXPECT_TRUE(map.erase(other));
      EXPECT_EQ(6, map.get(live)->value);
      map.set(live, make_gc<LifeNode>(10, nullptr, nullptr));
      map.set(n, make_gc<LifeNode>(11, nullptr, nullptr));
    });
    OnOtherThread([&] {
      for (int i = 0; i < 20000; ++i) make_gc<LifeNode>(-1, nullptr, nullptr);
      EXPECT_EQ(10, map.get(live)->value);
      ASSERT_NE(nullptr, fresh.get());
      EXPECT_EQ(11, map.get(fresh.get())->value);
      EXPECT_EQ(nullptr, queue.Poll());
    });
    EXPECT_EQ(1u, RunAllReady());
    EXPECT_EQ(1, finalized);
    live = nullptr;
    other = nullptr;
    Collect();
    EXPECT_EQ(2u, RunAllReady());
    OnOtherThread([&] {
      LifeNode* n = queue.Poll();
      ASSERT_NE(nullptr, n);
      EXPECT_EQ(9, n->value);
    });
    EXPECT_EQ(2, finalized);
    EXPECT_EQ(1, cleaned);
    EXPECT_EQ(0, wrong);
    EXPECT_EQ(0u, map.size());
  }
}

// Objects made while marking runs are alive in that cycle, with all their records.
TEST_F(LifeOrderTest, MadeWhileMarkingRuns) {
  static std::atomic<int> destroyed, finalized;
  destroyed = finalized = 0;
  struct Noted {
    int value = 6;
    gc_ptr<LifeNode> next;
    ~Noted() { destroyed += value == 6 ? 1 : 1000; }
  };
  Hidden h;
  rt::DuringMarking([&] {
    Noted* n = make_gc<Noted>();
    n->next = make_gc<LifeNode>(3, nullptr, nullptr);
    h = Hidden(n->next.get());
    ASSERT_TRUE(SetFinalizer(n, [](Noted* p) { finalized = p->next->value; }).ok());
  });
  EXPECT_TRUE(IsAllocated(h));
  EXPECT_EQ(0u, RunAllReady());
  Collect();
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ(3, finalized);
  EXPECT_EQ(0, destroyed);
  Collect();
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ(1, destroyed);
}

// --- Cycles ---

// Two objects with finalizers that refer to each other keep each other, as documented, and so do
// all that they lead to; without one of the links they are finalized in order.
template <class Node>
void CycleOfTwo() {
  g_order.clear();
  std::vector<Hidden> all;
  OnOtherThread([&] {
    Node* a = make_gc<Node>();
    Node* b = make_gc<Node>();
    a->value = 1;
    b->value = 2;
    a->next = b;
    b->next = a;
    b->witness = make_gc<Node>();
    for (Node* n : {a, b, static_cast<Node*>(b->witness)}) all.emplace_back(n);
    const auto note = [](Node* n) { g_order.push_back(n->value); };
    ASSERT_TRUE(SetFinalizer(a, note).ok());
    ASSERT_TRUE(SetFinalizer(b, note).ok());
  });
  for (int i = 0; i < 3; ++i) {
    Collect();
    EXPECT_EQ(0u, RunAllReady());
  }
  EXPECT_EQ(3u, rt::CountAllocated(all));
  OnOtherThread([&] { all[1].template Reveal<Node>()->next = nullptr; });
  for (int i = 0; i < 5; ++i) {
    Collect();
    EXPECT_LE(RunAllReady(), 1u);
  }
  EXPECT_EQ((std::vector<int>{1, 2}), g_order);
  EXPECT_EQ(0u, rt::CountAllocated(all));
}

TEST_F(LifeOrderTest, CycleOfObjectsWithFinalizersExact) { CycleOfTwo<ExactNode>(); }
TEST_F(LifeOrderTest, CycleOfObjectsWithFinalizersConservative) { CycleOfTwo<RawNode>(); }
TEST_F(LifeOrderTest, CycleOfObjectsWithFinalizersTraced) { CycleOfTwo<TracedNode>(); }

}  // namespace
}  // namespace tarn
