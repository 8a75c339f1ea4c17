// gc_copy, gc_move, gc_fill, gc_clear: assignment of whole arrays of traced slots, or of structs
// that hold some, with one test of the barrier per 4 KiB; memmove would bypass the barrier.
//
//   tarn::gc_copy(new_table, old_table, n);            gc_ptr<Entry>*, or Entry* of a struct
//   tarn::gc_move(a + 1, a, n - 1);                    ranges may overlap
//   tarn::gc_fill(table, tarn::gc_ptr<Entry>(e), n);
//   tarn::gc_clear(table, n);                          zero bytes: null pointers, zero words
//
// For gc_ptr, gc_word, trivially copyable types, and arrays and aggregates (describe.h has the
// limits) of them; copies bytes, so an operator= that such an aggregate declares itself is not
// called. Other types specialise gc_bulk_copyable.
// Errors: none; a type that does not fit is refused by the compiler.
// Thread-safety: as assigning the elements one by one in some order: threads that share a range
// synchronise. The collector may read it at any time.
// May collect: never. Blocks: never; a handshake of the thread waits for at most 4 KiB of the copy.
// Cost: as assigning eight slots one by one, and a load and a store per word
// (bench/micro/bulk_copy.cc).
#ifndef TARN_GC_COPY_H_
#define TARN_GC_COPY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

#include "tarn/describe.h"
#include "tarn/internal/bulk_barrier.h"

namespace tarn {

namespace internal {

template <class T>
constexpr bool CopiesAsWords();

template <class... M>
constexpr bool AllCopyAsWords(aggregate::TypeList<M...>) {
  return (CopiesAsWords<M>() && ...);
}

// Types with a Trace method may hide their pointers in words that say nothing.
template <class T>
constexpr bool CopiesAsWords() {
  using U = std::remove_cv_t<T>;
  if constexpr (std::is_array_v<U>) {
    return CopiesAsWords<std::remove_all_extents_t<U>>();
  } else if constexpr (HasTraceMethod<U> || !std::is_copy_assignable_v<U> ||
                       !std::is_trivially_destructible_v<U>) {
    return false;
  } else if constexpr (std::is_trivially_copyable_v<U> || TracedSlot<U>::value) {
    return true;
  } else if constexpr (StdArray<U>::value) {
    return CopiesAsWords<typename StdArray<U>::Plain>();
  } else if constexpr (std::is_aggregate_v<U> && !std::is_union_v<U> && !HasTupleSize<U>) {
    if constexpr (aggregate::FieldCount<U>() == 0) {
      return false;
    } else if constexpr (aggregate::kHasReferences<U>) {
      return false;
    } else {
      return AllCopyAsWords(aggregate::FieldTypes<U>());
    }
  } else {
    return false;
  }
}

}  // namespace internal

// Specialise as std::true_type for a class whose bytes may be copied instead of the class assigned,
// and whose pointers are gc_ptr, gc_word or unencoded.
template <class T>
struct gc_bulk_copyable : std::bool_constant<internal::CopiesAsWords<T>()> {};

namespace internal {

template <class T>
inline constexpr bool kHasTracedWords = PrecisionOf<T>() != Precision::kNoPointers &&
                                        alignof(T) >= kWordBytes;

// The one encoding of T's words, or null if there are several.
template <class T>
const WordCodec* BulkCodec() {
  static_assert(sizeof(T) % kWordBytes == 0);
  struct One {
    One() {
      uint64_t bits[kMaxMaskWords / 64] = {};
      is_exact = DescribeElement<T>(bits, codec) == LayoutKind::kMask;
    }
    WordCodec codec;
    bool is_exact;
  };
  if constexpr (TracedSlot<T>::value) {
    return &TracedSlot<T>::kCodec;
  } else {
    static const One kOne;
    return kOne.is_exact ? &kOne.codec : nullptr;
  }
}

template <class T>
void MoveElements(T* to, const T* from, size_t n, Overwrites what) {
  static_assert(gc_bulk_copyable<T>::value, "see gc_copy.h for the types that can be copied");
  if constexpr (kHasTracedWords<T>) {
    MoveWords(to, from, n * (sizeof(T) / kWordBytes), BulkCodec<T>(), what);
  } else {
    std::memmove(static_cast<void*>(to), from, n * sizeof(T));
  }
}

}  // namespace internal

// The ranges do not overlap.
template <class T>
void gc_copy(T* to, const std::type_identity_t<T>* from, size_t n) {
  internal::MoveElements(to, from, n, internal::Overwrites::kValues);
}

// The ranges may overlap.
template <class T>
void gc_move(T* to, const std::type_identity_t<T>* from, size_t n) {
  internal::MoveElements(to, from, n, internal::Overwrites::kValues);
}

// Into memory that holds no values yet, of an object that no other thread can see: a new array.
template <class T>
void gc_uninitialized_copy(T* to, const std::type_identity_t<T>* from, size_t n) {
  internal::MoveElements(to, from, n, internal::Overwrites::kNothing);
}

template <class T>
void gc_fill(T* to, const std::type_identity_t<T>& value, size_t n) {
  static_assert(gc_bulk_copyable<T>::value, "see gc_copy.h for the types that can be copied");
  if constexpr (internal::kHasTracedWords<T>) {
    constexpr size_t kPeriod = sizeof(T) / internal::kWordBytes;
    const T pattern = value;  // which may be in the range
    internal::FillWords(to, n * kPeriod, &pattern, kPeriod, internal::BulkCodec<T>());
  } else {
    const T pattern = value;
    std::fill_n(to, n, pattern);
  }
}

template <class T>
void gc_clear(T* to, size_t n) {
  static_assert(gc_bulk_copyable<T>::value, "see gc_copy.h for the types that can be copied");
  if constexpr (internal::kHasTracedWords<T>) {
    constexpr uintptr_t kZero = 0;
    internal::FillWords(to, n * (sizeof(T) / internal::kWordBytes), &kZero, 1,
                        internal::BulkCodec<T>());
  } else {
    std::memset(static_cast<void*>(to), 0, n * sizeof(T));
  }
}

}  // namespace tarn

#endif  // TARN_GC_COPY_H_
