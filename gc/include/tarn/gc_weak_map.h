// gc_weak_map<K, V>: values for objects, without keeping the objects alive (ephemerons).
// gc_weak_set<K>: a set of objects likewise.
//
//   tarn::gc_weak_map<Node, Note> notes;
//   notes.set(node, tarn::make_gc<Note>(...));
//   if (Note* n = notes.get(node)) ...
//
// A value stays alive as long as its key and the map do. A value that leads to its own key, or to the keys
// of other entries in a circle, keeps none of them alive; chains of entries (a value is the key of the
// next) die in one collection, in time linear in their length. Keys are compared by address. An entry goes
// when the key is found dead, before the key's finalizer runs. The map may be anywhere: on the stack, in a
// global, in a heap object (which then has a destructor; a map that is reachable only from one of its own
// values through such an object stays until the key of that value dies).
// Errors: a key or value that is not in the heap aborts with a message; a null key is never found;
// std::bad_alloc when the system refuses memory for an entry or a map.
// A value with a finalizer that leads to its own key keeps both until the entry is erased: what an object
// with a finalizer refers to stays alive.
// Thread-safety: all operations of all threads at once, except clear(), assignment and the end of the map.
// May collect: no. Blocks: shortly, on a lock. Erasing very often while a collection marks helps it, and may
// wait some milliseconds.
// Cost: a record of 40 bytes per entry; an operation looks at all records of the key's object (weak
// pointers, entries of other maps). While a program has such maps, marking looks once more at each object.
#ifndef TARN_GC_WEAK_MAP_H_
#define TARN_GC_WEAK_MAP_H_

#include <cstddef>
#include <utility>

#include "tarn/describe.h"

namespace tarn::rt {
struct WeakTable;
}

namespace tarn {

namespace internal {

// The map without types. A null value is a value.
class WeakMapBase {
 public:
  WeakMapBase();
  WeakMapBase(WeakMapBase&& other) noexcept : table_(std::exchange(other.table_, nullptr)) {}
  WeakMapBase& operator=(WeakMapBase&& other) noexcept {
    std::swap(table_, other.table_);
    return *this;
  }
  ~WeakMapBase();

  void Set(const void* key, const void* value);
  bool Find(const void* key, void*& value) const;
  bool Erase(const void* key);
  size_t size() const;

 private:
  bool TrySet(const void* key, const void* value);

  rt::WeakTable* table_;
};

}  // namespace internal

template <class K, class V>
class gc_weak_map {
 public:
  // Adds or replaces.
  void set(K* key, V* value) { base_.Set(key, value); }
  // Null if there is no entry.
  V* get(K* key) const {
    void* value = nullptr;
    base_.Find(key, value);
    return static_cast<V*>(value);
  }
  bool contains(K* key) const {
    void* value;
    return base_.Find(key, value);
  }
  // Whether there was an entry.
  bool erase(K* key) { return base_.Erase(key); }
  void clear() { base_ = internal::WeakMapBase(); }
  // Entries whose keys have not been found dead.
  size_t size() const { return base_.size(); }

  static constexpr auto tarn_layout = fields();  // no pointers to the heap

 private:
  internal::WeakMapBase base_;
};

template <class K>
class gc_weak_set {
 public:
  void insert(K* key) { base_.Set(key, nullptr); }
  bool contains(K* key) const {
    void* value;
    return base_.Find(key, value);
  }
  bool erase(K* key) { return base_.Erase(key); }
  void clear() { base_ = internal::WeakMapBase(); }
  size_t size() const { return base_.size(); }

  static constexpr auto tarn_layout = fields();  // no pointers to the heap

 private:
  internal::WeakMapBase base_;
};

}  // namespace tarn

#endif  // TARN_GC_WEAK_MAP_H_
