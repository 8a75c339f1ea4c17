#include "examples/scheme/environment.h"

namespace scheme {
namespace {

struct Roots {
  tarn::gc_root<Environment> system;
  tarn::gc_root<Environment> user;
};
Roots* g_roots = nullptr;  // set once at start, never destroyed

Cell* NewCell(Value symbol, Value v, bool system) {
  auto* c = make_gc<Cell>();
  InitHeader(c);
  c->header.flags = system ? Cell::kSystem : 0;
  c->value.Init(v);
  c->name = symbol.As<Symbol>();
  return c;
}

}  // namespace

Environment* Environment::New(Environment* parent) {
  auto* e = make_gc<Environment>();
  InitHeader(e);
  e->parent = parent;
  e->table = IdentityMap::New(parent == nullptr ? 1500 : 16);
  return e;
}

Value Environment::Lookup(Value symbol) const {
  for (const Environment* e = this; e != nullptr; e = e->parent) {
    if (const Slot* s = e->table->Find(symbol)) return s->Get();
  }
  return Value{0};
}

Cell* Environment::CellForReference(Value symbol) {
  const Value b = Lookup(symbol);
  return b.Is<Cell>() ? b.As<Cell>() : CellForDefinition(symbol);
}

Cell* Environment::CellForDefinition(Value symbol) {
  const Slot* own = table->Find(symbol);
  if (own != nullptr && own->Get().Is<Cell>()) return own->Get().As<Cell>();
  const Value inherited = Lookup(symbol);
  const Value v = inherited.Is<Cell>() ? inherited.As<Cell>()->value : kUnbound;
  Cell* c = NewCell(symbol, v, parent == nullptr);
  Bind(symbol, Value::Of(c));
  return c;
}

void InitEnvironments() {
  g_roots = new Roots;
  g_roots->system = Environment::New(nullptr);
  g_roots->user = Environment::New(g_roots->system.get());
}

Environment* SystemEnvironment() { return g_roots->system.get(); }
Environment* UserEnvironment() { return g_roots->user.get(); }

}  // namespace scheme
