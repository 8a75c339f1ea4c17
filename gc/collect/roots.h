// Roots: everything marking starts from, turned into grey items.
//   threads   registers, stacks, thread root callbacks, objects under construction
//   global    root cells, registered ranges, root callbacks
// I1 Stacks, ranges and callbacks are taken conservatively: a word counts if it lies in an
//    allocated slot.
// Locking: registration under lock_. ScanThread runs in a handshake of the thread; ScanUnbarriered
// while the world is stopped. Neither takes lock_ (nobody holds it then: its holders are inside the
// runtime).
// Cost: linear in the words scanned.
#ifndef TARN_GC_COLLECT_ROOTS_H_
#define TARN_GC_COLLECT_ROOTS_H_

#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "gc/collect/mark_queue.h"
#include "gc/collect/root_cells.h"
#include "gc/types/layout_table.h"
#include "runtime/base/lock.h"
#include "runtime/base/world.h"
#include "runtime/heap/heap.h"
#include "runtime/heap/persistent_alloc.h"
#include "runtime/thread/mutator.h"
#include "tarn/root.h"

namespace tarn::rt {

// A registered callback, of one thread or of all.
struct CallbackNode {
  RootCallback callback;
  void* arg;
  CallbackNode* next;
};

class Roots {
 public:
  Roots(Heap& heap, const LayoutTable& layouts, PersistentAlloc& memory)
      : heap_(&heap), layouts_(&layouts), range_pool_(memory), callback_pool_(memory) {
    cells_.Init(heap.os());
  }

  RootCells& cells() { return cells_; }
  void AddRange(uintptr_t begin, uintptr_t end) ABSL_LOCKS_EXCLUDED(lock_);
  void RemoveRange(uintptr_t begin) ABSL_LOCKS_EXCLUDED(lock_);
  void AddCallback(RootCallback callback, void* arg) ABSL_LOCKS_EXCLUDED(lock_);
  void RemoveCallback(RootCallback callback, void* arg) ABSL_LOCKS_EXCLUDED(lock_);

  // The calling thread's callbacks; inside the runtime.
  void AddThreadCallback(MutatorGc& gc, RootCallback callback, void* arg);
  void RemoveThreadCallback(MutatorGc& gc, RootCallback callback, void* arg);
  void ClearThreadCallbacks(MutatorGc& gc);

  // Returns the bytes of stacks looked at. `m.gc` is set.
  uint64_t ScanThread(Mutator& m) const;
  // The part of it that other threads may have written to since: the objects under construction of all
  // threads. While the world is stopped.
  void ScanConstructing(MarkSink& sink) const;
  // Root cells: they are written with barriers, so they are scanned while the program runs. Returns
  // the bytes looked at.
  uint64_t ScanCells(MarkSink& sink) const;
  // Ranges, while the program runs: what they hold now is marked early, and little is left for the
  // scan under the stop. Root callbacks belong to the program and are called under the stop only.
  uint64_t ScanRanges(MarkSink& sink) ABSL_LOCKS_EXCLUDED(lock_);
  // Whether anything is written without barriers: ranges, callbacks, conservative objects; also what
  // has been removed since the last ForgetRemoved(), for a thread may have read its pointers.
  bool HasUnbarriered() ABSL_LOCKS_EXCLUDED(lock_);
  // Whether objects of the class are written without barriers.
  bool IsUnbarriered(uint16_t span_class) const;
  // When a cycle begins, before any thread's stack is scanned.
  void ForgetRemoved() ABSL_LOCKS_EXCLUDED(lock_);
  // All of that, while the world is stopped. Conservative objects, and those whose Trace visits words
  // without barriers: the marked ones. Returns the bytes that callbacks reported.
  uint64_t ScanUnbarriered(MarkSink& sink) const ABSL_NO_THREAD_SAFETY_ANALYSIS;

 private:
  struct Range {
    uintptr_t begin, end;
    Range* next;
  };

  void ScanUnbarrieredObjects(MarkSink& sink) const;
  void ScanUnbarrieredObject(uintptr_t base, size_t bytes, const SpanClassInfo& info,
                             MarkSink& sink) const;

  Heap* heap_;
  const LayoutTable* layouts_;
  RootCells cells_;
  Lock lock_;
  Range* ranges_ ABSL_GUARDED_BY(lock_) = nullptr;
  CallbackNode* callbacks_ ABSL_GUARDED_BY(lock_) = nullptr;
  bool removed_ ABSL_GUARDED_BY(lock_) = false;
  Pool<Range> range_pool_;
  Pool<CallbackNode> callback_pool_;
};

// Whether a thread is inside the constructor of `object`, or, for kAnyObject, of any: its Trace method
// must not be called. While the world is stopped.
inline constexpr uintptr_t kAnyObject = 0;
bool IsUnderConstruction(uintptr_t object);

// Grey items for every word of [begin, end) that lies in an allocated slot, directly or decoded by
// one of the program's value encodings.
void ScanWordsConservatively(const Heap& heap, const uintptr_t* begin, const uintptr_t* end,
                             MarkSink& sink);

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_ROOTS_H_
