#include "gc/observe/scav_trace.h"

#include <cstdio>

namespace tarn::rt {

std::string ScavTraceLine(const ScavRecord& r) {
  const auto kib = [](uint64_t bytes) { return static_cast<unsigned long long>(bytes >> 10); };
  // An empty heap wastes nothing.
  const double share =
      r.retained == 0 ? 1 : static_cast<double>(r.in_use) / static_cast<double>(r.retained);
  char buf[256];
  std::snprintf(buf, sizeof(buf),
                "scav %llu KiB work (bg), %llu KiB work (eager), %llu KiB now, %d%% util%s%s",
                kib(r.background), kib(r.eager), kib(r.released), static_cast<int>(share * 100),
                r.forced ? " (forced)" : "", r.was_reset ? " [controller reset]" : "");
  return buf;
}

}  // namespace tarn::rt
