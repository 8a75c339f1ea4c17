// A stand-in for tarn/tarn.h that allocates with calloc and never frees: lets the interpreter be
// built and tested alone. Not here: any collection, barrier or layout.
#ifndef EXAMPLES_SCHEME_HEAP_STUB_H_
#define EXAMPLES_SCHEME_HEAP_STUB_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

namespace tarn {

enum class Scan { kNone, kConservative };
inline void* AllocateBytes(size_t bytes, Scan) {
  void* p = std::calloc(1, bytes == 0 ? 1 : bytes);
  if (p == nullptr) std::abort();
  return p;
}

template <class T>
class gc_ptr {
 public:
  gc_ptr() = default;
  gc_ptr(T* p) : p_(p) {}
  gc_ptr& operator=(T* p) {
    p_ = p;
    return *this;
  }
  operator T*() const { return p_; }
  T* operator->() const { return p_; }
  T* get() const { return p_; }

 private:
  T* p_ = nullptr;
};

template <uintptr_t kMask, uintptr_t kTag>
struct low_bit_codec {};

template <class Codec>
class gc_word {
 public:
  uintptr_t load() const { return w_; }
  void store(uintptr_t w) { w_ = w; }
  void init(uintptr_t w) { w_ = w; }

 private:
  uintptr_t w_ = 0;
};

template <class T>
class gc_root {
 public:
  gc_root() = default;
  explicit gc_root(T* p) : p_(p) {}
  gc_root& operator=(T* p) {
    p_ = p;
    return *this;
  }
  T* get() const { return p_; }
  T* operator->() const { return p_; }

 private:
  T* p_ = nullptr;
};

template <class T, class... A>
T* make_gc(A&&... args) {
  return new (AllocateBytes(sizeof(T), Scan::kNone)) T(std::forward<A>(args)...);
}
template <class T, class E, class... A>
T* make_gc_tail(size_t n, A&&... args) {
  static_assert(sizeof(T) % alignof(E) == 0);
  return new (AllocateBytes(sizeof(T) + n * sizeof(E), Scan::kNone)) T(std::forward<A>(args)...);
}
template <class E, class T>
E* gc_tail(T* p) {
  return reinterpret_cast<E*>(p + 1);
}

struct ThreadOptions {
  bool cooperative = false;
};
struct ThreadScope {
  explicit ThreadScope(const ThreadOptions&) {}
};
struct RootVisitor {
  void Words(const uintptr_t*, const uintptr_t*) {}
};
inline void AddThreadRoots(void (*)(RootVisitor&, void*), void*) {}
inline void RemoveThreadRoots(void (*)(RootVisitor&, void*), void*) {}
inline void Safepoint() {}
inline void Collect() {}
struct MemStats {
  uint64_t num_gc = 0, heap_alloc = 0, total_alloc = 0;
};
inline MemStats ReadMemStats() { return {}; }
inline int SetGcPercent(int) { return 100; }

}  // namespace tarn

#endif  // EXAMPLES_SCHEME_HEAP_STUB_H_
