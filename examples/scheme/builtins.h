// How builtins written in C++ are defined and take their arguments.
// Each area has one Register...Builtins function, called once at start from interpreter.cc, which
// defines a table of BuiltinSpecs. A builtin never calls back into the VM: procedures that take
// procedures (sort, hash-table-update!, call-with-port, ...) are written in Scheme in lib/*.scm,
// which is compiled at start, so continuations captured inside them work. Each area may have its
// file there (lib/hashtable.scm, ...). I1 The VM checks the number of arguments against the spec
// before the call. I2 args.v points into the VM stack: values there are roots; the pointer is valid
// until the builtin returns. Example:
//   Value VectorLength(Args args) { return Value::Fixnum(VectorArg(args, 0)->length); }
//   constexpr BuiltinSpec kSpecs[] = {{"vector-length", VectorLength, 1, 1}};
//   void RegisterVectorBuiltins() { DefineBuiltins(kSpecs); }
#ifndef EXAMPLES_SCHEME_BUILTINS_H_
#define EXAMPLES_SCHEME_BUILTINS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "examples/scheme/error.h"
#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

inline constexpr int kAnyArgs = -1;

struct BuiltinSpec {
  const char* name;
  BuiltinFn fn;
  int min_args;
  int max_args;  // kAnyArgs: no upper limit
};

void DefineBuiltins(std::span<const BuiltinSpec> specs);
// A global of the standard library. Names that start with % are for lib/*.scm.
void DefineGlobal(std::string_view name, Value v);

// The current value of a parameter object, as (p) gives it (parameterize included).
Value CurrentValue(Parameter* p);

// Arguments with their type checked: they raise "NAME: not a string: ..." when argument i is
// something else.
int64_t FixnumArg(Args args, size_t i);
// An exact integer in [0, limit]; raises "index out of range" otherwise.
size_t IndexArg(Args args, size_t i, size_t limit);
uint32_t CharArg(Args args, size_t i);
bool IsProcedure(Value v);

template <class T>
T* TypedArg(Args args, size_t i, std::string_view expected) {
  if (!args[i].Is<T>()) WrongType(args[i], expected);
  return args[i].As<T>();
}
inline String* StringArg(Args args, size_t i) { return TypedArg<String>(args, i, "a string"); }
inline Symbol* SymbolArg(Args args, size_t i) { return TypedArg<Symbol>(args, i, "a symbol"); }
inline Vector* VectorArg(Args args, size_t i) { return TypedArg<Vector>(args, i, "a vector"); }
inline Bytevector* BytevectorArg(Args args, size_t i) {
  return TypedArg<Bytevector>(args, i, "a bytevector");
}
inline Pair* PairArg(Args args, size_t i) {
  if (!args[i].IsPair()) WrongType(args[i], "a pair");
  return args[i].AsPair();
}

// The optional [start [end]] of most sequence procedures, arguments i and i + 1; 0 <= start <= end
// <= size.
struct Range {
  size_t start;
  size_t end;
};
Range RangeArgs(Args args, size_t i, size_t size);

// Equality (equality.cc). EqualValues handles circular structure and deep nesting.
bool EqvValues(Value a, Value b);
bool EqualValues(Value a, Value b);
uint64_t HashEqv(Value v);
uint64_t HashEqual(Value v);  // equal values have equal hashes; bounded work

// Written by the core.
void RegisterControlBuiltins();
void RegisterListBuiltins();
void RegisterVectorBuiltins();
void RegisterRecordBuiltins();
void RegisterSystemBuiltins();
// number*, string*, char*, port*, hashtable*, bytevector*.
void RegisterNumberBuiltins();
void RegisterStringBuiltins();
void RegisterCharBuiltins();
void RegisterPortBuiltins();
void RegisterHashTableBuiltins();
void RegisterBytevectorBuiltins();

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_BUILTINS_H_
