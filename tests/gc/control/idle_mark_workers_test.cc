// The counter of idle markers through filling, emptying and a lowered maximum.
#include "gc/control/idle_mark_workers.h"

#include "gtest/gtest.h"

namespace tarn::rt {
namespace {

bool TryAdd(IdleMarkWorkers* workers) {
  if (!workers->CanAdd()) return false;
  *workers = workers->Added();
  return true;
}

TEST(IdleMarkWorkersTest, StartsUpToTheMaximumAndNoMore) {
  auto workers = IdleMarkWorkers::Of(0, 10);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(workers.CanAdd()) << i;
    EXPECT_TRUE(TryAdd(&workers)) << i;
  }
  EXPECT_FALSE(workers.CanAdd());
  EXPECT_FALSE(TryAdd(&workers));
  for (int i = 0; i < 10; ++i) {
    workers = workers.Removed();
    EXPECT_TRUE(workers.CanAdd()) << i;
  }
  EXPECT_EQ(workers.running(), 0u);
}

TEST(IdleMarkWorkersTest, TheLastPlaceIsGivenAgainAfterEachRemoval) {
  auto workers = IdleMarkWorkers::Of(9, 10);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(TryAdd(&workers));
    EXPECT_FALSE(TryAdd(&workers));
    workers = workers.Removed();
  }
}

TEST(IdleMarkWorkersTest, ALoweredMaximumStopsNobodyAndAdmitsNobody) {
  auto workers = IdleMarkWorkers::Of(9, 10).WithMax(0);
  EXPECT_EQ(workers.running(), 9u);
  EXPECT_FALSE(TryAdd(&workers));
  for (int i = 0; i < 9; ++i) {
    workers = workers.Removed();
    EXPECT_FALSE(workers.CanAdd()) << i;
    EXPECT_FALSE(TryAdd(&workers)) << i;
  }
  workers = workers.WithMax(1);
  EXPECT_TRUE(workers.CanAdd());
  EXPECT_TRUE(TryAdd(&workers));
}

TEST(IdleMarkWorkersTest, TheWordKeepsBothCounts) {
  const auto workers = IdleMarkWorkers::Of(0xfffffffe, 0xffffffff).Added();
  EXPECT_EQ(IdleMarkWorkers(workers.word()).running(), 0xffffffffu);
  EXPECT_EQ(IdleMarkWorkers(workers.word()).max(), 0xffffffffu);
}

TEST(IdleMarkWorkersDeathTest, RemovingFromNoneIsFatal) {
  EXPECT_DEATH(IdleMarkWorkers::Of(0, 10).Removed(), "running");
}

}  // namespace
}  // namespace tarn::rt
