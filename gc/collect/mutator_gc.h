// MutatorGc: what the collector keeps per attached thread: grey values found by its handshakes, its
// root callbacks, and its objects with a Trace method that are still under construction.
// Locking: the owner changes it inside the runtime; handshakes of the thread read it.
#ifndef TARN_GC_COLLECT_MUTATOR_GC_H_
#define TARN_GC_COLLECT_MUTATOR_GC_H_

#include <cstddef>
#include <cstdint>

#include "gc/collect/mark_queue.h"
#include "tarn/internal/construction.h"
#include "tarn/root.h"

namespace tarn::rt {

struct CallbackNode;  // roots.h

class MutatorGc {
 public:
  explicit MutatorGc(MarkQueue& queue) : sink(queue) {}

  MarkSink sink;
  CallbackNode* roots = nullptr;  // changed inside the runtime only
  // With precise roots: what the last slow path returned, until the program has had time to root it.
  const void* fresh = nullptr;
  internal::Construction* constructing = nullptr;  // nodes on the owner's stack
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_MUTATOR_GC_H_
