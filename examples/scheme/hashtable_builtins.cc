// The SRFI 69 procedures that need no procedure argument; the others are in lib/hashtable.scm.
// Keys are compared by eq?, eqv?, equal?, string=?, string-ci=? or =; hash functions given by the
// program are accepted and not used.
#include <string_view>

#include "examples/scheme/builtins.h"
#include "examples/scheme/hashtable.h"

namespace scheme {
namespace {

struct Equivalence {
  std::string_view procedure;
  KeyKind kind;
};
constexpr Equivalence kEquivalences[] = {
    {"equal?", KeyKind::kEqual},
    {"eqv?", KeyKind::kEqv},
    {"eq?", KeyKind::kEq},
    {"string=?", KeyKind::kString},
    {"string-ci=?", KeyKind::kStringCi},
    {"=", KeyKind::kNumber},
    {"char=?", KeyKind::kEqv},
    {"symbol=?", KeyKind::kEq},
};

KeyKind KindOfProcedure(Value v) {
  if (v.Is<Builtin>() && v.As<Builtin>()->name.get() != nullptr) {
    const std::string_view name = v.As<Builtin>()->name->Name();
    for (const Equivalence& e : kEquivalences) {
      if (e.procedure == name) return e.kind;
    }
  }
  Error("hash tables cannot use this equivalence:", {v});
}

HashTable* TableArg(Args args, size_t i) { return TypedArg<HashTable>(args, i, "a hash table"); }

// (make-hash-table [equal? [hash [expected size]]]); a number alone is an expected size.
Value MakeHashTable(Args args) {
  KeyKind kind = KeyKind::kEqual;
  size_t expected = 0;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i].IsFixnum()) {
      expected = IndexArg(args, i, size_t{1} << 30);
    } else if (i == 0) {
      kind = KindOfProcedure(args[0]);
    }
  }
  return Value::Of(NewHashTable(kind, expected));
}

Value IsHashTableP(Args args) { return Value::Bool(args[0].Is<HashTable>()); }

// (hash-table-ref/default table key default)
Value RefDefault(Args args) { return TableGet(TableArg(args, 0), args[1], args[2]); }

Value Set(Args args) {
  TablePut(TableArg(args, 0), args[1], args[2]);
  return kUnspecified;
}

Value Delete(Args args) { return Value::Bool(TableDelete(TableArg(args, 0), args[1])); }

Value Exists(Args args) {
  return Value::Bool(TableGet(TableArg(args, 0), args[1], kUnbound) != kUnbound);
}

Value Count(Args args) { return Value::Fixnum(static_cast<int64_t>(TableArg(args, 0)->count)); }

// The entries in order of insertion, each made into a list element by `make`.
template <class F>
Value EntriesToList(HashTable* t, F make) {
  Vector* all = NewVector(t->count, kNull);
  size_t n = 0;
  ForEachEntry(t, [&](Value key, Value value) { all->items()[n++].Set(make(key, value)); });
  Value list = kNull;
  while (n > 0) list = Cons(all->items()[--n], list);
  return list;
}

Value Keys(Args args) {
  return EntriesToList(TableArg(args, 0), [](Value key, Value) { return key; });
}
Value Values_(Args args) {
  return EntriesToList(TableArg(args, 0), [](Value, Value value) { return value; });
}
Value ToAlist(Args args) {
  return EntriesToList(TableArg(args, 0), [](Value key, Value value) { return Cons(key, value); });
}

Value Copy(Args args) { return Value::Of(TableCopy(TableArg(args, 0))); }
Value Clear(Args args) {
  TableClear(TableArg(args, 0));
  return kUnspecified;
}

// (hash key [bound]): a number in [0, bound), or a large one without it.
Value Bounded(uint64_t h, Args args) {
  constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15;
  h = (h * kMultiplier) >> 4;
  if (args.size() < 2) return Value::Fixnum(static_cast<int64_t>(h));
  const int64_t bound = FixnumArg(args, 1);
  if (bound <= 0) WrongType(args[1], "a positive fixnum");
  return Value::Fixnum(static_cast<int64_t>(h % static_cast<uint64_t>(bound)));
}
// (%hash-table-kind table): the number of a KeyKind.
Value Kind(Args args) { return Value::Fixnum(static_cast<int64_t>(TableArg(args, 0)->kind())); }

template <KeyKind kKind>
Value Hash(Args args) {
  return Bounded(HashKey(kKind, args[0]), args);
}

constexpr BuiltinSpec kSpecs[] = {
    {"make-hash-table", MakeHashTable, 0, kAnyArgs},
    {"hash-table?", IsHashTableP, 1, 1},
    {"hash-table-ref/default", RefDefault, 3, 3},
    {"hash-table-set!", Set, 3, 3},
    {"hash-table-delete!", Delete, 2, 2},
    {"hash-table-exists?", Exists, 2, 2},
    {"hash-table-contains?", Exists, 2, 2},
    {"hash-table-count", Count, 1, 1},
    {"hash-table-size", Count, 1, 1},
    {"hash-table-keys", Keys, 1, 1},
    {"hash-table-values", Values_, 1, 1},
    {"hash-table->alist", ToAlist, 1, 1},
    {"hash-table-copy", Copy, 1, 2},
    {"hash-table-clear!", Clear, 1, 1},
    {"%hash-table-kind", Kind, 1, 1},
    {"hash", Hash<KeyKind::kEqual>, 1, 2},
    {"equal-hash", Hash<KeyKind::kEqual>, 1, 2},
    {"eqv-hash", Hash<KeyKind::kEqv>, 1, 2},
    {"hash-by-identity", Hash<KeyKind::kEq>, 1, 2},
    {"string-hash", Hash<KeyKind::kString>, 1, 2},
    {"string-ci-hash", Hash<KeyKind::kStringCi>, 1, 2},
    {"%number-hash", Hash<KeyKind::kNumber>, 1, 2},
};

}  // namespace

void RegisterHashTableBuiltins() { DefineBuiltins(kSpecs); }

}  // namespace scheme
