// ScavTrace: the scavtrace line, in Go's format:
//   scav X KiB work (bg), Y KiB work (eager), Z KiB now, W% util [(forced)] [[controller reset]]
// Not here: measuring (gc/collect/scavenger.h).
#ifndef TARN_GC_OBSERVE_SCAV_TRACE_H_
#define TARN_GC_OBSERVE_SCAV_TRACE_H_

#include <cstdint>
#include <string>

namespace tarn::rt {

// Bytes.
struct ScavRecord {
  uint64_t background = 0;  // released by the scavenger since the last line
  uint64_t eager = 0;       // released by threads that allocate, or by a request, since then
  uint64_t released = 0;    // free and not backed now
  uint64_t in_use = 0;      // in spans
  uint64_t retained = 0;    // in spans, and free and backed
  bool forced = false;      // FreeOsMemory
  bool was_reset = false;   // the pacer's controller, since the last line
};

// The line without a newline.
std::string ScavTraceLine(const ScavRecord& r);

}  // namespace tarn::rt

#endif  // TARN_GC_OBSERVE_SCAV_TRACE_H_
