// The expander's helpers: making nodes, checking syntax. See expander.h.
#include "examples/scheme/builtins.h"
#include "examples/scheme/expander.h"
#include "examples/scheme/primitives.h"

namespace scheme {

Node* Expander::New(NodeKind kind) {
  auto* n = make_gc<Node>();
  InitHeader(n);
  n->set_kind(kind);
  n->header.word = line_;
  return n;
}

Node* Expander::Const(Value datum) {
  Node* n = New(NodeKind::kConst);
  n->datum.Set(datum);
  return n;
}

Node* Expander::RefVar(Var* var) {
  Node* n = New(NodeKind::kLocalRef);
  n->var = var;
  var->header.word++;
  return n;
}

Node* Expander::MakeIf(Node* test, Node* then, Node* other) {
  Node* n = New(NodeKind::kIf);
  n->a = test;
  n->b = then;
  n->c = other;
  return n;
}

Node* Expander::MakeSeq(ValueList* items) {
  if (items->size() == 1) return items->At<Node>(0);
  Node* n = New(NodeKind::kSeq);
  n->items = items;
  return n;
}

Node* Expander::MakeCall(Node* f, ValueList* args) {
  Node* n = New(NodeKind::kCall);
  n->a = f;
  n->items = args;
  return n;
}

Node* Expander::MakePrim(const char* name, ValueList* args) {
  Node* n = New(NodeKind::kPrim);
  n->header.small = SystemEnvironment()->CellForReference(Sym(name))->header.small;
  n->items = args;
  return n;
}

Node* Expander::SystemCall(const char* name, ValueList* args) {
  Node* f = New(NodeKind::kGlobalRef);
  f->datum.Set(Value::Of(SystemEnvironment()->CellForReference(Sym(name))));
  return MakeCall(f, args);
}

Node* Expander::MakeLet(ValueList* vars, ValueList* inits, Node* body) {
  if (vars->empty()) return body;
  Node* n = New(NodeKind::kLet);
  n->vars = vars;
  n->items = inits;
  n->a = body;
  for (size_t i = 0; i < inits->size(); i++) {
    auto* init = inits->At<Node>(i);
    if (init->kind() == NodeKind::kLambda && init->lambda->name == nullptr) {
      init->lambda->name = BaseSymbol(vars->At<Var>(i)->name).As<Symbol>();
    }
  }
  return n;
}

Var* Expander::NewVar(Value id) {
  auto* v = make_gc<Var>();
  InitHeader(v);
  v->name.Init(id);
  return v;
}

Lambda* Expander::NewLambda(Value name) {
  auto* l = make_gc<Lambda>();
  InitHeader(l);
  if (name.IsTrue()) l->name = BaseSymbol(name).As<Symbol>();
  l->params = ValueList::New();
  l->free = ValueList::New();
  return l;
}

Value Expander::SystemId(const char* name) const {
  return MakeIdentifier(Sym(name), Value::Of(SystemEnvironment()));
}

// ---- places ----

// keeps I2.
void Expander::SetPlace(Value form) {
  if (const Slot* line = source_.lines->Find(form)) {
    line_ = static_cast<uint32_t>(line->Get().AsFixnum());
  }
}

std::string Expander::FileOf(Value form) const {
  const Slot* line = source_.lines->Find(form);
  const auto place = line != nullptr ? static_cast<uint32_t>(line->Get().AsFixnum()) : line_;
  const uint32_t number = place >> kLineBits;
  return ToUtf8(number == 0 ? source_.file : included_->At<String>(number - 1));
}

// ---- syntax checks ----

std::string Expander::Where() const { return PlaceText(source_.file, included_, line_); }

void Expander::SyntaxError(Value form, const std::string& message) {
  Condition* c = NewCondition(ConditionKind::kError, MakeString(message),
                              Cons(StripSyntax(form), kNull), kFalse);
  c->where.Set(MakeString(Where()));
  Raise(Value::Of(c));
}

void Expander::BadSyntax(Value form) {
  const Value head = form.IsPair() ? Car(form) : form;
  std::string name;
  if (IsIdentifier(head)) name = std::string(BaseSymbol(head).As<Symbol>()->Name()) + ": ";
  SyntaxError(form, name + "bad syntax:");
}

void Expander::CheckLength(Value form, int64_t min, int64_t max) {
  const int64_t n = ListLength(form);
  if (n < min || (max >= 0 && n > max)) BadSyntax(form);
}

void Expander::CheckIdentifier(Value id, Value form) {
  if (IsIdentifier(id)) return;
  if (form.IsPair() && IsIdentifier(Car(form))) BadSyntax(form);
  SyntaxError(id, "not an identifier:");
}

void Expander::CheckDistinct(ValueList* ids, Value) {
  // Long parameter lists are rare; quadratic work is kept to ids of sane number.
  if (ids->size() > 2000) return;
  for (size_t i = 1; i < ids->size(); i++) {
    if (ids->IndexOf((*ids)[i]) != static_cast<int64_t>(i)) {
      SyntaxError((*ids)[i], "an identifier is bound twice:");
    }
  }
}

}  // namespace scheme
