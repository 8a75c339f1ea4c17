// How many bytes the heap may retain: both goals, their edges, and when they are off.
#include "gc/control/scavenge_goal.h"

#include "gtest/gtest.h"

namespace tarn::rt {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kPage = 4096;

struct PercentCase {
  const char* name;
  RetainInput in;
  uint64_t retained;
  uint64_t goal;
};

TEST(ScavengeGoalTest, TheHeapRetainsItsPeakScaledByTheGoalPlusTenPercent) {
  const PercentCase cases[] = {
      {"before the first cycle", {0, 4 * kMiB, 0}, 100 * kMiB, kNoScavengeGoal},
      {"goal unchanged", {100 * kMiB, 50 * kMiB, 50 * kMiB}, 200 * kMiB, 110 * kMiB},
      {"goal halved", {100 * kMiB, 25 * kMiB, 50 * kMiB}, 200 * kMiB, 55 * kMiB},
      {"goal doubled", {100 * kMiB, 100 * kMiB, 50 * kMiB}, 300 * kMiB, 220 * kMiB},
      {"a spike is over", {1024 * kMiB, 4 * kMiB, 2048 * kMiB}, 1100 * kMiB, 2310144},
      {"met", {100 * kMiB, 50 * kMiB, 50 * kMiB}, 110 * kMiB, kNoScavengeGoal},
      {"below", {100 * kMiB, 50 * kMiB, 50 * kMiB}, 90 * kMiB, kNoScavengeGoal},
      {"less than a page above", {100 * kMiB, 50, 50}, 110 * kMiB + kPage - 1, kNoScavengeGoal},
      {"a page above", {100 * kMiB, 50, 50}, 110 * kMiB + kPage, 110 * kMiB},
      {"rounded up to a page", {10000, 50, 50}, kMiB, 12288},
      {"nothing in use", {0, 50, 50}, kMiB, 0},
      {"collection was off and is", {100 * kMiB, kNoGoal, kNoGoal}, 200 * kMiB, 110 * kMiB},
      {"collection went off", {100 * kMiB, kNoGoal, 50 * kMiB}, 200 * kMiB, 110 * kMiB},
      {"collection was off", {100 * kMiB, 4 * kMiB, kNoGoal}, 200 * kMiB, 110 * kMiB},
      {"collection was off, goal from no limit",
       {100 * kMiB, 4 * kMiB, kMaxBytes - kMaxBytes / 33},
       200 * kMiB,
       110 * kMiB},
  };
  for (const PercentCase& c : cases) {
    EXPECT_EQ(c.goal, PercentRetainGoal(c.in, c.retained, kPage)) << c.name;
  }
}

TEST(ScavengeGoalTest, LargeOsPagesRoundTheGoal) {
  const RetainInput in{100 * kMiB, 50, 50};
  EXPECT_EQ(110 * kMiB, PercentRetainGoal(in, 200 * kMiB, 64 << 10));
  EXPECT_EQ(112 * kMiB, PercentRetainGoal(in, 200 * kMiB, 16 * kMiB));
  EXPECT_EQ(kNoScavengeGoal, PercentRetainGoal(in, 112 * kMiB + 15 * kMiB, 16 * kMiB));
}

TEST(ScavengeGoalTest, TheLimitLeavesFivePercentFree) {
  struct Case {
    const char* name;
    uint64_t limit, ready, retained, goal;
  };
  const Case cases[] = {
      {"no limit", kNoMemoryLimit, 1000 * kMiB, 900 * kMiB, kNoScavengeGoal},
      {"below", 1000 * kMiB, 949 * kMiB, 900 * kMiB, kNoScavengeGoal},
      {"at it", 1000 * kMiB, 950 * kMiB, 900 * kMiB, kNoScavengeGoal},
      {"a byte above", 1000 * kMiB, 950 * kMiB + 1, 900 * kMiB, 900 * kMiB - 1},
      {"far above", 1000 * kMiB, 1500 * kMiB, 900 * kMiB, 350 * kMiB},
      {"more overhead than there is room", 100 * kMiB, 1000 * kMiB, 300 * kMiB, 0},
      {"a limit of nothing", 0, 10 * kMiB, 8 * kMiB, 0},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(c.goal, LimitRetainGoal(c.limit, c.ready, c.retained)) << c.name;
  }
}

// A release of Go multiplied the limit by 95 where 0.95 was meant, so that the goal was never reached.
TEST(ScavengeGoalTest, TheLimitGoalIsBelowTheLimit) {
  for (uint64_t limit = 1; limit < kMaxBytes / 2; limit *= 3) {
    EXPECT_LT(LimitRetainGoal(limit, limit, limit), limit) << limit;
  }
}

}  // namespace
}  // namespace tarn::rt
