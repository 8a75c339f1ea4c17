#include "gc/observe/gc_trace.h"

#include <cstdio>

namespace tarn::rt {

std::string TraceMillis(int64_t nanos) {
  if (nanos < 1000) return "0";
  char buf[32];
  if (nanos >= 10'000'000) {
    std::snprintf(buf, sizeof(buf), "%lld", static_cast<long long>(nanos / 1'000'000));
    return buf;
  }
  // Microseconds, cut to two significant digits.
  int64_t us = nanos / 1000;
  int64_t cut = 1;
  while (us / cut >= 100) cut *= 10;
  us = us / cut * cut;
  const int decimals = us >= 1000 ? 1 : us >= 100 ? 2 : 3;
  std::snprintf(buf, sizeof(buf), "%.*f", decimals, static_cast<double>(us) / 1000);
  return buf;
}

std::string GcTraceLine(const CycleRecord& r) {
  const auto mb = [](uint64_t bytes) { return static_cast<unsigned long long>(bytes >> 20); };
  char buf[512];
  const auto number = static_cast<unsigned long long>(r.number);
  std::snprintf(buf, sizeof(buf),
                "gc %llu @%.3fs %d%%: %s+%s+%s ms clock, %s+%s/%s/%s+%s ms cpu, %llu->%llu->%llu "
                "MB, %llu MB goal, "
                "%llu MB stacks, %llu MB globals, %d P%s",
                number, static_cast<double>(r.start_since_init) / 1e9,
                static_cast<int>(r.cpu_fraction * 100), TraceMillis(r.start_pause).c_str(),
                TraceMillis(r.mark_wall).c_str(), TraceMillis(r.end_pause).c_str(),
                TraceMillis(r.start_cpu).c_str(), TraceMillis(r.assist_cpu).c_str(),
                TraceMillis(r.mark_cpu).c_str(), TraceMillis(r.idle_cpu).c_str(),
                TraceMillis(r.end_cpu).c_str(), mb(r.live_at_start), mb(r.live_at_end),
                mb(r.marked), mb(r.goal), mb(r.stacks), mb(r.globals), r.procs,
                r.forced ? " (forced)" : "");
  return buf;
}

}  // namespace tarn::rt
