// ReachedSet: the objects that a check has found so far, and those of them that it has not yet looked
// into. For debug modes: it takes address space a little larger than the heap, backed as far as it is used.
// Locking: none.
#ifndef TARN_GC_COLLECT_REACHED_SET_H_
#define TARN_GC_COLLECT_REACHED_SET_H_

#include <cstddef>
#include <cstdint>

#include "runtime/base/bits.h"
#include "runtime/heap/cage.h"
#include "runtime/os/os_memory.h"

namespace tarn::rt {

class ReachedSet {
 public:
  ReachedSet(OsMemory& os, const Cage& cage)
      : os_(os),
        base_(cage.base()),
        bits_bytes_(RoundUp(cage.committed() / kGrain / 8, os.PhysicalPageBytes())),
        stack_bytes_(
            RoundUp(cage.committed() / kGrain * sizeof(uintptr_t), os.PhysicalPageBytes())) {
    if (bits_bytes_ == 0) return;  // the heap is empty yet
    memory_ = AllocateReady(os, bits_bytes_ + stack_bytes_);
  }
  ~ReachedSet() {
    const size_t bytes = bits_bytes_ + stack_bytes_;
    if (memory_ != nullptr) os_.Free(memory_, bytes, bytes, bytes);
  }
  ReachedSet(const ReachedSet&) = delete;
  ReachedSet& operator=(const ReachedSet&) = delete;

  bool ok() const { return memory_ != nullptr; }
  // `object`: the start of a slot.
  void Add(uintptr_t object) {
    const size_t i = (object - base_) / kGrain;
    uint64_t& word = static_cast<uint64_t*>(memory_)[i / 64];
    const uint64_t bit = uint64_t{1} << (i % 64);
    if (word & bit) return;
    word |= bit;
    stack()[depth_++] = object;
  }
  // 0: nothing is left.
  uintptr_t Take() { return depth_ == 0 ? 0 : stack()[--depth_]; }

 private:
  static constexpr size_t kGrain = 8;  // bytes of the smallest slot: one bit, one entry at most

  uintptr_t* stack() const {
    return reinterpret_cast<uintptr_t*>(static_cast<char*>(memory_) + bits_bytes_);
  }

  OsMemory& os_;
  const uintptr_t base_;
  const size_t bits_bytes_, stack_bytes_;
  void* memory_ = nullptr;
  size_t depth_ = 0;
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_REACHED_SET_H_
