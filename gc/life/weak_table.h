// WeakTable: the identity of a gc_weak_map: entries are records (kEphemeron) of their keys that name
// it.
// I1 It lives as long as the map or any entry: `refs` counts both.
#ifndef TARN_GC_LIFE_WEAK_TABLE_H_
#define TARN_GC_LIFE_WEAK_TABLE_H_

#include <atomic>
#include <cstdint>

namespace tarn::rt {

struct WeakTable {
  std::atomic<uint64_t> refs{1};
  std::atomic<uint64_t> size{0};  // entries of live keys, as far as is known; relaxed: a number
  std::atomic<uint32_t> is_gone{
      0};  // the map is; relaxed: entries go at the next collection, or the
           // one after it
};

}  // namespace tarn::rt

#endif  // TARN_GC_LIFE_WEAK_TABLE_H_
