// What counts as live of the bytes that were allocated while marking ran, and the goal that follows.
#include "gc/control/live_estimate.h"

#include "gc/control/heap_goal.h"
#include "gtest/gtest.h"

namespace tarn::rt {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

void Expect(uint64_t live, uint64_t floating, const LiveEstimateInput& in) {
  const LiveEstimate e = EstimateLive(in);
  EXPECT_EQ(live, e.live);
  EXPECT_EQ(floating, e.floating);
  EXPECT_EQ(in.traced + in.black, e.live + e.floating) << "nothing is lost";
}

TEST(LiveEstimateTest, SteadyHeapHasOnlyFloatingGarbage) {
  Expect(64 * kMiB, 20 * kMiB, {64 * kMiB, 20 * kMiB, 64 * kMiB, 128 * kMiB});
}

TEST(LiveEstimateTest, ShrinkingHeapToo) {
  Expect(40 * kMiB, 20 * kMiB, {40 * kMiB, 20 * kMiB, 64 * kMiB, 128 * kMiB});
}

TEST(LiveEstimateTest, GrowingHeapKeepsAll) {
  Expect(148 * kMiB, 0, {128 * kMiB, 20 * kMiB, 64 * kMiB, 128 * kMiB});
}

TEST(LiveEstimateTest, HalfOfWhatWasAllocatedLives) {
  Expect(96 * kMiB + 10 * kMiB, 10 * kMiB, {96 * kMiB, 20 * kMiB, 64 * kMiB, 128 * kMiB});
}

TEST(LiveEstimateTest, FirstCycleTakesItsOwnRate) {
  Expect(4 * kMiB, kMiB, {3 * kMiB + kMiB / 2, kMiB + kMiB / 2, 0, 10 * kMiB + kMiB / 2});
}

TEST(LiveEstimateTest, NothingAllocatedSinceTheLastCycle) {
  Expect(64 * kMiB, 0, {64 * kMiB, 0, 64 * kMiB, 64 * kMiB});
  Expect(64 * kMiB, kMiB, {64 * kMiB, kMiB, 64 * kMiB, 64 * kMiB});
  Expect(0, 0, {});
  // Counters that are read one after the other may disagree a little.
  Expect(65 * kMiB + kMiB, 0, {65 * kMiB, kMiB, 64 * kMiB, 63 * kMiB});
}

TEST(LiveEstimateTest, FloatingGarbageGetsNoShareOfTheGoal) {
  EXPECT_EQ(128 * kMiB, HeapGoal({100, 64 * kMiB, 0, 0, 0}));
  EXPECT_EQ(148 * kMiB, HeapGoal({100, 64 * kMiB, 0, 0, 20 * kMiB}));
  EXPECT_EQ(340 * kMiB, HeapGoal({400, 64 * kMiB, 0, 0, 20 * kMiB}));
  EXPECT_EQ(4 * kMiB, HeapGoal({100, 1 * kMiB, 0, 0, 1 * kMiB})) << "the minimum stays";
  EXPECT_EQ(24 * kMiB, HeapGoal({100, 0, 0, 0, 20 * kMiB})) << "room for the program";
  EXPECT_EQ(25 * kMiB, HeapGoal({100, 1 * kMiB, 0, 0, 20 * kMiB}));
  EXPECT_EQ(kNoGoal, HeapGoal({-1, 64 * kMiB, 0, 0, 20 * kMiB}));
  EXPECT_EQ(kNoGoal, HeapGoal({100, kNoGoal / 2, 0, 0, 20 * kMiB}));
}

}  // namespace
}  // namespace tarn::rt
