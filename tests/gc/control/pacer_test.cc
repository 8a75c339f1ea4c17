// Goals, trigger, ratio and settings of the pacer, by examples with numbers.
// Not here: how it settles over many cycles (tests/sim), random inputs (pacer_property_test.cc).
#include "gc/control/pacer.h"

#include <cstdint>

#include "gc/control/sweep_pace.h"
#include "gtest/gtest.h"

namespace tarn::rt {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kKiB = 1024;
constexpr MemoryReading kNoOverhead{};

// A cycle that found `marked` bytes alive and scanned all of it and `globals`.
void RunCycle(Pacer* pacer, uint64_t marked, uint64_t globals = 0, uint64_t stacks = 0) {
  MarkProgress p;
  p.live = pacer->Trigger(kNoOverhead).trigger;
  p.scan = p.live;
  p.globals = globals;
  pacer->StartCycle(p, kNoOverhead, 4, CycleKind::kTriggered);
  p.heap_work = marked;
  p.stack_work = stacks;
  p.globals_work = globals;
  pacer->EndCycle(p, kNoOverhead, {}, 4);
  pacer->ResetLive(marked, p);
  pacer->Commit(true, marked);
}

// --- Goals

TEST(MemoryLimitGoalTest, TheTableOfCases) {
  const uint64_t limit = 512 * kMiB;
  const struct {
    const char* what;
    uint64_t limit;
    MemoryReading memory;
    uint64_t marked;
    uint64_t goal;
  } kRows[] = {
      {"no overhead", limit, {}, 0, 520764785},
      {"100 MiB overhead", limit, {100 * kMiB, 0, 0}, 0, 412 * kMiB - 412 * kMiB / 100 * 3},
      {"heap is no overhead", limit, {100 * kMiB, 60 * kMiB, 40 * kMiB}, 0, 520764785},
      {"overage counts",
       limit,
       {600 * kMiB, 300 * kMiB, 300 * kMiB},
       0,
       424 * kMiB - 424 * kMiB / 100 * 3},
      {"overhead above the limit", limit, {600 * kMiB, 0, 0}, 7 * kMiB, 7 * kMiB},
      {"never below the marked heap", limit, {}, 600 * kMiB, 600 * kMiB},
      {"headroom of 1 MiB at least", 10 * kMiB, {}, 0, 9 * kMiB},
      {"never zero", kMiB, {}, 0, kMiB},
      {"limit zero", 0, {}, 3, 3},
      {"counters that disagree", limit, {kMiB, 2 * kMiB, 2 * kMiB}, 0, 520764785},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(MemoryLimitGoal(row.limit, row.memory, row.marked), row.goal) << row.what;
  }
}

TEST(PacerGoalTest, TheFirstGoalIsTheMinimumHeapScaledByThePercentage) {
  EXPECT_EQ(Pacer(100, kNoMemoryLimit).Goal(kNoOverhead).goal, 4 * kMiB);
  EXPECT_EQ(Pacer(50, kNoMemoryLimit).Goal(kNoOverhead).goal, 2 * kMiB);
  EXPECT_EQ(Pacer(0, kNoMemoryLimit).Goal(kNoOverhead).goal, 0u);
}

TEST(PacerGoalTest, RootsAndStacksCountInThePercentageButAreNoHeap) {
  Pacer pacer(100, kNoMemoryLimit);
  RunCycle(&pacer, 10 * kMiB, 3 * kMiB, 2 * kMiB);
  EXPECT_EQ(pacer.Goal(kNoOverhead).goal, 25 * kMiB);
}

TEST(PacerGoalTest, TheLowerGoalWins) {
  Pacer pacer(100, 64 * kMiB);
  RunCycle(&pacer, 10 * kMiB);
  EXPECT_EQ(pacer.Goal(kNoOverhead).goal, 20 * kMiB);
  RunCycle(&pacer, 50 * kMiB);
  EXPECT_EQ(pacer.Goal(kNoOverhead).goal, MemoryLimitGoal(64 * kMiB, kNoOverhead, 50 * kMiB));
}

TEST(PacerGoalTest, TheMinimumHeapRaisesNoLimit) {
  EXPECT_EQ(Pacer(100, 3 * kMiB).Goal(kNoOverhead).goal, 2 * kMiB);
  Pacer zero(100, 0);
  EXPECT_EQ(zero.Goal(kNoOverhead).goal, 0u);
  EXPECT_EQ(zero.Trigger(kNoOverhead).trigger, 0u);
}

TEST(PacerGoalTest, UnfinishedSweepingKeepsTheTriggerAway) {
  Pacer pacer(10, kNoMemoryLimit);
  RunCycle(&pacer, 4 * kMiB);
  pacer.Commit(false, 4 * kMiB);
  EXPECT_EQ(pacer.Goal(kNoOverhead).goal, 5 * kMiB);
  EXPECT_EQ(pacer.Trigger(kNoOverhead).trigger, 5 * kMiB);
  pacer.Commit(true, 4 * kMiB);
  EXPECT_LT(pacer.Goal(kNoOverhead).goal, 5 * kMiB);
}

TEST(PacerGoalTest, UnfinishedSweepingRaisesNoLimit) {
  Pacer pacer(100, 6 * kMiB);
  RunCycle(&pacer, 5 * kMiB);
  pacer.Commit(false, 5 * kMiB);
  EXPECT_EQ(pacer.Goal(kNoOverhead).goal, 5 * kMiB);
  EXPECT_EQ(pacer.Goal(kNoOverhead).min_trigger, 0u);
}

TEST(PacerGoalTest, ARunningCycleHasARunwayOf64KiB) {
  Pacer pacer(100, kNoMemoryLimit);
  MarkProgress p;
  p.live = 9 * kMiB;  // a single allocation carried it past the goal
  pacer.StartCycle(p, kNoOverhead, 4, CycleKind::kTriggered);
  EXPECT_EQ(pacer.Goal(kNoOverhead).goal, 9 * kMiB + 64 * kKiB);
}

// --- Trigger

TEST(TriggerTest, TheTableOfCases) {
  const struct {
    const char* what;
    GoalBounds bounds;
    uint64_t marked;
    uint64_t runway;
    uint64_t trigger;
  } kRows[] = {
      {"no runway: latest", {4 * kMiB, 0}, 0, 0, 61 * 64 * kKiB},
      {"long runway: earliest", {4 * kMiB, 0}, 0, 3 * kMiB, 45 * 64 * kKiB},
      {"longer than the goal: earliest", {4 * kMiB, 0}, 0, 9 * kMiB, 45 * 64 * kKiB},
      {"in between: goal less runway", {4 * kMiB, 0}, 0, kMiB, 3 * kMiB},
      {"above the marked heap", {8 * kMiB, 0}, 4 * kMiB, 100 * kMiB, 4 * kMiB + 45 * 64 * kKiB},
      {"a large heap keeps 4 MiB", {1024 * kMiB, 0}, 512 * kMiB, 0, 1020 * kMiB},
      {"sweeping comes first", {8 * kMiB, 7 * kMiB}, 4 * kMiB, 4 * kMiB, 7 * kMiB},
      {"nothing may be allocated", {4 * kMiB, 0}, 4 * kMiB, 0, 4 * kMiB},
      {"marked above the goal", {4 * kMiB, 0}, 5 * kMiB, 0, 4 * kMiB},
      {"no goal", {kNoGoal, 0}, 0, 0, kNoGoal - 4 * kMiB},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(TriggerFor(row.bounds, row.marked, row.runway), row.trigger) << row.what;
  }
}

// --- Ratio

TEST(PacerReviseTest, TheRatioIsRemainingWorkOverRemainingHeap) {
  Pacer pacer(100, kNoMemoryLimit);
  RunCycle(&pacer, 10 * kMiB);
  MarkProgress p;
  p.live = 18 * kMiB;
  p.scan = 18 * kMiB;
  pacer.StartCycle(p, kNoOverhead, 4, CycleKind::kTriggered);
  EXPECT_DOUBLE_EQ(pacer.assist_ratio().work_per_byte, 10.0 / 2);
  p.heap_work = 5 * kMiB;
  p.live += kMiB;
  EXPECT_DOUBLE_EQ(pacer.Revise(p, kNoOverhead).work_per_byte, 5.0);
  EXPECT_DOUBLE_EQ(pacer.assist_ratio().bytes_per_work, 0.2);
}

TEST(PacerReviseTest, MoreWorkThanExpectedMovesTheGoalAndKeepsTheRatio) {
  Pacer pacer(100, kNoMemoryLimit);
  RunCycle(&pacer, 10 * kMiB);
  MarkProgress p;
  p.live = 15 * kMiB;
  p.scan = 15 * kMiB;
  pacer.StartCycle(p, kNoOverhead, 4, CycleKind::kTriggered);
  p.heap_work = 10 * kMiB + 1;
  // 5 MiB of runway for 10 MiB of work become 7.5 for 15: the goal is 22.5 MiB.
  const double work_left = 5.0 * kMiB - 1;
  EXPECT_NEAR(pacer.Revise(p, kNoOverhead).work_per_byte, work_left / (7.5 * kMiB), 1e-9);
}

TEST(PacerReviseTest, TheMovedGoalStaysBelowWhatTheNextCycleMayUse) {
  Pacer pacer(100, kNoMemoryLimit);
  RunCycle(&pacer, 1 * kMiB);
  MarkProgress p;
  p.live = 3 * kMiB;
  p.scan = 100 * kMiB;  // a hundred times the work expected
  pacer.StartCycle(p, kNoOverhead, 4, CycleKind::kTriggered);
  p.heap_work = 2 * kMiB;
  // Unbounded, the goal would be 103 MiB; it is 2 * 4 MiB.
  EXPECT_DOUBLE_EQ(pacer.Revise(p, kNoOverhead).work_per_byte, 98.0 / (8 - 3));
}

TEST(PacerReviseTest, APassedGoalMovesByATenth) {
  Pacer pacer(100, kNoMemoryLimit);
  RunCycle(&pacer, 10 * kMiB);
  MarkProgress p;
  p.live = 19 * kMiB;
  p.scan = 19 * kMiB;
  pacer.StartCycle(p, kNoOverhead, 4, CycleKind::kTriggered);
  p.live = 21 * kMiB;
  p.heap_work = 2 * kMiB;
  EXPECT_NEAR(pacer.Revise(p, kNoOverhead).work_per_byte, 17.0 / (22 - 21), 1e-6);
}

TEST(PacerReviseTest, AFinishedCycleStillHasAFiniteRatio) {
  Pacer pacer(100, kNoMemoryLimit);
  RunCycle(&pacer, 10 * kMiB);
  MarkProgress p;
  p.live = 40 * kMiB;
  pacer.StartCycle(p, kNoOverhead, 4, CycleKind::kTriggered);
  p.live = 80 * kMiB;
  p.heap_work = 80 * kMiB;
  EXPECT_DOUBLE_EQ(pacer.Revise(p, kNoOverhead).work_per_byte, 1000.0);
}

// --- Settings while a cycle runs

TEST(PacerSettingTest, ALowerPercentageInFlightRaisesTheRatio) {
  Pacer pacer(100, kNoMemoryLimit);
  RunCycle(&pacer, 10 * kMiB);
  MarkProgress p;
  p.live = 16 * kMiB;
  p.scan = 16 * kMiB;
  pacer.StartCycle(p, kNoOverhead, 4, CycleKind::kTriggered);
  const double before = pacer.assist_ratio().work_per_byte;
  EXPECT_EQ(pacer.SetGcPercent(70), 100);
  pacer.Commit(true, p.live);
  EXPECT_EQ(pacer.Goal(kNoOverhead).goal, 17 * kMiB);
  EXPECT_DOUBLE_EQ(pacer.Revise(p, kNoOverhead).work_per_byte, 4 * before);
  // 10 %: the goal of 11 MiB is passed; the running cycle keeps its runway.
  pacer.SetGcPercent(10);
  pacer.Commit(true, p.live);
  EXPECT_EQ(pacer.Goal(kNoOverhead).goal, 16 * kMiB + 64 * kKiB);
}

TEST(PacerSettingTest, ALimitInFlightTakesEffectAtTheNextRevision) {
  Pacer pacer(100, kNoMemoryLimit);
  RunCycle(&pacer, 10 * kMiB);
  MarkProgress p;
  p.live = 15 * kMiB;
  p.scan = 15 * kMiB;
  pacer.StartCycle(p, kNoOverhead, 4, CycleKind::kTriggered);
  EXPECT_EQ(pacer.SetMemoryLimit(17 * kMiB), kNoMemoryLimit);
  EXPECT_DOUBLE_EQ(pacer.Revise(p, kNoOverhead).work_per_byte, 10.0);  // to 17 - 1 MiB
}

TEST(PacerSettingTest, NegativePercentagesAreOff) {
  Pacer pacer(-5, kNoMemoryLimit);
  EXPECT_EQ(pacer.SetGcPercent(100), -1);
  EXPECT_EQ(pacer.SetGcPercent(-7), 100);
  EXPECT_EQ(pacer.gc_percent(), -1);
}

// --- GOGC off

TEST(PacerOffTest, NoHeapReachesTheTrigger) {
  const Pacer pacer(-1, kNoMemoryLimit);
  EXPECT_GT(pacer.Trigger(kNoOverhead).trigger, uint64_t{1} << 62);
}

TEST(PacerOffTest, AForcedCycleAsksForNoAssists) {
  Pacer pacer(-1, kNoMemoryLimit);
  MarkProgress p;
  p.live = p.scan = 100 * kMiB;
  p.globals = kMiB;
  pacer.StartCycle(p, kNoOverhead, 4, CycleKind::kForced);
  EXPECT_LT(pacer.assist_ratio().work_per_byte, 1e-6);
  p.heap_work = 50 * kMiB;  // more than expected: nothing is known yet
  EXPECT_LT(pacer.Revise(p, kNoOverhead).work_per_byte, 1e-6);
  EXPECT_GT(pacer.assist_ratio().work_per_byte, 0);
}

TEST(PacerOffTest, AMemoryLimitAloneStillHasAGoal) {
  EXPECT_EQ(Pacer(-1, 512 * kMiB).Goal(kNoOverhead).goal, 520764785u);
}

// --- Measurement

TEST(PacerMeasureTest, ConsMarkIsTheLargestOfTheLastFive) {
  Pacer pacer(100, kNoMemoryLimit);
  double peak = 0;
  for (int i = 0; i < 7; ++i) {
    MarkProgress p;
    p.live = 8 * kMiB;
    p.scan = p.live;
    p.globals = kMiB;
    pacer.StartCycle(p, kNoOverhead, 4, CycleKind::kTriggered);
    p.live += (i == 1 ? 2 : 1) * kMiB;
    p.heap_work = 2 * kMiB;
    p.globals_work = kMiB;
    pacer.EndCycle(p, kNoOverhead, {1000000, 0, 0}, 4);
    pacer.ResetLive(4 * kMiB, p);
    pacer.Commit(true, 4 * kMiB);
    if (i == 1) peak = pacer.cons_mark();
    // Kept for four more cycles; gone with the fifth.
    if (i >= 1 && i <= 5) {
      EXPECT_DOUBLE_EQ(pacer.cons_mark(), peak) << i;
    }
    if (i == 6) {
      EXPECT_DOUBLE_EQ(pacer.cons_mark(), peak / 2);
    }
  }
  // 2 MiB allocated at three quarters of the CPUs while 3 MiB were scanned at one quarter.
  EXPECT_DOUBLE_EQ(peak, 2 * 0.25 / (3 * 0.75));
  // So 1 MiB in the time of 3 MiB of work.
  EXPECT_EQ(pacer.runway(), kMiB);
}

// Garbage that the cycle has missed is in the heap already: neither trigger nor goal lies in it.
TEST(PacerMeasureTest, FloatingGarbageMovesTriggerAndGoal) {
  MarkProgress p;
  p.live = 8 * kMiB;
  p.scan = p.live;
  for (const uint64_t floating : {uint64_t{0}, kMiB, 3 * kMiB}) {
    Pacer pacer(100, kNoMemoryLimit);
    pacer.StartCycle(p, kNoOverhead, 4, CycleKind::kTriggered);
    pacer.EndCycle(p, kNoOverhead, {1000000, 0, 0}, 4);
    pacer.ResetLive(8 * kMiB, p, floating);
    pacer.Commit(true, 8 * kMiB + floating);
    const TriggerPoint point = pacer.Trigger(kNoOverhead);
    EXPECT_EQ(16 * kMiB + floating, point.goal);
    EXPECT_GE(point.trigger, 8 * kMiB + floating + 8 * kMiB * 7 / 10 - 1);
    EXPECT_LT(point.trigger, point.goal);
  }
}

TEST(PacerMeasureTest, ACycleWithoutAllocationMeasuresNothing) {
  Pacer pacer(100, kNoMemoryLimit);
  MarkProgress p;
  p.live = 5 * kMiB;
  pacer.StartCycle(p, kNoOverhead, 4, CycleKind::kForced);
  p.heap_work = kMiB;
  pacer.EndCycle(p, kNoOverhead, {1000, 4000, 0}, 4);
  EXPECT_EQ(pacer.cons_mark(), 0);
  EXPECT_EQ(pacer.last_goal(), 5 * kMiB + 64 * kKiB);
}

TEST(PacerMeasureTest, IdleMarkingIsCollectorTimeButNotTheProgramsLoss) {
  const auto measure = [](int64_t idle) {
    Pacer pacer(100, kNoMemoryLimit);
    MarkProgress p;
    p.live = 5 * kMiB;
    pacer.StartCycle(p, kNoOverhead, 4, CycleKind::kTriggered);
    p.live += kMiB;
    p.heap_work = kMiB;
    pacer.EndCycle(p, kNoOverhead, {1000, 0, idle}, 4);
    return pacer.cons_mark();
  };
  EXPECT_DOUBLE_EQ(measure(0), 0.25 / 0.75);
  EXPECT_DOUBLE_EQ(measure(1000), 0.5 / 0.75);
}

TEST(PacerMeasureTest, OverlappingAssistsCountAsTheWholeMachineAtMost) {
  Pacer pacer(100, kNoMemoryLimit);
  MarkProgress p;
  p.live = 5 * kMiB;
  pacer.StartCycle(p, kNoOverhead, 2, CycleKind::kTriggered);
  p.live += kMiB;
  p.heap_work = kMiB;
  EXPECT_EQ(pacer.EndCycle(p, kNoOverhead, {1000, 64000, 0}, 2).utilization, 1.0);
  EXPECT_LE(pacer.cons_mark(), 1024);
}

// --- Periodic cycles

TEST(PeriodicCycleTest, DueTwoMinutesAfterTheLastCycle) {
  const int64_t end = 1000;
  EXPECT_FALSE(PeriodicCycleDue(100, end + kPeriodicCycleNanos, end, 1));
  EXPECT_TRUE(PeriodicCycleDue(100, end + kPeriodicCycleNanos + 1, end, 1));
  EXPECT_FALSE(PeriodicCycleDue(-1, end + kPeriodicCycleNanos + 1, end, 1)) << "off";
  EXPECT_FALSE(PeriodicCycleDue(100, end + kPeriodicCycleNanos + 1, end, 0)) << "no cycle yet";
}

}  // namespace
}  // namespace tarn::rt
