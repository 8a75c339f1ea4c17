// Binding forms and conditionals, straight to Nodes. See expander.h.
#include "examples/scheme/builtins.h"
#include "examples/scheme/expander.h"

namespace scheme {

// ---- binding forms ----

Node* Expander::Let(Value form, Value scope) {
  CheckLength(form, 3, -1);
  if (IsIdentifier(Car(Cdr(form)))) return NamedLet(form, scope);
  ValueList* vars = ValueList::New();
  ValueList* inits = ValueList::New();
  ValueList* ids = ValueList::New();
  Scope* inner = Scope::New(scope);
  Value b = Car(Cdr(form));
  for (; b.IsPair(); b = Cdr(b)) {
    if (ListLength(Car(b)) != 2 || !IsIdentifier(Car(Car(b)))) BadSyntax(form);
    const Value id = Car(Car(b));
    Var* v = NewVar(id);
    inits->Add(Value::Of(Expand(Car(Cdr(Car(b))), scope)));
    vars->Add(Value::Of(v));
    ids->Add(id);
    inner->Bind(id, Value::Of(v));
  }
  if (!b.IsNull()) BadSyntax(form);
  CheckDistinct(ids, form);
  return MakeLet(vars, inits, ExpandBody(Cdr(Cdr(form)), Value::Of(inner)));
}

// (letrec ((name lambda)) (name init ...)); the inits do not see the name.
Node* Expander::MakeLoop(Var* name, Lambda* lambda, ValueList* inits) {
  lambda->name = BaseSymbol(name->name).As<Symbol>();
  Node* f = New(NodeKind::kLambda);
  f->lambda = lambda;
  Node* n = New(NodeKind::kLetrec);
  n->vars = ValueList::New();
  n->vars->Add(Value::Of(name));
  n->items = ValueList::New();
  n->items->Add(Value::Of(f));
  n->a = MakeCall(RefVar(name), inits);
  return n;
}

Node* Expander::NamedLet(Value form, Value scope) {
  CheckLength(form, 4, -1);
  const Value name = Car(Cdr(form));
  Var* var = NewVar(name);
  Scope* name_scope = Scope::New(scope);
  name_scope->Bind(name, Value::Of(var));
  Scope* inner = Scope::New(Value::Of(name_scope));
  Lambda* lambda = NewLambda(name);
  ValueList* inits = ValueList::New();
  ValueList* ids = ValueList::New();
  const Value rest = Cdr(Cdr(form));
  for (Value b = Car(rest); !b.IsNull(); b = Cdr(b)) {
    if (!b.IsPair() || ListLength(Car(b)) != 2 || !IsIdentifier(Car(Car(b)))) BadSyntax(form);
    Var* v = NewVar(Car(Car(b)));
    inits->Add(Value::Of(Expand(Car(Cdr(Car(b))), scope)));
    ids->Add(Car(Car(b)));
    lambda->params->Add(Value::Of(v));
    inner->Bind(Car(Car(b)), Value::Of(v));
  }
  CheckDistinct(ids, form);
  lambda->body = ExpandBody(Cdr(rest), Value::Of(inner));
  return MakeLoop(var, lambda, inits);
}

Node* Expander::LetStar(Value form, Value scope) {
  CheckLength(form, 3, -1);
  if (ListLength(Car(Cdr(form))) < 0) BadSyntax(form);
  for (Value b = Car(Cdr(form)); b.IsPair(); b = Cdr(b)) {
    if (ListLength(Car(b)) != 2 || !IsIdentifier(Car(Car(b)))) BadSyntax(form);
  }
  return ExpandLetStar(Car(Cdr(form)), Cdr(Cdr(form)), scope);
}

Node* Expander::ExpandLetStar(Value bindings, Value body, Value scope) {
  if (bindings.IsNull()) return ExpandBody(body, scope);
  const Value binding = Car(bindings);
  ValueList* vars = ValueList::New();
  ValueList* inits = ValueList::New();
  Var* v = NewVar(Car(binding));
  inits->Add(Value::Of(Expand(Car(Cdr(binding)), scope)));
  vars->Add(Value::Of(v));
  Scope* inner = Scope::New(scope);
  inner->Bind(Car(binding), Value::Of(v));
  return MakeLet(vars, inits, ExpandLetStar(Cdr(bindings), body, Value::Of(inner)));
}

Node* Expander::Letrec(Value form, Value scope) {
  CheckLength(form, 3, -1);
  Node* n = New(NodeKind::kLetrec);
  n->vars = ValueList::New();
  n->items = ValueList::New();
  ValueList* ids = ValueList::New();
  Scope* inner = Scope::New(scope);
  for (Value b = Car(Cdr(form)); !b.IsNull(); b = Cdr(b)) {
    if (!b.IsPair() || ListLength(Car(b)) != 2 || !IsIdentifier(Car(Car(b)))) BadSyntax(form);
    Var* v = NewVar(Car(Car(b)));
    n->vars->Add(Value::Of(v));
    ids->Add(Car(Car(b)));
    inner->Bind(Car(Car(b)), Value::Of(v));
  }
  CheckDistinct(ids, form);
  size_t i = 0;
  for (Value b = Car(Cdr(form)); b.IsPair(); b = Cdr(b), i++) {
    Node* init = Expand(Car(Cdr(Car(b))), Value::Of(inner));
    if (init->kind() == NodeKind::kLambda && init->lambda->name == nullptr) {
      init->lambda->name = BaseSymbol(Car(Car(b))).As<Symbol>();
    }
    n->items->Add(Value::Of(init));
  }
  n->a = ExpandBody(Cdr(Cdr(form)), Value::Of(inner));
  return n->vars->empty() ? n->a.get() : n;
}

// (do ((var init [step]) ...) (test result ...) command ...)
Node* Expander::Do(Value form, Value scope) {
  CheckLength(form, 3, -1);
  Var* name = NewVar(Sym("do"));
  Lambda* lambda = NewLambda(kFalse);
  Scope* scope_object = Scope::New(scope);
  const Value inner = Value::Of(scope_object);
  ValueList* inits = ValueList::New();
  ValueList* ids = ValueList::New();
  const Value specs = Car(Cdr(form)), exit = Car(Cdr(Cdr(form)));
  if (ListLength(exit) < 1) BadSyntax(form);
  for (Value s = specs; !s.IsNull(); s = Cdr(s)) {
    if (!s.IsPair()) BadSyntax(form);
    const int64_t n = ListLength(Car(s));
    if ((n != 2 && n != 3) || !IsIdentifier(Car(Car(s)))) BadSyntax(form);
    Var* v = NewVar(Car(Car(s)));
    inits->Add(Value::Of(Expand(Car(Cdr(Car(s))), scope)));
    ids->Add(Car(Car(s)));
    lambda->params->Add(Value::Of(v));
    scope_object->Bind(Car(Car(s)), Value::Of(v));
  }
  CheckDistinct(ids, form);
  ValueList* steps = ValueList::New();
  size_t i = 0;
  for (Value s = specs; s.IsPair(); s = Cdr(s), i++) {
    const Value step = Cdr(Cdr(Car(s)));
    Node* n = step.IsPair() ? Expand(Car(step), inner) : RefVar(lambda->params->At<Var>(i));
    steps->Add(Value::Of(n));
  }
  ValueList* body = ValueList::New();
  for (Value c = Cdr(Cdr(Cdr(form))); c.IsPair(); c = Cdr(c)) {
    body->Add(Value::Of(Expand(Car(c), inner)));
  }
  body->Add(Value::Of(MakeCall(RefVar(name), steps)));
  lambda->body = MakeIf(Expand(Car(exit), inner), ExpandSequence(Cdr(exit), inner), MakeSeq(body));
  return MakeLoop(name, lambda, inits);
}

// ---- conditionals ----

Node* Expander::And(Value form, Value scope) { return AndOr(form, scope, NodeKind::kAnd, kTrue); }
Node* Expander::Or(Value form, Value scope) { return AndOr(form, scope, NodeKind::kOr, kFalse); }

Node* Expander::AndOr(Value form, Value scope, NodeKind kind, Value empty) {
  CheckLength(form, 1, -1);
  if (Cdr(form).IsNull()) return Const(empty);
  if (Cdr(Cdr(form)).IsNull()) return Expand(Car(Cdr(form)), scope);
  Node* n = New(kind);
  n->items = ValueList::New();
  for (Value rest = Cdr(form); rest.IsPair(); rest = Cdr(rest)) {
    n->items->Add(Value::Of(Expand(Car(rest), scope)));
  }
  return n;
}

Node* Expander::When(Value form, Value scope) {
  CheckLength(form, 2, -1);
  Node* test = Expand(Car(Cdr(form)), scope);
  return MakeIf(test, ExpandSequence(Cdr(Cdr(form)), scope), Const(kUnspecified));
}

Node* Expander::Unless(Value form, Value scope) {
  CheckLength(form, 2, -1);
  Node* test = Expand(Car(Cdr(form)), scope);
  return MakeIf(test, Const(kUnspecified), ExpandSequence(Cdr(Cdr(form)), scope));
}

Node* Expander::Cond(Value form, Value scope) {
  CheckLength(form, 2, -1);
  return ExpandCond(Cdr(form), scope, form);
}

Node* Expander::ExpandCond(Value clauses, Value scope, Value form) {
  if (clauses.IsNull()) return Const(kUnspecified);
  const Value clause = Car(clauses);
  const int64_t n = ListLength(clause);
  if (n < 1) BadSyntax(form);
  if (IsKeyword(Car(clause), scope, Known::kElse)) {
    if (!Cdr(clauses).IsNull() || n < 2) BadSyntax(form);
    return ExpandSequence(Cdr(clause), scope);
  }
  Node* test = Expand(Car(clause), scope);
  if (n == 1) {  // (test)
    Node* node = New(NodeKind::kOr);
    node->items = ValueList::New();
    node->items->Add(Value::Of(test));
    node->items->Add(Value::Of(ExpandCond(Cdr(clauses), scope, form)));
    return node;
  }
  if (IsKeyword(Car(Cdr(clause)), scope, Known::kArrow)) {  // (test => receiver)
    if (n != 3) BadSyntax(form);
    Var* v = NewVar(Sym("value"));
    ValueList* vars = ValueList::New();
    ValueList* inits = ValueList::New();
    vars->Add(Value::Of(v));
    inits->Add(Value::Of(test));
    ValueList* args = ValueList::New();
    args->Add(Value::Of(RefVar(v)));
    Node* call = MakeCall(Expand(Car(Cdr(Cdr(clause))), scope), args);
    return MakeLet(vars, inits, MakeIf(RefVar(v), call, ExpandCond(Cdr(clauses), scope, form)));
  }
  Node* then = ExpandSequence(Cdr(clause), scope);
  return MakeIf(test, then, ExpandCond(Cdr(clauses), scope, form));
}

Node* Expander::Case(Value form, Value scope) {
  CheckLength(form, 3, -1);
  Var* key = NewVar(Sym("key"));
  ValueList* vars = ValueList::New();
  ValueList* inits = ValueList::New();
  vars->Add(Value::Of(key));
  inits->Add(Value::Of(Expand(Car(Cdr(form)), scope)));
  return MakeLet(vars, inits, ExpandCase(Cdr(Cdr(form)), key, scope, form));
}

Node* Expander::ExpandCase(Value clauses, Var* key, Value scope, Value form) {
  if (clauses.IsNull()) return Const(kUnspecified);
  const Value clause = Car(clauses);
  if (ListLength(clause) < 2) BadSyntax(form);
  Node* then;
  if (IsKeyword(Car(Cdr(clause)), scope, Known::kArrow)) {
    if (ListLength(clause) != 3) BadSyntax(form);
    ValueList* args = ValueList::New();
    args->Add(Value::Of(RefVar(key)));
    then = MakeCall(Expand(Car(Cdr(Cdr(clause))), scope), args);
  } else {
    then = ExpandSequence(Cdr(clause), scope);
  }
  if (IsKeyword(Car(clause), scope, Known::kElse)) {
    if (!Cdr(clauses).IsNull()) BadSyntax(form);
    return then;
  }
  Node* test = CaseTest(StripSyntax(Car(clause)), key, form);
  return MakeIf(test, then, ExpandCase(Cdr(clauses), key, scope, form));
}

Node* Expander::CaseTest(Value data, Var* key, Value form) {
  ValueList* tests = ValueList::New();
  for (; data.IsPair(); data = Cdr(data)) {
    const Value datum = Car(data);
    ValueList* args = ValueList::New();
    args->Add(Value::Of(RefVar(key)));
    args->Add(Value::Of(Const(datum)));
    const bool by_identity = !datum.IsObject() || datum.Is<Symbol>();
    tests->Add(Value::Of(MakePrim(by_identity ? "eq?" : "eqv?", args)));
  }
  if (!data.IsNull()) BadSyntax(form);
  if (tests->empty()) return Const(kFalse);
  if (tests->size() == 1) return tests->At<Node>(0);
  Node* n = New(NodeKind::kOr);
  n->items = tests;
  return n;
}

}  // namespace scheme
