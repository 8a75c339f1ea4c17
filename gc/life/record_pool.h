// RecordPool: memory for records. A thread takes and gives back from a list of its own; whole batches go
// between those and a common list.
// I1 A thread keeps at most kMostOwn free records to itself; when it detaches it keeps none.
// Locking: none, unless the thread's own are used up, or too many: then one Lock for a batch.
// Cost: 40 bytes a record. Memory is not given back to the system.
#ifndef TARN_GC_LIFE_RECORD_POOL_H_
#define TARN_GC_LIFE_RECORD_POOL_H_

#include <cstdint>
#include <new>

#include "absl/base/thread_annotations.h"
#include "gc/life/special.h"
#include "runtime/base/lock.h"
#include "runtime/heap/persistent_alloc.h"

namespace tarn::rt {

class RecordPool {
 public:
  // Free records of one thread. Changed by it, inside the runtime.
  struct Own {
    Special* head = nullptr;
    uint32_t count = 0;
  };
  static constexpr uint32_t kMostOwn = 256;

  explicit RecordPool(PersistentAlloc& memory) : memory_(memory) {}
  RecordPool(const RecordPool&) = delete;
  RecordPool& operator=(const RecordPool&) = delete;

  // Null when the system refuses memory.
  Special* New(Own& own) {
    if (own.head == nullptr && !Refill(own)) [[unlikely]]
      return nullptr;
    Special* s = own.head;
    own.head = s->Next();
    --own.count;
    return ::new (s) Special();
  }
  void Delete(Own& own, Special* s) {
    // relaxed: the record is the caller's.
    s->next.store(own.head, std::memory_order_relaxed);
    own.head = s;
    if (++own.count > kMostOwn) [[unlikely]]
      GiveBack(own, kMostOwn / 2);
  }
  // Gives back the thread's records but for `keep`.
  void GiveBack(Own& own, uint32_t keep);

 private:
  static constexpr uint32_t kBatch = 64;

  bool Refill(Own& own);

  PersistentAlloc& memory_;
  Lock lock_;
  Special* free_ ABSL_GUARDED_BY(lock_) = nullptr;
};

}  // namespace tarn::rt

#endif  // TARN_GC_LIFE_RECORD_POOL_H_
