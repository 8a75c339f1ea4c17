// Growable structures on the tarn heap for the interpreter itself: a list of values and a map keyed
// by identity. (std::vector<Value> would hide its references from the collector.) Not here: SRFI 69
// hash tables (hashtable.h). I1 ValueList: slots at and beyond size are nothing. I2 IdentityMap:
// the table is never full; keys are
//    never nothing; entries are never removed.
// Cost: amortised O(1) per operation; objects do not move, so an address is a stable hash.
#ifndef EXAMPLES_SCHEME_CONTAINERS_H_
#define EXAMPLES_SCHEME_CONTAINERS_H_

#include <cstddef>
#include <cstdint>

#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

struct ValueList {
  static constexpr Type kType = Type::kInternal;
  Header header;
  uint64_t count;
  gc_ptr<Vector> data;

  static ValueList* New();
  size_t size() const { return count; }
  bool empty() const { return count == 0; }
  Value operator[](size_t i) const { return data->items()[i]; }
  template <class T>
  T* At(size_t i) const {
    return (*this)[i].template As<T>();
  }
  Value back() const { return (*this)[count - 1]; }
  void Set(size_t i, Value v) { data->items()[i].Set(v); }
  void Add(Value v);
  Value Pop();
  Value ToList(Value tail = kNull) const;
  // The index of v, -1 when absent. O(size).
  int64_t IndexOf(Value v) const;
};

struct IdentityMap {
  static constexpr Type kType = Type::kInternal;
  Header header;
  uint64_t count;
  gc_ptr<Vector> table;  // key, value, key, value, ...

  static IdentityMap* New(size_t capacity = 8);
  // The slot of the key's value, null when absent. Valid until the next Put.
  Slot* Find(Value key) const;
  void Put(Value key, Value v);
  // Visits every entry: fn(key, value).
  template <class Fn>
  void ForEach(Fn fn) const {
    Vector* t = table;
    for (size_t i = 0; i < t->length; i += 2) {
      if (!t->items()[i].Get().IsNothing()) fn(t->items()[i].Get(), t->items()[i + 1].Get());
    }
  }
};

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_CONTAINERS_H_
