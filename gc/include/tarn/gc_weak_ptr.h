// gc_weak_ptr<T>: a reference that does not keep its object alive. One word.
//
//   struct Node { tarn::gc_ptr<Node> child; tarn::gc_weak_ptr<Node> parent; };
//   if (Node* p = node->parent.get()) ...
//
// get() returns null from the moment that a collection has found the object unreachable: before its
// finalizer runs, and for good, even if that makes it reachable again. Two weak pointers are equal if they
// were made of equal pointers to the same object, also when it is dead; a pointer into an object and one to
// its start differ. Like gc_ptr it belongs into heap objects and on the stack; outside the heap use
// gc_weak_root. An object whose memory is shared with others (make_gc.h: small, without pointers) may be
// kept alive by them.
// Thread-safety: as gc_ptr; get() may be called by any number of threads.
// May collect: making one of a T* may. Blocks: get() waits shortly if a collection is about to decide
// about the object.
// Cost: 8 bytes and a record of 40 per object that is weakly known; get() some 10 ns.
#ifndef TARN_GC_WEAK_PTR_H_
#define TARN_GC_WEAK_PTR_H_

#include <cstddef>
#include <functional>

#include "tarn/describe.h"
#include "tarn/gc_ptr.h"
#include "tarn/root.h"

namespace tarn::rt {
struct WeakHandle;
}

namespace tarn {

namespace internal {
// The handle of an address, for as long as its object is alive. Aborts if it is not in the heap; null
// for null.
rt::WeakHandle* WeakHandleOf(const void* p);
// The address while the object is alive; else null. `h` may be null.
void* StrongFromWeak(rt::WeakHandle* h);
}  // namespace internal

template <class T>
class gc_weak_root;

template <class T>
class gc_weak_ptr {
 public:
  using element_type = T;

  constexpr gc_weak_ptr() noexcept = default;
  constexpr gc_weak_ptr(std::nullptr_t) noexcept {}              // NOLINT: implicit as for T*
  gc_weak_ptr(T* p) : handle_(internal::WeakHandleOf(p)) {}      // NOLINT: likewise
  gc_weak_ptr(const gc_ptr<T>& p) : gc_weak_ptr(p.get()) {}      // NOLINT: likewise
  gc_weak_ptr(const gc_weak_root<T>& r) : handle_(r.handle_) {}  // NOLINT: likewise

  // Null if there is none, or none any more.
  T* get() const { return static_cast<T*>(internal::StrongFromWeak(handle_.get())); }
  // Whether it was made of null. One that has died is not.
  bool is_null() const noexcept { return handle_ == nullptr; }

  friend bool operator==(const gc_weak_ptr& a, const gc_weak_ptr& b) noexcept {
    return a.handle_.get() == b.handle_.get();
  }
  size_t hash() const noexcept { return std::hash<const void*>()(handle_.get()); }

 private:
  friend class gc_weak_root<T>;
  gc_ptr<rt::WeakHandle> handle_;

 public:
  static constexpr auto tarn_layout = fields(&gc_weak_ptr::handle_);
};

// The same from outside the heap: globals, std containers, other threads' memory. Takes a cell of the
// root table, which keeps the handle alive, not the object.
template <class T>
class gc_weak_root {
 public:
  using element_type = T;

  gc_weak_root() noexcept = default;
  gc_weak_root(std::nullptr_t) noexcept {}                             // NOLINT: as gc_weak_ptr
  gc_weak_root(T* p) { handle_ = internal::WeakHandleOf(p); }          // NOLINT: likewise
  gc_weak_root(const gc_weak_ptr<T>& p) : handle_(p.handle_.get()) {}  // NOLINT: likewise

  T* get() const { return static_cast<T*>(internal::StrongFromWeak(handle_.get())); }
  bool is_null() const noexcept { return handle_.get() == nullptr; }

  friend bool operator==(const gc_weak_root& a, const gc_weak_root& b) noexcept {
    return a.handle_.get() == b.handle_.get();
  }
  size_t hash() const noexcept { return std::hash<const void*>()(handle_.get()); }

 private:
  friend class gc_weak_ptr<T>;
  gc_root<rt::WeakHandle> handle_;
};

}  // namespace tarn

template <class T>
struct std::hash<tarn::gc_weak_ptr<T>> {
  size_t operator()(const tarn::gc_weak_ptr<T>& p) const noexcept { return p.hash(); }
};
template <class T>
struct std::hash<tarn::gc_weak_root<T>> {
  size_t operator()(const tarn::gc_weak_root<T>& p) const noexcept { return p.hash(); }
};

#endif  // TARN_GC_WEAK_PTR_H_
