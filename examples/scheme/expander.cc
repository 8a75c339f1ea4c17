// Dispatch on forms; references, calls, procedures, definitions. See expander.h.
#include "examples/scheme/expander.h"

#include <iterator>

#include "examples/scheme/builtins.h"
#include "examples/scheme/native_stack.h"
#include "examples/scheme/primitives.h"
#include "examples/scheme/printer.h"
#include "examples/scheme/syntax_rules.h"

namespace scheme {

struct SpecialForms {
  struct Entry {
    const char* name;
    Expander::Handler handler;
  };
  static constexpr Entry kTable[] = {
      {"begin", &Expander::Begin},
      {"define", &Expander::Define},
      {"define-values", &Expander::DefineValues},
      {"define-record-type", &Expander::DefineRecordType},
      {"define-syntax", &Expander::DefineSyntax},
      {"include", &Expander::Include},
      {"include-ci", &Expander::IncludeCi},
      {"cond-expand", &Expander::CondExpand},
      {"quote", &Expander::Quote},
      {"quasiquote", &Expander::Quasiquote},
      {"lambda", &Expander::LambdaForm},
      {"named-lambda", &Expander::NamedLambda},
      {"case-lambda", &Expander::CaseLambda},
      {"if", &Expander::If},
      {"set!", &Expander::Set},
      {"let", &Expander::Let},
      {"let*", &Expander::LetStar},
      {"letrec", &Expander::Letrec},
      {"letrec*", &Expander::Letrec},
      {"do", &Expander::Do},
      {"and", &Expander::And},
      {"or", &Expander::Or},
      {"when", &Expander::When},
      {"unless", &Expander::Unless},
      {"cond", &Expander::Cond},
      {"case", &Expander::Case},
      {"let-syntax", &Expander::LetSyntax},
      {"letrec-syntax", &Expander::LetrecSyntax},
      {"syntax-rules", &Expander::SyntaxRulesOutOfPlace},
      {"syntax-error", &Expander::SyntaxErrorForm},
      {"import", &Expander::Import},
      {"define-library", &Expander::DefineLibrary},
      // Bound so that they can be imported and renamed; forms look for them by name.
      {"else", &Expander::AuxiliaryOutOfPlace},
      {"=>", &Expander::AuxiliaryOutOfPlace},
      {"...", &Expander::AuxiliaryOutOfPlace},
      {"_", &Expander::AuxiliaryOutOfPlace},
      {"unquote", &Expander::AuxiliaryOutOfPlace},
      {"unquote-splicing", &Expander::AuxiliaryOutOfPlace},
  };
};

void BindSpecialForms() {
  for (size_t i = 0; i < std::size(SpecialForms::kTable); i++) {
    SystemEnvironment()->Bind(Sym(SpecialForms::kTable[i].name),
                              Value::Fixnum(static_cast<int64_t>(i)));
  }
}

const BodyForms& GetBodyForms() {
  // The first entries of the table, in this order.
  static constexpr BodyForms kForms{Value::Fixnum(0), Value::Fixnum(1), Value::Fixnum(2),
                                    Value::Fixnum(3), Value::Fixnum(4), Value::Fixnum(5),
                                    Value::Fixnum(6), Value::Fixnum(7)};
  return kForms;
}

Lambda* Expander::ExpandTop(Value form) {
  Lambda* top = NewLambda(kFalse);
  top->body = Expand(form, Value::Of(env_));
  return top;
}

// ---- dispatch ----

Node* Expander::Expand(Value form, Value scope) {
  CheckNativeStack();
  if (form.IsPair()) {
    const uint32_t outer_line = line_;
    SetPlace(form);
    Node* n = ExpandPair(form, scope);
    line_ = outer_line;
    return n;
  }
  if (IsIdentifier(form)) return ExpandReference(form, scope);
  if (form.IsNull()) SyntaxError(form, "empty combination:");
  return Const(StripSyntax(form));
}

Node* Expander::ExpandPair(Value form, Value scope) {
  for (;;) {
    if (!IsIdentifier(Car(form))) return ExpandCall(form, scope);
    const Value d = Resolve(Car(form), scope).denotation;
    if (d.IsFixnum()) {
      return (this->*SpecialForms::kTable[d.AsFixnum()].handler)(form, scope);
    }
    if (!d.Is<Macro>()) return ExpandCall(form, scope);
    form = ExpandUse(d, form, scope);
    if (!form.IsPair()) return Expand(form, scope);
  }
}

Value Expander::ExpandUse(Value macro, Value form, Value scope) {
  const Value expansion = ExpandMacro(macro.As<Macro>(), form, scope);
  if (expansion.IsNothing()) BadSyntax(form);
  return expansion;
}

Node* Expander::ExpandReference(Value id, Value scope) {
  const Resolution r = Resolve(id, scope);
  if (r.denotation.IsFixnum() || r.denotation.Is<Macro>()) {
    SyntaxError(id, "syntactic keyword used as a variable:");
  }
  if (r.env == nullptr) return RefVar(r.denotation.As<Var>());
  Node* n = New(NodeKind::kGlobalRef);
  n->datum.Set(Value::Of(r.env->CellForReference(r.symbol)));
  return n;
}

Node* Expander::ExpandCall(Value form, Value scope) {
  if (ListLength(form) < 0) SyntaxError(form, "a combination must be a proper list:");
  // ((lambda (x ...) body) arg ...) is a let.
  if (Car(form).IsPair() && ListLength(Car(form)) >= 3 && IsIdentifier(Car(Car(form)))) {
    const Value head = Car(form);
    static const Value lambda_form =
        Resolve(Sym("lambda"), Value::Of(SystemEnvironment())).denotation;
    if (Resolve(Car(head), scope).denotation == lambda_form &&
        ListLength(Car(Cdr(head))) == ListLength(Cdr(form))) {
      Value params = Car(Cdr(head));
      ValueList* vars = ValueList::New();
      ValueList* inits = ValueList::New();
      Scope* inner = Scope::New(scope);
      ValueList* ids = ValueList::New();
      for (Value args = Cdr(form); args.IsPair(); args = Cdr(args), params = Cdr(params)) {
        CheckIdentifier(Car(params), head);
        ids->Add(Car(params));
        inits->Add(Value::Of(Expand(Car(args), scope)));
        Var* v = NewVar(Car(params));
        vars->Add(Value::Of(v));
        inner->Bind(Car(params), Value::Of(v));
      }
      CheckDistinct(ids, head);
      return MakeLet(vars, inits, ExpandBody(Cdr(Cdr(head)), Value::Of(inner)));
    }
  }
  Node* call = New(NodeKind::kCall);
  Node* f = Expand(Car(form), scope);
  if (f->kind() == NodeKind::kGlobalRef && f->datum.Get().As<Cell>()->header.small != 0) {
    Node* p = ExpandPrimitive(f->datum.Get().As<Cell>()->header.small, Cdr(form), scope, call);
    if (p != nullptr) return p;
  }
  call->a = f;
  call->items = ValueList::New();
  for (Value args = Cdr(form); args.IsPair(); args = Cdr(args)) {
    call->items->Add(Value::Of(Expand(Car(args), scope)));
  }
  return call;
}

// Null when the number of arguments does not suit the instruction.
Node* Expander::ExpandPrimitive(int number, Value args, Value scope, Node* call) {
  const Primitive& p = PrimitiveAt(number);
  const int64_t n = ListLength(args);
  if (n != p.operands && !(p.folds && n > p.operands)) return nullptr;
  call->set_kind(NodeKind::kPrim);
  call->header.small = static_cast<uint16_t>(number);
  call->items = ValueList::New();
  for (; args.IsPair(); args = Cdr(args)) {
    if (call->ItemCount() == p.operands) {  // fold to the left
      Node* outer = New(NodeKind::kPrim);
      outer->header.small = call->header.small;
      outer->items = ValueList::New();
      outer->items->Add(Value::Of(call));
      call = outer;
    }
    call->items->Add(Value::Of(Expand(Car(args), scope)));
  }
  return call;
}

Node* Expander::ExpandSequence(Value forms, Value scope) {
  ValueList* items = ValueList::New();
  for (; forms.IsPair(); forms = Cdr(forms)) items->Add(Value::Of(Expand(Car(forms), scope)));
  return items->empty() ? Const(kUnspecified) : MakeSeq(items);
}

Node* Expander::ExpandTopSequence(Value forms, Value scope) {
  if (scope.Is<Environment>()) PrepareDefinitions(forms, scope.As<Environment>());
  return ExpandSequence(forms, scope);
}

// ---- procedures ----

Node* Expander::ExpandLambda(Value params, Value body, Value scope, Value name) {
  Node* n = New(NodeKind::kLambda);
  Lambda* lambda = NewLambda(name);
  n->lambda = lambda;
  Scope* inner = Scope::New(scope);
  ValueList* ids = ValueList::New();
  for (; !params.IsNull(); params = Cdr(params)) {
    const bool rest = !params.IsPair();
    const Value id = rest ? params : Car(params);
    CheckIdentifier(id, Cons(KnownSymbol(Known::kLambda), Cons(id, kNull)));
    Var* v = NewVar(id);
    ids->Add(id);
    inner->Bind(id, Value::Of(v));
    lambda->params->Add(Value::Of(v));
    if (rest) {
      lambda->header.flags |= Lambda::kRest;
      break;
    }
  }
  CheckDistinct(ids, kNull);
  lambda->body = ExpandBody(body, Value::Of(inner));
  return n;
}

Node* Expander::LambdaForm(Value form, Value scope) {
  CheckLength(form, 3, -1);
  return ExpandLambda(Car(Cdr(form)), Cdr(Cdr(form)), scope, kFalse);
}

Node* Expander::NamedLambda(Value form, Value scope) {
  CheckLength(form, 3, -1);
  const Value header = Car(Cdr(form));
  if (!header.IsPair()) BadSyntax(form);
  return ExpandLambda(Cdr(header), Cdr(Cdr(form)), scope, Car(header));
}

Node* Expander::CaseLambda(Value form, Value scope) {
  CheckLength(form, 1, -1);
  Node* n = New(NodeKind::kCaseLambda);
  n->items = ValueList::New();
  for (Value clauses = Cdr(form); clauses.IsPair(); clauses = Cdr(clauses)) {
    const Value clause = Car(clauses);
    if (ListLength(clause) < 2) BadSyntax(form);
    n->items->Add(Value::Of(ExpandLambda(Car(clause), Cdr(clause), scope, kFalse)));
  }
  return n;
}

// ---- simple forms ----

Node* Expander::Quote(Value form, Value) {
  CheckLength(form, 2, 2);
  return Const(StripSyntax(Car(Cdr(form))));
}

Node* Expander::If(Value form, Value scope) {
  CheckLength(form, 3, 4);
  const Value rest = Cdr(Cdr(form));
  Node* n = New(NodeKind::kIf);
  n->a = Expand(Car(Cdr(form)), scope);
  n->b = Expand(Car(rest), scope);
  n->c = Cdr(rest).IsPair() ? Expand(Car(Cdr(rest)), scope) : Const(kUnspecified);
  return n;
}

Node* Expander::Set(Value form, Value scope) {
  CheckLength(form, 3, 3);
  const Value id = Car(Cdr(form));
  CheckIdentifier(id, form);
  const Resolution r = Resolve(id, scope);
  if (r.denotation.IsFixnum() || r.denotation.Is<Macro>()) BadSyntax(form);
  Node* n;
  if (r.env == nullptr) {
    n = New(NodeKind::kLocalSet);
    n->var = r.denotation.As<Var>();
    n->var->Set(Var::kAssigned);
    n->var->header.word++;
  } else {
    n = New(NodeKind::kGlobalSet);
    n->datum.Set(Value::Of(r.env->CellForDefinition(r.symbol)));
  }
  n->a = Expand(Car(Cdr(Cdr(form))), scope);
  return n;
}

Node* Expander::Begin(Value form, Value scope) {
  CheckLength(form, 1, -1);
  return ExpandTopSequence(Cdr(form), scope);
}

// ---- top-level definitions ----

Node* Expander::Define(Value form, Value scope) {
  if (!scope.Is<Environment>()) SyntaxError(form, "a definition is not allowed here:");
  CheckLength(form, 2, -1);
  Value target = Car(Cdr(form));
  Value body = Cdr(Cdr(form));
  bool is_lambda = false;
  while (target.IsPair()) {  // (define ((f a) b) ...) nests
    if (is_lambda) body = Cons(Cons(SystemId("lambda"), body), kNull);
    body = Cons(Cdr(target), body);
    target = Car(target);
    is_lambda = true;
  }
  CheckIdentifier(target, form);
  if (is_lambda && !Cdr(body).IsPair()) BadSyntax(form);
  if (!is_lambda && body.IsPair() && Cdr(body).IsPair()) BadSyntax(form);
  Node* n = New(NodeKind::kGlobalDefine);
  // An inserted name is defined under its plain symbol.
  n->datum.Set(Value::Of(scope.As<Environment>()->CellForDefinition(BaseSymbol(target))));
  if (is_lambda) {
    n->a = ExpandLambda(Car(body), Cdr(body), scope, target);
  } else {
    n->a = body.IsNull() ? Const(kUnspecified) : Expand(Car(body), scope);
    if (n->a->kind() == NodeKind::kLambda && n->a->lambda->name == nullptr) {
      n->a->lambda->name = BaseSymbol(target).As<Symbol>();
    }
  }
  return n;
}

Node* Expander::DefineSyntax(Value form, Value scope) {
  if (!scope.Is<Environment>()) SyntaxError(form, "a definition is not allowed here:");
  CheckLength(form, 3, 3);
  CheckIdentifier(Car(Cdr(form)), form);
  const Value macro = ParseMacro(Car(Cdr(Cdr(form))), scope);
  scope.As<Environment>()->Bind(BaseSymbol(Car(Cdr(form))), macro);
  return Const(kUnspecified);
}

// The denotation that a transformer expression gives: a macro, or what another keyword means.
Value Expander::ParseMacro(Value form, Value scope) {
  while (form.IsPair() && IsIdentifier(Car(form))) {
    const Value d = Resolve(Car(form), scope).denotation;
    if (d.Is<Macro>()) {
      form = ExpandUse(d, form, scope);
      continue;
    }
    const bool is_syntax_rules = d.IsFixnum() && SpecialForms::kTable[d.AsFixnum()].handler ==
                                                     &Expander::SyntaxRulesOutOfPlace;
    if (!is_syntax_rules) break;
    const char* problem = "";
    Macro* m = ParseSyntaxRules(form, scope, &problem);
    if (m == nullptr) SyntaxError(form, problem);
    return Value::Of(m);
  }
  if (IsIdentifier(form)) {
    const Value d = Resolve(form, scope).denotation;
    if (d.IsFixnum() || d.Is<Macro>()) return d;
  }
  SyntaxError(form, "not a macro transformer:");
}

Node* Expander::SyntaxRulesOutOfPlace(Value form, Value) {
  SyntaxError(form, "syntax-rules is not allowed here:");
}

Node* Expander::AuxiliaryOutOfPlace(Value form, Value) {
  SyntaxError(form, "auxiliary syntax is not allowed here:");
}

Node* Expander::SyntaxErrorForm(Value form, Value) {
  CheckLength(form, 2, -1);
  std::string message;
  Print(&message, StripSyntax(Car(Cdr(form))), PrintMode::kDisplay);
  Condition* c =
      NewCondition(ConditionKind::kError, MakeString(message), StripSyntax(Cdr(Cdr(form))), kFalse);
  c->where.Set(MakeString(Where()));
  Raise(Value::Of(c));
}

}  // namespace scheme
