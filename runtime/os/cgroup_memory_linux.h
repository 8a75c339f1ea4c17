// How much memory the control groups of this process allow: the least over its group and all groups
// above, version 1 or 2.
// Not here: what follows for the heap (gc/control/limit_setting.h).
// `root` stands before every path that is read, /proc included, so that tests can show any layout as
// a tree of files; empty for the real one.
// Locking: none. Cost: a few small files for each level; for start-up and rare refreshes.
#ifndef TARN_RUNTIME_OS_CGROUP_MEMORY_LINUX_H_
#define TARN_RUNTIME_OS_CGROUP_MEMORY_LINUX_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace tarn::rt {

// None: no limit, or none that can be read.
std::optional<uint64_t> CgroupMemoryLimit(std::string_view root = {});

// The text of memory.max, memory.high (version 2; "max" is no limit) or memory.limit_in_bytes
// (version 1; the largest page-aligned number is no limit). None: no limit, or malformed.
std::optional<uint64_t> ParseMemoryMax(std::string_view text);

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_OS_CGROUP_MEMORY_LINUX_H_
