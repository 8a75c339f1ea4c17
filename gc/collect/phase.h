// Phase: where the collector is. Every move goes through PhaseState::Move, which checks it.
//
//   kOff -> kMark -> kMarkTermination -> kOff
//
//   kOff              sweeping goes on, lazily
//   kMark             mark bits are being set; no span may be freed
//   kMarkTermination  no grey object is left; marks become allocation bits at the end
// Writers: the thread that drives the cycle. Readers: anyone.
#ifndef TARN_GC_COLLECT_PHASE_H_
#define TARN_GC_COLLECT_PHASE_H_

#include <atomic>
#include <cstdint>

#include "runtime/base/check.h"

namespace tarn::rt {

enum class Phase : uint32_t { kOff, kMark, kMarkTermination };

class PhaseState {
 public:
  Phase Get() const {
    // acquire: pairs with the release in Move; what was done before the move is visible.
    return phase_.load(std::memory_order_acquire);
  }
  void Move(Phase from, Phase to) {
    const bool legal = (from == Phase::kOff && to == Phase::kMark) ||
                       (from == Phase::kMark && to == Phase::kMarkTermination) ||
                       (from == Phase::kMarkTermination && to == Phase::kOff);
    TARN_CHECK(legal && phase_.load(std::memory_order_relaxed) == from);
    // release: pairs with the acquire in Get().
    phase_.store(to, std::memory_order_release);
  }

 private:
  std::atomic<Phase> phase_{Phase::kOff};
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_PHASE_H_
