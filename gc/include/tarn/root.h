// Roots outside the heap: gc_root handles, ranges of memory, callbacks.
// Locals need none of this: native stacks are scanned. Globals, malloc'ed memory and an
// interpreter's own stacks do.
#ifndef TARN_ROOT_H_
#define TARN_ROOT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "tarn/gc_ptr.h"
#include "tarn/internal/barrier.h"

namespace tarn {

// Given to root callbacks. Valid only during the call, and only on its thread.
class RootVisitor {
 public:
  // Every word of [begin, end) may be a pointer to the heap, interior, tagged in the low bits or in
  // one of the program's value encodings, or anything else.
  void Words(const uintptr_t* begin, const uintptr_t* end) { words_(this, begin, end); }
  // One pointer, interior or null.
  void Pointer(const void* p) {
    const auto w = reinterpret_cast<uintptr_t>(p);
    Words(&w, &w + 1);
  }

 protected:
  using WordsFn = void (*)(RootVisitor*, const uintptr_t*, const uintptr_t*);
  explicit RootVisitor(WordsFn words) : words_(words) {}
  ~RootVisitor() = default;

 private:
  WordsFn words_;
};

using RootCallback = void (*)(RootVisitor& visitor, void* arg);

// The words of [begin, end) are roots until RemoveRootRange(begin). They may be written without
// barriers: the range is scanned while all threads are stopped.
// Errors: misuse (unaligned, empty, overlapping, unknown range) aborts with a message.
// Thread-safety: any thread.
// May collect: no. Blocks: shortly, on a lock.
void AddRootRange(const void* begin, const void* end);
void RemoveRootRange(const void* begin);

// `callback` reports roots that no thread owns; called while all threads are stopped, so it takes
// no lock, allocates nothing, and reads what the threads left in memory at any point of theirs.
// Errors, thread-safety: as AddRootRange. The pair (callback, arg) names the registration.
void AddRootCallback(RootCallback callback, void* arg);
void RemoveRootCallback(RootCallback callback, void* arg);

// `callback` reports the roots of the calling thread's own stacks (an interpreter's value stack).
// It is called whenever the thread's native stack is scanned: on this thread at an arbitrary
// instruction (cooperative threads: at a safepoint or allocation), or on another while this one is
// blocked or stopped.
// Thread-safety: registers for the calling thread, attaching it if need be; gone when it detaches.
void AddThreadRoots(RootCallback callback, void* arg);
void RemoveThreadRoots(RootCallback callback, void* arg);

namespace internal {
// A cell of the root table; never null (aborts when the system refuses memory). The cell holds
// null.
std::atomic<uintptr_t>* NewRootCell();
void FreeRootCell(std::atomic<uintptr_t>* cell);
}  // namespace internal

// gc_root<T>: a strong handle to a heap object from outside the heap: globals, std containers,
// other libraries' memory. Costs one word here and one in a table; no cell is taken while it is
// null. A gc_root inside a heap object is a leak if a cycle leads back to it: use gc_ptr there.
// Thread-safety: as for T*.
// May collect: no. Blocks: on a short lock once in 64 cells that a thread takes or gives back.
template <class T>
class gc_root {
 public:
  gc_root() noexcept = default;
  gc_root(std::nullptr_t) noexcept {}            // NOLINT: implicit as for T*
  gc_root(T* p) { set(p); }                      // NOLINT: implicit as for T*
  gc_root(const gc_ptr<T>& p) { set(p.get()); }  // NOLINT
  gc_root(const gc_root& other) { set(other.get()); }
  gc_root(gc_root&& other) noexcept : cell_(std::exchange(other.cell_, nullptr)) {}
  ~gc_root() { Clear(); }

  gc_root& operator=(const gc_root& other) {
    set(other.get());
    return *this;
  }
  gc_root& operator=(gc_root&& other) noexcept {
    if (this != &other) {
      Clear();
      cell_ = std::exchange(other.cell_, nullptr);
    }
    return *this;
  }
  gc_root& operator=(T* p) {
    set(p);
    return *this;
  }
  gc_root& operator=(const gc_ptr<T>& p) { return *this = p.get(); }

  void set(T* p) {
    if (cell_ == nullptr) {
      if (p == nullptr) return;
      cell_ = internal::NewRootCell();
    }
    internal::StoreWord(cell_, reinterpret_cast<uintptr_t>(p));
  }
  T* get() const noexcept {
    // relaxed: as for T*.
    return cell_ == nullptr ? nullptr
                            : reinterpret_cast<T*>(cell_->load(std::memory_order_relaxed));
  }
  operator T*() const noexcept { return get(); }  // NOLINT: implicit as for T*
  T* operator->() const noexcept { return get(); }
  template <class U = T>
  requires(!std::is_void_v<U>) U& operator*() const noexcept { return *get(); }
  explicit operator bool() const noexcept { return get() != nullptr; }

 private:
  void Clear() noexcept {
    if (cell_ == nullptr) return;
    internal::StoreWord(cell_, 0);
    internal::FreeRootCell(cell_);
    cell_ = nullptr;
  }

  std::atomic<uintptr_t>* cell_ = nullptr;
};

}  // namespace tarn

#endif  // TARN_ROOT_H_
