// Member enumeration of aggregates without reflection: counts the members by trying brace
// initialisers and binds them by structured bindings.
// Not here: what a member's type means for the layout (describe.h).
// Limits: at most 32 members, no base classes; beyond that kFieldCount is 0 ("unknown") and the
// type is scanned conservatively unless it declares its layout.
// Technique: brace-initialiser counting as published by A. Polukhin (Boost.PFR), extended to array
// members by testing how many initialisers nested braces accept.
#ifndef TARN_INTERNAL_AGGREGATE_H_
#define TARN_INTERNAL_AGGREGATE_H_

#include <cstddef>
#include <type_traits>
#include <utility>

namespace tarn::internal::aggregate {

inline constexpr size_t kMaxFields = 32;
inline constexpr size_t kMaxInitialisers = 256;

struct Any {
  size_t index;
  template <class T>
  constexpr operator T()
      const noexcept;  // NOLINT: converts to whatever the member wants; never defined
};
// Converts to a base class of T and to nothing else.
template <class T>
struct AnyBaseOf {
  template <class B>
  requires(std::is_base_of_v<B, T> && !std::is_same_v<B, T>) constexpr operator B()
      const noexcept;  // NOLINT
};

template <class T, size_t... I>
constexpr bool BracesAccept(std::index_sequence<I...>) {
  return requires { T{Any{I}...}; };
}
template <class T, size_t... I, size_t... J, size_t... K>
constexpr bool NestedBracesAccept(std::index_sequence<I...>, std::index_sequence<J...>,
                                  std::index_sequence<K...>) {
  return requires { T{Any{I}..., {Any{J}...}, Any{K}...}; };
}

// The number of initialisers with arrays flattened; 0 if there is none or too many to tell.
template <class T, size_t N = 0>
constexpr size_t CountInitialisers() {
  if constexpr (N > kMaxInitialisers) {
    return 0;
  } else if constexpr (BracesAccept<T>(std::make_index_sequence<N>()) &&
                       !BracesAccept<T>(std::make_index_sequence<N + 1>())) {
    return N;
  } else {
    return CountInitialisers<T, N + 1>();
  }
}

// How many of the flattened initialisers the member at position P takes (more than 1 for an array).
template <class T, size_t Total, size_t P, size_t N>
constexpr size_t MemberWidth() {
  if constexpr (N <= 1 || P + N > Total) {
    return 1;
  } else if constexpr (NestedBracesAccept<T>(std::make_index_sequence<P>(),
                                             std::make_index_sequence<N>(),
                                             std::make_index_sequence<Total - P - N>()) &&
                       !NestedBracesAccept<T>(std::make_index_sequence<P>(),
                                              std::make_index_sequence<N>(),
                                              std::make_index_sequence<Total - P - N + 1>())) {
    return N;
  } else {
    return MemberWidth<T, Total, P, N - 1>();
  }
}

template <class T, size_t Total, size_t P = 0>
constexpr size_t CountMembers() {
  if constexpr (P >= Total) {
    return 0;
  } else {
    return 1 + CountMembers<T, Total, P + MemberWidth<T, Total, P, Total - P>()>();
  }
}

template <class T>
constexpr size_t FieldCount() {
  if constexpr (!std::is_aggregate_v<T> || std::is_array_v<T> || std::is_union_v<T>) {
    return 0;
  } else if constexpr (requires { T{AnyBaseOf<T>()}; }) {
    return 0;
  } else {
    constexpr size_t total = CountInitialisers<T>();
    constexpr size_t members = CountMembers<T, total>();
    return members <= kMaxFields ? members : 0;
  }
}

template <class... M>
struct TypeList {};

// f(list, m0, m1, ...) with const references to all members; `list` is the TypeList of the members'
// types as declared, const added. A bit-field becomes a temporary outside the object.
template <class T, class F>
constexpr auto Bind(const T& t, F&& f) {
  constexpr size_t kFields = FieldCount<T>();
  if constexpr (kFields == 1) {
    auto& [m0] = t;
    return f(TypeList<decltype(m0)>(), m0);
  } else if constexpr (kFields == 2) {
    auto& [m0, m1] = t;
    return f(TypeList<decltype(m0), decltype(m1)>(), m0, m1);
  } else if constexpr (kFields == 3) {
    auto& [m0, m1, m2] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2)>(), m0, m1, m2);
  } else if constexpr (kFields == 4) {
    auto& [m0, m1, m2, m3] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3)>(), m0, m1, m2, m3);
  } else if constexpr (kFields == 5) {
    auto& [m0, m1, m2, m3, m4] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4)>(), m0,
             m1, m2, m3, m4);
  } else if constexpr (kFields == 6) {
    auto& [m0, m1, m2, m3, m4, m5] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5)>(),
             m0, m1, m2, m3, m4, m5);
  } else if constexpr (kFields == 7) {
    auto& [m0, m1, m2, m3, m4, m5, m6] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6)>(),
             m0, m1, m2, m3, m4, m5, m6);
  } else if constexpr (kFields == 8) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7)>(),
             m0, m1, m2, m3, m4, m5, m6, m7);
  } else if constexpr (kFields == 9) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8);
  } else if constexpr (kFields == 10) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9);
  } else if constexpr (kFields == 11) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10] = t;
    return f(
        TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                 decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10)>(),
        m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10);
  } else if constexpr (kFields == 12) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11);
  } else if constexpr (kFields == 13) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12);
  } else if constexpr (kFields == 14) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13);
  } else if constexpr (kFields == 15) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14);
  } else if constexpr (kFields == 16) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15] = t;
    return f(
        TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                 decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10),
                 decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15)>(),
        m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15);
  } else if constexpr (kFields == 17) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14),
                      decltype(m15), decltype(m16)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16);
  } else if constexpr (kFields == 18) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14),
                      decltype(m15), decltype(m16), decltype(m17)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17);
  } else if constexpr (kFields == 19) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14),
                      decltype(m15), decltype(m16), decltype(m17), decltype(m18)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18);
  } else if constexpr (kFields == 20) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
           m19] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14),
                      decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
             m19);
  } else if constexpr (kFields == 21) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
           m20] = t;
    return f(
        TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                 decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10),
                 decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15),
                 decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20)>(),
        m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
        m20);
  } else if constexpr (kFields == 22) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
           m20, m21] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14),
                      decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19),
                      decltype(m20), decltype(m21)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
             m19, m20, m21);
  } else if constexpr (kFields == 23) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
           m20, m21, m22] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14),
                      decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19),
                      decltype(m20), decltype(m21), decltype(m22)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
             m19, m20, m21, m22);
  } else if constexpr (kFields == 24) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
           m20, m21, m22, m23] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14),
                      decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19),
                      decltype(m20), decltype(m21), decltype(m22), decltype(m23)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
             m19, m20, m21, m22, m23);
  } else if constexpr (kFields == 25) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
           m20, m21, m22, m23, m24] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14),
                      decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19),
                      decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
             m19, m20, m21, m22, m23, m24);
  } else if constexpr (kFields == 26) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
           m20, m21, m22, m23, m24, m25] = t;
    return f(
        TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                 decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10),
                 decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15),
                 decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20),
                 decltype(m21), decltype(m22), decltype(m23), decltype(m24), decltype(m25)>(),
        m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
        m20, m21, m22, m23, m24, m25);
  } else if constexpr (kFields == 27) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
           m20, m21, m22, m23, m24, m25, m26] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14),
                      decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19),
                      decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24),
                      decltype(m25), decltype(m26)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
             m19, m20, m21, m22, m23, m24, m25, m26);
  } else if constexpr (kFields == 28) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
           m20, m21, m22, m23, m24, m25, m26, m27] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14),
                      decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19),
                      decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24),
                      decltype(m25), decltype(m26), decltype(m27)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
             m19, m20, m21, m22, m23, m24, m25, m26, m27);
  } else if constexpr (kFields == 29) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
           m20, m21, m22, m23, m24, m25, m26, m27, m28] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14),
                      decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19),
                      decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24),
                      decltype(m25), decltype(m26), decltype(m27), decltype(m28)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
             m19, m20, m21, m22, m23, m24, m25, m26, m27, m28);
  } else if constexpr (kFields == 30) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
           m20, m21, m22, m23, m24, m25, m26, m27, m28, m29] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14),
                      decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19),
                      decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24),
                      decltype(m25), decltype(m26), decltype(m27), decltype(m28), decltype(m29)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
             m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29);
  } else if constexpr (kFields == 31) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
           m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30] = t;
    return f(
        TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4), decltype(m5),
                 decltype(m6), decltype(m7), decltype(m8), decltype(m9), decltype(m10),
                 decltype(m11), decltype(m12), decltype(m13), decltype(m14), decltype(m15),
                 decltype(m16), decltype(m17), decltype(m18), decltype(m19), decltype(m20),
                 decltype(m21), decltype(m22), decltype(m23), decltype(m24), decltype(m25),
                 decltype(m26), decltype(m27), decltype(m28), decltype(m29), decltype(m30)>(),
        m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
        m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30);
  } else if constexpr (kFields == 32) {
    auto& [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18, m19,
           m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31] = t;
    return f(TypeList<decltype(m0), decltype(m1), decltype(m2), decltype(m3), decltype(m4),
                      decltype(m5), decltype(m6), decltype(m7), decltype(m8), decltype(m9),
                      decltype(m10), decltype(m11), decltype(m12), decltype(m13), decltype(m14),
                      decltype(m15), decltype(m16), decltype(m17), decltype(m18), decltype(m19),
                      decltype(m20), decltype(m21), decltype(m22), decltype(m23), decltype(m24),
                      decltype(m25), decltype(m26), decltype(m27), decltype(m28), decltype(m29),
                      decltype(m30), decltype(m31)>(),
             m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15, m16, m17, m18,
             m19, m20, m21, m22, m23, m24, m25, m26, m27, m28, m29, m30, m31);
  }
}

template <class T, class F>
void ForEachField(const T& t, F&& f) {
  Bind(t, [&](auto, const auto&... m) { (f(m), ...); });
}

struct CollectTypes {
  template <class Declared, class... M>
  constexpr TypeList<M...> operator()(Declared, const M&...) const {
    return {};
  }
};
// TypeList of the members' types.
template <class T>
using FieldTypes = decltype(Bind(std::declval<const T&>(), CollectTypes()));

struct AnyReference {
  template <class... D, class... M>
  constexpr std::bool_constant<(std::is_reference_v<D> || ...)> operator()(TypeList<D...>,
                                                                           const M&...) const {
    return {};
  }
};
// Whether a member is a reference: to what FieldTypes says, but elsewhere.
template <class T>
inline constexpr bool kHasReferences =
    decltype(Bind(std::declval<const T&>(), AnyReference()))::value;

}  // namespace tarn::internal::aggregate

#endif  // TARN_INTERNAL_AGGREGATE_H_
