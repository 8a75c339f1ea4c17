#include "tests/sim/pacer_model.h"

#include <algorithm>
#include <cstdio>

namespace tarn::rt {
namespace {

constexpr int64_t kStepNanos = 500000;
// From KiB per CPU-millisecond to bytes per CPU and step.
constexpr double kBytesPerStep = 1024 * (kStepNanos / 1e6);
constexpr uint64_t kFirstMarked = 256 << 10;

uint64_t Take(uint64_t* left, uint64_t* budget, uint64_t* done) {
  const uint64_t n = std::min(*left, *budget);
  *left -= n;
  *budget -= n;
  *done += n;
  return n;
}

double AtLeastZero(double v) { return std::max(v, 0.0); }

}  // namespace

std::string CycleResult::Text() const {
  char text[200];
  std::snprintf(text, sizeof(text),
                "cycle %d: %.3f MiB marked, trigger %.3f, peak %.3f, goal %.3f MiB, utilization "
                "%.4f, highest ratio %.3f",
                cycle, static_cast<double>(marked) / 0x1p20, static_cast<double>(trigger) / 0x1p20,
                static_cast<double>(peak) / 0x1p20, static_cast<double>(goal) / 0x1p20, utilization,
                max_ratio);
  return text;
}

uint64_t PacerModel::Work(uint64_t work, WorkLeft* left) {
  return Take(&left->globals, &work, &progress_.globals_work) +
         Take(&left->stacks, &work, &progress_.stack_work) +
         Take(&left->heap, &work, &progress_.heap_work);
}

void PacerModel::Step(const Rates& rates, double scannable, WorkLeft* left, MarkTimes* times) {
  double ratio = pacer_.assist_ratio().work_per_byte;
  if (w_.max_assist_ratio >= 0) ratio = std::min(ratio, w_.max_assist_ratio);
  const double owed = ratio * rates.alloc;
  const double utilization = std::max(owed / (owed + rates.scan), kBackgroundUtilization);
  const double cpu_bytes = kBytesPerStep * w_.procs;
  const auto can_scan = static_cast<uint64_t>(rates.scan * cpu_bytes * utilization);
  const auto can_allocate = static_cast<uint64_t>(rates.alloc * cpu_bytes * (1 - utilization));
  const uint64_t scanned = Work(can_scan, left);
  // The cycle may end within the step.
  const double part = static_cast<double>(scanned) / static_cast<double>(can_scan);
  const auto elapsed = static_cast<int64_t>(kStepNanos * part);
  const auto allocated = static_cast<uint64_t>(static_cast<double>(can_allocate) * part);
  progress_.live += allocated;
  progress_.scan += static_cast<uint64_t>(static_cast<double>(allocated) * scannable);
  black_ += allocated;
  pacer_.Revise(progress_, memory_);
  times->assist += static_cast<int64_t>(static_cast<double>(elapsed) * w_.procs *
                                        (utilization - kBackgroundUtilization));
  times->duration += elapsed;
}

CycleResult PacerModel::RunCycle() {
  const Rates rates{AtLeastZero(w_.alloc_rate()), AtLeastZero(w_.scan_rate())};
  const double growth = AtLeastZero(w_.growth());
  const double scannable = std::clamp(w_.scannable(), 0.0, 1.0);
  const auto stacks = static_cast<uint64_t>(AtLeastZero(w_.stacks())) / 2048 * 2048;

  const uint64_t marked = pacer_.marked();
  const uint64_t start = std::max(pacer_.Trigger(memory_).trigger, marked);
  progress_.scan += static_cast<uint64_t>(static_cast<double>(start - marked) * scannable);
  progress_.live = start;
  progress_.max_stack = stacks;
  progress_.globals = w_.globals;
  progress_.heap_work = progress_.stack_work = progress_.globals_work = 0;
  pacer_.StartCycle(progress_, memory_, w_.procs, CycleKind::kTriggered);

  const uint64_t next_marked =
      cycle_ == 0 ? kFirstMarked
                  : static_cast<uint64_t>(static_cast<double>(marked - last_black_) * growth);
  WorkLeft left{w_.globals, stacks,
                static_cast<uint64_t>(static_cast<double>(next_marked) * scannable)};
  MarkTimes times;
  black_ = 0;
  CycleResult result;
  while (left.globals + left.stacks + left.heap > 0) {
    result.max_ratio = std::max(result.max_ratio, pacer_.assist_ratio().work_per_byte);
    Step(rates, scannable, &left, &times);
  }

  result.cycle = ++cycle_;
  result.marked = marked;
  result.trigger = pacer_.triggered();
  result.peak = progress_.live;
  result.work = progress_.work();
  result.utilization =
      static_cast<double>(times.assist) / (static_cast<double>(times.duration) * w_.procs) +
      kBackgroundUtilization;
  result.goal = pacer_.EndCycle(progress_, memory_, times, w_.procs).goal;
  const uint64_t alive = next_marked + black_;
  pacer_.ResetLive(alive, progress_);
  pacer_.Commit(false, alive);
  progress_.live = alive;
  progress_.scan = progress_.heap_work;
  last_black_ = black_;
  return result;
}

}  // namespace tarn::rt
