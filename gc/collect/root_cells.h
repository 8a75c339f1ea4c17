// RootCells: the cells behind gc_root handles, in blocks that are scanned from end to end.
// I1 A cell in use holds null or a pointer; a free cell holds the address of the next free cell,
//    which is no heap address, so the scan need not tell them apart.
// I2 A thread keeps at most kMostOwn free cells to itself; what it frees above that, and what it has when
//    it detaches, others may take.
// Locking: none to take and free a cell, unless the thread's own are used up, or too many: then one Lock
// for a batch. The scan runs while the world is stopped or reads cells atomically.
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

  // Free cells of one thread, linked like all free cells. Changed by it, inside the runtime.
  struct Own {
    Cell* head = nullptr;
    uint32_t count = 0;
  };
  static constexpr uint32_t kMostOwn = 128;

  void Init(OsMemory& os) { os_ = &os; }
  // The cell holds null.
  Cell* New(Own& own) {
    if (own.head == nullptr) [[unlikely]]
      Refill(own);
    Cell* cell = own.head;
    own.head = Next(cell);
    --own.count;
    cell->store(0, std::memory_order_relaxed);  // relaxed: the scan tolerates either value
    return cell;
  }
  void Free(Own& own, Cell* cell) {
    SetNext(cell, own.head);
    own.head = cell;
    if (++own.count > kMostOwn) [[unlikely]]
      GiveBack(own, kMostOwn / 2);
  }
  // Gives back the thread's cells but for `keep`.
  void GiveBack(Own& own, uint32_t keep);
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

  // relaxed (both): of free cells, which belong to one thread or are guarded by the lock.
  static Cell* Next(const Cell* cell) {
    return reinterpret_cast<Cell*>(cell->load(std::memory_order_relaxed));
  }
  static void SetNext(Cell* cell, Cell* next) {
    cell->store(reinterpret_cast<uintptr_t>(next), std::memory_order_relaxed);
  }
  void Refill(Own& own);
  void AddBlock() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);

  OsMemory* os_ = nullptr;
  Lock lock_;
  Cell* free_ ABSL_GUARDED_BY(lock_) = nullptr;
  std::atomic<Block*> blocks_{nullptr};
  std::atomic<size_t> bytes_{0};
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_ROOT_CELLS_H_
