// gc_ptr<T>: a traced pointer member of a heap object.
//
//   struct Node { int value; tarn::gc_ptr<Node> next; };
//
// One word; null by default; converts from and to T* implicitly, so locals may be plain T* (the
// native stack is scanned). Points to an object's start or inside it; any such pointer keeps the
// whole object alive. Every store runs the write barrier, also on the stack, where it is not needed
// but harmless.
// Thread-safety: as for T*; two threads that access one gc_ptr, one of them writing, need
// synchronisation of their own. The collector itself may read it at any time.
// May collect: never. Blocks: never (the first store of a thread attaches it).
#ifndef TARN_GC_PTR_H_
#define TARN_GC_PTR_H_

#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>

#include "tarn/internal/barrier.h"

namespace tarn {

template <class T>
class gc_ptr {
 public:
  using element_type = T;

  constexpr gc_ptr() noexcept : word_(0) {}
  constexpr gc_ptr(std::nullptr_t) noexcept : word_(0) {}  // NOLINT: implicit as for T*
  gc_ptr(T* p) noexcept : word_(Initial(this, p)) {}       // NOLINT: implicit as for T*
  gc_ptr(const gc_ptr& other) noexcept : word_(Initial(this, other.get())) {}
  template <class U>
  requires std::is_convertible_v<U*, T*> gc_ptr(const gc_ptr<U>& other)
  noexcept : word_(Initial(this, other.get())) {}  // NOLINT: implicit as for T*
  // Nothing to do: what a destroyed slot still holds is shaded by whoever uses the slot again.
  ~gc_ptr() = default;

  gc_ptr& operator=(const gc_ptr& other) noexcept { return Store(other.get()); }
  gc_ptr& operator=(std::nullptr_t) noexcept { return Store(nullptr); }  // also `= {}`
  template <class U>
  requires std::is_convertible_v<U*, T*> gc_ptr& operator=(U* p) noexcept { return Store(p); }
  template <class U>
  requires std::is_convertible_v<U*, T*> gc_ptr& operator=(const gc_ptr<U>& other) noexcept {
    return Store(other.get());
  }

  // relaxed: see thread-safety above.
  T* get() const noexcept { return reinterpret_cast<T*>(word_.load(std::memory_order_relaxed)); }
  operator T*() const noexcept { return get(); }  // NOLINT: implicit as for T*
  T* operator->() const noexcept { return get(); }
  template <class U = T>
  requires(!std::is_void_v<U>) U& operator*() const noexcept { return *get(); }
  explicit operator bool() const noexcept { return get() != nullptr; }

  // While `a` is overwritten its old value is in this frame, where a scan of the stack finds it
  // like any local.
  friend void swap(gc_ptr& a, gc_ptr& b) noexcept {
    T* t = a.get();
    a = b.get();
    b = t;
  }

 private:
  // The address bits of a pointer to a possibly const T.
  static uintptr_t Bits(T* p) noexcept { return reinterpret_cast<uintptr_t>(p); }
  static uintptr_t Initial(void* slot, T* p) noexcept {
    return internal::ShadeInitial(slot, Bits(p));
  }
  gc_ptr& Store(T* p) noexcept {
    internal::StoreWord(&word_, Bits(p));
    return *this;
  }

  std::atomic<uintptr_t> word_;
};

template <class T, class U>
bool operator==(const gc_ptr<T>& a, const gc_ptr<U>& b) noexcept {
  return a.get() == b.get();
}
template <class T, class U>
bool operator==(const gc_ptr<T>& a, U* b) noexcept {
  return a.get() == b;
}
template <class T>
bool operator==(const gc_ptr<T>& a, std::nullptr_t) noexcept {
  return a.get() == nullptr;
}
template <class T, class U>
std::strong_ordering operator<=>(const gc_ptr<T>& a, const gc_ptr<U>& b) noexcept {
  return std::compare_three_way()(static_cast<const void*>(a.get()),
                                  static_cast<const void*>(b.get()));
}

template <class T, class U>
gc_ptr<T> static_pointer_cast(const gc_ptr<U>& p) noexcept {
  return gc_ptr<T>(static_cast<T*>(p.get()));
}
template <class T, class U>
gc_ptr<T> dynamic_pointer_cast(const gc_ptr<U>& p) noexcept {
  return gc_ptr<T>(dynamic_cast<T*>(p.get()));
}
template <class T, class U>
gc_ptr<T> const_pointer_cast(const gc_ptr<U>& p) noexcept {
  return gc_ptr<T>(const_cast<T*>(p.get()));
}

static_assert(sizeof(gc_ptr<int>) == sizeof(int*));

}  // namespace tarn

template <class T>
struct std::hash<tarn::gc_ptr<T>> {
  size_t operator()(const tarn::gc_ptr<T>& p) const noexcept { return std::hash<T*>()(p.get()); }
};

template <class T>
struct std::pointer_traits<tarn::gc_ptr<T>> {
  using pointer = tarn::gc_ptr<T>;
  using element_type = T;
  using difference_type = std::ptrdiff_t;
  template <class U>
  using rebind = tarn::gc_ptr<U>;
  static pointer pointer_to(element_type& r) noexcept { return pointer(std::addressof(r)); }
  static T* to_address(const pointer& p) noexcept { return p.get(); }
};

#endif  // TARN_GC_PTR_H_
