// LimitSetting: what MEMLIMIT and MEMHARDLIMIT say, before it is known what the control group allows.
//   off             no limit
//   N, NB ... NTiB  bytes; KiB, MiB, GiB, TiB are powers of two (Go's syntax)
//   N%, auto        a share of the memory limit of the control group; auto is 90 %
// Not here: reading the group's limit (runtime/os/cgroup_memory_linux.h), what a limit does
// (memory_limit.h).
// Locking: none; pure.
#ifndef TARN_GC_CONTROL_LIMIT_SETTING_H_
#define TARN_GC_CONTROL_LIMIT_SETTING_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "gc/control/memory_limit.h"

namespace tarn::rt {

struct LimitSetting {
  enum class Kind : uint8_t { kBytes, kPercentOfGroup };

  // A tenth is left for what tarn does not map: the program's image, its stacks and malloc.
  static constexpr uint64_t kAutoPercent = 90;

  Kind kind = Kind::kBytes;
  uint64_t value = kNoMemoryLimit;  // bytes or percent

  static LimitSetting Bytes(uint64_t bytes) { return {Kind::kBytes, bytes}; }
  static LimitSetting PercentOfGroup(uint64_t percent) { return {Kind::kPercentOfGroup, percent}; }
  bool follows_group() const { return kind == Kind::kPercentOfGroup; }
};

// None if `text` is none of the above. Case counts, blanks are refused, the result fits in 63 bits.
std::optional<LimitSetting> ParseLimit(std::string_view text);

// In bytes. `group`: the limit of the control group, none if it has none; then a share of it is no
// limit either.
uint64_t ResolveLimit(const LimitSetting& setting, std::optional<uint64_t> group);

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_LIMIT_SETTING_H_
