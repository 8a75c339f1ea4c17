// MutatorGc: what the collector keeps per attached thread: grey values found by its handshakes, its
// root callbacks, and its objects with a Trace method that are still under construction.
// Locking: the owner changes it inside the runtime; handshakes of the thread read it.
#ifndef TARN_GC_COLLECT_MUTATOR_GC_H_
#define TARN_GC_COLLECT_MUTATOR_GC_H_

#include <cstddef>
#include <cstdint>

#include "gc/collect/mark_queue.h"
#include "gc/collect/root_cells.h"
#include "gc/life/record_pool.h"
#include "tarn/internal/callback.h"
#include "tarn/internal/construction.h"
#include "tarn/root.h"

namespace tarn::rt {

struct CallbackNode;  // roots.h

class MutatorGc {
 public:
  explicit MutatorGc(MarkQueue& queue) : sink(queue) {}

  MarkSink sink;
  bool shaded = false;  // something new went to the sink since the last F round; owner, handshakes
  // Assists: bytes that the thread may still allocate without marking; below zero it owes. Of cycle
  // `assist_cycle`. Owner only.
  int64_t assist_balance = 0;
  uint32_t assist_cycle = 0;
  uint64_t backlog_owed = 0;      // bytes taken since it last waited for destructors; owner only
  CallbackNode* roots = nullptr;  // changed inside the runtime only
  // With precise roots: what the last slow path returned, until the program has had time to root it.
  const void* fresh = nullptr;
  // Functions of the program that it runs for objects that have died.
  uint32_t running_finalizers = 0;
  uint64_t retired_bytes = 0;           // of records, see LifeScope::PayForRetired; owner only
  internal::HeldWords* held = nullptr;  // scanned like the stack; likewise
  RootCells::Own root_cells;            // changed inside the runtime only
  RecordPool::Own records;              // likewise
  internal::Construction* constructing = nullptr;  // nodes on the owner's stack
};

// Both inside the runtime, of the thread's own words.
inline void List(MutatorGc& gc, internal::HeldWords& held) {
  held.next = gc.held;
  held.is_listed = true;
  gc.held = &held;
}
// The last is mostly the first.
inline void Unlist(MutatorGc& gc, internal::HeldWords& held) {
  if (!held.is_listed) return;
  held.is_listed = false;
  for (internal::HeldWords** link = &gc.held; *link != nullptr; link = &(*link)->next) {
    if (*link != &held) continue;
    *link = held.next;
    return;
  }
}

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_MUTATOR_GC_H_
