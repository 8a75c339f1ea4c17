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
    if (IsConst(n)) return Const(StripSyntax(t));
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
    args->Add(Value::Of(Const(BaseSymbol(Car(t)))));
    args->Add(Value::Of(rest));
    tail = IsConst(rest) ? Const(StripSyntax(t)) : MakePrim("cons", args);
  } else {
    tail = QuasiTemplate(t, depth, scope);
  }
  while (!spine->empty()) {
    const Value item = Car(spine->Pop());
    ValueList* args = ValueList::New();
    if (depth == 1 && IsUnary(item, scope, Known::kUnquoteSplicing)) {
      Node* list = Expand(Car(Cdr(item)), scope);
      if (IsConst(tail) && tail->datum.Get().IsNull()) {
        tail = list;
        continue;
      }
      args->Add(Value::Of(list));
      args->Add(Value::Of(tail));
      tail = SystemCall("append", args);
      continue;
    }
    Node* head = QuasiTemplate(item, depth, scope);
    if (IsConst(head) && IsConst(tail)) {
      tail = Const(Cons(head->datum, tail->datum));
      continue;
    }
    args->Add(Value::Of(head));
    args->Add(Value::Of(tail));
    tail = MakePrim("cons", args);
  }
  return tail;
}

}  // namespace scheme
