// Cleanups, and the thread that runs what is ready.
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tarn/finalizer.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/life_test_util.h"
#include "tests/gc/manual_collections.h"

namespace tarn {
namespace {

using rt::Eventually;
using rt::Hidden;
using rt::IsAllocated;
using rt::kSlowdown;
using rt::LifeNode;
using rt::MakeLifeNode;
using rt::OnOtherThread;
using rt::RunAllReady;

int g_global;  // not on the heap

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

class CleanupTest : public rt::EmbedderRunsFinalizers {};

TEST_F(CleanupTest, RunsAtTheCollectionThatFreesTheObject) {
  static int seen;
  seen = 0;
  const Hidden h = MakeLifeNode([](LifeNode* n) {
    ASSERT_TRUE(AddCleanup(
                    n, [](int arg) { seen = arg; }, 97531)
                    .ok());
  });
  Collect();
  EXPECT_FALSE(IsAllocated(h));
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ(97531, seen);
  Collect();
  EXPECT_EQ(0u, RunAllReady());
}

TEST_F(CleanupTest, ManyOfOneObjectAlsoOnInteriorPointersRunInOrder) {
  static std::vector<int> seen;
  seen.clear();
  MakeLifeNode([](LifeNode* n) {
    const auto note = [](int arg) { seen.push_back(arg); };
    for (int i = 0; i < 99; i += 3) {
      ASSERT_TRUE(AddCleanup(n, note, i).ok());
      ASSERT_TRUE(AddCleanup(&n->next, note, i + 1).ok());
      ASSERT_TRUE(AddCleanup(&n->other, note, i + 2).ok());
    }
  });
  Collect();
  EXPECT_EQ(99u, RunAllReady());
  ASSERT_EQ(99u, seen.size());
  for (int i = 0; i < 99; ++i) EXPECT_EQ(i, seen[static_cast<size_t>(i)]);
}

TEST_F(CleanupTest, WorksInCyclesAndAfterAFinalizer) {
  static std::string order;
  order.clear();
  MakeLifeNode([](LifeNode* n) {
    n->next = n;
    ASSERT_TRUE(AddCleanup(n, [] { order += "cycle "; }).ok());
  });
  Collect();
  RunAllReady();
  EXPECT_EQ("cycle ", order);
  MakeLifeNode([](LifeNode* n) {
    ASSERT_TRUE(AddCleanup(n, [] { order += "cleanup "; }).ok());
    ASSERT_TRUE(SetFinalizer(n, [](LifeNode*) { order += "finalizer "; }).ok());
  });
  Collect();
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ("cycle finalizer ", order);
  Collect();
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ("cycle finalizer cleanup ", order);
}

TEST_F(CleanupTest, StoppedOnesDoNotRun) {
  static std::vector<int> seen;
  seen.clear();
  Cleanup stopped_late;
  const Hidden h = MakeLifeNode([&](LifeNode* n) {
    const auto note = [](int arg) { seen.push_back(arg); };
    stopped_late = *AddCleanup(n, note, 1);
    Cleanup two = *AddCleanup(n, note, 2);
    ASSERT_TRUE(AddCleanup(n, note, 1).ok());
    EXPECT_TRUE(two.Stop());
    EXPECT_FALSE(two.Stop());
    Cleanup again = *AddCleanup(&n->next, note, 2);
    EXPECT_TRUE(again.Stop());
    EXPECT_FALSE(again.Stop());
    EXPECT_FALSE(again.Stop());
    ASSERT_TRUE(AddCleanup(n, note, 1).ok());
    EXPECT_FALSE(Cleanup().Stop());
  });
  Collect();
  EXPECT_FALSE(IsAllocated(h));  // a Cleanup keeps nothing alive
  EXPECT_FALSE(stopped_late.Stop());
  EXPECT_EQ(3u, RunAllReady());
  EXPECT_EQ((std::vector<int>{1, 1, 1}), seen);
  EXPECT_FALSE(stopped_late.Stop());
}

TEST_F(CleanupTest, RefusesTheObjectAsArgumentOrCapture) {
  OnOtherThread([] {
    LifeNode* n = make_gc<LifeNode>();
    LifeNode* m = make_gc<LifeNode>();
    const auto refused = [](const absl::StatusOr<Cleanup>& c) {
      return absl::IsInvalidArgument(c.status());
    };
    EXPECT_TRUE(refused(AddCleanup(
        n, [](LifeNode*) {}, n)));
    EXPECT_TRUE(refused(AddCleanup(
        n, [](void*) {}, static_cast<void*>(&n->next))));
    EXPECT_TRUE(refused(AddCleanup(n, [n] { n->value = 1; })));
    EXPECT_TRUE(refused(AddCleanup(&n->next, [n, m] { n->value = m->value; })));
    auto* const buffer = static_cast<char*>(AllocateBytes(1000, Scan::kNone));
    EXPECT_TRUE(refused(AddCleanup(
        buffer, [](char*) {}, buffer + 500)));
    EXPECT_TRUE(refused(AddCleanup(&g_global, [] {})));
    EXPECT_TRUE(refused(AddCleanup(static_cast<LifeNode*>(nullptr), [] {})));
    EXPECT_TRUE(AddCleanup(
                    n, [](LifeNode*) {}, m)
                    .ok());
  });
  Collect();
  EXPECT_EQ(1u, RunAllReady());  // and the leak checker finds nothing that was not released
}

TEST_F(CleanupTest, ArgumentStaysAlive) {
  static int seen;
  seen = 0;
  Hidden argument;
  MakeLifeNode([&](LifeNode* n) {
    LifeNode* arg = make_gc<LifeNode>(8, nullptr, nullptr);
    argument = Hidden(arg);
    ASSERT_TRUE(AddCleanup(
                    n, [](LifeNode* p) { seen = p->value; }, arg)
                    .ok());
  });
  for (int i = 0; i < 3; ++i) Collect();
  EXPECT_TRUE(IsAllocated(argument));
  RunAllReady();
  EXPECT_EQ(8, seen);
  Collect();
  EXPECT_FALSE(IsAllocated(argument));
}

TEST_F(CleanupTest, ManyOfManyObjects) {
  static std::atomic<size_t> runs;
  runs = 0;
  constexpr size_t kObjects = 20000 / kSlowdown;
  OnOtherThread([] {
    for (size_t i = 0; i < kObjects; ++i) {
      LifeNode* n = make_gc<LifeNode>();
      for (int k = 0; k < 3; ++k) ASSERT_TRUE(AddCleanup(n, [] { ++runs; }).ok());
    }
  });
  Collect();
  RunAllReady();
  EXPECT_EQ(3 * kObjects, runs);
}

// --- The thread ---

class FinalizerThreadTest : public testing::Test {
 protected:
  void SetUp() override { UseFinalizerThread(true); }
};

TEST_F(FinalizerThreadTest, RunsWhatIsReadyByItself) {
  static std::atomic<int> runs;
  static char name[16];
  runs = 0;
  for (int i = 0; i < 10; ++i) {
    MakeLifeNode([](LifeNode* n) {
      ASSERT_TRUE(SetFinalizer(n, [](LifeNode*) {
                    pthread_getname_np(pthread_self(), name, sizeof(name));
                    ++runs;
                  }).ok());
    });
  }
  Collect();
  ASSERT_TRUE(Eventually([] { return runs == 10; }));
  EXPECT_STREQ("tarn-fin", name);
}

TEST_F(FinalizerThreadTest, GoesOnAfterAnExceptionAndAfterTheEndOfTheThread) {
  static std::atomic<int> runs;
  runs = 0;
  for (int i = 0; i < 12; ++i) {
    MakeLifeNode([i](LifeNode* n) {
      n->value = i;
      ASSERT_TRUE(SetFinalizer(n, [](LifeNode* p) {
                    ++runs;
                    if (p->value % 4 == 0) throw std::runtime_error("from a finalizer");
                    if (p->value % 4 == 1) throw 5;
                    if (p->value % 4 == 2) pthread_exit(nullptr);
                  }).ok());
    });
  }
  Collect();
  EXPECT_TRUE(Eventually([] { return runs == 12; }));
}

TEST_F(FinalizerThreadTest, CollectionsGoOnWhileAFinalizerWaits) {
  static std::atomic<int> stage;
  stage = 0;
  MakeLifeNode([](LifeNode* n) {
    ASSERT_TRUE(SetFinalizer(n, [](LifeNode* p) {
                  stage = 1;
                  while (stage == 1) usleep(100);
                  stage = p->value == 0 ? 3 : 4;
                }).ok());
  });
  Collect();
  ASSERT_TRUE(Eventually([] { return stage == 1; }));
  for (int i = 0; i < 5; ++i) Collect();
  stage = 2;
  EXPECT_TRUE(Eventually([] { return stage == 3; }));
}

}  // namespace
}  // namespace tarn
