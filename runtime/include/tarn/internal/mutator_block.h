// MutatorBlock: the part of a thread's state that inline code (allocation, pointer stores, polls)
// reads without a call. Lives in static TLS; constant-initialised, so access needs no wrapper and
// no guard.
// Not here: everything cold (runtime/thread/mutator.h).
// I1 A thread that never attached has runs == kEmptyRuns (every run empty) and barrier_on == 1, so
//    that its first allocation and its first pointer store take the slow path, which attaches it.
// I2 runs[c].cursor is written by the owning thread only; the collector only reads it.
// I3 Handshakes are deferred while in_runtime != 0.
#ifndef TARN_INTERNAL_MUTATOR_BLOCK_H_
#define TARN_INTERNAL_MUTATOR_BLOCK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tarn/internal/config.h"

namespace tarn::rt {
class Mutator;
}

namespace tarn::internal {

// One maximal stretch of free, zeroed slots [cursor, limit) of a span that the thread owns.
struct Run {
  std::atomic<uintptr_t> cursor;  // relaxed: read by the owner, or in a handshake of the owner
  uintptr_t limit;  // plain: changed only inside the runtime, so never under a handshake's eyes
};

// All runs empty; what `runs` points to before attach and after detach. Never written.
extern const Run kEmptyRuns[kMaxSpanClasses];

struct alignas(64) MutatorBlock {
  Run* runs = const_cast<Run*>(kEmptyRuns);
  // The store in flight: set before every pointer store, cleared only where the thread itself asks for
  // a collection.
  std::atomic<uintptr_t> hazard_slot{0};
  std::atomic<uintptr_t> hazard_value{0};
  std::atomic<uint32_t> barrier_on{1};  // changed only in a handshake of this thread (or attach)
  std::atomic<uint32_t> in_runtime{0};  // depth of runtime slow paths; handshakes wait for 0
  std::atomic<uint32_t> poll{0};        // 1: a handshake waits; Safepoint() looks here
  rt::Mutator* mutator = nullptr;       // null before attach and after detach
};

#if defined(__clang__) || defined(__GNUC__)
#define TARN_TLS_INITIAL_EXEC __attribute__((tls_model("initial-exec")))
#endif
extern constinit thread_local MutatorBlock t_block TARN_TLS_INITIAL_EXEC;

}  // namespace tarn::internal

#endif  // TARN_INTERNAL_MUTATOR_BLOCK_H_
