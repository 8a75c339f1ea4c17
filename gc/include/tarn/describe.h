// How a type's pointers are found. In most programs nothing here is needed:
//   - types without pointers (arithmetic, enums, aggregates and arrays of them) are not scanned;
//   - aggregates (at most 32 members, no base class) of such types, gc_ptr, gc_word and their
//     atomic kinds get an exact layout;
//   - everything else is scanned conservatively: each word that is a heap address keeps an object
//     alive. That includes raw pointers and classes from other libraries. Memory that such a member
//     owns elsewhere (the buffer of a std::vector) is not scanned.
// A class that is no aggregate declares its pointers in one line,
//     static constexpr auto tarn_layout = tarn::fields(&Point::left, &Point::right);
// behind them, or traces itself:
//     void Trace(tarn::Tracer& t) const { t.Visit(left); t.Visit(right); }
// A Trace method runs on collector threads while the program changes the object, must accept an
// object whose bytes are all zero, must not allocate, lock or store. In a class with virtual functions
// such an object has no table pointer yet, which -fsanitize=vptr reports: mark the method
// __attribute__((no_sanitize("vptr"))) there. While the constructor runs it is not called: the words of the
// object itself are scanned instead, not memory that it owns. So what a constructor puts into the buffer
// of a vector member must be held elsewhere, too, until the constructor has returned: fill such members
// afterwards, or keep a pointer of each on the stack. It is a class's own: a class that
// inherits one and declares none is scanned conservatively, and so is one whose Trace is overloaded
// or a template.
// A type that must be scanned conservatively although it looks exact specialises
// force_conservative.
#ifndef TARN_DESCRIBE_H_
#define TARN_DESCRIBE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tarn/gc_atomic_ptr.h"
#include "tarn/gc_ptr.h"
#include "tarn/gc_word.h"
#include "tarn/internal/aggregate.h"
#include "tarn/internal/layout_spec.h"

namespace tarn {

// Passed to Trace methods.
// Source of the shape: every tracing collector's visitor.
class Tracer {
 public:
  template <class T>
  void Visit(const gc_ptr<T>& p) {
    VisitPointer(p.get());
  }
  template <class Codec>
  void Visit(const gc_word<Codec>& w) {
    VisitPointer(reinterpret_cast<const void*>(Codec::codec.Decode(w.load())));
  }
  // relaxed, here and below: either value of a racing store is shaded by its barrier.
  template <class T>
  void Visit(const gc_atomic_ptr<T>& p) {
    VisitPointer(p.load(std::memory_order_relaxed));
  }
  template <class Codec>
  void Visit(const gc_atomic_word<Codec>& w) {
    const uintptr_t word = w.load(std::memory_order_relaxed);
    VisitPointer(reinterpret_cast<const void*>(Codec::codec.Decode(word)));
  }
  template <class T>
  void VisitRange(const T* begin, const T* end) {
    for (; begin != end; ++begin) Visit(*begin);
  }
  // A pointer, interior or null, to a live heap object; pointers outside the heap are ignored. It
  // comes from a slot with a write barrier (gc_ptr, gc_word, their atomic kinds); words that the
  // program stores in any other way are for VisitConservatively.
  void VisitPointer(const void* p) { visit_(this, reinterpret_cast<uintptr_t>(p)); }
  // Every word of [begin, end) may be a pointer, or anything else, stored without barrier. Objects
  // whose Trace does this are traced again under a stop at the end of each collection.
  void VisitConservatively(const void* begin, const void* end) { visit_words_(this, begin, end); }

 protected:
  using VisitFn = void (*)(Tracer*, uintptr_t);
  using VisitWordsFn = void (*)(Tracer*, const void*, const void*);
  Tracer(VisitFn visit, VisitWordsFn visit_words) : visit_(visit), visit_words_(visit_words) {}
  ~Tracer() = default;

 private:
  VisitFn visit_;
  VisitWordsFn visit_words_;
};

// Specialise as std::true_type for a type whose exact layout must not be used.
template <class T>
struct force_conservative : std::false_type {};

// The members of a class that hold pointers; see the top of this file.
template <class... M>
constexpr std::tuple<M...> fields(M... members) {
  return {members...};
}

namespace internal {

// The types that are one traced word, and how the word is read.
template <class T>
struct TracedSlot : std::false_type {};
template <class T>
struct TracedSlot<gc_ptr<T>> : std::true_type {
  static constexpr WordCodec kCodec{};
};
template <class T>
struct TracedSlot<gc_atomic_ptr<T>> : TracedSlot<gc_ptr<T>> {};
template <class C>
struct TracedSlot<gc_word<C>> : std::true_type {
  static constexpr WordCodec kCodec = C::codec;
};
template <class C>
struct TracedSlot<gc_atomic_word<C>> : TracedSlot<gc_word<C>> {};
template <class T>
struct IsPlainAtomic : std::false_type {};
template <class T>
struct IsPlainAtomic<std::atomic<T>>
    : std::bool_constant<std::is_arithmetic_v<T> || std::is_enum_v<T>> {};

template <class T, class M>
struct IsMemberOf : std::false_type {};
template <class T, class M>
struct IsMemberOf<T, M T::*> : std::true_type {};

template <class T>
struct StdArray : std::false_type {};
template <class T, size_t N>
struct StdArray<std::array<T, N>> : std::true_type {
  using Plain = T[N == 0 ? 1 : N];
};
// Types with the tuple protocol of their own bind by it, not by their members.
template <class T>
concept HasTupleSize = requires {
  std::tuple_size<T>::value;
};

// A declaration that names no member of T's own is a base class's and says nothing of T's members.
template <class T, class... M>
constexpr bool NamesOwnMember(const std::tuple<M...>&) {
  return sizeof...(M) == 0 || (IsMemberOf<T, M>::value || ...);
}
template <class T>
concept HasLayoutMember = requires {
  T::tarn_layout;
}
&&NamesOwnMember<T>(T::tarn_layout);
// Likewise: an inherited Trace does not visit what the derived class adds.
template <class T>
concept HasTraceMethod = requires(const T& t, Tracer& tracer) {
  t.Trace(tracer);
  requires IsMemberOf<T, decltype(&T::Trace)>::value;
};

// What can be said of a type at compile time.
enum class Precision : uint8_t { kNoPointers, kExact, kTrace, kUnknown };

template <class T>
constexpr Precision PrecisionOf();

// The least precise member decides; a member with a Trace method cannot be part of a mask.
template <class... M>
constexpr Precision WorstOf(aggregate::TypeList<M...>) {
  Precision worst = Precision::kNoPointers;
  for (Precision p : {PrecisionOf<M>()...}) {
    if (p == Precision::kTrace || p == Precision::kUnknown) return Precision::kUnknown;
    if (p == Precision::kExact) worst = p;
  }
  return worst;
}

template <class T>
constexpr Precision AggregatePrecision() {
  if constexpr (aggregate::FieldCount<T>() == 0) {
    return Precision::kUnknown;
  } else if constexpr (aggregate::kHasReferences<T>) {
    return Precision::kUnknown;  // a reference may keep an object alive
  } else {
    return WorstOf(aggregate::FieldTypes<T>());
  }
}

template <class T>
constexpr Precision PrecisionOf() {
  using U = std::remove_cv_t<T>;
  if constexpr (force_conservative<U>::value) {
    return Precision::kUnknown;
  } else if constexpr (std::is_arithmetic_v<U> || std::is_enum_v<U> || std::is_null_pointer_v<U> ||
                       IsPlainAtomic<U>::value || std::is_same_v<U, std::byte>) {
    return Precision::kNoPointers;
  } else if constexpr (TracedSlot<U>::value || HasLayoutMember<U>) {
    return Precision::kExact;
  } else if constexpr (HasTraceMethod<U>) {
    return Precision::kTrace;
  } else if constexpr (std::is_array_v<U>) {
    return PrecisionOf<std::remove_all_extents_t<U>>();
  } else if constexpr (StdArray<U>::value) {
    if constexpr (std::tuple_size_v<U> == 0) return Precision::kNoPointers;
    return PrecisionOf<typename StdArray<U>::Plain>();
  } else if constexpr (std::is_empty_v<U>) {
    return Precision::kNoPointers;
  } else if constexpr (std::is_aggregate_v<U> && !std::is_union_v<U> && !HasTupleSize<U>) {
    return AggregatePrecision<U>();
  } else {
    return Precision::kUnknown;
  }
}

// Collects mask bits and the codec of a type whose precision is kExact or kNoPointers.
class MaskBuilder {
 public:
  MaskBuilder(uint64_t* bits, size_t words) : bits_(bits), words_(words) {}

  // False: the layout cannot be expressed (two codecs, odd alignment); scan conservatively.
  bool ok() const { return ok_; }
  WordCodec codec() const { return codec_; }

  template <class T>
  void AddType(size_t offset) {
    using U = std::remove_cv_t<T>;
    if constexpr (PrecisionOf<U>() == Precision::kNoPointers) {
      return;
    } else if constexpr (PrecisionOf<U>() != Precision::kExact) {
      ok_ = false;  // a declared member of a type that is not exact
    } else if constexpr (TracedSlot<U>::value) {
      AddWord(offset, TracedSlot<U>::kCodec);
    } else if constexpr (std::is_array_v<U>) {
      using E = std::remove_extent_t<U>;
      for (size_t i = 0; i < std::extent_v<U>; ++i) AddType<E>(offset + i * sizeof(E));
    } else if constexpr (StdArray<U>::value) {
      AddType<typename StdArray<U>::Plain>(offset);
    } else if constexpr (HasLayoutMember<U>) {
      std::apply([&](auto... m) { (AddMember<U>(offset, m), ...); }, U::tarn_layout);
    } else {
      AddAggregate<U>(offset);
    }
  }

 private:
  void AddWord(size_t offset, WordCodec codec) {
    if (offset % kWordBytes != 0 || offset / kWordBytes >= words_) {
      ok_ = false;
      return;
    }
    bits_[offset / kWordBytes / 64] |= uint64_t{1} << (offset / kWordBytes % 64);
    if (any_ && !(codec == codec_)) MergeCodec(codec);
    if (!any_) codec_ = codec;
    any_ = true;
  }
  // A word with a small low tag is an interior pointer, so raw decoding covers low-bit codecs. A
  // codec that uses high bits cannot be merged with another.
  void MergeCodec(WordCodec other) {
    const auto low = [](WordCodec c) { return c.mask < 64; };
    if (low(codec_) && low(other)) {
      codec_ = WordCodec{};
    } else {
      ok_ = false;
    }
  }
  template <class U, class M>
  void AddMember(size_t offset, M U::*member) {
    alignas(U) static const unsigned char kBytes[sizeof(U)] = {};
    const U& u = reinterpret_cast<const U&>(kBytes);
    const auto at = reinterpret_cast<const unsigned char*>(std::addressof(u.*member)) - kBytes;
    AddType<M>(offset + static_cast<size_t>(at));
  }
  template <class U, class Base, class M>
  requires(!std::is_same_v<U, Base>) void AddMember(size_t offset, M Base::*member) {
    AddMember<U>(offset, static_cast<M U::*>(member));
  }
  template <class U>
  void AddAggregate(size_t offset) {
    alignas(U) static const unsigned char kBytes[sizeof(U)] = {};
    const U& u = reinterpret_cast<const U&>(kBytes);
    aggregate::ForEachField(u, [&](const auto& m) {
      const auto at = reinterpret_cast<const unsigned char*>(std::addressof(m)) - kBytes;
      if (at < 0 || static_cast<size_t>(at) >= sizeof(U)) return;  // a bit-field: no pointer
      AddType<std::remove_cvref_t<decltype(m)>>(offset + static_cast<size_t>(at));
    });
  }

  uint64_t* bits_;
  size_t words_;
  WordCodec codec_;
  bool any_ = false;
  bool ok_ = true;
};

// The object may be all zero: its constructor has not run yet. So the call is not virtual, and nobody
// may check that its table pointer is set.
template <class T>
__attribute__((no_sanitize("vptr"))) void CallTrace(const void* object, Tracer& tracer) {
  static_cast<const T*>(object)->T::Trace(tracer);
}

inline constexpr size_t kMaxMaskWords = 512;  // larger types are scanned conservatively

// Writes into `bits` (cleared, room for kMaxMaskWords) and describes one T; `kind` tells how.
template <class T>
LayoutKind DescribeElement(uint64_t* bits, WordCodec& codec) {
  constexpr Precision p = PrecisionOf<T>();
  if constexpr (p == Precision::kNoPointers) {
    return LayoutKind::kNoScan;
  } else if constexpr (p == Precision::kTrace) {
    return LayoutKind::kCustom;
  } else if constexpr (p == Precision::kUnknown || sizeof(T) > kMaxMaskWords * kWordBytes) {
    return LayoutKind::kConservative;
  } else {
    MaskBuilder builder(bits, sizeof(T) / kWordBytes);
    builder.AddType<T>(0);
    codec = builder.codec();
    return builder.ok() ? LayoutKind::kMask : LayoutKind::kConservative;
  }
}

}  // namespace internal

}  // namespace tarn

#endif  // TARN_DESCRIBE_H_
