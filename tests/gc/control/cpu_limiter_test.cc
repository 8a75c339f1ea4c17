// The limiter through one long story of 14 CPUs, twice, and its promise over random loads.
#include "gc/control/cpu_limiter.h"

#include <algorithm>
#include <cstdint>
#include <random>

#include "gtest/gtest.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

constexpr int64_t kMicro = 1000;
constexpr int64_t kMilli = 1000 * kMicro;
constexpr int64_t kSecond = 1000 * kMilli;
constexpr int64_t kHour = 3600 * kSecond;
constexpr int kProcs = 14;
constexpr int64_t kCapacity = kProcs * kSecond;

// `share` of `wall` on all CPUs.
int64_t AssistTime(int64_t wall, double share) {
  return static_cast<int64_t>(share * static_cast<double>(wall) * kProcs);
}

class CpuLimiterTest : public ::testing::Test {
 protected:
  void Advance(int64_t wall, double assist_share = 0) {
    now_ += wall;
    limiter_.Update(now_, {AssistTime(wall, assist_share), 0});
  }

  void ExpectState(int64_t fill, bool limiting, int64_t overflow) {
    EXPECT_EQ(limiter_.fill(), fill);
    EXPECT_EQ(limiter_.limiting(), limiting);
    EXPECT_EQ(limiter_.overflow() - overflow_base_, overflow);
  }

  void BeforeCycle() {
    for (int64_t wall : {10 * kMilli, kSecond, kHour}) {
      Advance(wall);
      ExpectState(0, false, 0);
    }
    now_ += 5 * kMilli;
    EXPECT_FALSE(limiter_.NeedUpdate(now_));
    now_ += 10 * kMilli;
    EXPECT_TRUE(limiter_.NeedUpdate(now_));
    limiter_.Update(now_, {});
    EXPECT_FALSE(limiter_.NeedUpdate(now_));
  }

  void PauseIsCollectorTime() {
    now_ += 109 * kMilli;
    limiter_.StartTransition(now_, true, {});
    const int64_t pause = 2 * kMilli + 1 * kMicro;
    now_ += pause;
    limiter_.FinishTransition(now_);
    ExpectState(pause * kProcs, false, 0);
    // Background marking is a quarter: the bucket drains at half of the CPU time.
    Advance(2 * (limiter_.fill() - kProcs) / kProcs);
    ExpectState(kProcs, false, 0);
    Advance(2 * kProcs * kSecond);
    ExpectState(0, false, 0);
  }

  void FillAndDrain() {
    Advance(10 * kMilli, 0.25);  // 50 % in all
    ExpectState(0, false, 0);
    Advance(kMilli, 0.75);  // 100 %
    ExpectState(kMilli * kProcs, false, 0);
    Advance(kSecond - kMilli, 0.75);
    ExpectState(kCapacity, true, 0);
    Advance(kSecond, 0.25);
    ExpectState(kCapacity, true, 0);
    Advance(kSecond);
    ExpectState(kCapacity / 2, false, 0);
    Advance(kSecond, 0.75);
    ExpectState(kCapacity, true, kCapacity / 2);
  }

  void EndCycleWhileFull() {
    now_ += kMilli;
    limiter_.StartTransition(now_, false, {AssistTime(kMilli, 0.75), 0});
    ExpectState(kCapacity, true, (kSecond / 2 + kMilli) * kProcs);
    now_ += 5 * kMilli;
    limiter_.FinishTransition(now_);
    ExpectState(kCapacity, true, (kSecond / 2 + 6 * kMilli) * kProcs);
  }

  void ChangeCapacity() {
    const int64_t overflow = (kSecond / 2 + 6 * kMilli) * kProcs;
    limiter_.ResetCapacity(now_, 24, {});
    ExpectState(kCapacity, false, overflow);
    EXPECT_EQ(limiter_.capacity(), 24 * kSecond);
    limiter_.ResetCapacity(now_, 4, {});
    ExpectState(4 * kSecond, true, overflow);
    now_ += kProcs * kSecond;
    limiter_.ResetCapacity(now_, kProcs, {});
    ExpectState(0, false, overflow);
  }

  int64_t now_ = kHour;
  int64_t overflow_base_ = 0;
  CpuLimiter limiter_{now_, kProcs};
};

TEST_F(CpuLimiterTest, FillsDrainsAndOverflowsAsTheTableSays) {
  for (int round = 0; round < 2; ++round) {
    SCOPED_TRACE(round);
    overflow_base_ = limiter_.overflow();
    BeforeCycle();
    PauseIsCollectorTime();
    FillAndDrain();
    EndCycleWhileFull();
    ChangeCapacity();
  }
}

TEST_F(CpuLimiterTest, RecordsTheCycleInWhichLimitingBegan) {
  EXPECT_EQ(limiter_.last_limited_cycle(), 0u);
  limiter_.SetCycle(7);
  Advance(2 * kSecond, 1);
  ASSERT_TRUE(limiter_.limiting());
  EXPECT_EQ(limiter_.last_limited_cycle(), 7u);
  limiter_.SetCycle(8);
  Advance(kSecond, 1);
  EXPECT_EQ(limiter_.last_limited_cycle(), 7u) << "it had begun before";
}

TEST_F(CpuLimiterTest, IdleTimeIsNobodysTime) {
  // Half of the CPUs idle, a quarter assists, a quarter is left: collector and program are even.
  now_ += kSecond;
  limiter_.Update(now_, {AssistTime(kSecond, 0.25), AssistTime(kSecond, 0.5)});
  ExpectState(0, false, 0);
  now_ += kSecond;
  limiter_.Update(now_, {AssistTime(kSecond, 0.5), AssistTime(kSecond, 0.5)});
  ExpectState(kCapacity / 2, false, 0);
}

TEST_F(CpuLimiterTest, AnOlderTimeIsIgnored) {
  Advance(kSecond, 0.75);
  const int64_t fill = limiter_.fill();
  limiter_.Update(now_ - kSecond / 2, {});
  EXPECT_EQ(limiter_.fill(), fill);
}

// Without marking, collector time is what is passed in: the break-even share is exact.
TEST(CpuLimiterShareTest, TheConfiguredShareIsTheBreakEven) {
  for (int percent = 1; percent <= 100; ++percent) {
    SCOPED_TRACE(percent);
    const int64_t share = percent * kSecond / 100;  // of one second on one CPU
    CpuLimiter limiter(0, 1, percent);
    limiter.Update(kSecond, {kSecond / 2, 0});  // 50 %: fills the bucket below a share of 50
    const int64_t fill = limiter.fill();
    EXPECT_EQ(fill, percent < 50 ? (50 - percent) * kSecond / 50 : 0);
    limiter.Update(2 * kSecond, {share, 0});
    EXPECT_EQ(limiter.fill(), fill) << "neither fills nor drains at the share";
    limiter.Update(3 * kSecond, {share + kMilli, 0});
    EXPECT_EQ(limiter.fill(), fill + 2 * kMilli) << "fills by twice what is above the share";
  }
}

TEST(CpuLimiterShareTest, AHundredPercentNeverLimits) {
  CpuLimiter limiter(0, 4, 100);
  for (int i = 1; i <= 100; ++i) limiter.Update(i * kSecond, {4 * kSecond, 0});
  EXPECT_FALSE(limiter.limiting());
  EXPECT_EQ(limiter.fill(), 0);
}

// The largest excess of collector time above the share, over all intervals that end now. Twice that
// is compared with what the bucket says, so that all numbers are whole.
class Excess {
 public:
  explicit Excess(int percent) : percent_(percent) {}
  void Add(int64_t collector, int64_t busy, int64_t overflow) {
    const double twice =
        (static_cast<double>(collector) * 100 - static_cast<double>(busy) * percent_) / 50;
    worst_ = std::max(0.0, worst_ + twice - static_cast<double>(overflow - overflow_));
    overflow_ = overflow;
  }
  double worst() const { return worst_; }

 private:
  int percent_;
  int64_t overflow_ = 0;
  double worst_ = 0;
};

struct RandomLoad {
  std::mt19937_64 rng;
  int64_t Below(int64_t n) { return static_cast<int64_t>(rng() % static_cast<uint64_t>(n)); }
};

// One step of a driver that obeys the limiter: wall time up to a second, any part of the CPUs idle.
void RandomStep(RandomLoad* load, bool marking, int64_t* now, CpuLimiter* limiter, Excess* excess) {
  const int64_t wall = 1 + load->Below(load->Below(100) == 0 ? kSecond : 20 * kMilli);
  const int64_t cpu = wall * kProcs;
  // As the limiter computes it, in floating point; exact below 2^53.
  const auto background = static_cast<int64_t>(marking ? static_cast<double>(cpu) * 0.25 : 0);
  const int64_t idle = load->Below(2) == 0 ? 0 : load->Below(cpu - background + 1);
  const int64_t free = cpu - background - idle;
  const bool assists = marking && !limiter->limiting() && load->Below(10) != 0;
  const int64_t assist = assists ? free : 0;
  *now += wall;
  limiter->Update(*now, {assist, idle});
  excess->Add(assist + background, cpu - idle, limiter->overflow());
}

TEST(CpuLimiterShareTest, CollectorTimeOfAnyIntervalStaysBelowTheShare) {
  const uint64_t seed = TestSeed();
  for (int percent : {1, 26, 50, 80}) {
    SCOPED_TRACE(percent);
    RandomLoad load{std::mt19937_64(seed + static_cast<uint64_t>(percent))};
    CpuLimiter limiter(0, kProcs, percent);
    Excess excess(percent);
    int64_t now = 0;
    bool marking = false;
    bool limited = false;
    for (int i = 0; i < 20000; ++i) {
      if (load.Below(marking ? 1000 : 10) == 0) {
        marking = !marking;
        limiter.StartTransition(now, marking, {});
        limiter.FinishTransition(now);
      }
      RandomStep(&load, marking, &now, &limiter, &excess);
      ASSERT_GE(limiter.fill(), 0);
      ASSERT_LE(limiter.fill(), limiter.capacity());
      ASSERT_EQ(limiter.limiting(), limiter.fill() == limiter.capacity());
      // One nanosecond per update for truncated fractions.
      ASSERT_LE(excess.worst(), static_cast<double>(limiter.capacity() + i + 1)) << i;
      limited = limited || limiter.limiting();
    }
    EXPECT_TRUE(limited) << "the load never met the limit";
  }
}

TEST(CpuLimiterShareTest, AGreedyProgramEndsBetweenTheShareAndOneUpdateOfOvershoot) {
  CpuLimiter limiter(0, kProcs);
  limiter.StartTransition(0, true, {});
  limiter.FinishTransition(0);
  int64_t collector = 0;
  constexpr int kUpdates = 100000;
  for (int64_t i = 1; i <= kUpdates; ++i) {
    const int64_t cpu = CpuLimiter::kUpdateNanos * kProcs;
    const int64_t assist = limiter.limiting() ? 0 : cpu * 3 / 4;
    collector += assist + cpu / 4;
    limiter.Update(i * CpuLimiter::kUpdateNanos, {assist, 0});
  }
  const double share = static_cast<double>(collector) / kUpdates /
                       static_cast<double>(CpuLimiter::kUpdateNanos * kProcs);
  EXPECT_GT(share, 0.5);
  EXPECT_LT(share, 0.63);
}

}  // namespace
}  // namespace tarn::rt
