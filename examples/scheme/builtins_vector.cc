// Vectors without procedure arguments; the others are in the prelude (lib).
#include <cstring>

#include "examples/scheme/builtins.h"

namespace scheme {
namespace {

constexpr size_t kMaxVector = size_t{1} << 40;

Value IsVector(Args a) { return Value::Bool(a[0].Is<Vector>()); }

Value MakeVector(Args a) {
  return Value::Of(NewVector(IndexArg(a, 0, kMaxVector), a.Or(1, Value::Fixnum(0))));
}

Value VectorOf(Args a) {
  Vector* v = NewVector(a.n, kFalse);
  for (size_t i = 0; i < a.n; i++) v->items()[i].Set(a[i]);
  return Value::Of(v);
}

Value VectorLength(Args a) { return Value::Fixnum(static_cast<int64_t>(VectorArg(a, 0)->length)); }

// An index of an element, not of the end.
size_t ElementArg(Args a, size_t i, size_t length) {
  const size_t k = IndexArg(a, i, length);
  if (k == length) OutOfRange(a[i]);
  return k;
}

Value VectorRef(Args a) {
  Vector* v = VectorArg(a, 0);
  return v->items()[ElementArg(a, 1, v->length)];
}

Value VectorSet(Args a) {
  Vector* v = VectorArg(a, 0);
  v->items()[ElementArg(a, 1, v->length)].Set(a[2]);
  return kUnspecified;
}

Value VectorToList(Args a) {
  Vector* v = VectorArg(a, 0);
  const Range r = RangeArgs(a, 1, v->length);
  Value list = kNull;
  for (size_t i = r.end; i > r.start; i--) list = Cons(v->items()[i - 1], list);
  return list;
}

Value ListToVector(Args a) {
  const int64_t n = ListLength(a[0]);
  if (n < 0) WrongType(a[0], "a list");
  Vector* v = NewVector(static_cast<size_t>(n), kFalse);
  size_t i = 0;
  for (Value l = a[0]; l.IsPair(); l = Cdr(l)) v->items()[i++].Set(Car(l));
  return Value::Of(v);
}

Value VectorFill(Args a) {
  Vector* v = VectorArg(a, 0);
  const Range r = RangeArgs(a, 2, v->length);
  for (size_t i = r.start; i < r.end; i++) v->items()[i].Set(a[1]);
  return kUnspecified;
}

Value CopyRange(Vector* from, Range r, size_t new_length) {
  Vector* to = NewVector(new_length, Value::Fixnum(0));
  for (size_t i = r.start; i < r.end; i++) to->items()[i - r.start].Set(from->items()[i]);
  return Value::Of(to);
}

Value VectorCopy(Args a) {
  Vector* v = VectorArg(a, 0);
  const Range r = RangeArgs(a, 1, v->length);
  return CopyRange(v, r, r.end - r.start);
}

Value VectorGrow(Args a) {
  Vector* v = VectorArg(a, 0);
  const size_t n = IndexArg(a, 1, kMaxVector);
  if (n < v->length) OutOfRange(a[1]);
  return CopyRange(v, {0, v->length}, n);
}

// (vector-copy! to at from [start [end]])
Value VectorCopyInto(Args a) {
  Vector* to = VectorArg(a, 0);
  const size_t at = IndexArg(a, 1, to->length);
  Vector* from = VectorArg(a, 2);
  const Range r = RangeArgs(a, 3, from->length);
  const size_t n = r.end - r.start;
  if (n > to->length - at) OutOfRange(a[1]);
  if (at <= r.start) {
    for (size_t i = 0; i < n; i++) to->items()[at + i].Set(from->items()[r.start + i]);
  } else {  // the ranges may overlap: from the end
    for (size_t i = n; i > 0; i--) to->items()[at + i - 1].Set(from->items()[r.start + i - 1]);
  }
  return kUnspecified;
}

Value VectorAppend(Args a) {
  size_t n = 0;
  for (size_t i = 0; i < a.n; i++) n += VectorArg(a, i)->length;
  Vector* v = NewVector(n, kFalse);
  size_t at = 0;
  for (size_t i = 0; i < a.n; i++) {
    auto* part = a[i].As<Vector>();
    for (size_t k = 0; k < part->length; k++) v->items()[at++].Set(part->items()[k]);
  }
  return Value::Of(v);
}

constexpr BuiltinSpec kSpecs[] = {
    {"vector?", IsVector, 1, 1},
    {"make-vector", MakeVector, 1, 2},
    {"vector", VectorOf, 0, kAnyArgs},
    {"vector-length", VectorLength, 1, 1},
    {"vector-ref", VectorRef, 2, 2},
    {"vector-set!", VectorSet, 3, 3},
    {"vector->list", VectorToList, 1, 3},
    {"list->vector", ListToVector, 1, 1},
    {"vector-fill!", VectorFill, 2, 4},
    {"vector-copy", VectorCopy, 1, 3},
    {"subvector", VectorCopy, 3, 3},
    {"vector-copy!", VectorCopyInto, 3, 5},
    {"vector-append", VectorAppend, 0, kAnyArgs},
    {"vector-grow", VectorGrow, 2, 2},
};

}  // namespace

void RegisterVectorBuiltins() { DefineBuiltins(kSpecs); }

}  // namespace scheme
