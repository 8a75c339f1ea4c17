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

void RootCells::Refill(Own& own) {
  LockHolder hold(lock_);
  if (free_ == nullptr) AddBlock();
  own.head = free_;
  Cell* last = free_;
  for (own.count = 1; own.count < kMostOwn / 2 && Next(last) != nullptr; ++own.count) {
    last = Next(last);
  }
  free_ = Next(last);
  SetNext(last, nullptr);
}

void RootCells::GiveBack(Own& own, uint32_t keep) {
  if (own.count <= keep) return;
  // The head of the list goes.
  Cell* first = own.head;
  Cell* last = first;
  for (uint32_t i = own.count - keep; --i != 0;) last = Next(last);
  own.head = Next(last);
  own.count = keep;
  LockHolder hold(lock_);
  SetNext(last, free_);
  free_ = first;
}

}  // namespace tarn::rt
