// Finalizers, cleanups, destructors and guardians: from an address to the record of its object.
// I1 Whoever adds a record while marking runs shades what it keeps alive, and the object itself, inside
//    the runtime.
#include <cstdio>
#include <cstring>
#include <new>
#include <string>

#include "gc/api/instance.h"
#include "gc/api/life_slots.h"
#include "gc/collect/mutator_gc.h"
#include "gc/collect/shade.h"
#include "runtime/base/check.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/thread_registry.h"
#include "tarn/finalizer.h"
#include "tarn/gc_queue.h"
#include "tarn/internal/mutator_block.h"

// Of LeakSanitizer, if the program has it.
extern "C" __attribute__((weak)) void __lsan_ignore_object(const void* p);

namespace tarn {

using rt::Instance;
using rt::LifeScope;
using rt::Special;
using rt::SpecialKind;

namespace internal {
namespace {

// What went wrong. Made into a status outside the runtime, where malloc may be called.
enum class LifeError {
  kNone,
  kNull,
  kNotInHeap,
  kInside,
  kCaptured,
  kHasOne,
  kNoMemory,
  kNotFound
};

struct Outcome {
  LifeError error = LifeError::kNone;
  uintptr_t start = 0;  // kInside: where the object starts
};

std::string Hex(const void* p) {
  char text[24];
  std::snprintf(text, sizeof(text), "%p", p);
  return text;
}

absl::Status ToStatus(const char* what, const void* p, const Outcome& outcome) {
  if (outcome.error == LifeError::kNone) return absl::OkStatus();  // no throw: it is done
  const std::string prefix = std::string("tarn: ") + what + ": ";
  switch (outcome.error) {
    case LifeError::kNone:
      break;
    case LifeError::kNull:
      return absl::InvalidArgumentError(prefix + "the pointer is null");
    case LifeError::kNotInHeap:
      return absl::InvalidArgumentError(prefix + Hex(p) + " is no pointer to the collected heap");
    case LifeError::kInside:
      return absl::InvalidArgumentError(prefix + Hex(p) +
                                        " points inside an object that starts at " +
                                        Hex(reinterpret_cast<void*>(outcome.start)));
    case LifeError::kCaptured:
      return absl::InvalidArgumentError(
          prefix + "the function or its argument refers to the object, which would never die");
    case LifeError::kHasOne:
      return absl::AlreadyExistsError(prefix + Hex(p) + " has a finalizer or is in a gc_queue");
    case LifeError::kNoMemory:
      return absl::ResourceExhaustedError(prefix + "no memory for a record of the object");
    case LifeError::kNotFound:
      return absl::NotFoundError(prefix + "there is no finalizer");
  }
  return absl::InternalError(prefix + "unknown error");
}

// Whether a word of the function object points into the object, [begin, begin + bytes). Padding holds
// what the stack held there, often the object itself: then it cannot be told.
bool Captures(const Special& s, uintptr_t begin, size_t bytes) {
  if (!s.type->has_no_padding) return false;
  bool found = false;
  s.ForEachWord([&](uintptr_t word) { found |= word - begin < bytes; });
  return found;
}

// Whether objects share the slots of its span: then `p` may be anywhere in one.
bool SharesSlots(LifeScope& scope, const rt::ObjectRef& object) {
  const rt::SpanClassInfo& info =
      scope.heap().classes().Info(scope.SlotOf(object).span->span_class);
  return info.noscan != 0 && info.elem_bytes == kTinyBytes;
}

// Fills `object`. If `at_start`, it must start at `p`.
Outcome Locate(LifeScope& scope, const void* p, bool at_start, rt::ObjectRef& object) {
  if (p == nullptr) return {LifeError::kNull};
  const auto address = reinterpret_cast<uintptr_t>(p);
  object = rt::FindLive(scope.heap(), address);
  if (!object) return {LifeError::kNotInHeap};
  if (at_start && object.base != address) return {LifeError::kInside, object.base};
  return {};
}

// `shared_bytes`: see finalizer.h.
Outcome LocateWhole(LifeScope& scope, const void* p, size_t shared_bytes, rt::ObjectRef& object) {
  const Outcome found = Locate(scope, p, /*at_start=*/false, object);
  if (found.error != LifeError::kNone || (shared_bytes != 0 && SharesSlots(scope, object))) {
    return found;
  }
  return Locate(scope, p, /*at_start=*/true, object);
}

bool RefersToObject(LifeScope& scope, const rt::ObjectRef& object, const void* p,
                    size_t shared_bytes, const void* arg, const Special& s) {
  const bool is_shared = shared_bytes != 0 && SharesSlots(scope, object);
  const uintptr_t begin = is_shared ? reinterpret_cast<uintptr_t>(p) : object.base;
  const size_t bytes = is_shared ? shared_bytes : rt::SlotBytes(scope.heap(), object);
  return Captures(s, begin, bytes) || reinterpret_cast<uintptr_t>(arg) - begin < bytes;
}

// Takes the record back if it was not added. One that was replaced named a gc_queue that is gone.
Outcome AddAlone(LifeScope& scope, const rt::ObjectRef& object, Special* s,
                 HeldWords* held = nullptr) {
  scope.ShadeRecord(*s);
  Special* replaced = nullptr;
  const rt::Specials::Added added =
      scope.specials().AddFinalizer(scope.SlotOf(object), s, replaced);
  if (replaced != nullptr) {
    scope.finalizers().NoteUnregistered(replaced->guardian);
    scope.Retire(replaced);
  }
  if (added == rt::Specials::Added::kYes) {
    if (held != nullptr) scope.LetGo(*held);
    return {};
  }
  scope.Recycle(s);
  return {added == rt::Specials::Added::kHadOne ? LifeError::kHasOne : LifeError::kNoMemory};
}

Outcome TryAddFinalizer(void* p, size_t shared_bytes, const CallbackType* type, uintptr_t data,
                        HeldWords& held) {
  LifeScope scope;
  rt::ObjectRef object;
  const Outcome located = LocateWhole(scope, p, shared_bytes, object);
  if (located.error != LifeError::kNone) return located;
  Special* s = scope.New(SpecialKind::kFinalizer, p, data);
  if (s == nullptr) return {LifeError::kNoMemory};
  s->type = type;
  if (RefersToObject(scope, object, p, shared_bytes, nullptr, *s)) {
    scope.Recycle(s);
    return {LifeError::kCaptured};
  }
  return AddAlone(scope, object, s, &held);
}

Outcome TryAddCleanup(const void* p, size_t shared_bytes, const CallbackType* type, uintptr_t data,
                      HeldWords& held, const void* arg, uint64_t id) {
  LifeScope scope;
  rt::ObjectRef object;
  const Outcome located = Locate(scope, p, /*at_start=*/false, object);
  if (located.error != LifeError::kNone) return located;
  Special* s = scope.New(SpecialKind::kCleanup, p, data);
  if (s == nullptr) return {LifeError::kNoMemory};
  s->type = type;
  s->id = id;
  if (RefersToObject(scope, object, p, shared_bytes, arg, *s)) {
    scope.Recycle(s);
    return {LifeError::kCaptured};
  }
  scope.ShadeRecord(*s);
  if (scope.specials().Add(scope.SlotOf(object), s)) {
    scope.LetGo(held);
    return {};
  }
  scope.Recycle(s);
  return {LifeError::kNoMemory};
}

// The function object of a record that was taken out. It ends with this, outside the runtime: until then
// what it refers to is alive.
class TakenOut {
 public:
  TakenOut() = default;
  ~TakenOut() {
    if (type_ != nullptr) EndFunction(*type_, data_, held_);
  }
  TakenOut(const TakenOut&) = delete;
  TakenOut& operator=(const TakenOut&) = delete;
  explicit operator bool() const { return type_ != nullptr; }

  // The record of the object for which pred holds, if there is one.
  template <class Pred>
  void Take(LifeScope& scope, const rt::ObjectRef& object, Pred&& pred) {
    Special* s = scope.specials().Remove(scope.SlotOf(object), pred);
    if (s == nullptr) return;
    type_ = s->type;
    data_ = s->word();
    if (type_->words != 0) {
      held_.words = reinterpret_cast<const uintptr_t*>(data_);
      held_.count = type_->words;
      scope.Hold(held_);
    }
    // This thread's stack may have been scanned, and the record not.
    s->ForEachWord([&](uintptr_t word) { scope.ShadeAnyIfMarking(word); });
    scope.Retire(s);
  }

 private:
  const CallbackType* type_ = nullptr;
  uintptr_t data_ = 0;
  HeldWords held_;
};

Outcome TryClearFinalizer(void* p, TakenOut& taken) {
  LifeScope scope;
  rt::ObjectRef object;
  const Outcome located = Locate(scope, p, /*at_start=*/false, object);
  if (located.error != LifeError::kNone) return located;
  taken.Take(scope, object, [&](const Special& r) {
    return r.kind == SpecialKind::kFinalizer && r.address == reinterpret_cast<uintptr_t>(p);
  });
  scope.PayForRetired();
  return {taken ? LifeError::kNone : LifeError::kNotFound};
}

Outcome TryRegister(rt::Guardian* g, void* p, size_t shared_bytes) {
  LifeScope scope;
  rt::ObjectRef object;
  const Outcome located = LocateWhole(scope, p, shared_bytes, object);
  if (located.error != LifeError::kNone) return located;
  Special* s = scope.New(SpecialKind::kGuardian, p, 0);
  if (s == nullptr) return {LifeError::kNoMemory};
  s->guardian = g;
  scope.finalizers().NoteRegistered(g);
  const Outcome added = AddAlone(scope, object, s);
  if (added.error != LifeError::kNone) scope.finalizers().NoteUnregistered(g);
  return added;
}

}  // namespace

void ShadeWords(const uintptr_t* words, size_t n) noexcept {
  LifeScope scope;
  for (size_t i = 0; i < n; ++i) scope.ShadeAnyIfMarking(words[i]);
}

void* NewBox(size_t bytes) {
  void* box = ::operator new(bytes);
  std::memset(box, 0, bytes);
  if (__lsan_ignore_object != nullptr) __lsan_ignore_object(box);
  return box;
}

void Hold(HeldWords& held) noexcept {
  Instance::Get();
  rt::MutatorGc& gc = *rt::EnsureAttached().gc;
  rt::RuntimeScope scope;
  rt::List(gc, held);
}

void Release(HeldWords& held) noexcept {
  rt::RuntimeScope scope;
  rt::Unlist(*rt::Mutator::Current()->gc, held);
}

absl::Status AddFinalizer(void* p, size_t shared_bytes, const CallbackType* type, uintptr_t data,
                          HeldWords& held) {
  return ToStatus("SetFinalizer", p, TryAddFinalizer(p, shared_bytes, type, data, held));
}

absl::Status ClearFinalizer(void* p) {
  Outcome outcome;
  {
    TakenOut taken;
    outcome = TryClearFinalizer(p, taken);
  }
  return ToStatus("ClearFinalizer", p, outcome);
}

absl::Status AddCleanup(const void* p, size_t shared_bytes, const CallbackType* type,
                        uintptr_t data, HeldWords& held, const void* arg, uint64_t* id) {
  static std::atomic<uint64_t> last_id{0};
  *id = last_id.fetch_add(1, std::memory_order_relaxed) + 1;  // relaxed: a number
  return ToStatus("AddCleanup", p, TryAddCleanup(p, shared_bytes, type, data, held, arg, *id));
}

bool AddDestructor(void* p, const CallbackType* type, size_t n) noexcept {
  Instance& instance = Instance::Get();
  rt::Mutator& m = rt::EnsureAttached();
  // No safepoint: with precise roots nothing refers to the new object yet.
  rt::BarrierScope barrier;
  rt::Specials& specials = instance.collector().specials();
  const rt::Heap& heap = instance.heap();
  const auto address = reinterpret_cast<uintptr_t>(p);
  const rt::ObjectRef object = rt::FindTrusted(heap.cage(), heap.classes().infos(), address);
  TARN_CHECK(object);
  Special* s = specials.pool().New(m.gc->records);
  if (s == nullptr) return false;
  s->kind = SpecialKind::kDestructor;
  s->address = address;
  s->data.store(n, std::memory_order_relaxed);  // relaxed: not yet in a chain
  s->type = type;
  if (specials.Add({heap.cage().SpanAt(object.first_page), object.index}, s)) return true;
  specials.pool().Delete(m.gc->records, s);
  return false;
}

rt::Guardian* NewGuardian() {
  rt::Guardian* g;
  {
    LifeScope scope;
    g = scope.finalizers().NewGuardian();
  }
  if (g == nullptr) throw std::bad_alloc();
  return g;
}

void DropGuardian(rt::Guardian* g) {
  LifeScope scope;
  scope.finalizers().Drop(g);
}

absl::Status RegisterWithGuardian(rt::Guardian* g, void* p, size_t shared_bytes) {
  return ToStatus("gc_queue::Register", p, TryRegister(g, p, shared_bytes));
}

void* PollGuardian(rt::Guardian* g) {
  LifeScope scope;
  return scope.Fresh(scope.finalizers().Poll(g));
}

}  // namespace internal

Cleanup MakeCleanup(const void* p, uint64_t id) {
  Cleanup c;
  c.id_ = id;
  c.hidden_ = ~reinterpret_cast<uintptr_t>(p);
  return c;
}

bool Cleanup::Stop() {
  if (id_ == 0) return false;
  internal::TakenOut taken;
  {
    LifeScope scope;
    // The slot may belong to another object by now, which has no record of this number.
    if (const rt::ObjectRef object = rt::FindLive(scope.heap(), ~hidden_)) {
      taken.Take(scope, object,
                 [&](const Special& r) { return r.kind == SpecialKind::kCleanup && r.id == id_; });
    }
    scope.PayForRetired();
  }
  return static_cast<bool>(taken);
}

size_t RunFinalizers(size_t budget) {
  rt::Finalizers& finalizers = Instance::Get().collector().finalizers();
  size_t n = 0;
  while (n < budget && finalizers.RunOne()) ++n;
  return n;
}

void UseFinalizerThread(bool wanted) {
  rt::Finalizers& finalizers = Instance::Get().collector().finalizers();
  rt::EnsureAttached();
  finalizers.WantThread(wanted);
  if (wanted) rt::RunBlocked([&] { finalizers.Kick(); });
}

size_t ReadyFinalizers() { return Instance::Get().collector().finalizers().ready_count(); }

}  // namespace tarn
