// Forms that are rewritten into simpler source with identifiers of the standard library. See
// expander.h.
#include "examples/scheme/builtins.h"
#include "examples/scheme/expander.h"
#include "examples/scheme/source_file.h"

namespace scheme {
namespace {

Value List(std::initializer_list<Value> items) { return MakeList(items.begin(), items.size()); }

}  // namespace

Node* Expander::DefineRecordType(Value form, Value scope) {
  if (!scope.Is<Environment>()) SyntaxError(form, "a definition is not allowed here:");
  return Expand(RewriteRecordType(form, scope), scope);
}

Node* Expander::DefineValues(Value form, Value scope) {
  if (!scope.Is<Environment>()) SyntaxError(form, "a definition is not allowed here:");
  return Expand(RewriteDefineValues(form, scope), scope);
}

// (define-record-type type constructor predicate (field accessor [modifier]) ...)
Value Expander::RewriteRecordType(Value form, Value) {
  CheckLength(form, 4, -1);
  const Value define = SystemId("define"), lambda = SystemId("lambda"), quote = SystemId("quote");
  const Value name_form = Car(Cdr(form));
  Value constructor = Car(Cdr(Cdr(form)));
  const Value predicate = Car(Cdr(Cdr(Cdr(form)))), specs = Cdr(Cdr(Cdr(Cdr(form))));
  const Value name = name_form.IsPair() ? Car(name_form) : name_form;
  CheckIdentifier(name, form);

  ValueList* fields = ValueList::New();
  for (Value s = specs; s.IsPair(); s = Cdr(s)) {
    const Value field = Car(s).IsPair() ? Car(Car(s)) : Car(s);
    CheckIdentifier(field, form);
    fields->Add(field);
  }
  Vector* field_names = NewVector(fields->size(), kFalse);
  for (size_t i = 0; i < fields->size(); i++) {
    field_names->items()[i].Set(BaseSymbol((*fields)[i]));
  }
  // <point> is called point in messages.
  std::string_view text = BaseSymbol(name).As<Symbol>()->Name();
  if (text.size() > 2 && text.front() == '<' && text.back() == '>') {
    text = text.substr(1, text.size() - 2);
  }
  if (constructor == kTrue) {  // the default name
    constructor = Sym("make-" + std::string(text));
  }
  ValueList* out = ValueList::New();
  out->Add(List({define, name,
                 List({SystemId("%make-record-type"), List({quote, Sym(std::string(text))}),
                       List({quote, Value::Of(field_names)})})}));

  if (constructor.IsTrue()) {
    const bool bare = !constructor.IsPair();
    const Value params = bare ? fields->ToList() : Cdr(constructor);
    const Value constructor_name = bare ? constructor : Car(constructor);
    CheckIdentifier(constructor_name, form);
    if (ListLength(params) < 0) BadSyntax(form);
    ValueList* given = ValueList::New();
    for (Value p = params; p.IsPair(); p = Cdr(p)) {
      if (fields->IndexOf(Car(p)) < 0) SyntaxError(Car(p), "define-record-type: no such field:");
      given->Add(Car(p));
    }
    ValueList* call = ValueList::New();
    call->Add(SystemId("%record"));
    call->Add(name);
    for (size_t i = 0; i < fields->size(); i++) {
      call->Add(given->IndexOf((*fields)[i]) >= 0 ? (*fields)[i] : kFalse);
    }
    out->Add(List({define, constructor_name, List({lambda, params, call->ToList()})}));
  }
  const Value r = SystemId("record"), v = SystemId("value");
  if (predicate.IsTrue()) {
    CheckIdentifier(predicate, form);
    out->Add(List(
        {define, predicate, List({lambda, List({r}), List({SystemId("%record?"), r, name})})}));
  }
  int64_t index = 0;
  for (Value s = specs; s.IsPair(); s = Cdr(s), index++) {
    const int64_t n = ListLength(Car(s));
    if (!Car(s).IsPair()) continue;
    if (n < 1 || n > 3) BadSyntax(form);
    const Value i = Value::Fixnum(index);
    if (n >= 2) {
      const Value get = List({SystemId("%record-ref"), r, name, i});
      out->Add(List({define, Car(Cdr(Car(s))), List({lambda, List({r}), get})}));
    }
    if (n == 3) {
      const Value set = List({SystemId("%record-set!"), r, name, i, v});
      out->Add(List({define, Car(Cdr(Cdr(Car(s)))), List({lambda, List({r, v}), set})}));
    }
  }
  return Cons(SystemId("begin"), out->ToList());
}

// (define-values (a b . c) expression): the values as a vector, then one definition each.
Value Expander::RewriteDefineValues(Value form, Value) {
  CheckLength(form, 3, 3);
  const Value define = SystemId("define");
  const Value temporary = Value::Of(NewUninternedSymbol("values"));
  ValueList* ids = ValueList::New();
  Value formals = Car(Cdr(form));
  for (; formals.IsPair(); formals = Cdr(formals)) {
    CheckIdentifier(Car(formals), form);
    ids->Add(Car(formals));
  }
  const bool rest = !formals.IsNull();
  if (rest) {
    CheckIdentifier(formals, form);
    ids->Add(formals);
  }
  ValueList* out = ValueList::New();
  const auto required = static_cast<int64_t>(ids->size()) - (rest ? 1 : 0);
  out->Add(List({define, temporary,
                 List({SystemId("%values->vector"), Car(Cdr(Cdr(form))), Value::Fixnum(required),
                       Value::Bool(rest)})}));
  for (size_t i = 0; i < ids->size(); i++) {
    out->Add(
        List({define, (*ids)[i],
              List({SystemId("vector-ref"), temporary, Value::Fixnum(static_cast<int64_t>(i))})}));
  }
  return Cons(SystemId("begin"), out->ToList());
}

Node* Expander::Include(Value form, Value scope) {
  return ExpandTopSequence(ReadIncluded(form, false), scope);
}

Node* Expander::IncludeCi(Value form, Value scope) {
  return ExpandTopSequence(ReadIncluded(form, true), scope);
}

// The data of the included files. Their places join the map of this source.
Value Expander::ReadIncluded(Value form, bool fold_case) {
  CheckLength(form, 2, -1);
  ValueList* all = ValueList::New();
  const std::string includer = FileOf(form);
  for (Value names = Cdr(form); names.IsPair(); names = Cdr(names)) {
    if (!Car(names).Is<String>()) BadSyntax(form);
    const std::string path = ResolveInclude(includer, ToUtf8(Car(names).As<String>()));
    if (included_->size() == kMaxIncluded) SyntaxError(form, "include: too many files:");
    included_->Add(MakeString(path));
    ReadAllForms(path, source_.lines, all, static_cast<uint32_t>(included_->size()), fold_case);
  }
  return all->ToList();
}

}  // namespace scheme
