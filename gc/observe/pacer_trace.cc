#include "gc/observe/pacer_trace.h"

#include <cstdio>

namespace tarn::rt {
namespace {

unsigned long long Wide(uint64_t v) { return v; }
unsigned long long Mb(uint64_t bytes) { return bytes >> 20; }

}  // namespace

std::string PacerStartLine(const PacerStart& s) {
  char buf[256];
  std::snprintf(buf, sizeof(buf),
                "pacer: assist ratio=%e (scan %llu MB in %llu->%llu MB) workers=%d+%e",
                s.assist_ratio, Mb(s.scan), Mb(s.live), Mb(s.goal), s.dedicated, s.fractional);
  return buf;
}

std::string PacerEndLine(const PacerEnd& e) {
  char buf[512];
  std::snprintf(
      buf, sizeof(buf),
      "pacer: %d%% CPU (25 exp.) for %llu+%llu+%llu B work (%llu B exp.) in %llu B -> %llu "
      "B (\xe2\x88\x86goal %lld, cons/mark %+e)",
      static_cast<int>(e.utilization * 100), Wide(e.heap_work), Wide(e.stack_work),
      Wide(e.globals_work), Wide(e.expected_work), Wide(e.triggered), Wide(e.live),
      static_cast<long long>(e.live - e.goal), e.cons_mark);
  return buf;
}

std::string PacerSweepLine(const PacerSweep& s) {
  char buf[256];
  const uint64_t allocated = s.live >= s.live_at_start ? s.live - s.live_at_start : 0;
  std::snprintf(
      buf, sizeof(buf),
      "pacer: sweep done at heap size %llu MB; allocated %llu MB during sweep; swept %llu "
      "pages at %e pages/byte",
      Mb(s.live), Mb(allocated), Wide(s.pages), s.pages_per_byte);
  return buf;
}

}  // namespace tarn::rt
