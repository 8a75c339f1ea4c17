#include "examples/scheme/hashtable.h"

#include <algorithm>

#include "examples/scheme/builtins.h"
#include "examples/scheme/number.h"
#include "examples/scheme/number_rep.h"
#include "examples/scheme/string_util.h"

namespace scheme {
namespace {

constexpr uint32_t kEmpty = 0, kDeleted = 1, kFirstEntry = 2;  // index positions
constexpr size_t kSmallestIndex = 8;
constexpr size_t kLargestIndex = size_t{1} << 31;

bool SameKey(KeyKind kind, Value a, Value b) {
  if (a == b) return true;
  switch (kind) {
    case KeyKind::kEq:
      return false;
    case KeyKind::kEqv:
      return EqvValues(a, b);
    case KeyKind::kEqual:
      return EqualValues(a, b);
    case KeyKind::kString:
      return CompareText(a.As<String>(), b.As<String>()) == 0;
    case KeyKind::kStringCi:
      return CompareText(FoldText(a.As<String>()), FoldText(b.As<String>())) == 0;
    case KeyKind::kNumber:
      return NumEqual(a, b);
  }
  return false;
}

uint32_t* NewWords(size_t n) {
  return static_cast<uint32_t*>(tarn::AllocateBytes(n * sizeof(uint32_t), tarn::Scan::kNone));
}

// Spreads a hash so that its low bits depend on all of it.
uint32_t Mixed(uint64_t h) { return static_cast<uint32_t>((h * 0x9e3779b97f4a7c15) >> 32); }

// Puts entry number `entry` at the first free position of its probe sequence.
void LinkEntry(uint32_t* index, uint64_t mask, uint32_t hash, size_t entry) {
  size_t p = hash & mask;
  while (index[p] >= kFirstEntry) p = (p + 1) & mask;
  index[p] = static_cast<uint32_t>(entry) + kFirstEntry;
}

// Rebuilds with room for at least `wanted` entries, without the deleted ones (keeps I2, I3).
void Rebuild(HashTable* t, size_t wanted) {
  size_t positions = kSmallestIndex;
  while (positions / 3 * 2 < wanted) positions *= 2;
  if (positions > kLargestIndex) Error("hash table too large");
  const size_t capacity = positions / 3 * 2;
  Vector* entries = NewVector(2 * capacity, kUnbound);
  uint32_t* hashes = NewWords(capacity);
  uint32_t* index = NewWords(positions);
  const uint32_t* old_hashes = t->hashes;
  size_t n = 0;
  for (size_t i = 0; i < t->used; ++i) {
    Slot* old = t->entries->items() + 2 * i;
    if (old[0].Get() == kUnbound) continue;
    entries->items()[2 * n].Set(old[0]);
    entries->items()[2 * n + 1].Set(old[1]);
    hashes[n] = old_hashes[i];
    LinkEntry(index, positions - 1, hashes[n], n);
    ++n;
  }
  t->entries = entries;
  t->hashes = hashes;
  t->index = index;
  t->index_mask = positions - 1;
  t->capacity = capacity;
  t->used = n;
}

constexpr size_t kNotFound = ~size_t{0};

// The index position of `key`, or kNotFound.
size_t FindPosition(HashTable* t, Value key, uint32_t hash) {
  if (t->count == 0) return kNotFound;
  const uint32_t* index = t->index;
  const uint32_t* hashes = t->hashes;
  Slot* entries = t->entries->items();
  for (size_t p = hash & t->index_mask;; p = (p + 1) & t->index_mask) {
    if (index[p] == kEmpty) return kNotFound;
    if (index[p] == kDeleted) continue;
    const size_t entry = index[p] - kFirstEntry;
    if (hashes[entry] == hash && SameKey(t->kind(), entries[2 * entry], key)) return p;
  }
}

uint32_t HashFor(HashTable* t, Value key) { return Mixed(HashKey(t->kind(), key)); }

Slot* EntryAt(HashTable* t, size_t position) {
  const uint32_t* index = t->index;
  return t->entries->items() + 2 * (index[position] - kFirstEntry);
}

}  // namespace

uint64_t HashKey(KeyKind kind, Value key) {
  switch (kind) {
    case KeyKind::kEq:
      return key.w;
    case KeyKind::kEqv:
      return HashEqv(key);
    case KeyKind::kEqual:
      return HashEqual(key);
    case KeyKind::kString:
      if (!key.Is<String>()) WrongType(key, "a string");
      return HashEqual(key);
    case KeyKind::kStringCi:
      if (!key.Is<String>()) WrongType(key, "a string");
      return HashEqual(Value::Of(FoldText(key.As<String>())));
    case KeyKind::kNumber:
      CheckedKind(key);
      return HashNumber(IsRational(key) ? ToExact(key) : key);
  }
  return 0;
}

HashTable* NewHashTable(KeyKind kind, size_t expected) {
  HashTable* t = make_gc<HashTable>();
  InitHeader(t);
  t->header.flags = static_cast<uint8_t>(kind);
  if (expected > 0) Rebuild(t, expected);
  return t;
}

Value TableGet(HashTable* t, Value key, Value missing) {
  const size_t p = FindPosition(t, key, HashFor(t, key));
  return p == kNotFound ? missing : EntryAt(t, p)[1].Get();
}

void TablePut(HashTable* t, Value key, Value value) {
  const uint32_t hash = HashFor(t, key);
  const size_t p = FindPosition(t, key, hash);
  if (p != kNotFound) {
    EntryAt(t, p)[1].Set(value);
    return;
  }
  if (t->used == t->capacity) Rebuild(t, std::max<size_t>(t->count + t->count / 2 + 1, 1));
  const size_t entry = t->used;
  Slot* slots = t->entries->items() + 2 * entry;
  slots[0].Set(key);
  slots[1].Set(value);
  uint32_t* hashes = t->hashes;
  hashes[entry] = hash;
  LinkEntry(t->index, t->index_mask, hash, entry);
  ++t->used;
  ++t->count;
}

bool TableDelete(HashTable* t, Value key) {
  const size_t p = FindPosition(t, key, HashFor(t, key));
  if (p == kNotFound) return false;
  Slot* slots = EntryAt(t, p);
  slots[0].Set(kUnbound);
  slots[1].Set(kUnbound);  // what it referred to may be reclaimed
  uint32_t* index = t->index;
  index[p] = kDeleted;
  --t->count;
  return true;
}

void TableClear(HashTable* t) {
  t->count = t->used = t->capacity = t->index_mask = 0;
  t->entries = nullptr;
  t->hashes = nullptr;
  t->index = nullptr;
}

HashTable* TableCopy(HashTable* t) {
  HashTable* copy = NewHashTable(t->kind());
  copy->count = t->count;
  copy->used = t->used;
  copy->entries = t->entries.get();
  copy->hashes = t->hashes.get();
  if (t->count > 0) Rebuild(copy, t->count);  // leaves the shared vectors and takes fresh ones
  if (t->count == 0) TableClear(copy);
  return copy;
}

}  // namespace scheme
