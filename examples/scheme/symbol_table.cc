#include "examples/scheme/symbol_table.h"

#include <cstring>

namespace scheme {
namespace {

struct Table {
  Header header;
  uint64_t count;
  gc_ptr<Vector> slots;  // open addressing; length is a power of two, at most 2/3 full
  gc_ptr<Vector> known;
};

constexpr const char* kKnownNames[] = {"quote",  "quasiquote", "unquote", "unquote-splicing",
                                       "else",   "=>",         "...",     "_",
                                       "define", "begin",      "lambda"};
static_assert(std::size(kKnownNames) == static_cast<size_t>(Known::kCount));

// Set once by InitSymbolTable; never destroyed, so that exit needs no order.
tarn::gc_root<Table>* g_table = nullptr;

uint32_t HashName(std::string_view name) {
  uint32_t h = 2166136261u;  // FNV-1a
  for (const char c : name) h = (h ^ static_cast<uint8_t>(c)) * 16777619u;
  return h ^ h >> 15;
}

Vector* NewSlots(size_t length) {
  auto* v = make_gc_tail<Vector, Slot>(length);
  InitHeader(v);
  v->length = length;
  return v;
}

Symbol* NewSymbol(std::string_view name, uint32_t hash) {
  auto* s = make_gc_tail<Symbol, char>(name.size());
  InitHeader(s);
  s->header.word = hash;
  s->length = name.size();
  std::memcpy(gc_tail<char>(s), name.data(), name.size());
  return s;
}

void Grow(Table* t) {
  Vector* old = t->slots;
  Vector* bigger = NewSlots(old->length * 2);
  for (size_t i = 0; i < old->length; i++) {
    const Value v = old->items()[i];
    if (v.IsNothing()) continue;
    size_t k = v.As<Symbol>()->header.word & (bigger->length - 1);
    while (!bigger->items()[k].Get().IsNothing()) k = (k + 1) & (bigger->length - 1);
    bigger->items()[k].Set(v);
  }
  t->slots = bigger;
}

}  // namespace

void InitSymbolTable() {
  if (g_table != nullptr) return;
  auto* t = make_gc<Table>();
  t->header.type = Type::kInternal;
  t->slots = NewSlots(4096);
  g_table = new tarn::gc_root<Table>(t);
  Vector* known = NewVector(std::size(kKnownNames), kFalse);
  t->known = known;
  for (size_t i = 0; i < std::size(kKnownNames); i++) known->items()[i].Set(Sym(kKnownNames[i]));
}

Value KnownSymbol(Known k) { return g_table->get()->known->items()[static_cast<size_t>(k)]; }

Symbol* Intern(std::string_view name) {
  Table* t = g_table->get();
  const uint32_t hash = HashName(name);
  if ((t->count + 1) * 3 > t->slots->length * 2) Grow(t);
  Vector* slots = t->slots;
  size_t i = hash & (slots->length - 1);
  for (;; i = (i + 1) & (slots->length - 1)) {
    const Value v = slots->items()[i];
    if (v.IsNothing()) break;
    auto* s = v.As<Symbol>();
    if (s->header.word == hash && s->Name() == name) return s;
  }
  Symbol* s = NewSymbol(name, hash);
  slots->items()[i].Set(Value::Of(s));
  t->count++;
  return s;
}

Symbol* NewUninternedSymbol(std::string_view name) {
  Symbol* s = NewSymbol(name, HashName(name));
  s->header.flags = Symbol::kUninterned;
  return s;
}

}  // namespace scheme
