// Finalizers, cleanups, destructors and guardians: from an address to the record of its object.
// I1 Whoever adds a record while marking runs shades what it keeps alive, and the object itself, inside
//    the runtime.
#include <cstdio>
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

namespace tarn {

using rt::Instance;
using rt::LifeScope;
using rt::Special;
using rt::SpecialKind;

namespace internal {
namespace {

// Whether a word of the function object points into the object, [begin, begin + bytes). Padding holds
// what the stack held there, often the object itself: then it cannot be told.
bool Captures(const Special& s, uintptr_t begin, size_t bytes) {
  if (!s.type->has_no_padding) return false;
  for (size_t i = 0; i < s.word_count(); ++i) {
    if (s.words()[i] - begin < bytes) return true;
  }
  return false;
}

absl::Status WithPrefix(const char* what, const absl::Status& status) {
  return absl::Status(status.code(),
                      "tarn: " + std::string(what) + ": " + std::string(status.message()));
}

std::string Hex(const void* p) {
  char text[24];
  std::snprintf(text, sizeof(text), "%p", p);
  return text;
}

absl::Status HasOne(const char* what, const void* p) {
  return WithPrefix(what,
                    absl::AlreadyExistsError(Hex(p) + " has a finalizer or is in a gc_queue"));
}

// Fills `slot`; the object's start must be `p` if `at_start`.
absl::Status Locate(LifeScope& scope, const void* p, bool at_start, rt::ObjectRef& object) {
  if (p == nullptr) return absl::InvalidArgumentError("the pointer is null");
  const auto address = reinterpret_cast<uintptr_t>(p);
  object = rt::FindLive(scope.heap(), address);
  if (!object) {
    return absl::InvalidArgumentError(Hex(p) + " is no pointer to the collected heap");
  }
  if (at_start && object.base != address) {
    return absl::InvalidArgumentError(Hex(p) + " points inside an object that starts at " +
                                      Hex(reinterpret_cast<void*>(object.base)));
  }
  return absl::OkStatus();
}

absl::Status CheckCaptures(LifeScope& scope, const rt::ObjectRef& object, const void* p,
                           size_t shared_bytes, const void* arg, const Special& s) {
  const uintptr_t begin = shared_bytes != 0 ? reinterpret_cast<uintptr_t>(p) : object.base;
  const size_t bytes = shared_bytes != 0 ? shared_bytes : rt::SlotBytes(scope.heap(), object);
  if (!Captures(s, begin, bytes) && reinterpret_cast<uintptr_t>(arg) - begin >= bytes) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "the function or its argument refers to the object, which would never die");
}

}  // namespace

absl::Status AddFinalizer(void* p, size_t shared_bytes, const CallbackType* type, uintptr_t data) {
  constexpr const char* kWhat = "SetFinalizer";
  LifeScope scope;
  rt::ObjectRef object;
  const absl::Status located = Locate(scope, p, shared_bytes == 0, object);
  if (!located.ok()) return WithPrefix(kWhat, located);
  Special* s = scope.New(SpecialKind::kFinalizer, p, data);
  s->type = type;
  const absl::Status captures = CheckCaptures(scope, object, p, shared_bytes, nullptr, *s);
  if (!captures.ok()) {
    scope.specials().Recycle(s);
    return WithPrefix(kWhat, captures);
  }
  if (!scope.specials().AddFinalizer(scope.SlotOf(object), s)) {
    scope.specials().Recycle(s);
    return HasOne(kWhat, p);
  }
  scope.ShadeRecord(*s);
  return absl::OkStatus();
}

absl::Status ClearFinalizer(void* p) {
  constexpr const char* kWhat = "ClearFinalizer";
  Special* s;
  {
    LifeScope scope;
    rt::ObjectRef object;
    const absl::Status located = Locate(scope, p, /*at_start=*/false, object);
    if (!located.ok()) return WithPrefix(kWhat, located);
    s = scope.specials().Remove(scope.SlotOf(object), [&](const Special& r) {
      return r.kind == SpecialKind::kFinalizer && r.address == reinterpret_cast<uintptr_t>(p);
    });
  }
  if (s == nullptr) return absl::NotFoundError("tarn: ClearFinalizer: there is no finalizer");
  s->type->drop(s->data);
  LifeScope scope;
  scope.specials().Recycle(s);
  return absl::OkStatus();
}

absl::Status AddCleanup(const void* p, size_t shared_bytes, const CallbackType* type,
                        uintptr_t data, const void* arg, uint64_t* id) {
  constexpr const char* kWhat = "AddCleanup";
  LifeScope scope;
  rt::ObjectRef object;
  const absl::Status located = Locate(scope, p, /*at_start=*/false, object);
  if (!located.ok()) return WithPrefix(kWhat, located);
  Special* s = scope.New(SpecialKind::kCleanup, p, data);
  s->type = type;
  const absl::Status captures = CheckCaptures(scope, object, p, shared_bytes, arg, *s);
  if (!captures.ok()) {
    scope.specials().Recycle(s);
    return WithPrefix(kWhat, captures);
  }
  static std::atomic<uint64_t> last_id{0};
  s->id = *id = last_id.fetch_add(1, std::memory_order_relaxed) + 1;  // relaxed: a number
  scope.specials().Add(scope.SlotOf(object), s);
  scope.ShadeRecord(*s);
  return absl::OkStatus();
}

void AddDestructor(void* p, const CallbackType* type, size_t n) noexcept {
  Instance::Get();
  rt::EnsureAttached();
  // No safepoint: with precise roots nothing refers to the new object yet.
  rt::BarrierScope barrier;
  rt::Specials& specials = Instance::Get().collector().specials();
  rt::Heap& heap = Instance::Get().heap();
  const auto address = reinterpret_cast<uintptr_t>(p);
  const rt::ObjectRef object = rt::FindTrusted(heap.cage(), heap.classes().infos(), address);
  TARN_CHECK(object);
  Special* s = specials.New(SpecialKind::kDestructor, address, n);
  s->type = type;
  specials.Add({heap.cage().SpanAt(object.first_page), object.index}, s);
}

rt::Guardian* NewGuardian() {
  LifeScope scope;
  return scope.finalizers().NewGuardian();
}

void DropGuardian(rt::Guardian* g) {
  LifeScope scope;
  scope.finalizers().Drop(g);
}

absl::Status RegisterWithGuardian(rt::Guardian* g, void* p, size_t shared_bytes) {
  constexpr const char* kWhat = "gc_queue::Register";
  LifeScope scope;
  rt::ObjectRef object;
  const absl::Status located = Locate(scope, p, shared_bytes == 0, object);
  if (!located.ok()) return WithPrefix(kWhat, located);
  Special* s = scope.New(SpecialKind::kGuardian, p, 0);
  s->guardian = g;
  scope.finalizers().NoteRegistered(g);
  if (!scope.specials().AddFinalizer(scope.SlotOf(object), s)) {
    scope.finalizers().NoteUnregistered(g);
    scope.specials().Recycle(s);
    return HasOne(kWhat, p);
  }
  scope.ShadeRecord(*s);
  return absl::OkStatus();
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
  Special* s = nullptr;
  {
    LifeScope scope;
    // The slot may belong to another object by now, which has no record of this number.
    if (const rt::ObjectRef object = rt::FindLive(scope.heap(), ~hidden_)) {
      s = scope.specials().Remove(scope.SlotOf(object), [&](const Special& r) {
        return r.kind == SpecialKind::kCleanup && r.id == id_;
      });
    }
  }
  if (s == nullptr) return false;
  s->type->drop(s->data);
  LifeScope scope;
  scope.specials().Recycle(s);
  return true;
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
