#include "gc/control/scavenge_pacer.h"

namespace tarn::rt {

bool ScavengePacer::Adapt(int64_t worked, int64_t slept, int procs) {
  const auto work = static_cast<double>(Counted(worked));
  const double period = static_cast<double>(std::max<int64_t>(slept, 0)) + work;
  if (cooldown_ > 0) {
    cooldown_ = std::max<int64_t>(0, cooldown_ - static_cast<int64_t>(period));
    return true;
  }
  const PiController::Result next =
      controller_.Next(work / (period * std::max(procs, 1)), kShare, period);
  sleep_ratio_ = next.output;
  if (!next.ok) cooldown_ = kCooldownNanos;
  return next.ok;
}

}  // namespace tarn::rt
