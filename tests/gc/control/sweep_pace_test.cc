// Proportional sweeping: the ratio, and that paying it ends sweeping in time.
#include "gc/control/sweep_pace.h"

#include <algorithm>
#include <cstdint>
#include <random>

#include "gtest/gtest.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kPage = 8192;

TEST(SweepPaceTest, PagesAreSpreadOverTheWayToTheTrigger) {
  const SweepPace pace = SweepPace::From(1000, 0, 10 * kMiB, 12 * kMiB, kPage);
  EXPECT_DOUBLE_EQ(pace.pages_per_byte, 1000.0 / kMiB);
  EXPECT_EQ(pace.Target(10 * kMiB, kMiB / 2, 0), 500u);
  EXPECT_EQ(pace.Target(10 * kMiB, kMiB / 2, 100), 400u);
  EXPECT_EQ(pace.Target(10 * kMiB, 0, 100), 0u);
}

TEST(SweepPaceTest, NothingIsOwedWhenAllIsSwept) {
  const SweepPace pace = SweepPace::From(1000, 1000, 10 * kMiB, 12 * kMiB, kPage);
  EXPECT_EQ(pace.pages_per_byte, 0);
  EXPECT_EQ(pace.Target(12 * kMiB, 100 * kMiB, 0), 1000u);
}

TEST(SweepPaceTest, ATriggerAlreadyReachedAsksForAllWithinOnePage) {
  const SweepPace pace = SweepPace::From(1000, 0, 10 * kMiB, 9 * kMiB, kPage);
  EXPECT_EQ(pace.Target(10 * kMiB, kPage, 0), 1000u);
}

TEST(SweepPaceTest, ALiveHeapBelowTheBasisIsNoDistance) {
  const SweepPace pace = SweepPace::From(1000, 0, 10 * kMiB, 12 * kMiB, kPage);
  EXPECT_EQ(pace.Target(1 * kMiB, 0, 0), 0u);
}

// I1 with allocations of random size.
TEST(SweepPaceTest, SweepingEndsOneMebibyteBelowTheTrigger) {
  std::mt19937_64 rng(TestSeed());
  for (int i = 0; i < 200; ++i) {
    const uint64_t pages = 1 + rng() % 100000;
    const uint64_t live = rng() % (64 * kMiB);
    const uint64_t trigger = live + 2 * kMiB + rng() % (64 * kMiB);
    const SweepPace pace = SweepPace::From(pages, 0, live, trigger, kPage);
    uint64_t swept = 0;
    uint64_t now = live;
    while (now < trigger - kSweepMinDistanceBytes) {
      const uint64_t bytes = 1 + rng() % (256 * 1024);
      swept = std::max(swept, pace.Target(now, bytes, 0));
      now += bytes;
    }
    EXPECT_GE(swept + 1, pages) << "but for one page of rounding";
  }
}

}  // namespace
}  // namespace tarn::rt
