// make_gc: objects and arrays on the collected heap.
//
//   Node* n = tarn::make_gc<Node>(1, nullptr);       one object
//   double* d = tarn::make_gc<double[]>(1000);       an array of value-initialised elements
//   Str* s = tarn::make_gc_tail<Str, char>(n, ...);  an object and n zeroed elements behind it
//
// The result is a plain pointer: the calling thread's stack keeps the object alive; in heap objects
// store it in a gc_ptr. Memory is zeroed before the constructor runs. A constructor that throws
// leaves the memory to the collector and the heap sound.
//
// Destructors. The object of a type that is not trivially destructible is destroyed after it was found
// dead, on the thread that runs finalizers (finalizer.h), never on the thread that allocates; all elements
// of an array are. Other heap objects that it refers to are still readable then, but may have been
// destroyed before: use a finalizer where that matters. Memory is freed by the next collection. With
//     static constexpr auto tarn_destroy = tarn::Destroy::kAtSweep;
// in the class the destructor runs on the collector's thread as part of the collection, and the memory is
// freed at once; such a destructor is quick, uses nothing of tarn's (no gc_ptr is stored to, nothing
// allocated, no gc_root ends), takes no lock under which the program allocates, collects, maps (gc_mmap.h),
// sets limits or forks, and throws nothing. With Destroy::kNever it does not run at all.
// Errors: std::bad_alloc when memory cannot be had even after a collection (also for the destructor's
// record: the object was destroyed again);
// std::bad_array_new_length when the size overflows.
// Thread-safety: any thread; attaches it if need be.
// May collect: yes. Blocks: for a collection.
#ifndef TARN_MAKE_GC_H_
#define TARN_MAKE_GC_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "tarn/describe.h"
#include "tarn/internal/alloc_fast.h"
#include "tarn/internal/callback.h"
#include "tarn/internal/construction.h"

namespace tarn {

// How AllocateBytes' memory is scanned.
enum class Scan : uint8_t {
  kNone,          // holds no pointers
  kConservative,  // every word may be a pointer
};

// `bytes` of zeroed memory aligned to 8 (16 from 32 bytes on). 0 bytes give a valid pointer, too.
// Errors, thread-safety, collection: as make_gc.
void* AllocateBytes(size_t bytes, Scan scan);

// What becomes of objects whose type has a destructor; see above.
enum class Destroy : uint8_t { kAfterDeath, kAtSweep, kNever };

namespace internal {

// The destructor of `n` objects at `p` is to run when the slot is found dead. False when the system
// refuses memory for the record.
bool AddDestructor(void* p, const CallbackType* type, size_t n) noexcept;

// `data` elements T, last to first as C++ does it. Trace is not called on arrays.
template <class T, bool kAtSweep, bool kIsArray>
inline constexpr CallbackType kDestructorType{
    [](uintptr_t data, void* object) {
      for (size_t i = data; i-- > 0;) std::destroy_at(static_cast<T*>(object) + i);
    },
    [](uintptr_t) {},
    0,
    !kIsArray && PrecisionOf<T>() == Precision::kTrace ? uint32_t{sizeof(T)} : 0,
    false,
    kAtSweep,
    TypeNameOf<T>()};

template <class T>
constexpr Destroy DestroyOf() {
  if constexpr (std::is_trivially_destructible_v<T>) {
    return Destroy::kNever;
  } else if constexpr (requires {
                         { T::tarn_destroy } -> std::convertible_to<Destroy>;
                       }) {
    return T::tarn_destroy;
  } else {
    return Destroy::kAfterDeath;
  }
}

// After the constructor: one that has thrown is followed by no destructor. Without memory for the record
// the object ends at once.
template <bool kIsArray = false, class T>
inline T* Destroyed(T* p, size_t n = 1) {
  using Object = std::remove_cv_t<T>;
  constexpr Destroy kHow = DestroyOf<Object>();
  if constexpr (kHow != Destroy::kNever) {
    constexpr const CallbackType* kType =
        &kDestructorType<Object, kHow == Destroy::kAtSweep, kIsArray>;
    auto* object = const_cast<Object*>(p);
    if (n != 0 && !AddDestructor(object, kType, n)) [[unlikely]] {
      Construction half_destroyed;
      half_destroyed.Begin(object, n * sizeof(Object));  // cleared afterwards
      kType->run(n, object);
      ThrowBadAlloc();
    }
  }
  return p;
}

// Small objects without pointers share slots of kTinyBytes; words have slots of their own.
template <class T>
constexpr bool SharesSlot() {
  if constexpr (std::is_void_v<T> || std::is_function_v<T>) {
    return false;
  } else {
    return sizeof(T) < kTinyBytes && sizeof(T) != kWordBytes &&
           PrecisionOf<T>() == Precision::kNoPointers;
  }
}
template <class T>
constexpr size_t SharedBytesOf() {
  if constexpr (SharesSlot<T>()) {
    return sizeof(T);
  } else {
    return 0;
  }
}

// The layout of T alone.
template <class T>
uint16_t LayoutOfObject() {
  uint64_t bits[kMaxMaskWords / 64] = {};
  LayoutSpec spec;
  spec.kind = DescribeElement<T>(bits, spec.codec);
  if (spec.kind == LayoutKind::kMask) {
    spec.prefix_words = sizeof(T) / kWordBytes;
    spec.prefix_bits = bits;
  } else if constexpr (PrecisionOf<T>() == Precision::kTrace) {
    spec.trace = &CallTrace<T>;
  }
  return InternLayout(spec);
}

// The layout of T followed by any number of E. T void: an array of E.
template <class T, class E>
uint16_t LayoutOfTail() {
  uint64_t head[kMaxMaskWords / 64] = {};
  uint64_t tail[kMaxMaskWords / 64] = {};
  LayoutSpec spec;
  WordCodec head_codec, tail_codec;
  LayoutKind head_kind = LayoutKind::kNoScan;
  if constexpr (!std::is_void_v<T>) {
    head_kind = DescribeElement<T>(head, head_codec);
    spec.prefix_words = sizeof(T) / kWordBytes;
  }
  const LayoutKind tail_kind = DescribeElement<E>(tail, tail_codec);
  const auto exact = [](LayoutKind k) {
    return k == LayoutKind::kNoScan || k == LayoutKind::kMask;
  };
  if (head_kind == LayoutKind::kNoScan && tail_kind == LayoutKind::kNoScan) {
    spec.kind = LayoutKind::kNoScan;
  } else if (exact(head_kind) && exact(tail_kind) &&
             (head_kind == LayoutKind::kNoScan || tail_kind == LayoutKind::kNoScan ||
              head_codec == tail_codec)) {
    spec.kind = LayoutKind::kMask;
    spec.codec = tail_kind == LayoutKind::kMask ? tail_codec : head_codec;
    spec.prefix_bits = head;
    if (tail_kind == LayoutKind::kMask) {
      spec.period_words = sizeof(E) / kWordBytes;
      spec.period_bits = tail;
    }
  } else {
    spec.kind = LayoutKind::kConservative;
  }
  return InternLayout(spec);
}

template <class T>
inline constinit FixedSite kObjectSite{{0}, sizeof(T), alignof(T), &LayoutOfObject<T>};
template <class T, class E>
inline constinit SizedSite kTailSite{{}, &LayoutOfTail<T, E>, {0}};

// Aggregates are initialised with parentheses or braces, whichever fits (clang 14 has no
// parentheses).
template <class T, class... A>
T* ConstructAt(void* p, A&&... args) {
  if constexpr (std::is_constructible_v<T, A...>) {
    return ::new (p) T(std::forward<A>(args)...);
  } else {
    return ::new (p) T{std::forward<A>(args)...};
  }
}

inline size_t CheckedBytes(size_t head, size_t elem, size_t n, size_t spare) {
  size_t bytes;
  if (__builtin_mul_overflow(elem, n, &bytes) ||
      __builtin_add_overflow(bytes, head + spare, &bytes)) {
    throw std::bad_array_new_length();
  }
  return bytes;
}

}  // namespace internal

// One T, constructed from `args`.
template <class T, class... A>
requires(!std::is_array_v<T>) inline T* make_gc(A&&... args) {
  static_assert(alignof(T) <= internal::kPageBytes, "alignment above a page is not supported");
  using Object = std::remove_cv_t<T>;
  constexpr auto kPrecision = internal::PrecisionOf<Object>();
  if constexpr (kPrecision == internal::Precision::kTrace) {
    internal::Construction under_construction;
    void* p = internal::AllocateFixed<sizeof(T), alignof(T)>(internal::kObjectSite<Object>);
    under_construction.Begin(p, sizeof(T));
    T* object = internal::ConstructAt<T>(p, std::forward<A>(args)...);
    under_construction.done = true;
    return internal::Destroyed(object);
  } else if constexpr (internal::SharesSlot<Object>()) {
    void* p = internal::AllocateTinySlow(sizeof(T), alignof(T));
    if (p == nullptr) [[unlikely]]
      internal::ThrowBadAlloc();
    return internal::Destroyed(internal::ConstructAt<T>(p, std::forward<A>(args)...));
  } else {
    void* p = internal::AllocateFixed<sizeof(T), alignof(T)>(internal::kObjectSite<Object>);
    return internal::Destroyed(internal::ConstructAt<T>(p, std::forward<A>(args)...));
  }
}

// n value-initialised elements. One spare byte follows the last, so that a pointer one past the end
// still points into the array and keeps it alive.
template <class T>
requires std::is_unbounded_array_v<T>
inline std::remove_extent_t<T>* make_gc(size_t n) {
  using E = std::remove_extent_t<T>;
  static_assert(alignof(E) <= internal::kPageBytes, "alignment above a page is not supported");
  const size_t bytes = internal::CheckedBytes(0, sizeof(E), n, 1);
  void* p =
      internal::AllocateSized(internal::kTailSite<void, std::remove_cv_t<E>>, bytes, alignof(E));
  auto* first = static_cast<std::remove_cv_t<E>*>(p);
  if constexpr (!std::is_trivially_default_constructible_v<E>) {
    std::uninitialized_value_construct_n(first, n);
  }
  internal::Destroyed</*kIsArray=*/true>(first, n);
  return first;
}

// The address of the first tail element of an object made by make_gc_tail<T, E>.
template <class E, class T>
inline E* gc_tail(T* p) {
  static_assert(alignof(E) <= alignof(T) || sizeof(T) % alignof(E) == 0);
  return reinterpret_cast<E*>(reinterpret_cast<char*>(p) + sizeof(T));
}

// T followed directly by n elements E, zeroed. E needs no constructor: its zero bytes are a value
// of it.
template <class T, class E, class... A>
inline T* make_gc_tail(size_t n, A&&... args) {
  static_assert(std::is_trivially_destructible_v<E>, "tail elements are never destroyed");
  static_assert(sizeof(T) % alignof(E) == 0, "the tail would not be aligned");
  static_assert(sizeof(T) % internal::kWordBytes == 0 ||
                    internal::PrecisionOf<E>() == internal::Precision::kNoPointers,
                "a tail with pointers starts at a word");
  const size_t bytes = internal::CheckedBytes(sizeof(T), sizeof(E), n, 0);
  void* p = internal::AllocateSized(internal::kTailSite<T, E>, bytes,
                                    alignof(T) > alignof(E) ? alignof(T) : alignof(E));
  return internal::Destroyed(internal::ConstructAt<T>(p, std::forward<A>(args)...));
}

}  // namespace tarn

#endif  // TARN_MAKE_GC_H_
