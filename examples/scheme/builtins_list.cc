// Pairs and lists without procedure arguments; the others are in lib/list.scm.
#include <array>

#include "examples/scheme/builtins.h"
#include "examples/scheme/containers.h"

namespace scheme {
namespace {

// The length of a proper list argument.
int64_t ListArg(Args args, size_t i) {
  const int64_t n = ListLength(args[i]);
  if (n < 0) WrongType(args[i], "a list");
  return n;
}

Value IsPair(Args a) { return Value::Bool(a[0].IsPair()); }
Value IsNull(Args a) { return Value::Bool(a[0].IsNull()); }
Value IsList(Args a) { return Value::Bool(ListLength(a[0]) >= 0); }
Value ConsPair(Args a) { return Cons(a[0], a[1]); }
Value SetCar(Args a) {
  PairArg(a, 0)->car.Set(a[1]);
  return kUnspecified;
}
Value SetCdr(Args a) {
  PairArg(a, 0)->cdr.Set(a[1]);
  return kUnspecified;
}

// kPath: letters of c....r from the inside out, as bits above a leading 1; 1 is d.
template <unsigned kPath>
Value Cxr(Args a) {
  Value v = a[0];
  for (unsigned path = kPath; path != 1; path >>= 1) {
    if (!v.IsPair()) {
      WrongType(a[0], kPath < 4 ? "a pair" : "a list of the required shape");
    }
    v = (path & 1) != 0 ? Cdr(v) : Car(v);
  }
  return v;
}

Value List(Args a) { return MakeList(a.v, a.n); }
Value ConsStar(Args a) { return MakeList(a.v, a.n - 1, a[a.n - 1]); }

Value MakeListOf(Args a) {
  const int64_t n = FixnumArg(a, 0);
  if (n < 0) OutOfRange(a[0]);
  const Value fill = a.Or(1, kUnspecified);
  Value list = kNull;
  for (int64_t i = 0; i < n; i++) list = Cons(fill, list);
  return list;
}

Value Length(Args a) { return Value::Fixnum(ListArg(a, 0)); }
Value LengthPlus(Args a) {
  const int64_t n = ListLength(a[0]);
  return n < 0 ? kFalse : Value::Fixnum(n);
}

// Copies `list` in front of `tail`.
Value CopyOnto(Value list, Value tail) {
  if (!list.IsPair()) return tail;
  const Value head = Cons(Car(list), tail);
  Value last = head;
  for (list = Cdr(list); list.IsPair(); list = Cdr(list)) {
    const Value cell = Cons(Car(list), tail);
    last.AsPair()->cdr.Set(cell);
    last = cell;
  }
  return head;
}

Value Append(Args a) {
  if (a.n == 0) return kNull;
  Value result = a[a.n - 1];
  for (size_t i = a.n - 1; i > 0; i--) {
    ListArg(a, i - 1);
    result = CopyOnto(a[i - 1], result);
  }
  return result;
}

Value LastPairOf(Value v) {
  while (Cdr(v).IsPair()) v = Cdr(v);
  return v;
}

Value AppendInPlace(Args a) {
  Value result = kNull;
  for (size_t i = a.n; i > 0; i--) {
    const Value v = a[i - 1];
    if (i == a.n) {
      result = v;
    } else if (v.IsPair()) {
      LastPairOf(v).AsPair()->cdr.Set(result);
      result = v;
    } else if (!v.IsNull()) {
      WrongType(v, "a list");
    }
  }
  return result;
}

Value Reverse(Args a) {
  ListArg(a, 0);
  Value result = a.Or(1, kNull);
  for (Value l = a[0]; l.IsPair(); l = Cdr(l)) result = Cons(Car(l), result);
  return result;
}

Value ReverseInPlace(Args a) {
  ListArg(a, 0);
  Value result = a.Or(1, kNull);
  for (Value l = a[0]; l.IsPair();) {
    const Value next = Cdr(l);
    l.AsPair()->cdr.Set(result);
    result = l;
    l = next;
  }
  return result;
}

Value TailOf(Args a) {
  Value l = a[0];
  for (int64_t k = FixnumArg(a, 1); k > 0; k--) {
    if (!l.IsPair()) OutOfRange(a[1]);
    l = Cdr(l);
  }
  if (a[1].AsFixnum() < 0) OutOfRange(a[1]);
  return l;
}

Value ListRef(Args a) {
  const Value l = TailOf(a);
  if (!l.IsPair()) OutOfRange(a[1]);
  return Car(l);
}

Value ListSet(Args a) {
  const Value l = TailOf(Args{a.v, 2});
  if (!l.IsPair()) OutOfRange(a[1]);
  l.AsPair()->car.Set(a[2]);
  return kUnspecified;
}

Value ListHead(Args a) {
  ValueList* items = ValueList::New();
  Value l = a[0];
  for (int64_t k = FixnumArg(a, 1); k > 0; k--) {
    if (!l.IsPair()) OutOfRange(a[1]);
    items->Add(Car(l));
    l = Cdr(l);
  }
  return items->ToList();
}

Value ListCopy(Args a) {
  Value last = a[0];
  if (!last.IsPair()) return last;
  while (last.IsPair()) last = Cdr(last);
  return CopyOnto(a[0], last);
}

Value LastPair(Args a) {
  PairArg(a, 0);
  return LastPairOf(a[0]);
}
Value Last(Args a) {
  PairArg(a, 0);
  return Car(LastPairOf(a[0]));
}

// ---- searching ----

bool SameEq(Value a, Value b) { return a == b; }

template <bool (*kSame)(Value, Value)>
Value Member(Args a) {
  Value l = a[1];
  for (; l.IsPair(); l = Cdr(l)) {
    if (kSame(a[0], Car(l))) return l;
  }
  if (!l.IsNull()) WrongType(a[1], "a list");
  return kFalse;
}

template <bool (*kSame)(Value, Value)>
Value Assoc(Args a) {
  Value l = a[1];
  for (; l.IsPair(); l = Cdr(l)) {
    const Value entry = Car(l);
    if (!entry.IsPair()) WrongType(a[1], "an association list");
    if (kSame(a[0], Car(entry))) return entry;
  }
  if (!l.IsNull()) WrongType(a[1], "a list");
  return kFalse;
}

template <bool (*kSame)(Value, Value)>
Value Delete(Args a) {
  ListArg(a, 1);
  ValueList* items = ValueList::New();
  for (Value l = a[1]; l.IsPair(); l = Cdr(l)) {
    if (!kSame(a[0], Car(l))) items->Add(Car(l));
  }
  return items->ToList();
}

template <bool (*kSame)(Value, Value)>
Value Same(Args a) {
  return Value::Bool(kSame(a[0], a[1]));
}

constexpr BuiltinSpec kSpecs[] = {
    {"pair?", IsPair, 1, 1},
    {"null?", IsNull, 1, 1},
    {"list?", IsList, 1, 1},
    {"proper-list?", IsList, 1, 1},
    {"cons", ConsPair, 2, 2},
    {"set-car!", SetCar, 2, 2},
    {"set-cdr!", SetCdr, 2, 2},
    {"list", List, 0, kAnyArgs},
    {"cons*", ConsStar, 1, kAnyArgs},
    {"list*", ConsStar, 1, kAnyArgs},
    {"make-list", MakeListOf, 1, 2},
    {"length", Length, 1, 1},
    {"length+", LengthPlus, 1, 1},
    {"append", Append, 0, kAnyArgs},
    {"append!", AppendInPlace, 0, kAnyArgs},
    {"reverse", Reverse, 1, 1},
    {"reverse!", ReverseInPlace, 1, 1},
    {"append-reverse", Reverse, 2, 2},
    {"append-reverse!", ReverseInPlace, 2, 2},
    {"list-tail", TailOf, 2, 2},
    {"drop", TailOf, 2, 2},
    {"list-ref", ListRef, 2, 2},
    {"list-set!", ListSet, 3, 3},
    {"list-head", ListHead, 2, 2},
    {"take", ListHead, 2, 2},
    {"list-copy", ListCopy, 1, 1},
    {"last-pair", LastPair, 1, 1},
    {"last", Last, 1, 1},
    {"memq", Member<SameEq>, 2, 2},
    {"memv", Member<EqvValues>, 2, 2},
    {"%member", Member<EqualValues>, 2, 2},
    {"assq", Assoc<SameEq>, 2, 2},
    {"assv", Assoc<EqvValues>, 2, 2},
    {"%assoc", Assoc<EqualValues>, 2, 2},
    {"delq", Delete<SameEq>, 2, 2},
    {"delv", Delete<EqvValues>, 2, 2},
    {"%delete", Delete<EqualValues>, 2, 2},
    {"eq?", Same<SameEq>, 2, 2},
    {"eqv?", Same<EqvValues>, 2, 2},
    {"equal?", Same<EqualValues>, 2, 2},
    {"car", Cxr<0b10>, 1, 1},
    {"cdr", Cxr<0b11>, 1, 1},
    {"caar", Cxr<0b100>, 1, 1},
    {"cdar", Cxr<0b110>, 1, 1},
    {"cadr", Cxr<0b101>, 1, 1},
    {"cddr", Cxr<0b111>, 1, 1},
    {"caaar", Cxr<0b1000>, 1, 1},
    {"cdaar", Cxr<0b1100>, 1, 1},
    {"cadar", Cxr<0b1010>, 1, 1},
    {"cddar", Cxr<0b1110>, 1, 1},
    {"caadr", Cxr<0b1001>, 1, 1},
    {"cdadr", Cxr<0b1101>, 1, 1},
    {"caddr", Cxr<0b1011>, 1, 1},
    {"cdddr", Cxr<0b1111>, 1, 1},
    {"cadddr", Cxr<0b10111>, 1, 1},
    {"cddddr", Cxr<0b11111>, 1, 1},
    {"caaaar", Cxr<0b10000>, 1, 1},
    {"caaadr", Cxr<0b10001>, 1, 1},
    {"caadar", Cxr<0b10010>, 1, 1},
    {"cadaar", Cxr<0b10100>, 1, 1},
    {"cdaaar", Cxr<0b11000>, 1, 1},
    {"cdaadr", Cxr<0b11001>, 1, 1},
    {"cdadar", Cxr<0b11010>, 1, 1},
    {"cddaar", Cxr<0b11100>, 1, 1},
    {"caaddr", Cxr<0b10011>, 1, 1},
    {"cdaddr", Cxr<0b11011>, 1, 1},
    {"caddar", Cxr<0b10110>, 1, 1},
    {"cadadr", Cxr<0b10101>, 1, 1},
    {"cddadr", Cxr<0b11101>, 1, 1},
    {"cdddar", Cxr<0b11110>, 1, 1},
    {"first", Cxr<0b10>, 1, 1},
    {"second", Cxr<0b101>, 1, 1},
    {"third", Cxr<0b1011>, 1, 1},
    {"fourth", Cxr<0b10111>, 1, 1},
    {"fifth", Cxr<0b101111>, 1, 1},
};

}  // namespace

void RegisterListBuiltins() { DefineBuiltins(kSpecs); }

}  // namespace scheme
