// WorkerPlan: how many background markers a cycle has, and of which kind.
//   dedicated   marks without pause until the cycle ends
//   fractional  takes its share of the wall time of one CPU, on every CPU
//   idle        marks on a CPU that has nothing else to do (idle_mark_workers.h counts them)
// Not here: threads; when a worker finds work.
// I1 dedicated + fractional_share * procs is within 30 % of procs / 4; exactly that if there are
//    fractional workers.
// I2 Some worker can always make progress: a cycle with only fractional workers has an idle one.
// Locking: none; pure.
#ifndef TARN_GC_CONTROL_WORKER_PLAN_H_
#define TARN_GC_CONTROL_WORKER_PLAN_H_

#include <cmath>
#include <cstdint>

namespace tarn::rt {

// Share of the CPUs that background marking uses, and the share that a cycle is planned to use.
inline constexpr double kBackgroundUtilization = 0.25;
// Rounding to whole workers may miss the share by this much before fractional workers step in.
inline constexpr double kMaxWorkerRoundingError = 0.3;
// A fractional worker that exceeds its share by this factor stops itself.
inline constexpr double kFractionalSlack = 1.2;

enum class CycleKind {
  kTriggered,  // the heap reached its trigger
  kForced,     // the program asked
  kPeriodic,   // nothing else for two minutes
  kStopped,    // debug mode: the world stands still while marking
};

struct WorkerPlan {
  int dedicated = 0;
  double fractional_share = 0;  // of wall time, per CPU
  int max_idle = 0;
};

inline WorkerPlan PlanWorkers(int procs, CycleKind kind) {
  WorkerPlan plan;
  if (kind == CycleKind::kStopped) {
    plan.dedicated = procs;
    return plan;
  }
  const double wanted = procs * kBackgroundUtilization;
  plan.dedicated = static_cast<int>(wanted + 0.5);
  if (std::abs(plan.dedicated / wanted - 1) > kMaxWorkerRoundingError) {
    if (plan.dedicated > wanted) --plan.dedicated;
    plan.fractional_share = (wanted - plan.dedicated) / procs;  // keeps I1
  }
  // A periodic cycle is for an idle program: it shall not wake every CPU. Fractional workers alone
  // may never be scheduled, hence one (keeps I2).
  plan.max_idle =
      kind == CycleKind::kPeriodic ? (plan.dedicated == 0 ? 1 : 0) : procs - plan.dedicated;
  return plan;
}

// Whether the fractional worker of a CPU that has marked there for `marked_nanos` may start, and
// whether a running one must stop, `elapsed_nanos` after the start of marking.
inline bool FractionalMayStart(int64_t marked_nanos, int64_t elapsed_nanos, double share) {
  if (share <= 0) return false;
  return elapsed_nanos <= 0 ||
         static_cast<double>(marked_nanos) <= share * static_cast<double>(elapsed_nanos);
}
inline bool FractionalMustStop(int64_t marked_nanos, int64_t elapsed_nanos, double share) {
  return elapsed_nanos > 0 && static_cast<double>(marked_nanos) >
                                  kFractionalSlack * share * static_cast<double>(elapsed_nanos);
}

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_WORKER_PLAN_H_
