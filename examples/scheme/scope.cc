#include "examples/scheme/scope.h"

#include "examples/scheme/native_stack.h"

namespace scheme {
namespace {

// Copies only what holds identifiers.
class Stripper {
 public:
  Value Strip(Value v) {
    CheckNativeStack();
    if (v.Is<Identifier>()) return BaseSymbol(v);
    if (!NeedsStrip(v)) return v;
    if (v.Is<Vector>()) return StripVector(v.As<Vector>());
    Value head = kNull, last = kNull;
    while (v.IsPair()) {
      const Value cell = Cons(Strip(Car(v)), kNull);
      if (head.IsNull()) {
        head = cell;
      } else {
        last.AsPair()->cdr.Set(cell);
      }
      last = cell;
      v = Cdr(v);
    }
    if (!v.IsNull()) last.AsPair()->cdr.Set(Strip(v));
    return head;
  }

 private:
  static constexpr int kCheckCircular = 10000;

  Value StripVector(Vector* from) {
    Vector* to = NewVector(from->length, kFalse);
    for (size_t i = 0; i < from->length; i++) to->items()[i].Set(Strip(from->items()[i]));
    return Value::Of(to);
  }

  // True if v holds an identifier. Identifiers are never part of circular data (the reader makes
  // those), so a structure is searched with a map of what was seen only when it is large.
  bool NeedsStrip(Value v) {
    if (!v.IsPair() && !v.Is<Vector>()) return v.Is<Identifier>();
    ValueList* todo = ValueList::New();
    todo->Add(v);
    IdentityMap* seen = nullptr;
    for (int steps = 0; !todo->empty(); steps++) {
      const Value x = todo->Pop();
      if (x.Is<Identifier>()) return true;
      if (!x.IsPair() && !x.Is<Vector>()) continue;
      if (steps > kCheckCircular) {
        if (seen == nullptr) seen = IdentityMap::New();
        if (seen->Find(x) != nullptr) continue;
        seen->Put(x, kTrue);
      }
      if (x.IsPair()) {
        todo->Add(Cdr(x));
        todo->Add(Car(x));
      } else {
        auto* vec = x.As<Vector>();
        for (size_t i = 0; i < vec->length; i++) todo->Add(vec->items()[i]);
      }
    }
    return false;
  }
};

bool g_identifiers_exist = false;

}  // namespace

Scope* Scope::New(Value parent) {
  auto* s = make_gc<Scope>();
  InitHeader(s);
  s->parent.Init(parent);
  s->ids = ValueList::New();
  s->denotations = ValueList::New();
  return s;
}

void Scope::Bind(Value id, Value denotation) {
  const int64_t i = ids->IndexOf(id);
  if (i >= 0) {
    denotations->Set(static_cast<size_t>(i), denotation);
    return;
  }
  ids->Add(id);
  denotations->Add(denotation);
}

Value Scope::Find(Value id) const {
  const int64_t i = ids->IndexOf(id);
  return i < 0 ? Value{0} : (*denotations)[static_cast<size_t>(i)];
}

Resolution Resolve(Value id, Value scope) {
  for (;;) {
    while (!scope.Is<Environment>()) {
      auto* s = scope.As<Scope>();
      const Value d = s->Find(id);
      if (!d.IsNothing()) return {d, id, nullptr};
      scope = s->parent;
    }
    auto* env = scope.As<Environment>();
    if (!id.Is<Identifier>()) return {env->Lookup(id), id, env};
    scope = id.As<Identifier>()->scope;
    id = id.As<Identifier>()->name;
  }
}

bool SameMeaning(Value id1, Value scope1, Value id2, Value scope2) {
  const Resolution a = Resolve(id1, scope1), b = Resolve(id2, scope2);
  if (a.env == nullptr || b.env == nullptr) {
    return a.env == b.env && a.denotation == b.denotation;
  }
  return a.denotation == b.denotation && (!a.denotation.IsNothing() || a.symbol == b.symbol);
}

bool IsKeyword(Value id, Value scope, Known k) {
  if (!IsIdentifier(id) || BaseSymbol(id) != KnownSymbol(k)) return false;
  return Resolve(id, scope).env != nullptr;
}

Value MakeIdentifier(Value name, Value scope) {
  auto* id = make_gc<Identifier>();
  InitHeader(id);
  id->name.Init(name);
  id->scope.Init(scope);
  g_identifiers_exist = true;
  return Value::Of(id);
}

Value BaseSymbol(Value id) {
  while (id.Is<Identifier>()) id = id.As<Identifier>()->name;
  return id;
}

Value StripSyntax(Value datum) {
  if (!g_identifiers_exist || (!datum.IsObject() && !datum.IsPair())) return datum;
  return Stripper().Strip(datum);
}

}  // namespace scheme
