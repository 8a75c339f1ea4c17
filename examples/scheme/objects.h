// The objects of the Scheme heap and how to make them.
// Not here: compile-time structures (ast.h), numbers' arithmetic (number.h), text output
// (printer.h). I1 Every object except Pair starts with a Header whose type never changes. I2
// Members that hold references are gc_ptr or Slot, so that tarn finds them in the aggregate. Cost:
// Pair and Flonum 16 bytes; Vector 16 + 8 n; Closure 16 + 8 per captured variable.
#ifndef EXAMPLES_SCHEME_OBJECTS_H_
#define EXAMPLES_SCHEME_OBJECTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "examples/scheme/heap.h"
#include "examples/scheme/value.h"

namespace scheme {

enum class Type : uint8_t {
  kNone,
  // Numbers that are no fixnums; number.h owns the last two.
  kFlonum,
  kBignum,
  kRatnum,
  kString,
  kSymbol,
  kVector,
  kBytevector,
  kClosure,
  kBuiltin,
  kContinuation,
  kParameter,
  kPromise,
  kRecord,
  kRecordType,
  kValues,
  kCondition,
  kEnvironment,
  kHashTable,
  kPort,
  // Never seen by programs:
  kBox,
  kCell,
  kCode,
  kMacro,
  kIdentifier,
  kInternal,
};

struct Header {
  Type type;
  uint8_t flags;   // meaning depends on the type
  uint16_t small;  // likewise
  uint32_t word;   // likewise
};
static_assert(sizeof(Header) == 8);

template <class T>
bool Value::Is() const {
  return IsObject() && AsHeader()->type == T::kType;
}

struct Pair {
  Slot car;
  Slot cdr;
};

struct Flonum {
  static constexpr Type kType = Type::kFlonum;
  Header header;
  double value;
};

// Text is stored one byte per character while all of it is below U+0100, else four bytes. The
// buffer is replaced when a wide character enters a narrow string.
struct String {
  static constexpr Type kType = Type::kString;
  static constexpr uint8_t kWide = 1, kImmutable = 2;  // header.flags
  Header header;
  uint64_t length;         // characters
  gc_ptr<uint8_t> buffer;  // noscan bytes; null when length is 0

  bool IsWide() const { return (header.flags & kWide) != 0; }
  bool IsImmutable() const { return (header.flags & kImmutable) != 0; }
  uint32_t At(size_t i) const {
    const uint8_t* b = buffer;
    return IsWide() ? reinterpret_cast<const uint32_t*>(b)[i] : b[i];
  }
};

// Tail: `length` bytes of UTF-8. header.word is the hash of the name.
struct Symbol {
  static constexpr Type kType = Type::kSymbol;
  static constexpr uint8_t kUninterned = 1;  // header.flags
  Header header;
  uint64_t length;
  std::string_view Name() const {
    return {reinterpret_cast<const char*>(gc_tail<char>(const_cast<Symbol*>(this))), length};
  }
};

// Tail: `length` Slots.
struct Vector {
  static constexpr Type kType = Type::kVector;
  static constexpr uint8_t kImmutable = 2;  // header.flags
  Header header;
  uint64_t length;
  Slot* items() { return gc_tail<Slot>(this); }
};

// Tail: `length` bytes.
struct Bytevector {
  static constexpr Type kType = Type::kBytevector;
  Header header;
  uint64_t length;
  uint8_t* bytes() { return gc_tail<uint8_t>(this); }
};

struct Code;  // code.h

// Tail: header.word captured values (boxed when assigned).
struct Closure {
  static constexpr Type kType = Type::kClosure;
  Header header;
  gc_ptr<Code> code;
  Slot* captured() { return gc_tail<Slot>(this); }
};

// Arguments of a builtin: a window of the VM stack, valid until the builtin returns.
struct Args {
  Value* v;
  size_t n;
  size_t size() const { return n; }
  Value operator[](size_t i) const { return v[i]; }
  // Argument i, or `other` when the caller gave fewer.
  Value Or(size_t i, Value other) const { return i < n ? v[i] : other; }
};

using BuiltinFn = Value (*)(Args);

struct Builtin {
  static constexpr Type kType = Type::kBuiltin;
  Header header;
  int32_t min_args;
  int32_t max_args;  // -1: any number
  uintptr_t fn;      // a BuiltinFn; 0: the VM itself runs it, header.small says which (vm.h)
  gc_ptr<Symbol> name;
};

// A variable that closures share, or a global. name is null for local variables.
struct Box {
  static constexpr Type kType = Type::kBox;
  Header header;
  Slot value;
};
struct Cell {
  static constexpr Type kType = Type::kCell;
  // header.flags: a binding of the standard library; one whose procedure never returns.
  static constexpr uint8_t kSystem = 1, kNeverReturns = 2;
  Header header;  // small: the compiler's primitive number, or 0
  Slot value;     // kUnbound before the definition
  gc_ptr<Symbol> name;
};

struct Parameter {
  static constexpr Type kType = Type::kParameter;
  Header header;
  Slot value;      // outside every parameterize
  Slot converter;  // a procedure or #f
};

struct Promise {
  static constexpr Type kType = Type::kPromise;
  static constexpr uint8_t kDone = 1;  // header.flags of the state box
  Header header;
  gc_ptr<Box> state;  // shared by chained promises; value or thunk
};

struct RecordType {
  static constexpr Type kType = Type::kRecordType;
  Header header;  // word: number of fields
  gc_ptr<Symbol> name;
  gc_ptr<Vector> fields;  // symbols
};

// Tail: header.word Slots.
struct Record {
  static constexpr Type kType = Type::kRecord;
  Header header;
  gc_ptr<RecordType> type;
  Slot* fields() { return gc_tail<Slot>(this); }
};

// Zero or several values on their way from `values` to a receiver. Tail: header.word Slots.
struct Values {
  static constexpr Type kType = Type::kValues;
  Header header;
  Slot* items() { return gc_tail<Slot>(this); }
};

enum class ConditionKind : uint8_t { kError, kRead, kFile };

// What `error` and failing builtins raise. header.flags is the ConditionKind.
struct Condition {
  static constexpr Type kType = Type::kCondition;
  Header header;
  Slot message;    // usually a string
  Slot irritants;  // a list
  Slot who;        // a symbol (the builtin that failed) or #f
  Slot where;      // a string "file:line" or #f
};

// Makers. All of them may collect.
Value Cons(Value car, Value cdr);
Value MakeFlonum(double d);
Value MakeString(std::string_view utf8);      // malformed bytes become U+FFFD
String* NewString(size_t length, bool wide);  // characters are zero; `wide`: four bytes each
Vector* NewVector(size_t length, Value fill);
Bytevector* NewBytevector(size_t length);  // zeros
Symbol* Intern(std::string_view utf8);
Symbol* NewUninternedSymbol(std::string_view utf8);
Box* NewBox(Value v);
Parameter* NewParameter(Value initial, Value converter);
Condition* NewCondition(ConditionKind kind, Value message, Value irritants, Value who);
RecordType* NewRecordType(Symbol* name, Vector* fields);
Value MakeValues(const Value* v, size_t n);  // n == 1 gives v[0] itself
Value MakeList(const Value* v, size_t n, Value tail = kNull);

template <class T>
void InitHeader(T* p) {
  p->header.type = T::kType;
}

inline Value Car(Value p) { return p.AsPair()->car; }
inline Value Cdr(Value p) { return p.AsPair()->cdr; }
inline Value Sym(std::string_view name) { return Value::Of(Intern(name)); }

std::string ToUtf8(const String* s);
void AppendUtf8(std::string* out, uint32_t code_point);
// Decodes one character at *pos, advances; U+FFFD for malformed input.
uint32_t DecodeUtf8(std::string_view s, size_t* pos);
// s[i] = c for any string, widening the buffer when needed. i < length.
void StringPut(String* s, size_t i, uint32_t c);

// Number of elements of a proper list, -1 otherwise (also for circular lists).
int64_t ListLength(Value list);

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_OBJECTS_H_
