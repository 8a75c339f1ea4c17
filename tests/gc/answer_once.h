// Counted answers of a cooperative thread, for tests that act between two handshakes.
// Safepoint() is no good for that: the asker may be fast enough for it to answer two in one go.
#ifndef TARN_TESTS_GC_ANSWER_ONCE_H_
#define TARN_TESTS_GC_ANSWER_ONCE_H_

#include "runtime/thread/handshake_impl.h"
#include "runtime/thread/mutator.h"
#include "tarn/internal/mutator_block.h"

namespace tarn::rt {

// Whether this thread has been asked, and has not answered yet.
inline bool IsAsked() { return Mutator::Current()->state() == Mutator::kPending; }

// Answers the handshake that is pending, if there is one.
inline void AnswerOnce() {
  std::atomic<uint32_t>& in_runtime = internal::t_block.in_runtime;
  // relaxed: the thread's own flag; a cooperative thread gets no signals.
  in_runtime.store(1, std::memory_order_relaxed);
  HandshakeImpl::AnswerHere(*Mutator::Current());
  in_runtime.store(0, std::memory_order_relaxed);
}

}  // namespace tarn::rt

#endif  // TARN_TESTS_GC_ANSWER_ONCE_H_
