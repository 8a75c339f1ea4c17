// Quasiquote: templates to calls of cons, append and list->vector. Long templates are processed in
// a loop, from the end. See expander.h.
#include "examples/scheme/expander.h"
#include "examples/scheme/native_stack.h"

namespace scheme {
namespace {

// (keyword x)?
bool IsUnary(Value t, Value scope, Known k) {
  return t.IsPair() && IsKeyword(Car(t), scope, k) && Cdr(t).IsPair() && Cdr(Cdr(t)).IsNull();
}

// Items in one call that makes a list.
constexpr size_t kLongestRun = 200;

Value ListToVector(Value list) {
  Vector* v = NewVector(static_cast<size_t>(ListLength(list)), kFalse);
  for (size_t i = 0; list.IsPair(); list = Cdr(list)) v->items()[i++].Set(Car(list));
  return Value::Of(v);
}

bool IsConst(const Node* n) { return n->kind() == NodeKind::kConst; }

}  // namespace

Node* Expander::Quasiquote(Value form, Value scope) {
  CheckLength(form, 2, 2);
  return QuasiTemplate(Car(Cdr(form)), 1, scope);
}

Node* Expander::QuasiTemplate(Value t, int depth, Value scope) {
  CheckNativeStack();
  if (t.Is<Vector>()) {
    auto* vec = t.As<Vector>();
    Value list = kNull;
    for (size_t i = vec->length; i > 0; i--) list = Cons(vec->items()[i - 1], list);
    Node* n = QuasiList(list, depth, scope);
    if (IsConst(n) && ListLength(n->datum) >= 0) return Const(ListToVector(n->datum));
    ValueList* args = ValueList::New();
    args->Add(Value::Of(n));
    return SystemCall("list->vector", args);
  }
  if (t.IsPair()) return QuasiList(t, depth, scope);
  return Const(StripSyntax(t));
}

Node* Expander::QuasiList(Value t, int depth, Value scope) {
  // The spine, up to the end or to a tail that is a form of its own: (a . ,b) reads as (a unquote
  // b).
  ValueList* spine = ValueList::New();
  while (t.IsPair() && !IsUnary(t, scope, Known::kUnquote) &&
         !IsUnary(t, scope, Known::kQuasiquote) && !IsUnary(t, scope, Known::kUnquoteSplicing)) {
    spine->Add(t);
    t = Cdr(t);
  }
  Node* tail;
  if (IsUnary(t, scope, Known::kUnquote) && depth == 1) {
    tail = Expand(Car(Cdr(t)), scope);
  } else if (t.IsPair()) {
    const int inner = IsKeyword(Car(t), scope, Known::kQuasiquote) ? depth + 1 : depth - 1;
    Node* rest = QuasiTemplate(Cdr(t), inner, scope);
    ValueList* args = ValueList::New();
    const Value keyword = BaseSymbol(Car(t));
    args->Add(Value::Of(Const(keyword)));
    args->Add(Value::Of(rest));
    tail = IsConst(rest) ? Const(Cons(keyword, rest->datum)) : MakePrim("cons", args);
  } else {
    tail = QuasiTemplate(t, depth, scope);
  }
  // Items in front of the tail, last first; a run of them becomes one call, so that long templates do not
  // nest deeply.
  ValueList* run = ValueList::New();
  auto flush = [&] {
    if (run->empty()) return;
    tail = QuasiRun(run, tail);
    run = ValueList::New();
  };
  while (!spine->empty()) {
    const Value item = Car(spine->Pop());
    if (depth == 1 && IsUnary(item, scope, Known::kUnquoteSplicing)) {
      flush();
      Node* list = Expand(Car(Cdr(item)), scope);
      if (IsConst(tail) && tail->datum.Get().IsNull()) {
        tail = list;
        continue;
      }
      ValueList* args = ValueList::New();
      args->Add(Value::Of(list));
      args->Add(Value::Of(tail));
      tail = SystemCall("append", args);
      continue;
    }
    Node* head = QuasiTemplate(item, depth, scope);
    if (run->empty() && IsConst(head) && IsConst(tail)) {
      tail = Const(Cons(head->datum, tail->datum));
      continue;
    }
    run->Add(Value::Of(head));
    if (run->size() == kLongestRun) flush();
  }
  flush();
  return tail;
}

// (cons* item ... tail) for items given last first. A full run has its list made before the tail, so that
// the stack does not hold the items of all runs at once.
Node* Expander::QuasiRun(ValueList* run, Node* tail) {
  ValueList* args = ValueList::New();
  for (size_t i = run->size(); i > 0; i--) args->Add((*run)[i - 1]);
  if (run->size() == kLongestRun) {
    ValueList* parts = ValueList::New();
    parts->Add(Value::Of(SystemCall("list", args)));
    parts->Add(Value::Of(tail));
    return SystemCall("append", parts);
  }
  args->Add(Value::Of(tail));
  return run->size() == 1 ? MakePrim("cons", args) : SystemCall("cons*", args);
}

}  // namespace scheme
