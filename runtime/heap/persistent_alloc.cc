#include "runtime/heap/persistent_alloc.h"

#include "runtime/base/bits.h"

namespace tarn::rt {

void* PersistentAlloc::Allocate(size_t bytes) {
  bytes = RoundUp(bytes, 16);
  if (bytes > kChunkBytes / 4) return AllocateReady(os_, RoundUp(bytes, os_.PhysicalPageBytes()));
  LockHolder hold(lock_);
  if (end_ - next_ < bytes) {
    void* chunk = AllocateReady(os_, kChunkBytes);
    if (chunk == nullptr) return nullptr;
    next_ = reinterpret_cast<uintptr_t>(chunk);
    end_ = next_ + kChunkBytes;
  }
  void* p = reinterpret_cast<void*>(next_);
  next_ += bytes;
  return p;
}

}  // namespace tarn::rt
