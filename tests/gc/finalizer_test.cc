// Finalizers: what runs, when, in which order, and what is refused.
#include "tarn/finalizer.h"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tarn/gc_queue.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/life_test_util.h"
#include "tests/gc/manual_collections.h"

namespace tarn {
namespace {

using rt::Hidden;
using rt::IsAllocated;
using rt::LifeNode;
using rt::MakeLifeNode;
using rt::OnOtherThread;
using rt::RunAllReady;

int g_global;  // not on the heap

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

class FinalizerTest : public rt::EmbedderRunsFinalizers {};

TEST_F(FinalizerTest, RunsOnceWithTheObjectAndFreesItAtTheNextCollection) {
  static int runs, seen;
  runs = seen = 0;
  const Hidden h = MakeLifeNode([](LifeNode* n) {
    n->value = 97531;
    ASSERT_TRUE(SetFinalizer(n, [](LifeNode* p) {
                  ++runs;
                  seen = p->value;
                }).ok());
  });
  Collect();
  EXPECT_EQ(1u, ReadyFinalizers());
  EXPECT_TRUE(IsAllocated(h));
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ(1, runs);
  EXPECT_EQ(97531, seen);
  Collect();
  EXPECT_FALSE(IsAllocated(h));
  EXPECT_EQ(0u, RunAllReady());
  EXPECT_EQ(1, runs);
}

TEST_F(FinalizerTest, NotWhileTheObjectIsReachable) {
  static int runs;
  runs = 0;
  gc_root<LifeNode> root;
  MakeLifeNode([&](LifeNode* n) {
    root = n;
    ASSERT_TRUE(SetFinalizer(n, [](LifeNode*) { ++runs; }).ok());
  });
  for (int i = 0; i < 3; ++i) Collect();
  EXPECT_EQ(0u, RunAllReady());
  root = nullptr;
  Collect();
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ(1, runs);
}

TEST_F(FinalizerTest, DependentObjectsFollowInOrder) {
  constexpr int kLength = 5;
  static std::vector<int> order;
  order.clear();
  std::vector<Hidden> all;
  OnOtherThread([&] {
    LifeNode* next = nullptr;
    for (int i = kLength; i-- > 0;) {
      LifeNode* n = make_gc<LifeNode>();
      n->value = i;
      n->next = next;
      next = n;
      all.emplace_back(n);
      ASSERT_TRUE(SetFinalizer(n, [](LifeNode* p) {
                    order.push_back(p->value);
                    if (p->next != nullptr && p->next->value != p->value + 1) std::abort();
                  }).ok());
    }
  });
  // Two collections for each: one that finds it dead, and one that frees it.
  for (int i = 0; i < 2 * kLength + 2; ++i) {
    Collect();
    EXPECT_LE(RunAllReady(), 1u) << "an object was finalized together with one that refers to it";
  }
  EXPECT_EQ((std::vector<int>{0, 1, 2, 3, 4}), order);
  EXPECT_EQ(0u, rt::CountAllocated(all));
}

TEST_F(FinalizerTest, UnrelatedObjectsAreFinalizedTogether) {
  static int runs;
  runs = 0;
  for (int i = 0; i < 100; ++i) {
    MakeLifeNode([](LifeNode* n) { ASSERT_TRUE(SetFinalizer(n, [](LifeNode*) { ++runs; }).ok()); });
  }
  Collect();
  EXPECT_EQ(100u, RunAllReady());
  EXPECT_EQ(100, runs);
}

TEST_F(FinalizerTest, WhatADeadObjectRefersToIsWholeWhenItIsFinalized) {
  static int sum;
  sum = 0;
  MakeLifeNode([](LifeNode* n) {
    for (int i = 0; i < 1000; ++i) {
      LifeNode* more = make_gc<LifeNode>();
      more->value = 1;
      more->next = n->next.get();
      n->next = more;
    }
    ASSERT_TRUE(SetFinalizer(n, [](LifeNode* p) {
                  for (LifeNode* q = p->next; q != nullptr; q = q->next) sum += q->value;
                }).ok());
  });
  Collect();
  Collect();  // the list is alive while its owner waits
  OnOtherThread([] {
    for (int i = 0; i < 100000; ++i)
      make_gc<LifeNode>();  // what was freed by mistake is overwritten
  });
  RunAllReady();
  EXPECT_EQ(1000, sum);
}

TEST_F(FinalizerTest, CycleThroughAnObjectWithAFinalizerIsNeverFinalized) {
  const Hidden h = MakeLifeNode([](LifeNode* n) {
    n->next = make_gc<LifeNode>(0, n, nullptr);
    ASSERT_TRUE(SetFinalizer(n, [](LifeNode*) { std::abort(); }).ok());
  });
  for (int i = 0; i < 4; ++i) Collect();
  EXPECT_EQ(0u, RunAllReady());
  EXPECT_TRUE(IsAllocated(h));
  OnOtherThread([&] { EXPECT_TRUE(ClearFinalizer(h.Reveal<LifeNode>()).ok()); });
  Collect();
  EXPECT_FALSE(IsAllocated(h));
}

TEST_F(FinalizerTest, ResurrectedObjectLivesAndMayGetAnotherFinalizer) {
  static gc_root<LifeNode>* keep;
  static int runs;
  gc_root<LifeNode> root;
  keep = &root;
  runs = 0;
  const Hidden h = MakeLifeNode([](LifeNode* n) {
    n->value = 5;
    ASSERT_TRUE(SetFinalizer(n, [](LifeNode* p) {
                  ++runs;
                  *keep = p;
                }).ok());
  });
  Collect();
  RunAllReady();
  Collect();
  ASSERT_TRUE(IsAllocated(h));
  OnOtherThread([&] {
    EXPECT_EQ(5, root->value);
    EXPECT_TRUE(absl::IsNotFound(ClearFinalizer(root.get())));
    ASSERT_TRUE(SetFinalizer(root.get(), [](LifeNode*) { runs += 10; }).ok());
  });
  root = nullptr;
  Collect();
  RunAllReady();
  EXPECT_EQ(11, runs);
  Collect();
  EXPECT_FALSE(IsAllocated(h));
}

TEST_F(FinalizerTest, ClearedFinalizerDoesNotRun) {
  auto token = std::make_shared<int>(1);
  const Hidden h = MakeLifeNode([&](LifeNode* n) {
    ASSERT_TRUE(SetFinalizer(n, [token](LifeNode*) { std::abort(); }).ok());
    EXPECT_EQ(2, token.use_count());
    EXPECT_TRUE(ClearFinalizer(n).ok());
    EXPECT_EQ(1, token.use_count());
    EXPECT_TRUE(absl::IsNotFound(ClearFinalizer(n)));
  });
  Collect();
  EXPECT_EQ(0u, RunAllReady());
  EXPECT_FALSE(IsAllocated(h));
}

TEST_F(FinalizerTest, MisuseIsRefusedAndChangesNothing) {
  auto token = std::make_shared<int>(1);
  const auto nothing = [token](auto*) {};
  OnOtherThread([&] {
    LifeNode* n = make_gc<LifeNode>();
    const auto says = [](const absl::Status& s, const char* what) {
      return s.message().find(what) != std::string::npos;
    };
    absl::Status s = SetFinalizer(static_cast<LifeNode*>(nullptr), nothing);
    EXPECT_TRUE(absl::IsInvalidArgument(s) && says(s, "null")) << s;
    s = SetFinalizer(&g_global, nothing);
    EXPECT_TRUE(absl::IsInvalidArgument(s) && says(s, "no pointer to the collected heap")) << s;
    s = SetFinalizer(&n->next, nothing);
    EXPECT_TRUE(absl::IsInvalidArgument(s) && says(s, "inside an object")) << s;
    s = SetFinalizer(n, [n](LifeNode*) { n->value = 1; });
    EXPECT_TRUE(absl::IsInvalidArgument(s) && says(s, "refers to the object")) << s;
    EXPECT_EQ(2, token.use_count());  // of `nothing`
    ASSERT_TRUE(SetFinalizer(n, nothing).ok());
    s = SetFinalizer(n, nothing);
    EXPECT_TRUE(absl::IsAlreadyExists(s)) << s;
    gc_queue<LifeNode> queue;
    EXPECT_TRUE(absl::IsAlreadyExists(queue.Register(n)));
    EXPECT_EQ(3, token.use_count());
  });
  Collect();
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ(2, token.use_count());
}

TEST_F(FinalizerTest, SmallObjectsThatShareASlotHaveOneEach) {
  static std::vector<int> seen;
  seen.clear();
  struct Small {
    int value;
  };
  OnOtherThread([] {
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(SetFinalizer(make_gc<Small>(i), [](Small* s) { seen.push_back(s->value); }).ok());
    }
  });
  Collect();
  RunAllReady();
  EXPECT_EQ(40u, seen.size());
}

// A small T does not make a pointer into a larger object acceptable.
TEST_F(FinalizerTest, PointersInsideLargeObjectsAreRefusedForSmallTypes) {
  struct Large {
    int64_t numbers[8];
  };
  OnOtherThread([] {
    Large* l = make_gc<Large>();
    const absl::Status s = SetFinalizer(reinterpret_cast<int*>(&l->numbers[1]), [](int*) {});
    EXPECT_TRUE(absl::IsInvalidArgument(s)) << s;
    gc_queue<int> queue;
    EXPECT_TRUE(absl::IsInvalidArgument(queue.Register(reinterpret_cast<int*>(&l->numbers[1]))));
  });
}

// Moves leave nothing behind, as those of a handle would.
struct Emptied {
  LifeNode* node;
  uint64_t more = 0;

  explicit Emptied(LifeNode* n) : node(n) {}
  Emptied(Emptied&& other) noexcept : node(std::exchange(other.node, nullptr)) {}
  void operator()(LifeNode*) const {
    for (int i = 0; i < 3; ++i) std::this_thread::yield();
    if (node->value != 4711) std::abort();
  }
};

// The function object moves from its box to the stack at any moment of a cycle.
TEST_F(FinalizerTest, CapturesSurviveTheirMoveToTheStackBesideMarking) {
  std::atomic<bool> stop{false};
  std::thread collector([&] {
    while (!stop) Collect();
  });
  constexpr int kRounds = 2000 / rt::kSlowdown;
  size_t ran = 0;
  for (int i = 0; i < kRounds; ++i) {
    MakeLifeNode([&](LifeNode* n) {
      for (int k = 0; k < 10; ++k) make_gc<LifeNode>(k, nullptr, nullptr);
      LifeNode* captured = make_gc<LifeNode>(4711, nullptr, nullptr);
      ASSERT_TRUE(SetFinalizer(n, Emptied(captured)).ok());
    });
    ran += RunAllReady();
  }
  stop = true;
  collector.join();
  Collect();
  ran += RunAllReady();
  EXPECT_GT(ran, size_t{kRounds} / 2);
}

TEST_F(FinalizerTest, CapturesStayAlive) {
  static int sum;
  sum = 0;
  std::vector<Hidden> captured;
  for (int i = 0; i < 50; ++i) {
    MakeLifeNode([&](LifeNode* n) {
      LifeNode* a = make_gc<LifeNode>(1, nullptr, nullptr);
      LifeNode* b = make_gc<LifeNode>(2, nullptr, nullptr);
      captured.emplace_back(a);
      captured.emplace_back(b);
      ASSERT_TRUE(SetFinalizer(n, [a, b](LifeNode*) { sum += a->value + b->value; }).ok());
    });
  }
  for (int i = 0; i < 3; ++i) Collect();  // found dead at the first
  EXPECT_EQ(100u, rt::CountAllocated(captured));
  EXPECT_EQ(50u, RunAllReady());
  EXPECT_EQ(150, sum);
  Collect();
  EXPECT_EQ(0u, rt::CountAllocated(captured));
}

TEST_F(FinalizerTest, MayAllocateCollectAndSetFinalizers) {
  static int depth;
  depth = 0;
  struct Again {
    static void Run(LifeNode* n) {
      if (++depth == 5) return;
      Collect();
      for (int i = 0; i < 1000; ++i) make_gc<LifeNode>(i, n, nullptr);
      if (!SetFinalizer(n, &Run).ok()) std::abort();
      Collect();
    }
  };
  MakeLifeNode([](LifeNode* n) { ASSERT_TRUE(SetFinalizer(n, &Again::Run).ok()); });
  for (int i = 0; i < 12; ++i) {
    Collect();
    RunAllReady();
  }
  EXPECT_EQ(5, depth);
}

TEST_F(FinalizerTest, BudgetBoundsHowManyRun) {
  for (int i = 0; i < 10; ++i) {
    MakeLifeNode([](LifeNode* n) { ASSERT_TRUE(SetFinalizer(n, [](LifeNode*) {}).ok()); });
  }
  Collect();
  EXPECT_EQ(10u, ReadyFinalizers());
  EXPECT_EQ(0u, RunFinalizers(0));
  EXPECT_EQ(3u, RunFinalizers(3));
  EXPECT_EQ(7u, ReadyFinalizers());
  EXPECT_EQ(7u, RunFinalizers(100));
  EXPECT_EQ(0u, RunFinalizers());
}

TEST_F(FinalizerTest, WhatIsThrownComesOutOfRunFinalizers) {
  static int runs;
  runs = 0;
  for (int i = 0; i < 2; ++i) {
    MakeLifeNode([](LifeNode* n) {
      ASSERT_TRUE(SetFinalizer(n, [](LifeNode*) {
                    ++runs;
                    throw std::runtime_error("thrown");
                  }).ok());
    });
  }
  Collect();
  EXPECT_THROW(RunFinalizers(), std::runtime_error);
  EXPECT_EQ(1u, ReadyFinalizers());
  EXPECT_THROW(RunFinalizers(), std::runtime_error);
  EXPECT_EQ(2, runs);
  EXPECT_EQ(0u, RunFinalizers());
}

TEST_F(FinalizerTest, LargeObjectsAndObjectsWithoutPointers) {
  static size_t runs;
  runs = 0;
  static constexpr size_t kLast = (size_t{1} << 20) - 1;
  std::vector<Hidden> all;
  OnOtherThread([&] {
    for (size_t bytes : {size_t{16}, size_t{64}, size_t{4096}, size_t{40000}, size_t{3} << 20}) {
      void* p = AllocateBytes(bytes, Scan::kNone);
      all.emplace_back(p);
      ASSERT_TRUE(SetFinalizer(p, [](void*) { ++runs; }).ok());
    }
    gc_ptr<LifeNode>* big = make_gc<gc_ptr<LifeNode>[]>(kLast + 1);
    big[kLast] = make_gc<LifeNode>(7, nullptr, nullptr);
    all.emplace_back(big);
    ASSERT_TRUE(SetFinalizer(big, [](gc_ptr<LifeNode>* p) { runs += p[kLast]->value == 7; }).ok());
  });
  Collect();
  Collect();
  EXPECT_EQ(6u, RunAllReady());
  EXPECT_EQ(6u, runs);
  Collect();
  EXPECT_EQ(0u, rt::CountAllocated(all));
}

// --- Guardians ---

TEST_F(FinalizerTest, QueueHandsBackDeadObjectsOnce) {
  gc_queue<LifeNode> queue;
  const Hidden h = MakeLifeNode([&](LifeNode* n) {
    n->value = 3;
    n->next = make_gc<LifeNode>(4, nullptr, nullptr);
    ASSERT_TRUE(queue.Register(n).ok());
    EXPECT_TRUE(absl::IsAlreadyExists(queue.Register(n)));
  });
  OnOtherThread([&] { EXPECT_EQ(nullptr, queue.Poll()); });
  Collect();
  Collect();  // it waits
  OnOtherThread([&] {
    LifeNode* n = queue.Poll();
    ASSERT_NE(nullptr, n);
    EXPECT_EQ(3, n->value);
    EXPECT_EQ(4, n->next->value);
    EXPECT_EQ(nullptr, queue.Poll());
    ASSERT_TRUE(queue.Register(n).ok());
  });
  Collect();
  OnOtherThread([&] { EXPECT_NE(nullptr, queue.Poll()); });
  Collect();
  EXPECT_FALSE(IsAllocated(h));
}

TEST_F(FinalizerTest, QueueKeepsTheOrderOfDependency) {
  gc_queue<LifeNode> queue;
  MakeLifeNode([&](LifeNode* n) {
    n->value = 1;
    n->next = make_gc<LifeNode>(2, nullptr, nullptr);
    ASSERT_TRUE(queue.Register(n->next).ok());
    ASSERT_TRUE(queue.Register(n).ok());
  });
  std::vector<int> order;
  for (int i = 0; i < 6; ++i) {
    Collect();
    OnOtherThread([&] {
      if (LifeNode* n = queue.Poll()) order.push_back(n->value);
    });
  }
  EXPECT_EQ((std::vector<int>{1, 2}), order);
}

TEST_F(FinalizerTest, ObjectsOfAQueueThatIsGoneDieLikeOthers) {
  Hidden waiting, registered;
  gc_root<LifeNode> root;
  {
    gc_queue<LifeNode> queue;
    waiting = MakeLifeNode([&](LifeNode* n) { ASSERT_TRUE(queue.Register(n).ok()); });
    registered = MakeLifeNode([&](LifeNode* n) {
      root = n;
      ASSERT_TRUE(queue.Register(n).ok());
    });
    Collect();
    gc_queue<LifeNode> moved = std::move(queue);
  }
  Collect();
  EXPECT_FALSE(IsAllocated(waiting));
  EXPECT_TRUE(IsAllocated(registered));
  root = nullptr;
  Collect();
  EXPECT_FALSE(IsAllocated(registered));  // it does not come back
}

// A queue that is gone neither keeps a cycle alive nor stands in the way of a finalizer.
TEST_F(FinalizerTest, QueueThatIsGoneLeavesNothingBehind) {
  Hidden cycle, other;
  gc_root<LifeNode> root;
  {
    gc_queue<LifeNode> queue;
    cycle = MakeLifeNode([&](LifeNode* n) {
      n->next = n;
      ASSERT_TRUE(queue.Register(n).ok());
    });
    other = MakeLifeNode([&](LifeNode* n) {
      root = n;
      ASSERT_TRUE(queue.Register(n).ok());
    });
    Collect();
    EXPECT_TRUE(IsAllocated(cycle));
  }
  Collect();
  EXPECT_FALSE(IsAllocated(cycle));
  OnOtherThread([&] { ASSERT_TRUE(SetFinalizer(root.get(), [](LifeNode*) {}).ok()); });
  root = nullptr;
  Collect();
  EXPECT_EQ(1u, RunAllReady());
  Collect();
  EXPECT_FALSE(IsAllocated(other));
}

}  // namespace
}  // namespace tarn
