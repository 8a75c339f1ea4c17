// The end of marking, seen from the records of objects: who is dead, who comes back to life for its
// finalizer or destructor, and when the program is told.
//
//   quiet        the last F round brought nothing, with the gate for weak references closing
//   gate final   who makes a weak reference strong now goes by the mark alone
//   decide       records of unmarked objects: weak references are cleared, the others collected
//   gate reviving  and a round, so that whoever went by a mark has done so
//   revive       objects that the program will see again are shaded, and marking goes on until quiet
//   gate open    when all barriers are off
//   flip         the lists are published
//
// The mark queue is frozen when it is quiet, so every object is judged by the same marks: what a thread
// that attaches now shades is marked already, or dead. No weak reference can reach one that comes back, and
// sweeping knows nothing of records.
#include <time.h>

#include <cstring>

#include "gc/collect/cycle.h"
#include "gc/collect/handshakes.h"
#include "gc/collect/life_roots.h"
#include "gc/collect/mutator_gc.h"
#include "gc/collect/shade.h"
#include "gc/collect/verifier.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/thread/runtime_scope.h"
#include "tarn/internal/mutator_block.h"

namespace tarn::rt {
namespace {

// Destructors of types that chose so. They use nothing of tarn's: the driver is no mutator. When the process
// ends, what is left waits as others do.
void DestroyNow(Deaths& deaths, const Finalizers& finalizers, Specials& specials) {
  while (Special* s = deaths.destroy_now.Pop()) {
    if (finalizers.IsExiting()) {
      deaths.ListOf(*s).Append(s);
      continue;
    }
    s->type->run(s->word(), reinterpret_cast<void*>(s->address));
    // Trace may see it yet.
    std::memset(reinterpret_cast<void*>(s->address), 0, s->type->trace_bytes);
    if (internal::t_block.mutator != nullptr) {
      Fatal("a destructor that runs at the sweep has used the collected heap");
    }
    specials.pool().Delete(specials.driver_records(), s);
  }
}

// Marks what records keep alive as it is visited: most of the objects that wait for destructors
// have few pointers or none, and would only pass through the queue.
class RevivingVisitor final : public LifeVisitor {
 public:
  RevivingVisitor(const Heap& heap, Marker& marker) : heap_(heap), marker_(marker) {}
  void Object(uintptr_t p) override { marker_.Push(p & ~kItemTagMask); }
  void Contents(uintptr_t object) override { marker_.Push(object | kContentsTag); }
  void Word(uintptr_t word) override {
    if (const ObjectRef r = FindObject(heap_, word)) marker_.Push(r.base);
  }
  // What is more goes to the queue.
  void PieceDone() override {
    constexpr uint64_t kPieceWork = 128 << 10;
    marker_.Drain(/*share=*/false, kPieceWork);
  }

 private:
  const Heap& heap_;
  Marker& marker_;
};

}  // namespace

void Collector::ShadeForLife(void* self, Mutator& m, uintptr_t p) {
  ShadeAny(static_cast<Collector*>(self)->heap_, *m.gc, p);
}

RecordPool::Own& Collector::RecordsOf(Mutator& m) { return m.gc->records; }

void Collector::BeginFinalizer(Mutator& m, internal::HeldWords& box) {
  ++m.gc->running_finalizers;
  if (box.count != 0) List(*m.gc, box);
}

void Collector::EndFinalizer(Mutator& m, internal::HeldWords& box) {
  --m.gc->running_finalizers;
  Unlist(*m.gc, box);
}

bool Collector::IsGateOpen(void* self) {
  return static_cast<Collector*>(self)->weak_gate_.Get() == WeakGate::kOpen;
}

void Collector::ScanLives(MarkSink& sink) {
  // From here on the number falls, until the next lists are published. One that is taken out later is
  // shaded by its thread, which only a round of handshakes brings here.
  had_ready_ = finalizers_.ready_count() != 0;
  LifeRoots visitor(heap_, sink);
  specials_.VisitRoots(visitor);
  finalizers_.VisitRoots(visitor);
  sink.Flush();
}

// What the program will see again, and what waits for destructors.
void Collector::VisitRevived(LifeVisitor& visitor) {
  constexpr size_t kPiece = 512;
  size_t n = 0;
  for (const SpecialList* list : {&deaths_.calls, &deaths_.destructors, &deaths_.traced}) {
    for (const Special* s = list->head(); s != nullptr; s = s->Next()) {
      if (s->kind != SpecialKind::kCleanup) visitor.Object(s->address);
      if (++n % kPiece == 0) visitor.PieceDone();
    }
  }
  // Also if the queue has gone since: what else is recorded of the object was put back, for it lives.
  for (const Special* s = deaths_.guarded.head(); s != nullptr; s = s->Next()) {
    visitor.Object(s->address);
  }
  finalizers_.VisitDestructors(visitor);
}

// The queue may be frozen: nothing is taken from it here.
void Collector::Revive() {
  const int64_t start = ThreadCpuNanos();
  Marker marker(heap_, layouts_, queue_, &specials_);
  marker.Start(/*exclusive=*/false);
  RevivingVisitor visitor(heap_, marker);
  VisitRevived(visitor);
  marker.Flush();
  workers_.AddDriver(marker.TakeStats(), ThreadCpuNanos() - start);
}

void Collector::VerifyFromRecords(bool is_decided) {
  struct Lives {
    Collector* collector;
    bool is_decided;
  } lives{this, is_decided};
  const auto visit = [](void* arg, LifeVisitor& visitor) {
    const auto& l = *static_cast<Lives*>(arg);
    l.collector->specials_.VisitRoots(visitor);
    l.collector->finalizers_.VisitRoots(visitor);
    if (l.is_decided) l.collector->VisitRevived(visitor);
  };
  VerifyReachable(heap_, layouts_, roots_.cells(), {visit, &lives});
}

void Collector::DecideDeaths(CycleRecord& record) {
  weak_gate_.Move(WeakGate::kFinal);
  const bool may_destroy = specials_.HasRecords() && finalizers_.BeginDestroying();
  specials_.Decide(may_destroy, record.number, deaths_);
  mappings_.SetDecided(true);
  weak_gate_.Move(WeakGate::kReviving);
  DestroyNow(deaths_, finalizers_, specials_);
  if (may_destroy) finalizers_.EndDestroying();
  const uint64_t before = MarkedSoFar();
  if (!deaths_.Empty() || had_ready_) {
    Round f(heap_, layouts_, roots_, handshake_times_);
    RunF(f);  // keeps I2 of the gate; else the round of H3 does, before the flip
    Revive();
    MarkUntilQuiet(record);
  }
  record.revived = MarkedSoFar() - before;
}

// The world is stopped: nobody is between a gate and a reference.
void Collector::DecideDeathsStopped(CycleRecord& record) {
  specials_.Decide(/*may_destroy=*/false, record.number, deaths_);
  const uint64_t before = MarkedSoFar();
  Revive();
  workers_.Drain(/*stopped=*/true);
  record.revived = MarkedSoFar() - before;
}

uint64_t Collector::MarkedSoFar() {
  return workers_.totals().bytes.load(std::memory_order_relaxed);  // relaxed: no marker is active
}

// After the flip: no marker looks at records any more.
void Collector::PublishDeaths(const CycleRecord& record) {
  mappings_.SetDecided(false);  // all barriers are off
  specials_.RecycleRetired();
  finalizers_.Publish(deaths_, record.revived);
}

// Memory was refused although a collection is over: what it found dead may wait for its destructor. Waits
// until that has run, as a blocked thread; not for a function that hangs, perhaps for a lock that the caller
// holds, nor for a collection that hangs so. True if one has run since `before` had (run_count): the next
// collection may free more.
bool Collector::WaitForDestructors(Mutator& m, uint64_t before) {
  constexpr int64_t kLookNanos = 1'000'000, kMaxStallNanos = 1'000'000'000;
  constexpr int64_t kMaxMarkNanos = 5'000'000'000;
  if (m.gc->running_finalizers != 0) return false;
  const uint64_t target =
      finalizers_.run_count() + finalizers_.ready_count() + finalizers_.running_count();
  RunBlocked([&] {
    finalizers_.Kick();
    uint64_t last = before;
    int64_t moved = MonotonicNanos(), run = moved;
    while (MonotonicNanos() - moved < kMaxStallNanos && MonotonicNanos() - run < kMaxMarkNanos) {
      const uint64_t now = finalizers_.run_count();
      if (now >= target || !finalizers_.IsThreadWanted()) return;
      // Some objects wait for the end of a cycle.
      const bool waits = finalizers_.running_count() == 0 && phase_.Get() != Phase::kOff;
      if (now != last || waits) moved = MonotonicNanos();
      if (now != last) run = moved;
      last = now;
      const timespec nap{0, kLookNanos};
      nanosleep(&nap, nullptr);
    }
  });
  return finalizers_.run_count() != before;
}

}  // namespace tarn::rt
