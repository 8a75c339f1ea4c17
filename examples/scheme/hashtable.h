// HashTable: a map from values to values that remembers the order of insertion.
// Entries stand in a vector in insertion order; an open-addressed index of entry numbers, free of
// pointers, finds them. So the collector scans only live entries, growing moves no keys between
// buckets, and programs that print a table are reproducible although objects hash by address (tarn
// never moves an object).
// Not here: the SRFI 69 procedures (hashtable_builtins.cc, lib/hashtable.scm).
// I1 entries holds 2 * capacity slots: key, value. Entries [0, used) were inserted; a deleted one
// has
//    key kUnbound, which no program can name. count = used minus the deleted ones.
// I2 Every entry that is not deleted is reachable in the index from its hash by linear probing
//    without crossing an empty position; a position is never emptied except by a rebuild.
// I3 used <= capacity <= 2/3 of the index positions, so that probing ends.
// Locking: none. Cost: 16 bytes per entry, 4 for its hash, 6 to 12 of index.
#ifndef EXAMPLES_SCHEME_HASHTABLE_H_
#define EXAMPLES_SCHEME_HASHTABLE_H_

#include <cstddef>
#include <cstdint>

#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

// lib/hashtable.scm has tables in this order.
enum class KeyKind : uint8_t { kEqual, kEqv, kEq, kString, kStringCi, kNumber };

struct HashTable {
  static constexpr Type kType = Type::kHashTable;
  Header header;  // flags: a KeyKind
  uint64_t count;
  uint64_t used;
  uint64_t capacity;
  uint64_t index_mask;      // positions - 1; positions is a power of two
  gc_ptr<Vector> entries;   // null while capacity is 0
  gc_ptr<uint32_t> hashes;  // one per entry
  gc_ptr<uint32_t> index;   // kEmpty, kDeleted, or an entry number plus 2

  KeyKind kind() const { return static_cast<KeyKind>(header.flags); }
};

HashTable* NewHashTable(KeyKind kind, size_t expected = 0);

// The value for `key`, or `missing`. May raise an error when the key is not of the table's kind, as
// the others do.
Value TableGet(HashTable* t, Value key, Value missing);
void TablePut(HashTable* t, Value key, Value value);
bool TableDelete(HashTable* t, Value key);  // whether it was there
void TableClear(HashTable* t);
HashTable* TableCopy(HashTable* t);

// Calls f(key, value) for each entry in order of insertion. f must not change the table.
template <class F>
void ForEachEntry(HashTable* t, F f) {
  for (size_t i = 0; i < t->used; ++i) {
    Slot* entry = t->entries->items() + 2 * i;
    if (entry[0].Get() != kUnbound) f(entry[0].Get(), entry[1].Get());
  }
}

// The hash that a table of this kind uses.
uint64_t HashKey(KeyKind kind, Value key);

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_HASHTABLE_H_
