// RootCells: the cells behind gc_root handles, in blocks that are scanned from end to end.
// I1 A cell in use holds null or a pointer; a free cell holds the address of the next free cell,
//    which is no heap address, so the scan need not tell them apart.
// Locking: one Lock to take and free; the scan runs while the world is stopped or reads cells
// atomically.
// Cost: a linear scan of all cells ever in use at once, 8 bytes each.
#ifndef TARN_GC_COLLECT_ROOT_CELLS_H_
#define TARN_GC_COLLECT_ROOT_CELLS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "runtime/base/lock.h"
#include "runtime/os/os_memory.h"

namespace tarn::rt {

class RootCells {
 public:
  using Cell = std::atomic<uintptr_t>;

  void Init(OsMemory& os) { os_ = &os; }
  Cell* New();
  void Free(Cell* cell);
  // f(const uintptr_t* begin, const uintptr_t* end) for each block.
  template <class F>
  void ForEachBlock(F&& f) const {
    // acquire: pairs with the release in AddBlock; the block's cells and link are initialised.
    for (const Block* b = blocks_.load(std::memory_order_acquire); b != nullptr; b = b->next) {
      const auto* begin = reinterpret_cast<const uintptr_t*>(b->cells);
      f(begin, begin + kCells);
    }
  }
  // Whether `p` is the address of a cell. Blocks are never given back, so a cell stays readable.
  bool Contains(uintptr_t p) const {
    bool found = false;
    ForEachBlock([&](const uintptr_t* begin, const uintptr_t* end) {
      found |= p >= reinterpret_cast<uintptr_t>(begin) && p < reinterpret_cast<uintptr_t>(end);
    });
    return found;
  }
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kBlockBytes = 64 << 10;
  static constexpr size_t kCells = kBlockBytes / sizeof(Cell) - 1;
  struct Block {
    Block* next;
    Cell cells[kCells];
  };
  static_assert(sizeof(Block) == kBlockBytes);

  void AddBlock() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);

  OsMemory* os_ = nullptr;
  Lock lock_;
  Cell* free_ ABSL_GUARDED_BY(lock_) = nullptr;
  std::atomic<Block*> blocks_{nullptr};
  std::atomic<size_t> bytes_{0};
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_ROOT_CELLS_H_
