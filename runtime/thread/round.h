// Round: the handshake in progress. There is one, since askers take turns.
// Not here: who may ask (handshake.cc); I1 to I3 of handshake_impl.h hold for it.
#ifndef TARN_RUNTIME_THREAD_ROUND_H_
#define TARN_RUNTIME_THREAD_ROUND_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "runtime/thread/handshake.h"

namespace tarn::rt {

struct Round {
  // Written by the asker before the states that publish them.
  HandshakeFn fn = nullptr;
  void* arg = nullptr;
  int64_t started = 0;  // monotonic
  bool is_stop = false;
  // The asker's own.
  bool needs_resend = false;
  Mutator* claimed = nullptr;  // threads claimed for the length of a stop

  alignas(64) std::atomic<uint32_t> remaining{0};   // futex of the asker
  alignas(64) std::atomic<uint32_t> stop_epoch{0};  // futex of stopped and attaching threads
  std::atomic<pid_t> stopper{0};                    // thread that has stopped the world, or 0
  std::atomic<uint32_t> sequence{0};                // of rounds
  // The asker has found a pending thread that has not run since it was asked.
  std::atomic<bool> is_starving{false};
  std::atomic<bool> gives_up_slice{true};
};

extern constinit Round round;

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_THREAD_ROUND_H_
