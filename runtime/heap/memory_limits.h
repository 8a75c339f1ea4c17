// MemoryLimits: how much memory the heap may have from the system, and what happened at the limits.
// Compared with a limit is everything that is ready at the OS seam (pages of the heap, side tables,
// records, mark buffers, caches of threads) plus external bytes.
//   soft  a span that needs more is made room for by releasing free pages, whatever they cost to get
//         back; where that is not enough, it is refused if its caller can wait (SoftLimit::kRefuse)
//         and given otherwise
//   hard  a span that needs more, and side tables for a larger heap, are refused
// Not here: making room by collecting (gc/collect/cycle_limits.cc), the goal that follows from a
// limit (gc/control/memory_limit.h).
// I1 Spans never take the memory above the hard limit. The tables and records that the runtime needs
//    to go on count, but are not refused.
// Locking: none; all fields are relaxed atomics: a thread that sees an old limit acts on the new one
// at its next span.
#ifndef TARN_RUNTIME_HEAP_MEMORY_LIMITS_H_
#define TARN_RUNTIME_HEAP_MEMORY_LIMITS_H_

#include <atomic>
#include <cstdint>

namespace tarn::rt {

// What a span that would pass the soft limit is to its caller.
enum class SoftLimit : uint8_t { kPass, kRefuse };

struct MemoryLimits {
  static constexpr uint64_t kNone = ~uint64_t{0} >> 1;

  std::atomic<uint64_t> soft{kNone};
  std::atomic<uint64_t> hard{kNone};
  // The collector has had its share of the CPU: nothing is released or refused for the soft limit.
  std::atomic<uint32_t> is_gc_limited{0};
  // CPU time that allocations spent on releasing, since it was last taken.
  std::atomic<int64_t> release_nanos{0};
  std::atomic<uint64_t> soft_refusals{0};
  std::atomic<uint64_t> hard_refusals{0};
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_MEMORY_LIMITS_H_
