// Weak pointers, maps and sets. The protocol of weak to strong: gc/life/weak_gate.h.
#include <new>

#include "gc/api/life_slots.h"
#include "runtime/base/check.h"
#include "tarn/gc_weak_map.h"
#include "tarn/gc_weak_ptr.h"
#include "tarn/make_gc.h"

namespace tarn::internal {

using rt::LifeScope;
using rt::Special;
using rt::SpecialKind;
using rt::WeakGate;
using rt::WeakHandle;

namespace {

static_assert(sizeof(WeakHandle) == kWordBytes, "a handle has a slot of its own");

// The object that holds `p`; aborts if there is none.
rt::ObjectRef Located(LifeScope& scope, const void* p, const char* complaint) {
  const auto address = reinterpret_cast<uintptr_t>(p);
  const rt::ObjectRef object = rt::FindLive(scope.heap(), address);
  if (!object) rt::FatalValue(complaint, address);
  return object;
}

bool IsMarked(LifeScope& scope, uintptr_t p) {
  const rt::Heap& heap = scope.heap();
  const rt::ObjectRef r = rt::FindTrusted(heap.cage(), heap.classes().infos(), p);
  if (!r) return false;
  // relaxed: a mark that is seen is true; where one that is not seen matters, a lock orders it.
  const uint64_t word =
      heap.cage().Bits(rt::Heap::MarkTable(heap.sweepgen()), r.first_page)[r.index / 64].load(
          std::memory_order_relaxed);
  return (word >> (r.index % 64)) & 1;
}

// The decision is made under the lock of the object's records, by the mark. Under the same lock the mark
// and the handle tell what was decided, or what will be.
bool IsAliveInTheEnd(LifeScope& scope, const WeakHandle& h, uintptr_t p) {
  const rt::ObjectRef object =
      rt::FindTrusted(scope.heap().cage(), scope.heap().classes().infos(), p);
  if (!object) return false;
  return scope.specials().Find(scope.SlotOf(object), [&](const Special& s) {
    return s.kind == SpecialKind::kWeak && s.word() == reinterpret_cast<uintptr_t>(&h) &&
           IsMarked(scope, p);
  });
}

WeakHandle* FindHandle(LifeScope& scope, const rt::ObjectRef& object, uintptr_t address) {
  WeakHandle* found = nullptr;
  scope.specials().Find(scope.SlotOf(object), [&](const Special& s) {
    if (s.kind != SpecialKind::kWeak || s.address != address) return false;
    found = reinterpret_cast<WeakHandle*>(s.word());
    return true;
  });
  return found;
}

}  // namespace

WeakHandle* WeakHandleOf(const void* p) {
  constexpr const char* kComplaint = "a weak pointer is made of what is not in the heap:";
  if (p == nullptr) return nullptr;
  const auto address = reinterpret_cast<uintptr_t>(p);
  {
    LifeScope scope;
    if (WeakHandle* h = FindHandle(scope, Located(scope, p, kComplaint), address)) {
      scope.ShadeIfMarking(reinterpret_cast<uintptr_t>(h));
      return static_cast<WeakHandle*>(scope.Fresh(reinterpret_cast<uintptr_t>(h)));
    }
  }
  // May collect; the caller holds the object.
  auto* fresh = ::new (AllocateBytes(sizeof(WeakHandle), Scan::kNone)) WeakHandle();
  // With precise roots nothing else holds it when the next scope is entered, which may wait for a fork.
  rt::Mutator& m = *rt::Mutator::Current();
  if (m.options().precise_roots) m.gc->fresh = fresh;
  // relaxed: published by the lock of the record.
  fresh->address.store(address, std::memory_order_relaxed);
  uintptr_t handle = 0;
  {
    LifeScope scope;
    const rt::ObjectRef object = Located(scope, p, kComplaint);
    Special* mine = scope.New(SpecialKind::kWeak, p, reinterpret_cast<uintptr_t>(fresh));
    const Special* s =
        mine == nullptr
            ? nullptr
            : scope.specials().FindOrAdd(scope.SlotOf(object), mine, [&](const Special& other) {
                return other.kind == SpecialKind::kWeak && other.address == address;
              });
    if (s != nullptr) handle = s->word();  // it stays as long as the object, which the caller holds
    if (s != mine) scope.Recycle(mine);
    scope.ShadeIfMarking(handle);
    scope.ShadeIfMarking(address);
    scope.Fresh(handle);
  }
  if (handle == 0) throw std::bad_alloc();
  return reinterpret_cast<WeakHandle*>(handle);
}

void* StrongFromWeak(WeakHandle* h) {
  if (h == nullptr) return nullptr;
  LifeScope scope;
  WeakGate& gate = scope.collector().weak_gate();
  for (;;) {
    const WeakGate::State state = gate.Get();  // before the reference: I1 of weak_gate.h
    // relaxed: ordered by the gate.
    const uintptr_t p = h->address.load(std::memory_order_relaxed);
    if (p == 0) return nullptr;
    switch (state) {
      case WeakGate::kOpen:
      case WeakGate::kReviving:
        scope.ShadeIfMarking(p);
        return scope.Fresh(p);
      case WeakGate::kFinal:
        return IsAliveInTheEnd(scope, *h, p) ? scope.Fresh(p) : nullptr;
      case WeakGate::kClosing:
        if (IsMarked(scope, p)) return scope.Fresh(p);
        rt::RunBlocked([&] { gate.WaitWhileClosing(); });
    }
  }
}

// --- Maps ---

namespace {
constexpr const char* kKeyComplaint = "the key of a weak map is not in the heap:";

bool IsEntry(const Special& s, const rt::WeakTable* table, uintptr_t key) {
  return s.kind == SpecialKind::kEphemeron && s.table == table && s.address == key;
}
}  // namespace

WeakMapBase::WeakMapBase() {
  {
    LifeScope scope;
    table_ = scope.specials().NewTable();
  }
  if (table_ == nullptr) throw std::bad_alloc();
}

WeakMapBase::~WeakMapBase() {
  if (table_ == nullptr) return;
  LifeScope scope;
  scope.specials().ReleaseTable(table_);
}

void WeakMapBase::Set(const void* key, const void* value) {
  if (!TrySet(key, value)) throw std::bad_alloc();
}

bool WeakMapBase::TrySet(const void* key, const void* value) {
  LifeScope scope;
  const rt::ObjectRef object = Located(scope, key, kKeyComplaint);
  if (value != nullptr) Located(scope, value, "the value of a weak map is not in the heap:");
  const auto address = reinterpret_cast<uintptr_t>(key);
  const auto data = reinterpret_cast<uintptr_t>(value);
  Special* mine = scope.New(SpecialKind::kEphemeron, key, data);
  if (mine == nullptr) return false;
  mine->table = table_;
  scope.ShadeIfMarking(data);
  scope.ShadeIfMarking(address);
  // relaxed (both): the map is the caller's; counted before the record can be taken out.
  table_->refs.fetch_add(1, std::memory_order_relaxed);
  table_->size.fetch_add(1, std::memory_order_relaxed);
  const rt::Specials::Added added = scope.specials().SetEntry(scope.SlotOf(object), mine);
  // It was in no chain, so no marker sees it.
  if (added != rt::Specials::Added::kYes) {
    scope.specials().EndEntry(scope.records(), mine, /*is_marking=*/false);
  }
  return added != rt::Specials::Added::kNoMemory;
}

bool WeakMapBase::Find(const void* key, void*& value) const {
  value = nullptr;
  if (key == nullptr) return false;
  LifeScope scope;
  const rt::ObjectRef object = Located(scope, key, kKeyComplaint);
  uintptr_t data = 0;
  const bool found = scope.specials().Find(scope.SlotOf(object), [&](const Special& s) {
    if (!IsEntry(s, table_, reinterpret_cast<uintptr_t>(key))) return false;
    data = s.word();
    return true;
  });
  scope.ShadeIfMarking(data);
  value = scope.Fresh(data);
  return found;
}

bool WeakMapBase::Erase(const void* key) {
  if (key == nullptr) return false;
  LifeScope scope;
  const rt::ObjectRef object = Located(scope, key, kKeyComplaint);
  Special* s = scope.specials().Remove(scope.SlotOf(object), [&](const Special& r) {
    return IsEntry(r, table_, reinterpret_cast<uintptr_t>(key));
  });
  if (s == nullptr) return false;
  scope.EndEntry(s);
  scope.PayForRetired();
  return true;
}

size_t WeakMapBase::size() const {
  return table_->size.load(std::memory_order_relaxed);  // relaxed: a number
}

}  // namespace tarn::internal
