// LifeScope: what every call about an object's records needs: the heap started, the thread attached and
// inside the runtime, so that no handshake comes between a look and what follows from it.
#ifndef TARN_GC_API_LIFE_SLOTS_H_
#define TARN_GC_API_LIFE_SLOTS_H_

#include <utility>

#include "gc/api/instance.h"
#include "gc/collect/mutator_gc.h"
#include "gc/collect/object_ref.h"
#include "gc/collect/shade.h"
#include "gc/life/finalizers.h"
#include "gc/life/specials.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/thread_registry.h"
#include "tarn/internal/mutator_block.h"

namespace tarn::rt {

class LifeScope {
 public:
  LifeScope() : instance_(Instance::Get()), mutator_(EnsureAttached()) {}
  LifeScope(const LifeScope&) = delete;
  LifeScope& operator=(const LifeScope&) = delete;

  Heap& heap() { return instance_.heap(); }
  Collector& collector() { return instance_.collector(); }
  Specials& specials() { return instance_.collector().specials(); }
  Finalizers& finalizers() { return instance_.collector().finalizers(); }

  SlotRef SlotOf(const ObjectRef& object) {
    return {heap().cage().SpanAt(object.first_page), object.index};
  }
  // A record in the caller's hands; null when the system refuses memory.
  Special* New(SpecialKind kind, const void* p, uintptr_t data) {
    Special* s = specials().pool().New(records());
    if (s == nullptr) return nullptr;
    s->kind = kind;
    s->address = reinterpret_cast<uintptr_t>(p);
    s->data.store(data, std::memory_order_relaxed);  // relaxed: not yet in a chain
    return s;
  }
  // One that was in no chain.
  void Recycle(Special* s) { specials().pool().Delete(records(), s); }
  // One that was. What it keeps alive is shaded by the caller, if it is used any more.
  void Retire(Special* s) {
    if (IsMarking()) mutator_.gc->retired_bytes += sizeof(Special);
    specials().Retire(records(), s, IsMarking());
  }
  void EndEntry(Special* s) {
    if (IsMarking()) mutator_.gc->retired_bytes += sizeof(Special);
    specials().EndEntry(records(), s, IsMarking());
  }
  // Retired records are free again when marking is over: whoever makes many of them helps to end it. The
  // last thing in a scope, for handshakes may come here.
  void PayForRetired() {
    constexpr uint64_t kPieceBytes = 64 << 10;
    if (mutator_.gc->retired_bytes < kPieceBytes || mutator_.cache == nullptr) return;
    collector().HelpMarking(mutator_, std::exchange(mutator_.gc->retired_bytes, 0));
  }
  // The box of a function object that has left its record, or got into one.
  void Hold(internal::HeldWords& held) { List(*mutator_.gc, held); }
  void LetGo(internal::HeldWords& held) { Unlist(*mutator_.gc, held); }
  RecordPool::Own& records() { return mutator_.gc->records; }

  // relaxed: the thread's own flag, which stays as it is inside the runtime (until PayForRetired).
  bool IsMarking() const {
    return internal::t_block.barrier_on.load(std::memory_order_relaxed) != 0;
  }
  void ShadeIfMarking(uintptr_t p) {
    if (IsMarking()) Shade(heap(), *mutator_.gc, p);
  }
  void ShadeAnyIfMarking(uintptr_t word) {
    if (IsMarking()) ShadeAny(heap(), *mutator_.gc, word);
  }
  // The object of a record, and what its function object holds. Before it is added: afterwards another
  // thread may take it out.
  void ShadeRecord(const Special& s) {
    if (!IsMarking()) return;
    Shade(heap(), *mutator_.gc, s.address);
    if (!s.has_function()) return;
    s.ForEachWord([&](uintptr_t word) { ShadeAny(heap(), *mutator_.gc, word); });
  }
  // A pointer that is returned to the program: with precise roots, until it has rooted it.
  void* Fresh(uintptr_t p) {
    if (mutator_.options().precise_roots) mutator_.gc->fresh = reinterpret_cast<void*>(p);
    return reinterpret_cast<void*>(p);
  }

 private:
  Instance& instance_;
  Mutator& mutator_;
  RuntimeScope scope_;
};

}  // namespace tarn::rt

#endif  // TARN_GC_API_LIFE_SLOTS_H_
