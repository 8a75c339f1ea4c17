// The end of marking, seen from the records of objects: who is dead, who comes back to life for its
// finalizer or destructor, and when the program is told.
//
//   quiet        the last F round brought nothing, with the gate for weak references closing
//   gate final   who makes a weak reference strong now goes by the mark alone
//   decide       records of unmarked objects: weak references are cleared, the others collected
//   gate open    and a round, so that whoever went by a mark has done so
//   revive       objects that the program will see again are shaded, and marking goes on until quiet
//   flip         the lists are published
//
// So every object is judged by the same marks, no weak reference can reach one that comes back, and
// sweeping knows nothing of records.
#include <cstring>

#include "gc/collect/cycle.h"
#include "gc/collect/handshakes.h"
#include "gc/collect/life_roots.h"
#include "gc/collect/mutator_gc.h"
#include "gc/collect/shade.h"
#include "runtime/base/check.h"
#include "tarn/internal/mutator_block.h"

namespace tarn::rt {
namespace {

// Destructors of types that chose so. They use nothing of tarn's: the driver is no mutator.
void DestroyNow(SpecialList& list, Specials& specials) {
  while (Special* s = list.Pop()) {
    s->type->run(s->data, reinterpret_cast<void*>(s->address));
    std::memset(reinterpret_cast<void*>(s->address), 0,
                s->type->trace_bytes);  // Trace may see it yet
    if (internal::t_block.mutator != nullptr) {
      Fatal("a destructor that runs at the sweep has used the collected heap");
    }
    specials.Recycle(s);
  }
}

}  // namespace

void Collector::ShadeForLife(void* self, Mutator& m, uintptr_t p) {
  Shade(static_cast<Collector*>(self)->heap_, *m.gc, p);
}

void Collector::ScanLives(MarkSink& sink) {
  LifeRoots visitor(heap_, sink);
  specials_.VisitRoots(visitor);
  finalizers_.VisitRoots(visitor);
  sink.Flush();
}

// Grey items for what `deaths` gives back to the program; false if there is none.
bool Collector::ReviveReady() {
  MarkSink sink(queue_);
  bool any = false;
  for (const Special* s = deaths_.ready.head(); s != nullptr; s = s->next) {
    if (s->kind == SpecialKind::kCleanup) continue;
    sink.Push(s->address & ~kItemTagMask);
    any = true;
  }
  return any;
}

void Collector::DecideDeaths(CycleRecord& record) {
  weak_gate_.Move(WeakGate::kFinal);
  specials_.Decide(/*may_destroy=*/true, deaths_);
  weak_gate_.Move(WeakGate::kOpen);
  DestroyNow(deaths_.destroy_now, specials_);
  if (deaths_.ready.Empty()) return;  // the round of H3 comes before the flip
  Round f(heap_, layouts_, roots_, handshake_times_);
  RunF(f);  // keeps I2 of the gate
  if (ReviveReady()) MarkUntilQuiet(record);
}

// The world is stopped: nobody is between a gate and a reference.
void Collector::DecideDeathsStopped() {
  specials_.Decide(/*may_destroy=*/false, deaths_);
  if (ReviveReady()) workers_.Drain(/*stopped=*/true);
}

void Collector::PublishDeaths() { finalizers_.Publish(deaths_.ready); }

}  // namespace tarn::rt
