// gc_queue<T>: hands dead objects back when the program asks (a guardian).
//
//   tarn::gc_queue<Texture> dead;
//   dead.Register(texture);
//   ...
//   while (Texture* t = dead.Poll()) Recycle(t);
//
// Registering is like setting a finalizer, with the same order and the same rule about cycles, but that
// nothing is called: the object comes out of Poll, once, after the collection that found it dead; weak
// references to it are null by then. It may be registered again.
#ifndef TARN_GC_QUEUE_H_
#define TARN_GC_QUEUE_H_

#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "tarn/make_gc.h"

namespace tarn::rt {
struct Guardian;
}

namespace tarn {

namespace internal {
rt::Guardian* NewGuardian();
void DropGuardian(rt::Guardian* g);
absl::Status RegisterWithGuardian(rt::Guardian* g, void* p, size_t shared_bytes);
void* PollGuardian(rt::Guardian* g);
}  // namespace internal

template <class T>
class gc_queue {
 public:
  gc_queue() : guardian_(internal::NewGuardian()) {}
  gc_queue(gc_queue&& other) noexcept : guardian_(std::exchange(other.guardian_, nullptr)) {}
  gc_queue& operator=(gc_queue&& other) noexcept {
    std::swap(guardian_, other.guardian_);
    return *this;
  }
  // Objects that are registered, or wait here, die like any other.
  ~gc_queue() {
    if (guardian_ != nullptr) internal::DropGuardian(guardian_);
  }

  // Errors, thread-safety, collection, blocking: as SetFinalizer (finalizer.h).
  absl::Status Register(T* p) {
    return internal::RegisterWithGuardian(guardian_, const_cast<std::remove_cv_t<T>*>(p),
                                          internal::SharedBytesOf<T>());
  }
  // The object that died first; null if there is none now.
  // Thread-safety: any thread. May collect: no. Blocks: shortly, on a lock.
  T* Poll() { return static_cast<T*>(internal::PollGuardian(guardian_)); }

  static constexpr auto tarn_layout = fields();  // no pointers to the heap

 private:
  rt::Guardian* guardian_;
};

}  // namespace tarn

#endif  // TARN_GC_QUEUE_H_
