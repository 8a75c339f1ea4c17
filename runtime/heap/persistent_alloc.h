// PersistentAlloc: small records that live as long as the process, from the OS seam. Why not
// malloc: code inside the runtime must not wait for malloc's lock, which a stopped thread may hold;
// the stop would wait for this thread, and this thread for the stopped one. Pool<T>: records of one
// type with a free list on top of it.
// Locking: one Lock each.
// Cost: a bump; one system call per 64 KiB.
#ifndef TARN_RUNTIME_HEAP_PERSISTENT_ALLOC_H_
#define TARN_RUNTIME_HEAP_PERSISTENT_ALLOC_H_

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "runtime/base/lock.h"
#include "runtime/os/os_memory.h"

namespace tarn::rt {

class PersistentAlloc {
 public:
  explicit PersistentAlloc(OsMemory& os) : os_(os) {}
  PersistentAlloc(const PersistentAlloc&) = delete;
  PersistentAlloc& operator=(const PersistentAlloc&) = delete;

  // Zeroed, aligned to 16. Null when the system refuses.
  void* Allocate(size_t bytes);

 private:
  static constexpr size_t kChunkBytes = 64 << 10;

  OsMemory& os_;
  Lock lock_;
  uintptr_t next_ ABSL_GUARDED_BY(lock_) = 0;
  uintptr_t end_ ABSL_GUARDED_BY(lock_) = 0;
};

template <class T>
class Pool {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  explicit Pool(PersistentAlloc& memory) : memory_(memory) {}

  // Null when the system refuses.
  template <class... A>
  T* New(A&&... args) {
    void* p = Take();
    return p == nullptr ? nullptr : ::new (p) T{std::forward<A>(args)...};
  }
  void Delete(T* record) {
    LockHolder hold(lock_);
    free_ = ::new (static_cast<void*>(record)) Free{free_};
  }

 private:
  struct Free {
    Free* next;
  };
  void* Take() {
    LockHolder hold(lock_);
    if (free_ == nullptr) {
      return memory_.Allocate(sizeof(T) > sizeof(Free) ? sizeof(T) : sizeof(Free));
    }
    Free* f = free_;
    free_ = f->next;
    return f;
  }

  PersistentAlloc& memory_;
  Lock lock_;
  Free* free_ ABSL_GUARDED_BY(lock_) = nullptr;
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_PERSISTENT_ALLOC_H_
