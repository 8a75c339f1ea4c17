#include "gc/control/cpu_limiter.h"

#include <algorithm>
#include <limits>

#include "gc/control/worker_plan.h"
#include "runtime/base/check.h"

namespace tarn::rt {
namespace {

__extension__ typedef __int128 Wide;

constexpr int64_t Narrow(Wide v) {
  constexpr Wide kMax = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(v > kMax ? kMax : v < -kMax ? -kMax : v);
}

int64_t Capacity(int procs) { return procs * CpuLimiter::kCapacityPerProcNanos; }

}  // namespace

CpuLimiter::CpuLimiter(int64_t now, int procs, int percent)
    : last_update_(now),
      procs_(procs),
      percent_(std::clamp(percent, 1, 100)),
      capacity_(Capacity(procs)) {}

void CpuLimiter::SetPercent(int percent) { percent_ = std::clamp(percent, 1, 100); }

// What a stretch of CPU time does to the bucket: twice what the collector had above its share. Zero at
// collector : program = percent : 100 - percent; collector - program at 50.
int64_t CpuLimiter::Change(int64_t program, int64_t collector) const {
  return Narrow((Wide{collector} * (100 - percent_) - Wide{program} * percent_) / 50);
}

void CpuLimiter::StartLimiting() {
  if (limiting_) return;
  limiting_ = true;
  limited_cycle_ = cycle_;
}

void CpuLimiter::Accumulate(int64_t program, int64_t collector) {
  const int64_t change = Change(program, collector);
  const int64_t headroom = capacity_ - fill_;
  if (change > 0 && headroom <= change) {
    overflow_ = Narrow(Wide{overflow_} + change - headroom);
    fill_ = capacity_;
    StartLimiting();
    return;
  }
  fill_ = std::max<int64_t>(0, fill_ + change);  // keeps I1
  if (change != 0 && headroom == 0) limiting_ = false;
}

void CpuLimiter::Update(int64_t now, const Used& used) {
  TARN_ASSERT(!in_transition_);
  if (now < last_update_) return;  // clocks of two CPUs; the later update stands
  const Wide window = Wide{now - last_update_} * procs_;
  last_update_ = now;
  // The background share is one of the whole window, idle CPUs included.
  const int64_t background =
      marking_ ? static_cast<int64_t>(static_cast<double>(window) * kBackgroundUtilization) : 0;
  const Wide collector = Wide{used.assist} + background;
  Accumulate(Narrow(window - used.idle - collector), Narrow(collector));
}

void CpuLimiter::StartTransition(int64_t now, bool marking, const Used& used) {
  TARN_CHECK(!in_transition_ && marking != marking_);
  Update(now, used);
  marking_ = marking;
  in_transition_ = true;
}

void CpuLimiter::FinishTransition(int64_t now) {
  TARN_CHECK(in_transition_);
  if (now >= last_update_) {
    Accumulate(0, Narrow(Wide{now - last_update_} * procs_));
    last_update_ = now;
  }
  in_transition_ = false;
}

void CpuLimiter::ResetCapacity(int64_t now, int procs, const Used& used) {
  Update(now, used);
  procs_ = procs;
  capacity_ = Capacity(procs);
  if (fill_ > capacity_) {
    fill_ = capacity_;
    StartLimiting();
  } else if (fill_ < capacity_) {
    limiting_ = false;
  }
}

}  // namespace tarn::rt
