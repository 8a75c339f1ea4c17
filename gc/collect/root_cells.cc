#include "gc/collect/root_cells.h"

#include "runtime/base/check.h"

namespace tarn::rt {

void RootCells::AddBlock() {
  void* mem = AllocateReady(*os_, kBlockBytes);
  if (mem == nullptr) Fatal("out of memory for root cells");
  auto* block = static_cast<Block*>(mem);
  for (size_t i = kCells; i-- > 0;) {
    block->cells[i].store(reinterpret_cast<uintptr_t>(free_), std::memory_order_relaxed);
    free_ = &block->cells[i];
  }
  block->next = blocks_.load(std::memory_order_relaxed);
  // release: pairs with the acquire in ForEachBlock.
  blocks_.store(block, std::memory_order_release);
  bytes_.fetch_add(kBlockBytes, std::memory_order_relaxed);  // relaxed: a statistic
}

RootCells::Cell* RootCells::New() {
  LockHolder hold(lock_);
  if (free_ == nullptr) AddBlock();
  Cell* cell = free_;
  // relaxed: under the lock; the scan tolerates either value.
  free_ = reinterpret_cast<Cell*>(cell->load(std::memory_order_relaxed));
  cell->store(0, std::memory_order_relaxed);
  return cell;
}

void RootCells::Free(Cell* cell) {
  LockHolder hold(lock_);
  cell->store(reinterpret_cast<uintptr_t>(free_), std::memory_order_relaxed);  // relaxed: as above
  free_ = cell;
}

}  // namespace tarn::rt
