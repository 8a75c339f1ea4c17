#include "gc/control/pacer.h"

#include <algorithm>

#include "gc/control/byte_math.h"
#include "gc/control/sweep_pace.h"

namespace tarn::rt {
namespace {

// A goal that is already passed moves by this factor: a limit on the panic, not on the heap.
constexpr double kMaxOvershoot = 1.1;
// The ratio stays finite when all expected work is done.
constexpr int64_t kMinRemainingWork = 1000;
// What GOGC counts as in a cycle that runs although it is off.
constexpr int kPercentWhenOff = 100000;
// At a utilization of 1 the program got nothing; cons/mark stays finite all the same.
constexpr double kMinProgramShare = 1.0 / 1024;

// Where the heap may end up if the work turns out to be `max_work` and not `expected`: as much further
// than planned as there is more work, but not beyond what the next cycle would be allowed anyway.
uint64_t ExtendedGoal(uint64_t goal, uint64_t triggered, uint64_t expected, uint64_t max_work,
                      int gc_percent) {
  const double per_work = static_cast<double>(ToSigned(goal) - ToSigned(triggered)) /
                          static_cast<double>(std::max<uint64_t>(expected, 1));
  const uint64_t extended =
      ToBytes(per_work * static_cast<double>(max_work) + static_cast<double>(triggered));
  const uint64_t hard = ToBytes((1.0 + gc_percent / 100.0) * static_cast<double>(goal));
  return std::min(extended, hard);
}

}  // namespace

Pacer::Pacer(int gc_percent, uint64_t memory_limit)
    : gc_percent_(std::max(gc_percent, -1)), memory_limit_(std::min(memory_limit, kNoMemoryLimit)) {
  Commit(true, 0);
}

int Pacer::SetGcPercent(int gc_percent) {
  const int old = gc_percent_;
  gc_percent_ = std::max(gc_percent, -1);
  return old;
}

uint64_t Pacer::SetMemoryLimit(uint64_t bytes) {
  const uint64_t old = memory_limit_;
  memory_limit_ = std::min(bytes, kNoMemoryLimit);
  return old;
}

void Pacer::Commit(bool sweep_done, uint64_t live) {
  // Until sweeping is done a cycle may not begin; leave it some room.
  sweep_min_trigger_ = sweep_done ? 0 : SaturatingAdd(live, kSweepMinDistanceBytes);
  percent_goal_ = HeapGoal({gc_percent_, marked_, last_stack_scan_, globals_, floating_});
  // Bytes that the program allocates while marking takes its share of the CPUs.
  constexpr double kProgramPerGc = (1 - kBackgroundUtilization) / kBackgroundUtilization;
  runway_ = ToBytes(cons_mark_ * kProgramPerGc * static_cast<double>(ExpectedWork()));
}

GoalBounds Pacer::Goal(const MemoryReading& memory) const {
  const uint64_t limit_goal = MemoryLimitGoal(memory_limit_, memory, marked_);
  // No lower bound applies to a limit: neither minimum heap nor sweeping raises it.
  if (limit_goal < percent_goal_) return {limit_goal, 0};
  uint64_t goal = std::max(percent_goal_, sweep_min_trigger_);
  if (in_cycle()) goal = std::max(goal, SaturatingAdd(triggered_, kMinRunwayBytes));
  return {goal, sweep_min_trigger_};
}

TriggerPoint Pacer::Trigger(const MemoryReading& memory) const {
  const GoalBounds bounds = Goal(memory);
  return {TriggerFor(bounds, SaturatingAdd(marked_, floating_), runway_), bounds.goal};
}

WorkerPlan Pacer::StartCycle(const MarkProgress& start, const MemoryReading& memory, int procs,
                             CycleKind kind) {
  triggered_ = start.live;
  plan_ = PlanWorkers(procs, kind);
  Revise(start, memory);
  return plan_;
}

AssistRatio Pacer::Revise(const MarkProgress& progress, const MemoryReading& memory) {
  globals_ = progress.globals;
  const uint64_t work = progress.work();
  const uint64_t max_work = progress.scan + progress.max_stack + progress.globals;
  uint64_t expected = ExpectedWork();
  uint64_t goal = Goal(memory).goal;
  if (work > expected) {
    // The heap grows. Keep the ratio steady by moving the goal, not by heavier assists.
    const int percent = gc_percent_ < 0 ? kPercentWhenOff : gc_percent_;
    goal = ExtendedGoal(goal, std::min(triggered_, progress.live), expected, max_work, percent);
    expected = max_work;
  }
  if (progress.live > goal) {
    goal = ToBytes(static_cast<double>(goal) * kMaxOvershoot);
    expected = max_work;
  }
  const int64_t work_left = std::max(ToSigned(expected) - ToSigned(work), kMinRemainingWork);
  const int64_t heap_left = std::max<int64_t>(ToSigned(goal) - ToSigned(progress.live), 1);
  ratio_.work_per_byte = static_cast<double>(work_left) / static_cast<double>(heap_left);
  ratio_.bytes_per_work = static_cast<double>(heap_left) / static_cast<double>(work_left);
  return ratio_;
}

CycleReport Pacer::EndCycle(const MarkProgress& end, const MemoryReading& memory,
                            const MarkTimes& times, int procs) {
  CycleReport report;
  report.cons_mark = cons_mark_;
  report.goal = last_goal_ = Goal(memory).goal;
  report.triggered = triggered_;
  report.live = end.live;
  report.expected_work = ExpectedWork();
  // Background workers are assumed to have had their share.
  double utilization = kBackgroundUtilization;
  double idle_utilization = 0;
  if (times.duration > 0) {
    const double cpu = static_cast<double>(times.duration) * procs;
    utilization += static_cast<double>(times.assist) / cpu;
    idle_utilization = static_cast<double>(times.idle_mark) / cpu;
  }
  // With more threads than CPUs, assist times overlap.
  report.utilization = std::clamp(utilization, 0.0, 1.0);
  if (end.live > triggered_) {
    Measure(report.utilization, std::clamp(idle_utilization, 0.0, 1.0), end.live - triggered_,
            end.work());
  }
  return report;
}

// cons/mark: bytes allocated per CPU time of the program, over bytes scanned per CPU time of the
// collector. The largest of the last values counts: rather a cycle too early than assists.
void Pacer::Measure(double utilization, double idle_utilization, uint64_t allocated,
                    uint64_t work) {
  const double program = std::max(1 - utilization, kMinProgramShare);
  const double now = static_cast<double>(allocated) * (utilization + idle_utilization) /
                     (static_cast<double>(std::max<uint64_t>(work, 1)) * program);
  cons_mark_ = std::max(now, *std::max_element(history_, history_ + kHistory));
  std::copy(history_ + 1, history_ + kHistory, history_);
  history_[kHistory - 1] = now;
}

void Pacer::ResetLive(uint64_t marked, const MarkProgress& end, uint64_t floating) {
  marked_ = marked;
  floating_ = floating;
  last_heap_scan_ = end.heap_work;
  last_stack_scan_ = end.stack_work;
  globals_ = end.globals;
  triggered_ = kNoGoal;
}

}  // namespace tarn::rt
