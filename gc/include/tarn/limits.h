// Memory limits, and memory outside the heap that belongs to objects in it.
//
// What counts: everything that tarn has from the system and has not given back (pages of the heap,
// side tables, records) plus external bytes, among them what mappings count as (MappingAccounting in
// tarn/gc_mmap.h). What does not: the program's image, its stacks, malloc.
//
// The soft limit makes collections come earlier, makes allocation give free pages back to the system,
// and in the end wait for a collection. It gives way when the live data do not fit: the collector then
// runs all the time, but uses no more than its share of the CPU (half; SetGcCpuLimit).
// The hard limit does not give way: an allocation that would pass it even after a collection throws
// std::bad_alloc. The program may catch that, drop references and go on.
#ifndef TARN_LIMITS_H_
#define TARN_LIMITS_H_

#include <cstdint>
#include <utility>

#include "tarn/describe.h"

namespace tarn {

inline constexpr int64_t kNoLimit = INT64_MAX;

// Sets the soft limit in bytes; kNoLimit: none; negative: only asks. Returns the previous value. Takes
// effect at once: a heap above the limit gives free pages back and starts a collection. A limit that
// follows the control group (MEMLIMIT=auto, N%) no longer does.
// Thread-safety: any thread.
// May collect: it starts a collection and does not wait for it. Blocks: while pages are released.
int64_t SetMemoryLimit(int64_t bytes);

// The same for the hard limit.
int64_t SetHardLimit(int64_t bytes);

// Sets the collector's share of the CPU, in percent of the usable CPUs: above it no thread assists and
// the soft limit gives way. 1 to 100; anything else only asks. Returns the previous value (50, or what
// GODEBUG=gccpulimit says). What a busy collector has used up already still counts.
// Thread-safety: any thread.
// May collect: no. Blocks: no.
int SetGcCpuLimit(int percent);

// `fn` is called when the CPU limiter engages: the collector has used more than its share of the CPU,
// which under a memory limit means that the live data hardly fit. The program may shed load, raise
// the limit, or end itself in good order. Null: nobody is called.
// The call comes on a thread of tarn's own that holds no lock and runs nothing else: it may allocate,
// lock, wait, and call everything in tarn, this function included; what it throws ends the program.
// At most one call a second, and none while the last one runs. On return from SetLimiterCallback on
// any other thread the previous function is not running and will not be called.
// After fork() the child calls nobody until it calls SetLimiterCallback.
// Errors: false if the thread cannot be started; then nobody is called.
// Thread-safety: any thread.
// May collect: no. Blocks: while the previous function runs.
using LimiterCallback = void (*)(void* arg);
bool SetLimiterCallback(LimiterCallback fn, void* arg);

// Memory outside the heap (malloc, a mapping, a texture) that objects own has become `bytes` larger,
// or smaller if negative. It counts like bytes of objects that are alive: for when to collect, for
// limits and for statistics. Growth alone starts collections.
// Errors: below zero it counts from zero, and says so once on stderr.
// Thread-safety: any thread, attached or not; also from destructors and callbacks.
// May collect: it may start a collection and does not wait for it. Blocks: no, except for the start of
// the collector's thread, once.
void AdjustExternalMemory(int64_t bytes);

// A member (or local variable) that charges external memory for as long as it lives:
//     struct Image { void* pixels; tarn::external_bytes charged{size}; };
// In a heap object it is given back when the object's destructor runs.
// Thread-safety: as for an int.
class external_bytes {
 public:
  constexpr external_bytes() = default;
  explicit external_bytes(int64_t bytes) { reset(bytes); }
  external_bytes(external_bytes&& other) noexcept : bytes_(std::exchange(other.bytes_, 0)) {}
  external_bytes& operator=(external_bytes&& other) noexcept {
    if (this != &other) {
      reset(0);
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }
  ~external_bytes() { reset(0); }

  // Charges `bytes` (at least 0) instead of what was charged.
  void reset(int64_t bytes) {
    if (bytes < 0) bytes = 0;
    if (bytes != bytes_) AdjustExternalMemory(bytes - bytes_);
    bytes_ = bytes;
  }
  int64_t get() const { return bytes_; }

  static constexpr auto tarn_layout = fields();  // no pointers

 private:
  int64_t bytes_ = 0;
};

}  // namespace tarn

#endif  // TARN_LIMITS_H_
