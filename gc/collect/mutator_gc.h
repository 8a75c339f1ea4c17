// MutatorGc: what the collector keeps per attached thread: grey values found by its handshakes, its
// root callbacks, and its objects with a Trace method that are still under construction. Locking:
// the owner changes it inside the runtime; handshakes of the thread read it.
#ifndef TARN_GC_COLLECT_MUTATOR_GC_H_
#define TARN_GC_COLLECT_MUTATOR_GC_H_

#include <cstddef>
#include <cstdint>

#include "gc/collect/mark_queue.h"
#include "tarn/internal/construction.h"
#include "tarn/root.h"

namespace tarn::rt {

struct ThreadRootNode {
  RootCallback callback;
  void* arg;
  ThreadRootNode* next;
};

class MutatorGc {
 public:
  explicit MutatorGc(MarkQueue& queue) : sink(queue) {}

  MarkSink sink;
  ThreadRootNode* roots = nullptr;  // malloc'ed nodes, changed inside the runtime only
  internal::Construction* constructing = nullptr;  // nodes on the owner's stack
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_MUTATOR_GC_H_
