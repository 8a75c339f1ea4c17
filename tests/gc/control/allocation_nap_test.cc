// How long threads wait at the goal.
#include "gc/control/allocation_nap.h"

#include "gc/control/heap_goal.h"
#include "gtest/gtest.h"

namespace tarn::rt {
namespace {

constexpr uint64_t kMiB = 1 << 20;

AllocationNap AtGoal(uint64_t bytes, uint64_t goal = 100 * kMiB) {
  AllocationNap in;
  in.bytes = bytes;
  in.live = in.goal = goal;
  return in;
}

TEST(AllocationNapTest, FollowsTheBytesWithinBounds) {
  EXPECT_EQ(20'000, NapNanos(AtGoal(1)));
  EXPECT_EQ(20'000, NapNanos(AtGoal(4000)));
  EXPECT_EQ(40'000, NapNanos(AtGoal(8000)));
  EXPECT_EQ(1'000'000, NapNanos(AtGoal(200'000)));
  EXPECT_EQ(1'000'000, NapNanos(AtGoal(~uint64_t{0})));
}

TEST(AllocationNapTest, GrowsWithTheThreadsThatShareACpu) {
  AllocationNap in = AtGoal(8000);
  in.procs = 2;
  const int64_t expected[][2] = {
      {1, 40'000}, {2, 40'000}, {4, 80'000}, {64, 1'280'000}, {1000, 2'560'000}};
  for (const auto& [threads, nanos] : expected) {
    in.threads = static_cast<uint64_t>(threads);
    EXPECT_EQ(nanos, NapNanos(in)) << threads;
  }
}

TEST(AllocationNapTest, GrowsWithTheDistanceFromTheGoalButNotForAGrowingHeap) {
  AllocationNap in = AtGoal(8000);
  in.live = 154 * kMiB;
  EXPECT_EQ(40'000, NapNanos(in)) << "half of the goal and 4 MiB are normal";
  int64_t last = 40'000;
  for (uint64_t live : {170, 200, 300, 500, 900}) {
    in.live = live * kMiB;
    EXPECT_GT(NapNanos(in), last) << live;
    last = NapNanos(in);
  }
  EXPECT_EQ(40'000 * 129, NapNanos([&] {
              in.live = 5000 * kMiB;
              return in;
            }()));
  in.bytes = kMiB;
  EXPECT_EQ(10'000'000, NapNanos(in)) << "never longer";
}

TEST(AllocationNapTest, ACrowdFarAboveTheGoalWaitsAsLongAsTheLongerOfTheTwo) {
  AllocationNap in = AtGoal(8000);
  in.threads = 64;
  in.live = 5000 * kMiB;
  EXPECT_EQ(40'000 * 129, NapNanos(in));
  in.bytes = kMiB;
  EXPECT_EQ(64'000'000, NapNanos(in)) << "what a crowd waits at the goal already";
}

TEST(AllocationNapTest, AnyNumbersGiveAResult) {
  const uint64_t numbers[] = {0, 1, kMiB, uint64_t{1} << 40, ~uint64_t{0} >> 1, ~uint64_t{0}};
  for (const uint64_t live : numbers) {
    for (const uint64_t goal : numbers) {
      for (const uint64_t threads : numbers) {
        const int64_t nanos = NapNanos({8000, live, goal, threads, threads});
        EXPECT_GE(nanos, 40'000);
        EXPECT_LE(nanos, 10'000'000);
      }
    }
  }
}

TEST(AllocationNapTest, WhoAllocatesWaitsForAsManyDestructors) {
  EXPECT_EQ(0u, BacklogWaitFor({0, 0, 8000, 64}).runs);
  EXPECT_EQ(0u, BacklogWaitFor({8 * kMiB, 8 * kMiB, 8000, 64}).runs);
  EXPECT_EQ(125u, BacklogWaitFor({9 * kMiB, 8 * kMiB, 8000, 64}).runs);
  EXPECT_EQ(9 * 125u, BacklogWaitFor({25 * kMiB, 8 * kMiB, 8000, 64}).runs);
  EXPECT_EQ(64 * 125u, BacklogWaitFor({640 * kMiB, 8 * kMiB, 8000, 64}).runs);
  EXPECT_EQ(1u, BacklogWaitFor({9 * kMiB, 8 * kMiB, 8000, kMiB}).runs) << "large objects";
}

TEST(AllocationNapTest, TheWaitForDestructorsHasAnEnd) {
  EXPECT_EQ(200'000, BacklogWaitFor({9 * kMiB, 8 * kMiB, 8000, 64}).nanos);
  EXPECT_EQ(9 * 200'000, BacklogWaitFor({25 * kMiB, 8 * kMiB, 8000, 64}).nanos);
  const uint64_t numbers[] = {0, 1, kMiB, uint64_t{1} << 40, ~uint64_t{0} >> 1, ~uint64_t{0}};
  for (const uint64_t bytes : numbers) {
    for (const uint64_t bound : numbers) {
      for (const uint64_t taken : numbers) {
        for (const uint64_t each : numbers) {
          const BacklogWait wait = BacklogWaitFor({bytes, bound, taken, each});
          EXPECT_EQ(bytes > bound && each != 0, wait.runs != 0);
          EXPECT_LE(wait.nanos, 12'800'000);
          EXPECT_LE(wait.look_nanos, wait.nanos);
        }
      }
    }
  }
}

}  // namespace
}  // namespace tarn::rt
