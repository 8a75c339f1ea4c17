// What define-record-type expands into, promises, parameters and conditions as data.
// Not here: raising and handling (lib/control.scm).
#include "examples/scheme/builtins.h"
#include "examples/scheme/vm.h"

namespace scheme {
namespace {

// ---- records ----

Value MakeRecordType(Args a) { return Value::Of(NewRecordType(SymbolArg(a, 0), VectorArg(a, 1))); }

RecordType* TypeArg(Args a, size_t i) { return TypedArg<RecordType>(a, i, "a record type"); }

// (%record type field ...)
Value MakeRecord(Args a) {
  RecordType* type = TypeArg(a, 0);
  if (type->header.word != a.n - 1) Error("wrong number of fields");
  auto* r = make_gc_tail<Record, Slot>(a.n - 1);
  InitHeader(r);
  r->header.word = type->header.word;
  r->type = type;
  for (size_t i = 1; i < a.n; i++) r->fields()[i - 1].Init(a[i]);
  return Value::Of(r);
}

bool IsRecordOf(Value v, Value type) {
  return v.Is<Record>() && Value::Of(v.As<Record>()->type.get()) == type;
}

Value RecordIs(Args a) { return Value::Bool(IsRecordOf(a[0], a[1])); }
Value RecordRef(Args a) {
  if (!IsRecordOf(a[0], a[1])) WrongType(a[0], "a record of the type");
  return a[0].As<Record>()->fields()[IndexArg(a, 2, a[0].As<Record>()->header.word - 1)];
}
Value RecordSet(Args a) {
  if (!IsRecordOf(a[0], a[1])) WrongType(a[0], "a record of the type");
  a[0].As<Record>()->fields()[IndexArg(a, 2, a[0].As<Record>()->header.word - 1)].Set(a[3]);
  return kUnspecified;
}
Value IsRecord(Args a) { return Value::Bool(a[0].Is<Record>()); }
Value IsRecordType(Args a) { return Value::Bool(a[0].Is<RecordType>()); }

// ---- conditions ----

// (%condition message irritants), at the place of the caller of the library procedure.
Value MakeCondition(Args a) {
  Condition* c = NewCondition(ConditionKind::kError, a[0], a[1], kFalse);
  const std::string where = CurrentLocation();
  if (!where.empty()) c->where.Set(MakeString(where));
  return Value::Of(c);
}

Condition* ConditionArg(Args a, size_t i) { return TypedArg<Condition>(a, i, "an error object"); }

Value IsErrorObject(Args a) { return Value::Bool(a[0].Is<Condition>()); }
Value ErrorMessage(Args a) {
  Condition* c = ConditionArg(a, 0);
  // A failing builtin's name is part of the message that programs see.
  if (c->who.Get().IsFalse() || !c->message.Get().Is<String>()) return c->message;
  return MakeString(std::string(c->who.Get().As<Symbol>()->Name()) + ": " +
                    ToUtf8(c->message.Get().As<String>()));
}
Value ErrorIrritants(Args a) { return ConditionArg(a, 0)->irritants; }
template <ConditionKind kKind>
Value IsKind(Args a) {
  return Value::Bool(a[0].Is<Condition>() && a[0].AsHeader()->flags == static_cast<uint8_t>(kKind));
}
Value ErrorLocation(Args a) { return ConditionArg(a, 0)->where; }

// ---- promises: a box shared by all promises of one chain ----

Value MakePromiseObject(bool done, Value v) {
  Box* state = NewBox(v);
  state->header.flags = done ? Promise::kDone : 0;
  auto* p = make_gc<Promise>();
  InitHeader(p);
  p->state = state;
  return Value::Of(p);
}

Value LazyPromise(Args a) { return MakePromiseObject(false, a[0]); }
// (%make-done-promise v): its value may be a promise itself.
Value MakeDonePromise(Args a) { return MakePromiseObject(true, a[0]); }
Value MakePromise(Args a) { return a[0].Is<Promise>() ? a[0] : MakePromiseObject(true, a[0]); }
Promise* PromiseArg(Args a, size_t i) { return TypedArg<Promise>(a, i, "a promise"); }
Value IsPromise(Args a) { return Value::Bool(a[0].Is<Promise>()); }
Value PromiseDone(Args a) {
  return Value::Bool((PromiseArg(a, 0)->state->header.flags & Promise::kDone) != 0);
}
Value PromiseValue(Args a) { return PromiseArg(a, 0)->state->value; }
// (%promise-adopt! p q): p takes over the state of q, which from now on follows p.
Value PromiseAdopt(Args a) {
  g_vm.roots.who = Sym("force");
  Promise *p = PromiseArg(a, 0), *q = PromiseArg(a, 1);
  Box *to = p->state, *from = q->state;
  to->header.flags = from->header.flags;
  to->value.Set(from->value);
  q->state = to;
  return kUnspecified;
}

// ---- parameters ----

Value MakeParameter(Args a) { return Value::Of(NewParameter(a[0], a[1])); }
Value ParameterConverter(Args a) { return TypedArg<Parameter>(a, 0, "a parameter")->converter; }

constexpr BuiltinSpec kSpecs[] = {
    {"%make-record-type", MakeRecordType, 2, 2},
    {"%record", MakeRecord, 1, kAnyArgs},
    {"%record?", RecordIs, 2, 2},
    {"%record-ref", RecordRef, 3, 3},
    {"%record-set!", RecordSet, 4, 4},
    {"record?", IsRecord, 1, 1},
    {"record-type-descriptor?", IsRecordType, 1, 1},
    {"%condition", MakeCondition, 2, 2},
    {"error-object?", IsErrorObject, 1, 1},
    {"condition?", IsErrorObject, 1, 1},
    {"error?", IsErrorObject, 1, 1},
    {"error-object-message", ErrorMessage, 1, 1},
    {"condition/report-string", ErrorMessage, 1, 1},
    {"error-object-irritants", ErrorIrritants, 1, 1},
    {"error-object-location", ErrorLocation, 1, 1},
    {"read-error?", IsKind<ConditionKind::kRead>, 1, 1},
    {"file-error?", IsKind<ConditionKind::kFile>, 1, 1},
    {"%lazy-promise", LazyPromise, 1, 1},
    {"%make-done-promise", MakeDonePromise, 1, 1},
    {"make-promise", MakePromise, 1, 1},
    {"promise?", IsPromise, 1, 1},
    {"%promise-done?", PromiseDone, 1, 1},
    {"%promise-value", PromiseValue, 1, 1},
    {"%promise-adopt!", PromiseAdopt, 2, 2},
    {"%make-parameter", MakeParameter, 2, 2},
    {"%parameter-converter", ParameterConverter, 1, 1},
};

}  // namespace

void RegisterRecordBuiltins() { DefineBuiltins(kSpecs); }

}  // namespace scheme
