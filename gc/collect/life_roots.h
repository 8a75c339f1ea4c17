// LifeRoots: turns what records of objects keep alive (gc/life) into grey items.
// Locking: none; belongs to its thread.
#ifndef TARN_GC_COLLECT_LIFE_ROOTS_H_
#define TARN_GC_COLLECT_LIFE_ROOTS_H_

#include "gc/collect/mark_queue.h"
#include "gc/collect/object_ref.h"
#include "gc/collect/roots.h"
#include "gc/life/special.h"
#include "runtime/heap/heap.h"

namespace tarn::rt {

class LifeRoots final : public LifeVisitor {
 public:
  LifeRoots(const Heap& heap, MarkSink& sink) : heap_(heap), sink_(sink) {}

  void Object(uintptr_t p) override {
    if (const ObjectRef r = FindObject(heap_, p)) sink_.Push(r.base);
  }
  void Contents(uintptr_t object) override { sink_.Push(object | kContentsTag); }
  void Word(uintptr_t word) override { ScanWordsConservatively(heap_, &word, &word + 1, sink_); }

 private:
  const Heap& heap_;
  MarkSink& sink_;
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_LIFE_ROOTS_H_
