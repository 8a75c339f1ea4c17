#include "examples/scheme/containers.h"

namespace scheme {
namespace {

// A vector of nothings.
Vector* NewRawVector(size_t length) {
  auto* v = make_gc_tail<Vector, Slot>(length);
  InitHeader(v);
  v->length = length;
  return v;
}

size_t StartIndex(Value key, size_t slots) {
  // Fibonacci hashing; slots is a power of two, entries are two slots wide.
  const uint64_t h = (key.w >> 3) * 0x9E3779B97F4A7C15u;
  return ((h >> 20) * 2) & (slots - 1);
}

void Insert(Vector* table, Value key, Value v) {
  size_t i = StartIndex(key, table->length);
  while (!table->items()[i].Get().IsNothing()) i = (i + 2) & (table->length - 1);
  table->items()[i].Set(key);
  table->items()[i + 1].Set(v);
}

}  // namespace

ValueList* ValueList::New() {
  auto* list = make_gc<ValueList>();
  InitHeader(list);
  list->data = NewRawVector(4);
  return list;
}

void ValueList::Add(Value v) {
  if (count == data->length) {
    Vector* bigger = NewRawVector(count * 2);
    for (size_t i = 0; i < count; i++) bigger->items()[i].Init(data->items()[i]);
    data = bigger;
  }
  data->items()[count].Set(v);
  count++;
}

Value ValueList::Pop() {
  count--;
  const Value v = data->items()[count];
  data->items()[count].Set(Value{0});  // keeps I1
  return v;
}

Value ValueList::ToList(Value tail) const {
  for (size_t i = count; i > 0; i--) tail = Cons((*this)[i - 1], tail);
  return tail;
}

int64_t ValueList::IndexOf(Value v) const {
  for (size_t i = 0; i < count; i++) {
    if ((*this)[i] == v) return static_cast<int64_t>(i);
  }
  return -1;
}

IdentityMap* IdentityMap::New(size_t capacity) {
  auto* map = make_gc<IdentityMap>();
  InitHeader(map);
  size_t slots = 16;
  while (slots < capacity * 3) slots *= 2;
  map->table = NewRawVector(slots);
  return map;
}

Slot* IdentityMap::Find(Value key) const {
  Vector* t = table;
  for (size_t i = StartIndex(key, t->length);; i = (i + 2) & (t->length - 1)) {
    const Value k = t->items()[i];
    if (k == key) return &t->items()[i + 1];
    if (k.IsNothing()) return nullptr;
  }
}

void IdentityMap::Put(Value key, Value v) {
  if (Slot* slot = Find(key)) {
    slot->Set(v);
    return;
  }
  if ((count + 1) * 3 > table->length) {  // load factor 2/3, keeps I2
    Vector* bigger = NewRawVector(table->length * 2);
    ForEach([&](Value k, Value old) { Insert(bigger, k, old); });
    table = bigger;
  }
  Insert(table, key, v);
  count++;
}

}  // namespace scheme
