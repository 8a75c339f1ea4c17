// The inline allocation path: bump the run of the type's span class, or call the slow path.
//   1 load the type's span class (0 until the first allocation: an always-empty run)
//   2 load the cursor, add, compare with the limit, store the cursor
// I1 The cursor is stored before the object is written to (signal fence): a handshake between the
// two sees
//    the object as allocated, not as part of the free rest of the run.
// Not here: layouts (describe.h), constructors (make_gc.h).
// Cost: see tests/golden; 8 instructions for a type whose size is known.
#ifndef TARN_INTERNAL_ALLOC_FAST_H_
#define TARN_INTERNAL_ALLOC_FAST_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tarn/internal/layout_spec.h"
#include "tarn/internal/mutator_block.h"
#include "tarn/internal/size_class.h"

namespace tarn::internal {

// Registers a layout; the result is its id. Called once per type, from the slow path.
using LayoutFn = uint16_t (*)();
uint16_t InternLayout(const LayoutSpec& spec);

// One per type whose objects all have one size. Constant-initialised.
struct FixedSite {
  // Byte offset of the span class's run in MutatorBlock::runs; 0 until the class is known, which is
  // an always-empty run. relaxed: a stale 0 takes the slow path.
  std::atomic<uint32_t> run_offset{0};
  uint32_t bytes;
  uint32_t align;
  LayoutFn layout;
};

// One per element type whose objects vary in size. Constant-initialised.
struct SizedSite {
  std::atomic<uint32_t> run_offset[kNumSizeClasses]{};  // relaxed: as above
  LayoutFn layout;
  std::atomic<uint32_t> layout_id{0};  // id + 1
};

// Zeroed memory, or null when the system or a limit refuses. May collect, attach the thread, and
// start the heap.
void* AllocateFixedSlow(FixedSite& site);
void* AllocateSizedSlow(SizedSite& site, size_t bytes, size_t size_class);
void* AllocateTinySlow(size_t bytes, size_t align);
[[noreturn]] void ThrowBadAlloc();

// False if the run has no room.
[[gnu::always_inline]] inline bool TakeFromRun(uint32_t run_offset, size_t slot_bytes, void*& out) {
  Run& run = *reinterpret_cast<Run*>(reinterpret_cast<char*>(t_block.runs) + run_offset);
  // relaxed: own thread's; the collector reads them in handshakes of this thread only.
  const uintptr_t p = run.cursor.load(std::memory_order_relaxed);
  const uintptr_t end = p + slot_bytes;
  if (end > run.limit) [[unlikely]]
    return false;
  run.cursor.store(end, std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // I1
  out = reinterpret_cast<void*>(p);
  return true;
}

template <size_t kBytes, size_t kAlign>
inline void* AllocateFixed(FixedSite& site) {
  constexpr size_t kClass = SizeToAlignedClass(kBytes, kAlign);
  void* p;
  if constexpr (kClass != 0) {
    if (TakeFromRun(site.run_offset.load(std::memory_order_relaxed), kClassBytes[kClass], p))
        [[likely]] {
      return p;
    }
  }
  p = AllocateFixedSlow(site);
  if (p == nullptr) [[unlikely]]
    ThrowBadAlloc();
  return p;
}

inline void* AllocateSized(SizedSite& site, size_t bytes, size_t align) {
  const size_t size_class = bytes > kMaxSmallBytes ? 0
                            : align <= kWordBytes  ? SizeToClass(bytes)
                                                   : SizeToAlignedClass(bytes, align);
  void* p;
  if (size_class != 0 && TakeFromRun(site.run_offset[size_class].load(std::memory_order_relaxed),
                                     kClassBytes[size_class], p)) [[likely]] {
    return p;
  }
  p = AllocateSizedSlow(site, bytes, size_class);
  if (p == nullptr) [[unlikely]]
    ThrowBadAlloc();
  return p;
}

}  // namespace tarn::internal

#endif  // TARN_INTERNAL_ALLOC_FAST_H_
