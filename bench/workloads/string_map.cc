// string-map KEYS OPS: a chained hash table from strings to strings, filled with KEYS keys; then
// OPS random operations on twice as many keys: half look up, a quarter insert or replace, a quarter
// erase, so the table keeps its size while its strings change.
#include <peer.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "bench/workloads/workload.h"

namespace bench {
namespace {

struct Entry {
  peer::Ptr<Entry> next;
  peer::Ptr<char> key, value;
  uint64_t hash;
  uint32_t key_size, value_size;
};

// The text of a key: decimal digits of its number, scrambled.
struct Key {
  explicit Key(uint64_t number) {
    for (uint64_t x = Rng(number).Next(); x != 0; x /= 10) {
      text[size++] = static_cast<char>('0' + x % 10);
    }
    for (uint32_t i = 0; i < size; ++i) {
      hash = (hash ^ static_cast<unsigned char>(text[i])) * 0x100000001b3;
    }
  }
  char text[24];
  uint32_t size = 0;
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
};

class Map {
 public:
  uint64_t size() const { return size_; }

  const Entry* Find(const Key& key) const { return *FindLink(key); }

  // The value is value_size bytes that begin and end with the low byte of `mark`.
  void Put(const Key& key, uint32_t value_size, uint64_t mark) {
    char* value = peer::NewBytes(value_size);
    value[0] = value[value_size - 1] = static_cast<char>(mark);
    peer::Ptr<Entry>* link = FindLink(key);
    if (Entry* e = *link; e != nullptr) {
      peer::Free(e->value);
      e->value = value;
      e->value_size = value_size;
      return;
    }
    char* text = peer::NewBytes(key.size);
    std::memcpy(text, key.text, key.size);
    *link = peer::New<Entry>(nullptr, text, value, key.hash, key.size, value_size);
    if (++size_ > buckets_) Grow();
  }

  void Erase(const Key& key) {
    peer::Ptr<Entry>* link = FindLink(key);
    Entry* e = *link;
    if (e == nullptr) return;
    *link = e->next;
    peer::Free(e->key);
    peer::Free(e->value);
    peer::Free(e);
    --size_;
  }

 private:
  // The slot that points to the entry, or the null at the end of its chain.
  peer::Ptr<Entry>* FindLink(const Key& key) const {
    peer::Ptr<Entry>* link = &table_[key.hash & (buckets_ - 1)];
    while (*link != nullptr && !Matches(**link, key)) link = &(*link)->next;
    return link;
  }
  static bool Matches(const Entry& e, const Key& key) {
    return e.hash == key.hash && e.key_size == key.size &&
           std::memcmp(e.key, key.text, key.size) == 0;
  }
  void Grow() {
    const uint64_t buckets = 2 * buckets_;
    auto* table = peer::NewArray<peer::Ptr<Entry>>(buckets);
    for (uint64_t i = 0; i < buckets_; ++i) {
      for (Entry* e = table_[i]; e != nullptr;) {
        Entry* next = e->next;
        peer::Ptr<Entry>& slot = table[e->hash & (buckets - 1)];
        e->next = slot;
        slot = e;
        e = next;
      }
    }
    peer::Free(table_);
    table_ = table;
    buckets_ = buckets;
  }

  uint64_t buckets_ = 16;
  peer::Ptr<Entry>* table_ = peer::NewArray<peer::Ptr<Entry>>(16);
  uint64_t size_ = 0;
};

void Run(const Args& args) {
  const uint64_t keys = args.Number(0), ops = args.Number(1);
  Rng rng(1);
  Map map;
  const auto put = [&](uint64_t number) {
    map.Put(Key(number), 16 + static_cast<uint32_t>(rng.Below(64)), number);
  };
  for (uint64_t i = 0; i < keys; ++i) put(i);
  uint64_t found = 0, sum = 0;
  for (uint64_t i = 0; i < ops; ++i) {
    const uint64_t number = rng.Below(2 * keys);
    const uint64_t what = rng.Below(4);
    if (what == 2) {
      put(number);
    } else if (what == 3) {
      map.Erase(Key(number));
    } else if (const Entry* e = map.Find(Key(number)); e != nullptr) {
      ++found;
      sum += e->value_size + static_cast<unsigned char>(e->value[e->value_size - 1]);
    }
  }
  std::printf("%" PRIu64 " found, sum %" PRIu64 ", size %" PRIu64 "\n", found, sum, map.size());
}

}  // namespace

const Workload kStringMap = {
    "string-map", "KEYS OPS", {"2000000", "10000000"}, {"2000", "20000"}, Run};

}  // namespace bench
