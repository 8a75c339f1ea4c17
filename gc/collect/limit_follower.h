// LimitFollower: the two memory limits in bytes, those that are a share of the control group's limit
// included. The group's limit is read at the start and then every minute, so that a container that is
// resized in place is noticed.
// Not here: what limits do (cycle_limits.cc).
// Locking: the owner's. Cost: Poll reads a clock's number; once a minute a few small files.
#ifndef TARN_GC_COLLECT_LIMIT_FOLLOWER_H_
#define TARN_GC_COLLECT_LIMIT_FOLLOWER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "gc/control/limit_setting.h"
#include "runtime/os/cgroup_memory_linux.h"

namespace tarn::rt {

class LimitFollower {
 public:
  static constexpr int64_t kPeriodNanos = int64_t{60} * 1000000000;

  struct Limits {
    uint64_t soft = kNoMemoryLimit;
    uint64_t hard = kNoMemoryLimit;
    bool operator==(const Limits&) const = default;
  };

  // `root`: of the control group files, see cgroup_memory_linux.h. `now`: nanoseconds of any clock
  // that does not go back.
  LimitFollower(const LimitSetting& soft, const LimitSetting& hard, int64_t now,
                std::string root = {})
      : root_(std::move(root)), soft_(soft), hard_(hard) {
    const bool follows = soft_.follows_group() || hard_.follows_group();
    Take(now, follows ? CgroupMemoryLimit(root_) : std::nullopt);
  }

  const Limits& limits() const { return limits_; }
  // Whether the group's limit is to be read again.
  bool IsDue(int64_t now) const {
    return now >= next_read_ && (soft_.follows_group() || hard_.follows_group());
  }
  // It has been read. True if a limit has changed.
  bool Take(int64_t now, std::optional<uint64_t> group) {
    next_read_ = now + kPeriodNanos;
    const Limits old = limits_;
    limits_ = {ResolveLimit(soft_, group), ResolveLimit(hard_, group)};
    return limits_ != old;
  }
  // Both.
  bool Poll(int64_t now) { return IsDue(now) && Take(now, CgroupMemoryLimit(root_)); }
  // The program sets a limit; it is no longer followed.
  void SetSoft(uint64_t bytes) { limits_.soft = (soft_ = LimitSetting::Bytes(bytes)).value; }
  void SetHard(uint64_t bytes) { limits_.hard = (hard_ = LimitSetting::Bytes(bytes)).value; }

 private:
  std::string root_;
  LimitSetting soft_, hard_;
  Limits limits_;
  int64_t next_read_ = 0;
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_LIMIT_FOLLOWER_H_
