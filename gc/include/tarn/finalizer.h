// Finalizers and cleanups: the program is called when an object has died.
//
//   tarn::SetFinalizer(file, [](File* f) { f->Flush(); });         the object is there once more
//   tarn::AddCleanup(file, [](int fd) { close(fd); }, file->fd);   the object is gone
//
// Both run after a collection has found the object unreachable: on a thread of tarn's own ("tarn-fin",
// started when first needed), or when the program calls RunFinalizers, one after the other, while no lock
// of tarn's is held. They may allocate, collect, wait, register others and throw (on tarn-fin: one line
// on stderr, and the next one runs). One that runs for more than ten seconds is named on stderr. tarn-fin
// begins nothing more once exit() has reached the handler that was installed when it started; exit() waits
// up to a second for the function that runs there. A shared library whose functions or types are used so is
// not unloaded.
//
// Finalizers run in the order of dependency: while an object with a finalizer is not finalized and gone,
// all that it refers to stays alive. So an object that refers to itself, or is part of a cycle that leads
// back to it, is never finalized; cleanups have no such rule. An object with a finalizer is freed by the
// collection after the one that found it dead, unless its finalizer made it reachable again.
//
// Function objects are kept by tarn. Pointers in the function object itself keep what they point to
// alive; pointers in memory that it owns (the buffer of a captured std::vector) are not seen: capture a
// gc_root there. std::function is refused. A capture of the object itself, or of anything that leads to it,
// would keep it from ever dying. The first is refused where it can be told: for arguments, and for function
// objects without padding.
//
// While more memory waits for destructors and finalizers than is alive, and tarn-fin runs them, threads
// that allocate make short pauses for it. An allocation that the hard limit would refuse waits for them.
//
// Threads with precise roots: object and captured pointers must be reachable from roots during the call.
#ifndef TARN_FINALIZER_H_
#define TARN_FINALIZER_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tarn/internal/callback.h"
#include "tarn/keep_alive.h"
#include "tarn/make_gc.h"

namespace tarn {

namespace internal {

// `shared_bytes`: the size of a T whose objects share a slot with others (see make_gc.h), else 0.
// `held`: the words of the function object; not any more when it is in the record.
absl::Status AddFinalizer(void* p, size_t shared_bytes, const CallbackType* type, uintptr_t data,
                          HeldWords& held);
// `arg` may be null; it must not point into the object.
absl::Status AddCleanup(const void* p, size_t shared_bytes, const CallbackType* type,
                        uintptr_t data, HeldWords& held, const void* arg, uint64_t* id);
absl::Status ClearFinalizer(void* p);

}  // namespace internal

// `f(p)` is called when nothing reaches *p any more but weak references, which are null by then. Once;
// the object then has no finalizer, and may be given one again.
// Errors: InvalidArgument if p is null, no pointer to the collected heap, or points inside an object, or
// if f captures a pointer into *p; AlreadyExists if the object has a finalizer or is registered with a
// gc_queue. Nothing has changed then.
// Thread-safety: any thread; attaches it.
// May collect: no. Blocks: shortly, on a lock.
template <class T, class F>
requires std::is_invocable_v<F&, T*> absl::Status SetFinalizer(T* p, F f) {
  constexpr const internal::CallbackType& kType = internal::kFinalizerType<T, F>;
  internal::NewFunction<F> function(std::move(f), kType);
  absl::Status status =
      internal::AddFinalizer(const_cast<std::remove_cv_t<T>*>(p), internal::SharedBytesOf<T>(),
                             &kType, function.data(), function.held());
  if (status.ok()) function.Keep();
  KeepAlive(&f);  // what it captures, until it was registered
  return status;
}

// Removes the finalizer. NotFound if there is none (any more). Errors otherwise as SetFinalizer. While a
// collection marks it may help and wait some milliseconds, if it is called very often.
template <class T>
absl::Status ClearFinalizer(T* p) {
  return internal::ClearFinalizer(const_cast<std::remove_cv_t<T>*>(p));
}

// By which a cleanup is stopped. Does not keep the object alive. A default one stops nothing.
class Cleanup {
 public:
  Cleanup() = default;
  // The function will not be called. False if it was, or is about to be. The object must be alive for
  // the call to have an effect, and may be dead for it to be harmless.
  // Thread-safety: any thread. May collect: no. Blocks: shortly, on a lock; as ClearFinalizer.
  bool Stop();

 private:
  friend Cleanup MakeCleanup(const void* p, uint64_t id);
  uint64_t id_ = 0;
  uintptr_t hidden_ = 0;  // the address, as no scan takes for one
};
Cleanup MakeCleanup(const void* p, uint64_t id);

namespace internal {

template <class T, class F>
absl::StatusOr<Cleanup> AddCleanupOf(T* p, F f, const void* arg) {
  NewFunction<F> function(std::move(f), kCleanupType<F>);
  uint64_t id = 0;
  const absl::Status status = AddCleanup(p, SharedBytesOf<T>(), &kCleanupType<F>, function.data(),
                                         function.held(), arg, &id);
  if (status.ok()) function.Keep();
  KeepAlive(&f);
  if (!status.ok()) return status;
  return MakeCleanup(p, id);
}

}  // namespace internal

// `f()` is called when *p is dead: at the collection that frees it. Any number per object, in the order of
// registration; p may point inside the object. With a finalizer, only when the object has died again
// after it.
// Errors: InvalidArgument if p is null or no pointer to the collected heap, or if f captures a pointer into
// the same object.
// Thread-safety, collection, blocking: as SetFinalizer.
template <class T, class F>
requires std::is_invocable_v<F&> absl::StatusOr<Cleanup> AddCleanup(T* p, F f) {
  return internal::AddCleanupOf(p, std::move(f), nullptr);
}
// The same for `f(arg)`. An `arg` that points into *p is refused.
template <class T, class F, class A>
requires std::is_invocable_v<F&, A&> absl::StatusOr<Cleanup> AddCleanup(T* p, F f, A arg) {
  const void* pointer = nullptr;
  if constexpr (std::is_convertible_v<A, const void*>) pointer = arg;
  return internal::AddCleanupOf(p, internal::BoundCall<F, A>{std::move(f), std::move(arg)},
                                pointer);
}

// Runs finalizers, cleanups and destructors that are ready, at most `budget` of them, on this thread.
// Returns how many ran. What one throws comes out; it has run, and the others stay ready. While a
// collection runs it may return early: objects with a Trace method are destroyed between collections, and
// no object while deaths are decided.
// Thread-safety: any thread, several at once; also from inside a finalizer.
// May collect: if they do. Blocks: as long as they do.
size_t RunFinalizers(size_t budget = SIZE_MAX);

// Whether tarn's own thread runs what is ready (the default). With false only RunFinalizers does.
// Thread-safety: any thread. May collect: no. Blocks: no; the one that runs goes on.
void UseFinalizerThread(bool wanted);

// How many are ready and wait to be run.
size_t ReadyFinalizers();

}  // namespace tarn

#endif  // TARN_FINALIZER_H_
