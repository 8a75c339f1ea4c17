#include "gc/life/record_pool.h"

namespace tarn::rt {

bool RecordPool::Refill(Own& own) {
  LockHolder hold(lock_);
  if (free_ == nullptr) {
    auto* batch = static_cast<Special*>(memory_.Allocate(kBatch * sizeof(Special)));
    if (batch == nullptr) return false;
    for (uint32_t i = kBatch; i-- > 0;) {
      Special* s = ::new (&batch[i]) Special();
      s->next.store(free_, std::memory_order_relaxed);  // relaxed (all here): under the lock
      free_ = s;
    }
  }
  own.head = free_;
  Special* last = free_;
  for (own.count = 1; own.count < kBatch && last->Next() != nullptr; ++own.count) {
    last = last->Next();
  }
  free_ = last->Next();
  last->next.store(nullptr, std::memory_order_relaxed);
  return true;
}

void RecordPool::GiveBack(Own& own, uint32_t keep) {
  if (own.count <= keep) return;
  // The head of the list goes.
  Special* first = own.head;
  Special* last = first;
  for (uint32_t i = own.count - keep; --i != 0;) last = last->Next();
  own.head = last->Next();
  own.count = keep;
  LockHolder hold(lock_);
  last->next.store(free_, std::memory_order_relaxed);  // relaxed: under the lock
  free_ = first;
}

}  // namespace tarn::rt
