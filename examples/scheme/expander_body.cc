// Bodies: internal definitions anywhere in a body become one letrec*. See expander.h.
#include "examples/scheme/expander.h"
#include "examples/scheme/syntax_rules.h"

namespace scheme {

// First pass: collect definitions, expanding macros only far enough to see them. Names are bound in
// the body's scope as they are found; vars[i] is a Var or #f, inits[i] its init or an expression.
Node* Expander::ExpandBody(Value forms, Value outer) {
  const BodyForms& k = GetBodyForms();
  Scope* body_scope = Scope::New(outer);
  const Value scope = Value::Of(body_scope);
  ValueList* vars = ValueList::New();
  ValueList* inits = ValueList::New();
  if (!forms.IsPair()) SyntaxError(forms, "a body without expressions:");

  ValueList* rest = ValueList::New();  // a stack of form lists still to do
  rest->Add(forms);
  auto define = [&](Value id) {
    Value d = body_scope->Find(id);
    if (d.IsNothing() || !d.IsObject() || d.Is<Macro>()) {
      d = Value::Of(NewVar(id));
      body_scope->Bind(id, d);
    }
    vars->Add(d);
  };
  while (!rest->empty()) {
    const Value list = rest->Pop();
    if (!list.IsPair()) continue;
    Value form = Car(list);
    rest->Add(Cdr(list));
    Value d{0};
    while (form.IsPair() && IsIdentifier(Car(form))) {
      SetPlace(form);
      d = Resolve(Car(form), scope).denotation;
      if (!d.Is<Macro>()) break;
      form = ExpandUse(d, form, scope);
      d = Value{0};
    }
    if (!form.IsPair() || !IsIdentifier(Car(form))) d = Value{0};
    if (d == k.begin) {
      CheckLength(form, 1, -1);
      rest->Add(Cdr(form));
    } else if (d == k.define) {
      CheckLength(form, 2, -1);
      Value target = Car(Cdr(form));
      Value body = Cdr(Cdr(form));
      // A procedure's init is the form (lambda params . body) with the library's lambda.
      Value name = target;
      while (target.IsPair()) {
        name = Car(target);
        if (!body.IsPair()) BadSyntax(form);
        body = Cons(Cons(SystemId("lambda"), Cons(Cdr(target), body)), kNull);
        if (const Slot* line = source_.lines->Find(form)) {
          source_.lines->Put(Car(body), line->Get());
        }
        target = name;
      }
      CheckIdentifier(target, form);
      if (body.IsPair() && Cdr(body).IsPair()) BadSyntax(form);
      define(target);
      inits->Add(body.IsNull() ? kUnspecified : Car(body));
    } else if (d == k.define_values) {
      rest->Add(Cons(RewriteDefineValues(form, scope), kNull));
    } else if (d == k.define_record_type) {
      rest->Add(Cons(RewriteRecordType(form, scope), kNull));
    } else if (d == k.include || d == k.include_ci) {
      rest->Add(ReadIncluded(form, d == k.include_ci));
    } else if (d == k.cond_expand) {
      rest->Add(ChosenClause(form));
    } else if (d == k.define_syntax) {
      CheckLength(form, 3, 3);
      CheckIdentifier(Car(Cdr(form)), form);
      body_scope->Bind(Car(Cdr(form)), ParseMacro(Car(Cdr(Cdr(form))), scope));
    } else {
      vars->Add(kFalse);
      inits->Add(form);
    }
  }
  return FinishBody(vars, inits, scope);
}

// Second pass: expand inits and expressions. The last expression is the value of the body.
Node* Expander::FinishBody(ValueList* vars, ValueList* forms, Value scope) {
  ValueList* nodes = ValueList::New();
  bool any_definition = false;
  for (size_t i = 0; i < forms->size(); i++) {
    Node* n = Expand((*forms)[i], scope);
    nodes->Add(Value::Of(n));
    if ((*vars)[i].IsFalse()) continue;
    any_definition = true;
    auto* var = vars->At<Var>(i);
    if (n->kind() == NodeKind::kLambda && n->lambda->name == nullptr) {
      n->lambda->name = BaseSymbol(var->name).As<Symbol>();
    }
    if (vars->IndexOf(Value::Of(var)) != static_cast<int64_t>(i)) {  // defined again: an assignment
      var->Set(Var::kAssigned);
      Node* set = New(NodeKind::kLocalSet);
      set->var = var;
      set->a = n;
      nodes->Set(i, Value::Of(set));
      vars->Set(i, kFalse);
    }
  }
  if (!any_definition) return nodes->empty() ? Const(kUnspecified) : MakeSeq(nodes);
  Node* last = Const(kUnspecified);
  if (vars->back().IsFalse()) {
    vars->Pop();
    last = nodes->Pop().As<Node>();
  }
  Node* n = New(NodeKind::kLetrec);
  n->vars = vars;
  n->items = nodes;
  n->a = last;
  return n;
}

Node* Expander::LetSyntax(Value form, Value scope) { return ExpandLetSyntax(form, scope, false); }
Node* Expander::LetrecSyntax(Value form, Value scope) { return ExpandLetSyntax(form, scope, true); }

Node* Expander::ExpandLetSyntax(Value form, Value scope, bool recursive) {
  CheckLength(form, 3, -1);
  Scope* inner = Scope::New(scope);
  for (Value b = Car(Cdr(form)); b.IsPair(); b = Cdr(b)) {
    CheckLength(Car(b), 2, 2);
    CheckIdentifier(Car(Car(b)), form);
    const Value macro = ParseMacro(Car(Cdr(Car(b))), recursive ? Value::Of(inner) : scope);
    inner->Bind(Car(Car(b)), macro);
  }
  return ExpandBody(Cdr(Cdr(form)), Value::Of(inner));
}

}  // namespace scheme
