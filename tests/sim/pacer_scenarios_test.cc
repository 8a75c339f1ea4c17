// The pacer against simulated programs: each scenario names a workload and what must hold in each of
// its cycles. Utilization is the share of CPU time that marking took while it ran; 0.25 means that
// nobody assisted.
#include <cmath>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/sim/pacer_model.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

using Results = std::vector<CycleResult>;
using Check = std::function<void(const Results&)>;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kLimit = 512 * kMiB;
constexpr uint64_t kLimitGoal = 520764785;  // kLimit less its headroom

double UtilizationChange(const Results& r) {
  return std::abs(r.back().utilization - r[r.size() - 2].utilization);
}
void ExpectGoalRatio(const Results& r, double low, double high) {
  EXPECT_GE(r.back().GoalRatio(), low);
  EXPECT_LE(r.back().GoalRatio(), high);
}
void ExpectUtilization(const Results& r, double low, double high) {
  EXPECT_GE(r.back().utilization, low);
  EXPECT_LE(r.back().utilization, high);
}
void ExpectSettled(const Results& r) {
  EXPECT_NEAR(r.back().utilization, kBackgroundUtilization, 0.005);
  EXPECT_LE(UtilizationChange(r), 0.005);
  ExpectGoalRatio(r, 0.95, 1.05);
}

struct Scenario {
  std::string name;
  std::function<Workload(uint64_t seed)> workload;
  Check check;
};

Workload Steady() { return {}; }

void CheckSteady(const Results& r) {
  if (r.size() >= 25) ExpectSettled(r);
}

Workload WithAlloc(Stream alloc, int cycles = 50) {
  Workload w;
  w.alloc_rate = std::move(alloc);
  w.cycles = cycles;
  return w;
}

Workload BigStacks() {
  Workload w = WithAlloc(Constant(132));
  w.stacks = Constant(2048) + Ramp(128 << 20, 8);
  return w;
}

Workload BigGlobals() {
  Workload w = WithAlloc(Constant(132));
  w.globals = 128 * kMiB;
  return w;
}

// A change after 50 cycles: settled before it and 25 cycles after it.
void CheckStep(const Results& r) {
  if ((r.size() >= 25 && r.size() < 50) || r.size() >= 75) {
    EXPECT_LE(UtilizationChange(r), 0.005);
    ExpectGoalRatio(r, 0.95, 1.05);
  }
}

Workload StepScannable() {
  Workload w = WithAlloc(Constant(128), 100);
  w.scannable = Constant(0.2) + Delay(50, Unit(0.5));
  return w;
}

Workload HighPercent(uint64_t seed) {
  Workload w = WithAlloc(Constant(165) + Random(7, seed));
  w.gc_percent = 1500;
  w.growth = w.growth + Random(0.01, seed + 1) + Delay(25, Unit(14));
  return w;
}

void CheckHighPercent(const Results& r) {
  if (r.size() <= 12) return;
  // In cycle 26 the live heap grows fifteenfold. The work is put off, not forced on the program.
  ExpectGoalRatio(r, 0.90, r.size() == 26 ? 15 : 1.05);
  EXPECT_NEAR(r.back().utilization, kBackgroundUtilization, 0.28);
  EXPECT_LE(UtilizationChange(r), 0.03);
}

void CheckOscillating(const Results& r) {
  if (r.size() <= 12) return;
  ExpectGoalRatio(r, 0.95, 1.05);
  ExpectUtilization(r, 0.25, 0.3);
}

Workload Jitter(double rate, double amplitude, uint64_t seed) {
  Workload w = WithAlloc(Constant(rate) + Random(amplitude, seed));
  w.growth = w.growth + Random(0.01, seed + 1);
  return w;
}

// Go's upper bound, 0.275, is for the random numbers of one seed. Of any seed it holds for the mean of the
// cycles; single ones with 10 % more allocation than the pacer had to expect are above it (2000 seeds of 50
// cycles: 34 have one, the highest is 0.279).
void CheckJitter(const Results& r) {
  if (r.size() <= 12) return;
  ExpectGoalRatio(r, 0.95, 1.025);
  ExpectUtilization(r, 0.25, 0.29);
  if (r.size() < 50) return;
  double sum = 0;
  for (size_t i = 12; i < r.size(); ++i) sum += r[i].utilization;
  EXPECT_LE(sum / static_cast<double>(r.size() - 12), 0.275);
}

void CheckHeavyJitter(const Results& r) {
  if (r.size() <= 13) return;
  ExpectGoalRatio(r, 0.95, 1.05);
  EXPECT_LE(UtilizationChange(r), 0.05);
  EXPECT_NEAR(r.back().utilization, r[11].utilization, 0.05);
}

Workload SlowAlloc(Stream growth) {
  Workload w = WithAlloc(Constant(1));
  w.scan_rate = Constant(2048);
  w.growth = std::move(growth);
  w.scannable = Constant(0.01);
  return w;
}

void CheckSlowLate(const Results& r) {
  if (r.size() <= 25) return;
  EXPECT_NEAR(r.back().utilization, kBackgroundUtilization, 0.005);
  EXPECT_LE(UtilizationChange(r), 0.05);
  EXPECT_NEAR(r.back().utilization, r[11].utilization, 0.05);
}

Check CheckSlow(size_t after) {
  return [after](const Results& r) {
    if (r.size() <= after) return;
    // The trigger is at its upper bound, in proportion to the heap.
    ExpectGoalRatio(r, 0.925, 1.025);
    EXPECT_GE(r.back().TriggerRatio(), 0.925);
    EXPECT_LE(r.back().TriggerRatio(), 0.975);
    CheckSlowLate(r);
  };
}

void CheckSlowLarge(const Results& r) {
  if (r.size() <= 13) return;
  // The trigger is at its upper bound, 4 MiB below the goal.
  ExpectGoalRatio(r, 0.95, 1.05);
  EXPECT_NEAR(static_cast<double>(r.back().Runway()), 4.0 * kMiB, 64 << 10);
  CheckSlowLate(r);
}

Workload Limited(int gc_percent, double growth) {
  Workload w;
  w.memory_limit = kLimit;
  w.gc_percent = gc_percent;
  w.growth = Constant(growth) + Ramp(1 - growth, 12);
  return w;
}

void CheckLimit(const Results& r) {
  EXPECT_LT(r.back().peak, kLimitGoal);
  CheckSteady(r);
}

void CheckLimitIsGoal(const Results& r) {
  EXPECT_EQ(r.back().goal, kLimitGoal);
  CheckSteady(r);
}

void CheckLimitIsGoalLate(const Results& r) {
  if (r.size() > 12) {
    EXPECT_EQ(r.back().goal, kLimitGoal);
  }
  CheckSteady(r);
}

// The live heap alone exceeds the limit: marking is all that happens.
void CheckExceeded(const Results& r) {
  if (r.size() > 12) {
    EXPECT_EQ(r.back().goal, r.back().marked);
  }
  if (r.size() < 25) return;
  EXPECT_NEAR(r.back().utilization, 1.0, 0.005);
  EXPECT_LE(UtilizationChange(r), 0.005);
}

void CheckExceededNoPercent(const Results& r) {
  if (r.size() < 10) {
    EXPECT_EQ(r.back().goal, kLimitGoal);
  }
  CheckExceeded(r);
}

// A workload that needs no seed.
std::function<Workload(uint64_t)> Fixed(Workload (*make)()) {
  return [make](uint64_t) { return make(); };
}

const Scenario kScenarios[] = {
    {"Steady", Fixed(Steady), CheckSteady},
    {"SteadyBigStacks", Fixed(BigStacks), CheckSteady},
    {"SteadyBigGlobals", Fixed(BigGlobals), CheckSteady},
    {"StepAlloc", [](uint64_t) { return WithAlloc(Constant(33) + Delay(50, Ramp(66, 1)), 100); },
     CheckStep},
    {"HeavyStepAlloc",
     [](uint64_t) { return WithAlloc(Constant(33) + Delay(50, Ramp(330, 1)), 100); }, CheckStep},
    {"StepScannableFrac", Fixed(StepScannable), CheckStep},
    {"HighGOGC", HighPercent, CheckHighPercent},
    {"OscAlloc", [](uint64_t) { return WithAlloc(Constant(67) + Oscillate(13, 8)); },
     CheckOscillating},
    {"JitterAlloc", [](uint64_t seed) { return Jitter(132, 13, seed); }, CheckJitter},
    {"HeavyJitterAlloc", [](uint64_t seed) { return Jitter(330, 33, seed); }, CheckHeavyJitter},
    {"SmallHeapSlowAlloc", [](uint64_t) { return SlowAlloc(Constant(2) + Ramp(-1, 3)); },
     CheckSlow(4)},
    {"MediumHeapSlowAlloc", [](uint64_t) { return SlowAlloc(Constant(2) + Ramp(-1, 8)); },
     CheckSlow(9)},
    {"LargeHeapSlowAlloc", [](uint64_t) { return SlowAlloc(Constant(4) + Ramp(-3, 12)); },
     CheckSlowLarge},
    {"SteadyMemoryLimit", [](uint64_t) { return Limited(100, 2); }, CheckLimit},
    {"SteadyMemoryLimitNoGCPercent", [](uint64_t) { return Limited(-1, 2); }, CheckLimitIsGoal},
    {"ExceedMemoryLimit", [](uint64_t) { return Limited(100, 3.5); }, CheckExceeded},
    {"ExceedMemoryLimitNoGCPercent", [](uint64_t) { return Limited(-1, 3.5); },
     CheckExceededNoPercent},
    {"MaintainMemoryLimit", [](uint64_t) { return Limited(100, 3); }, CheckLimitIsGoalLate},
    {"MaintainMemoryLimitNoGCPercent", [](uint64_t) { return Limited(-1, 3); }, CheckLimitIsGoal},
};

// Runs all cycles and checks after each. Returns the results.
Results RunScenario(const Workload& workload, const Check& check) {
  PacerModel model(workload);
  Results results;
  for (int i = 0; i < workload.cycles; ++i) {
    results.push_back(model.RunCycle());
    SCOPED_TRACE(results.back().Text());
    EXPECT_GE(results.back().utilization, 0);
    EXPECT_LE(results.back().utilization, 1);
    EXPECT_TRUE(std::isfinite(model.pacer().cons_mark()));
    check(results);
    if (::testing::Test::HasFailure()) break;
  }
  return results;
}

class PacerScenarioTest : public ::testing::TestWithParam<Scenario> {};

TEST_P(PacerScenarioTest, HoldsInEveryCycle) {
  RunScenario(GetParam().workload(TestSeed()), GetParam().check);
}

// Assists are bounded (assist_credit.h); the bound may cost overshoot, but no scenario its goal.
// A live heap above the limit is left out: it asks for unbounded assists.
class BoundedAssistTest : public ::testing::TestWithParam<Scenario> {};

TEST_P(BoundedAssistTest, HoldsInEveryCycle) {
  Workload w = GetParam().workload(TestSeed());
  w.max_assist_ratio = static_cast<double>(kMaxAssistWorkPerByte);
  RunScenario(w, GetParam().check);
}

std::vector<Scenario> WithinTheLimit() {
  std::vector<Scenario> within;
  for (const Scenario& s : kScenarios) {
    if (s.name.rfind("ExceedMemoryLimit", 0) != 0) within.push_back(s);
  }
  return within;
}

std::string NameOf(const ::testing::TestParamInfo<Scenario>& param) { return param.param.name; }

INSTANTIATE_TEST_SUITE_P(Sim, PacerScenarioTest, ::testing::ValuesIn(kScenarios), NameOf);
INSTANTIATE_TEST_SUITE_P(Sim, BoundedAssistTest, ::testing::ValuesIn(WithinTheLimit()), NameOf);

// What assist_credit.h promises of the bound: behind the goal everybody still marks 8 bytes per byte
// allocated, so the heap passes the goal by at most an eighth of the work.
TEST(PacerSimTest, BoundedAssistsPassTheGoalByAtMostAnEighthOfTheWork) {
  for (double rate : {1000.0, 3300.0, 10000.0, 33000.0}) {
    Workload w = WithAlloc(Constant(33) + Delay(20, Ramp(rate, 1)));
    w.max_assist_ratio = static_cast<double>(kMaxAssistWorkPerByte);
    bool passed = false;
    RunScenario(w, [&](const Results& r) {
      const CycleResult& last = r.back();
      passed = passed || last.peak > last.goal;
      if (last.peak > last.goal) {
        EXPECT_LE(last.peak - last.goal, last.work / kMaxAssistWorkPerByte) << "rate " << rate;
      }
    });
    EXPECT_TRUE(passed) << "the workload never reaches its goal at rate " << rate;
  }
}

// Five times as much as expected is found alive: the goal moves, up to what the next cycle would be
// allowed anyway, and the program keeps a part of the CPUs.
TEST(PacerSimTest, SuddenGrowthMovesTheGoalAndNotTheProgramAside) {
  Workload w = WithAlloc(Constant(165));
  w.growth = w.growth + Delay(25, Unit(4));
  RunScenario(w, [](const Results& r) {
    if (r.size() != 26) return;
    const CycleResult& last = r.back();
    std::printf("%s\n", last.Text().c_str());
    EXPECT_GT(last.peak, last.goal + last.goal / 10) << "the goal did not move";
    EXPECT_LE(last.peak, 2 * last.goal + last.goal / 5) << "beyond the hard goal";
    EXPECT_LT(last.utilization, 0.5);
  });
}

TEST(PacerSimTest, LimitGoalIsTheLimitLessThreePercent) {
  EXPECT_EQ(MemoryLimitGoal(kLimit, {}, 0), kLimitGoal);
}

}  // namespace
}  // namespace tarn::rt
