// Number and kind of background markers for each number of CPUs.
#include "gc/control/worker_plan.h"

#include <cmath>

#include "gtest/gtest.h"

namespace tarn::rt {
namespace {

TEST(WorkerPlanTest, AQuarterOfTheCpusInWholeWorkersWhereThatIsNearEnough) {
  const struct {
    int procs;
    int dedicated;
    double share;
  } kRows[] = {{1, 0, .25}, {2, 0, .25}, {3, 0, .25}, {4, 1, 0},  {5, 1, 0}, {6, 1, .5 / 6},
               {7, 2, 0},   {8, 2, 0},   {9, 2, 0},   {10, 3, 0}, {12, 3, 0}};
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.procs);
    const WorkerPlan plan = PlanWorkers(row.procs, CycleKind::kTriggered);
    EXPECT_EQ(plan.dedicated, row.dedicated);
    EXPECT_DOUBLE_EQ(plan.fractional_share, row.share);
    EXPECT_EQ(plan.max_idle, row.procs - row.dedicated);
  }
}

TEST(WorkerPlanTest, EveryPlanIsWithinThirtyPercentOfAQuarterAndCanProgress) {
  for (int procs = 1; procs <= 1024; ++procs) {
    SCOPED_TRACE(procs);
    for (CycleKind kind : {CycleKind::kTriggered, CycleKind::kForced, CycleKind::kPeriodic}) {
      const WorkerPlan plan = PlanWorkers(procs, kind);
      const double cpus = plan.dedicated + plan.fractional_share * procs;
      EXPECT_NEAR(cpus / (procs * kBackgroundUtilization), 1, kMaxWorkerRoundingError);
      EXPECT_GT(plan.dedicated + plan.max_idle, 0);
      EXPECT_GE(plan.fractional_share, 0);
    }
  }
}

TEST(WorkerPlanTest, APeriodicCycleWakesNoIdleCpuUnlessItMust) {
  EXPECT_EQ(PlanWorkers(8, CycleKind::kPeriodic).max_idle, 0);
  EXPECT_EQ(PlanWorkers(2, CycleKind::kPeriodic).max_idle, 1);
}

TEST(WorkerPlanTest, AStoppedCycleUsesEveryCpu) {
  const WorkerPlan plan = PlanWorkers(6, CycleKind::kStopped);
  EXPECT_EQ(plan.dedicated, 6);
  EXPECT_EQ(plan.fractional_share, 0);
}

TEST(WorkerPlanTest, AFractionalWorkerKeepsToItsShare) {
  EXPECT_TRUE(FractionalMayStart(0, 0, 0.25));
  EXPECT_TRUE(FractionalMayStart(250, 1000, 0.25));
  EXPECT_FALSE(FractionalMayStart(251, 1000, 0.25));
  EXPECT_FALSE(FractionalMayStart(0, 1000, 0));
  EXPECT_FALSE(FractionalMustStop(300, 1000, 0.25));
  EXPECT_TRUE(FractionalMustStop(301, 1000, 0.25));
}

}  // namespace
}  // namespace tarn::rt
