// import, define-library and cond-expand. See expander.h.
// The names of the standard library are visible everywhere: importing (scheme ...) and (srfi ...)
// libraries binds nothing new unless it renames. A library defined by a program is an Environment
// with an export list; importing it binds the same cells and macros in the importing environment.
#include "examples/scheme/builtins.h"
#include "examples/scheme/expander.h"
#include "examples/scheme/interpreter.h"
#include "examples/scheme/printer.h"

namespace scheme {
namespace {

// Name of a library, as a symbol like |(my lib)| -> its Environment.
IdentityMap* Libraries() {
  static auto* root = new tarn::gc_root<IdentityMap>(IdentityMap::New());  // never destroyed
  return root->get();
}

Value LibraryKey(Value name) { return Sym(WriteToString(StripSyntax(name))); }

bool Is(Value v, std::string_view name) {
  return IsIdentifier(v) && BaseSymbol(v).As<Symbol>()->Name() == name;
}

bool IsStandard(Value name) {
  return name.IsPair() && (Is(Car(name), "scheme") || Is(Car(name), "srfi"));
}

bool IsKnownLibrary(Value name) {
  return IsStandard(name) || Libraries()->Find(LibraryKey(name)) != nullptr;
}

// The binding of `symbol` in a library environment, for export.
Value BindingOf(Environment* env, Value symbol) {
  const Value b = env->Lookup(symbol);
  return b.IsNothing() ? Value::Of(env->CellForReference(symbol)) : b;
}

IdentityMap* ExportsOf(Environment* library) {
  IdentityMap* names = IdentityMap::New();
  for (size_t i = 0; i < library->exports->size(); i++) {
    const Value e = (*library->exports)[i];
    names->Put(Car(e), BindingOf(library, Cdr(e)));
  }
  return names;
}

// All names that an import set offers, with their bindings.
IdentityMap* ImportSet(Value set, bool* is_plain_standard) {
  *is_plain_standard = false;
  const int64_t n = ListLength(set);
  if (n < 1) Error("import: bad import set:", {StripSyntax(set)});
  const bool modifies = n >= 2 && Car(Cdr(set)).IsPair() &&
                        (Is(Car(set), "only") || Is(Car(set), "except") || Is(Car(set), "prefix") ||
                         Is(Car(set), "rename"));
  if (!modifies) {
    if (IsStandard(set)) {
      *is_plain_standard = true;
      return SystemEnvironment()->table;
    }
    const Slot* library = Libraries()->Find(LibraryKey(set));
    if (library == nullptr) Error("import: unknown library:", {StripSyntax(set)});
    return ExportsOf(library->Get().As<Environment>());
  }
  bool inner_standard;
  IdentityMap* from = ImportSet(Car(Cdr(set)), &inner_standard);
  IdentityMap* to = IdentityMap::New();
  const Value rest = Cdr(Cdr(set));
  auto need = [&](Value id) {
    const Slot* s = from->Find(BaseSymbol(id));
    if (s == nullptr) Error("import: no such name in the library:", {BaseSymbol(id)});
    return s->Get();
  };
  if (Is(Car(set), "only")) {
    for (Value l = rest; l.IsPair(); l = Cdr(l)) to->Put(BaseSymbol(Car(l)), need(Car(l)));
    return to;
  }
  // The others start from everything.
  IdentityMap* renamed = IdentityMap::New();  // old -> new, or #f: left out
  if (Is(Car(set), "except")) {
    for (Value l = rest; l.IsPair(); l = Cdr(l)) {
      need(Car(l));
      renamed->Put(BaseSymbol(Car(l)), kFalse);
    }
  } else if (Is(Car(set), "rename")) {
    for (Value l = rest; l.IsPair(); l = Cdr(l)) {
      if (ListLength(Car(l)) != 2) Error("import: bad rename:", {StripSyntax(Car(l))});
      need(Car(Car(l)));
      renamed->Put(BaseSymbol(Car(Car(l))), BaseSymbol(Car(Cdr(Car(l)))));
    }
  }
  const bool prefix = Is(Car(set), "prefix");
  if (prefix && (!rest.IsPair() || !IsIdentifier(Car(rest)))) Error("import: bad prefix");
  from->ForEach([&](Value name, Value binding) {
    if (prefix) {
      std::string text(BaseSymbol(Car(rest)).As<Symbol>()->Name());
      text += name.As<Symbol>()->Name();
      to->Put(Sym(text), binding);
      return;
    }
    const Slot* s = renamed->Find(name);
    const Value new_name = s == nullptr ? name : s->Get();
    if (new_name.IsTrue()) to->Put(new_name, binding);
  });
  return to;
}

void ImportInto(Environment* env, Value sets) {
  for (; sets.IsPair(); sets = Cdr(sets)) {
    bool is_plain_standard;
    IdentityMap* names = ImportSet(Car(sets), &is_plain_standard);
    if (is_plain_standard) continue;
    names->ForEach([&](Value name, Value binding) {
      if (env->Lookup(name) != binding) env->Bind(name, binding);
    });
  }
}

// ---- cond-expand ----

bool HasFeature(Value id) {
  for (Value l = FeatureList(); l.IsPair(); l = Cdr(l)) {
    if (Car(l) == BaseSymbol(id)) return true;
  }
  return false;
}

bool Holds(Value requirement) {
  if (IsIdentifier(requirement)) return Is(requirement, "else") || HasFeature(requirement);
  if (ListLength(requirement) < 1) Error("cond-expand: bad requirement:", {requirement});
  const Value rest = Cdr(requirement);
  if (Is(Car(requirement), "library") && rest.IsPair()) return IsKnownLibrary(Car(rest));
  if (Is(Car(requirement), "not") && rest.IsPair()) return !Holds(Car(rest));
  const bool is_and = Is(Car(requirement), "and");
  if (!is_and && !Is(Car(requirement), "or")) {
    Error("cond-expand: bad requirement:", {StripSyntax(requirement)});
  }
  for (Value l = rest; l.IsPair(); l = Cdr(l)) {
    if (Holds(Car(l)) != is_and) return !is_and;
  }
  return is_and;
}

}  // namespace

Value ChosenClause(Value form) {
  for (Value clauses = Cdr(form); clauses.IsPair(); clauses = Cdr(clauses)) {
    if (ListLength(Car(clauses)) < 1)
      Error("cond-expand: bad clause:", {StripSyntax(Car(clauses))});
    if (Holds(Car(Car(clauses)))) return Cdr(Car(clauses));
  }
  return kNull;
}

Node* Expander::CondExpand(Value form, Value scope) {
  CheckLength(form, 1, -1);
  return ExpandTopSequence(ChosenClause(form), scope);
}

Node* Expander::Import(Value form, Value scope) {
  CheckLength(form, 1, -1);
  if (!scope.Is<Environment>()) SyntaxError(form, "import is not allowed here:");
  ImportInto(scope.As<Environment>(), Cdr(form));
  return Const(kUnspecified);
}

// (export name (rename internal external) ...)
void Expander::AddExports(Value declaration, Environment* env) {
  for (Value l = Cdr(declaration); l.IsPair(); l = Cdr(l)) {
    const Value e = Car(l);
    const bool renames = ListLength(e) == 3;
    if (!renames && !IsIdentifier(e)) BadSyntax(declaration);
    env->exports->Add(renames ? Cons(BaseSymbol(Car(Cdr(Cdr(e)))), BaseSymbol(Car(Cdr(e))))
                              : Cons(BaseSymbol(e), BaseSymbol(e)));
  }
}

// Declarations are expanded into code that fills a new environment. The bodies wait until all
// imports are known.
Node* Expander::DefineLibrary(Value form, Value scope) {
  CheckLength(form, 2, -1);
  if (!scope.Is<Environment>()) SyntaxError(form, "define-library is not allowed here:");
  Environment* env = Environment::New(SystemEnvironment());
  env->exports = ValueList::New();
  const uint32_t place = line_;
  ValueList* body = ValueList::New();
  auto add_forms = [&](Value forms) {
    for (; forms.IsPair(); forms = Cdr(forms)) body->Add(Car(forms));
  };
  ValueList* todo = ValueList::New();  // a stack of lists of declarations
  todo->Add(Cdr(Cdr(form)));
  while (!todo->empty()) {
    const Value list = todo->Pop();
    if (!list.IsPair()) continue;
    todo->Add(Cdr(list));
    const Value d = Car(list);
    if (ListLength(d) < 1) BadSyntax(form);
    SetPlace(d);
    if (Is(Car(d), "export")) {
      AddExports(d, env);
    } else if (Is(Car(d), "import")) {
      ImportInto(env, Cdr(d));
    } else if (Is(Car(d), "begin")) {
      add_forms(Cdr(d));
    } else if (Is(Car(d), "include") || Is(Car(d), "include-ci")) {
      add_forms(ReadIncluded(d, Is(Car(d), "include-ci")));
    } else if (Is(Car(d), "include-library-declarations")) {
      todo->Add(ReadIncluded(d, false));
    } else if (Is(Car(d), "cond-expand")) {
      todo->Add(ChosenClause(d));
    } else {
      SyntaxError(d, "define-library: unknown declaration:");
    }
  }
  line_ = place;
  const Value forms = body->ToList();
  PrepareDefinitions(forms, env);
  ValueList* nodes = ValueList::New();
  for (Value l = forms; l.IsPair(); l = Cdr(l)) {
    nodes->Add(Value::Of(Expand(Car(l), Value::Of(env))));
  }
  Libraries()->Put(LibraryKey(Car(Cdr(form))), Value::Of(env));
  nodes->Add(Value::Of(Const(kUnspecified)));
  return MakeSeq(nodes);
}

}  // namespace scheme
