// The controller against nonsense, bursts, and the background scavenger over simulated time.
#include "gc/control/scavenge_pacer.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "gtest/gtest.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kPage = 4096;
constexpr int64_t kSecond = 1'000'000'000;

PiController::Tuning SomeTuning() {
  return {.gain = 0.3375, .integral_time = 3.2e6, .reset_time = 1e9, .min = 0.001, .max = 1000};
}

TEST(PiControllerTest, TheOutputGoesUpBelowTheSetPointAndDownAboveIt) {
  PiController c(SomeTuning());
  double last = 0;
  for (int i = 0; i < 50; ++i) {
    const PiController::Result r = c.Next(0.001, 0.01, 1e7);
    EXPECT_TRUE(r.ok);
    EXPECT_GE(r.output, last);
    last = r.output;
  }
  EXPECT_GT(last, 0.01);
  for (int i = 0; i < 1000; ++i) last = c.Next(0.5, 0.01, 1e7).output;
  EXPECT_EQ(0.001, last);
}

TEST(PiControllerTest, TheSumDoesNotWindUpAtABound) {
  PiController c({.gain = 1, .integral_time = 1, .reset_time = 1, .min = 0, .max = 10});
  for (int i = 0; i < 100000; ++i) EXPECT_LE(c.Next(-100, 0, 1).output, 10);
  int steps = 0;
  while (c.Next(100, 0, 1).output > 0) ASSERT_LT(++steps, 100);
}

TEST(PiControllerTest, NonsenseResetsIt) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity()}) {
    PiController c(SomeTuning());
    c.Next(0, 1000, 1e9);
    const PiController::Result r = c.Next(bad, 0.01, 1e7);
    EXPECT_FALSE(r.ok);
    EXPECT_EQ(0.001, r.output);
    PiController fresh(SomeTuning());
    EXPECT_EQ(fresh.Next(0.005, 0.01, 1e7).output, c.Next(0.005, 0.01, 1e7).output);
  }
}

TEST(PiControllerTest, AnyInputGivesAFiniteOutput) {
  std::mt19937_64 rng(TestSeed());
  const auto any = [&] { return std::bit_cast<double>(rng()); };
  const auto positive = [&] {
    for (;;) {
      const double v = std::abs(any());
      if (std::isfinite(v) && v > 0) return v;
    }
  };
  for (int round = 0; round < 2000; ++round) {
    PiController::Tuning t{positive(), positive(), positive(), positive(), positive()};
    if (t.min > t.max) std::swap(t.min, t.max);
    PiController c(t);
    const double set_point = positive();
    for (int i = 0; i < 100; ++i) {
      const double out = c.Next(any(), set_point, 1).output;
      ASSERT_TRUE(std::isfinite(out));
      ASSERT_TRUE(t.min <= out && out <= t.max);
    }
  }
}

TEST(ScavengePacerTest, ABurstTakesAboutAMillisecond) {
  int quanta = 0;
  const ScavengeBurst b = ScavengePacer::RunBurst(
      kPage, [] { return false; },
      [&](uint64_t bytes) {
        ++quanta;
        return ScavengeBurst{bytes, 160'000};
      });
  EXPECT_EQ(7, quanta);
  EXPECT_EQ(7 * 160'000, b.worked);
  EXPECT_EQ(7 * ScavengePacer::kQuantumBytes, b.released);
}

TEST(ScavengePacerTest, ABurstEndsWhenTheGoalsAreMetOrTheHeapHasNoMore) {
  int quanta = 0;
  const auto release = [&](uint64_t bytes) {
    ++quanta;
    return ScavengeBurst{quanta == 3 ? bytes / 2 : bytes, 1000};
  };
  ScavengePacer::RunBurst(
      kPage, [] { return false; }, release);
  EXPECT_EQ(3, quanta) << "the third came up short";
  quanta = 0;
  ScavengePacer::RunBurst(
      kPage, [&] { return quanta == 2; }, release);
  EXPECT_EQ(2, quanta);
  quanta = 0;
  const ScavengeBurst none = ScavengePacer::RunBurst(
      kPage, [] { return true; }, release);
  EXPECT_EQ(0, quanta);
  EXPECT_EQ(0u, none.released);
}

TEST(ScavengePacerTest, AClockThatStandsStillCountsTenMicrosecondsAPage) {
  const ScavengeBurst b = ScavengePacer::RunBurst(
      kPage, [] { return false; },
      [](uint64_t bytes) {
        return ScavengeBurst{bytes, 0};
      });
  EXPECT_EQ(7 * 160'000, b.worked);
}

TEST(ScavengePacerTest, AResetControllerCoolsDownForFiveSeconds) {
  ScavengePacer p;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(p.Adapt(1'000'000, 200'000'000, 1));
  EXPECT_GT(p.sleep_ratio(), ScavengePacer::kMinRatio);
  // Sleeps of centuries make the sum swing beyond all bounds.
  bool ok = true;
  for (int i = 0; i < 1000 && ok; ++i) ok = p.Adapt(1, std::numeric_limits<int64_t>::max(), 1);
  ASSERT_FALSE(ok);
  EXPECT_EQ(ScavengePacer::kMinRatio, p.sleep_ratio());
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(p.Adapt(1'000'000, kSecond, 1));
    EXPECT_EQ(ScavengePacer::kMinRatio, p.sleep_ratio()) << i;
  }
  p.Adapt(1'000'000, kSecond, 1);
  EXPECT_GT(p.sleep_ratio(), ScavengePacer::kMinRatio) << "the controller is back";
}

// The scavenger as its thread runs it, over simulated time. 10 us for 4 KiB.
class Simulation {
 public:
  explicit Simulation(int procs, int64_t oversleep = 0) : procs_(procs), oversleep_(oversleep) {}

  void Add(uint64_t bytes) { work_ += bytes; }
  // Until the thread would wait to be woken.
  void Run(uint64_t stop_at = 0) {
    for (;;) {
      const ScavengeBurst b = ScavengePacer::RunBurst(
          kPage, [&] { return work_ <= stop_at; },
          [&](uint64_t bytes) {
            const uint64_t n = std::min(bytes, work_);
            work_ -= n;
            released_ += n;
            return ScavengeBurst{n, static_cast<int64_t>(n / kPage) * 10'000};
          });
      if (b.released == 0) return;
      const int64_t slept = pacer_.SleepNanos(b.worked) + oversleep_;
      ASSERT_GT(slept, 0);
      worked_ += b.worked;
      time_ += b.worked + slept;
      ASSERT_TRUE(pacer_.Adapt(b.worked, slept, procs_));
      ASSERT_LT(time_, 3600 * kSecond);
    }
  }
  double Share() const {
    return static_cast<double>(worked_) / (static_cast<double>(time_) * procs_);
  }
  uint64_t released() const { return released_; }

 private:
  const int procs_;
  const int64_t oversleep_;
  ScavengePacer pacer_;
  uint64_t work_ = 0, released_ = 0;
  int64_t worked_ = 0, time_ = 0;
};

constexpr uint64_t kWork = 64 * kMiB - 3 * kPage;

TEST(ScavengePacerTest, EverythingIsReleasedAtOnePercentOfTheCpu) {
  Simulation s(1);
  s.Add(kWork);
  s.Run();
  EXPECT_EQ(kWork, s.released());
  EXPECT_NEAR(ScavengePacer::kShare, s.Share(), 0.005);
}

TEST(ScavengePacerTest, AWakeWithNothingToDoChangesNothing) {
  Simulation s(1);
  s.Add(kWork);
  s.Run();
  const double share = s.Share();
  s.Run();
  EXPECT_EQ(kWork, s.released());
  EXPECT_EQ(share, s.Share());
  s.Add(kWork);
  s.Run();
  EXPECT_EQ(2 * kWork, s.released());
  EXPECT_NEAR(ScavengePacer::kShare, s.Share(), 0.005);
}

TEST(ScavengePacerTest, ItStopsAtTheGoal) {
  Simulation s(1);
  constexpr uint64_t kLeave = kMiB - 3 * kPage;
  s.Add(kWork);
  s.Run(kLeave);
  EXPECT_LE(kWork - kLeave, s.released());
  EXPECT_GT(kWork - kLeave + ScavengePacer::kQuantumBytes, s.released());
}

TEST(ScavengePacerTest, TheShareHoldsWithManyCpusAndTimersThatOversleep) {
  for (const int procs : {2, 4, 16, 64}) {
    for (const int64_t oversleep : {int64_t{0}, int64_t{50'000}, int64_t{1'000'000}}) {
      Simulation s(procs, oversleep);
      s.Add(1024 * kMiB);
      s.Run();
      EXPECT_EQ(1024 * kMiB, s.released());
      // Whoever oversleeps for longer than it may sleep stays below.
      const double longest = 1'120'000.0 / ((1'120'000.0 + static_cast<double>(oversleep)) * procs);
      EXPECT_NEAR(std::min(ScavengePacer::kShare, longest), s.Share(), 0.005)
          << procs << " " << oversleep;
    }
  }
}

}  // namespace
}  // namespace tarn::rt
