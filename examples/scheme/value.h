// Value: one Scheme value in a machine word, for locals and arguments; Slot: the same word as a
// member of a heap object, with the write barrier.
//
//   low bits   meaning
//   xx1        fixnum, 63 bits: (n << 1) | 1
//   000        pointer to an object that starts with a Header (objects.h)
//   010        pointer + 2 to a Pair, which has no header (16 bytes)
//   100        constant: #f #t () eof, unspecified, ...
//   110        character: (code point << 3) | 6
//
// I1 The zero word is "nothing": fresh slots hold it, no Scheme variable ever does. Whoever
// allocates a
//    vector or a pair fills every slot before the object becomes visible to the program.
// I2 Value is trivially copyable and is compared with == for eq?.
#ifndef EXAMPLES_SCHEME_VALUE_H_
#define EXAMPLES_SCHEME_VALUE_H_

#include <cstddef>
#include <cstdint>

#include "examples/scheme/heap.h"

namespace scheme {

struct Header;
struct Pair;

struct Value {
  uintptr_t w;

  friend constexpr bool operator==(Value, Value) = default;

  static constexpr Value Constant(uintptr_t n) { return Value{n << 3 | 4}; }
  static constexpr Value Fixnum(int64_t n) { return Value{static_cast<uintptr_t>(n) << 1 | 1}; }
  static constexpr Value Char(uint32_t code_point) {
    return Value{static_cast<uintptr_t>(code_point) << 3 | 6};
  }
  static constexpr Value Bool(bool b);
  static Value Of(const Pair* p) { return Value{reinterpret_cast<uintptr_t>(p) + 2}; }
  // Any object that starts with a Header.
  template <class T>
  static Value Of(const T* p) {
    static_assert(offsetof(T, header) == 0);
    return Value{reinterpret_cast<uintptr_t>(p)};
  }
  static Value Of(const Header* p) { return Value{reinterpret_cast<uintptr_t>(p)}; }

  constexpr bool IsFixnum() const { return (w & 1) != 0; }
  constexpr bool IsPair() const { return (w & 7) == 2; }
  constexpr bool IsObject() const { return (w & 7) == 0 && w != 0; }
  constexpr bool IsChar() const { return (w & 7) == 6; }
  constexpr bool IsConstant() const { return (w & 7) == 4; }
  constexpr bool IsNothing() const { return w == 0; }
  constexpr bool IsNull() const;
  constexpr bool IsFalse() const;
  constexpr bool IsTrue() const { return !IsFalse(); }  // as conditions see it

  constexpr int64_t AsFixnum() const { return static_cast<int64_t>(w) >> 1; }
  constexpr uint32_t AsChar() const { return static_cast<uint32_t>(w >> 3); }
  Pair* AsPair() const { return reinterpret_cast<Pair*>(w - 2); }
  Header* AsHeader() const { return reinterpret_cast<Header*>(w); }

  // Is<T>(): an object whose header says T::kType. As<T>(): the same, unchecked.
  template <class T>
  bool Is() const;
  template <class T>
  T* As() const {
    return reinterpret_cast<T*>(w);
  }
};

inline constexpr Value kFalse = Value::Constant(0);
inline constexpr Value kTrue = Value::Constant(1);
inline constexpr Value kNull = Value::Constant(2);
inline constexpr Value kEof = Value::Constant(3);
inline constexpr Value kUnspecified = Value::Constant(4);  // the REPL prints nothing for it
inline constexpr Value kDefault = Value::Constant(5);      // an absent optional argument
inline constexpr Value kUnbound = Value::Constant(6);      // a global before its definition
inline constexpr Value kUnassigned = Value::Constant(7);   // a letrec variable before its init

inline constexpr int64_t kFixnumMax = (int64_t{1} << 62) - 1;
inline constexpr int64_t kFixnumMin = -(int64_t{1} << 62);
constexpr bool FitsFixnum(int64_t n) { return n >= kFixnumMin && n <= kFixnumMax; }

constexpr Value Value::Bool(bool b) { return b ? kTrue : kFalse; }
constexpr bool Value::IsNull() const { return *this == kNull; }
constexpr bool Value::IsFalse() const { return *this == kFalse; }

struct Slot {
  ValueWord word;

  Value Get() const { return Value{word.load()}; }
  void Set(Value v) { word.store(v.w); }
  // Only while no other reference to the object exists (right after its allocation).
  void Init(Value v) { word.init(v.w); }
  operator Value() const { return Get(); }
};

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_VALUE_H_
