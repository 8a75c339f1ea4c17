#include "runtime/heap/heap.h"

#include <algorithm>

namespace tarn::rt {

bool Heap::Init(OsMemory& os, size_t cage_bytes) {
  os_ = &os;
  {
    LockHolder hold(class_lock_);
    if (!lists_.Init(os, internal::kMaxSpanClasses * sizeof(CentralList))) return false;
    central_ = reinterpret_cast<CentralList*>(lists_.base());
  }
  return classes_.Init(os) && pages_.Init(os, cage_bytes);
}

uint16_t Heap::InternClass(size_t size_class, uint16_t layout, bool noscan,
                           void (*fill)(SpanClassInfo& info, void* arg), void* arg) {
  LockHolder hold(class_lock_);
  // The list comes before the class is published. Fresh memory is an empty list.
  const size_t lists = std::min(classes_.End() + 1, internal::kMaxSpanClasses);
  if (!lists_.EnsureReady(0, lists * sizeof(CentralList))) return 0;
  return classes_.Intern(size_class, layout, noscan, fill, arg);
}

void Heap::FlipSweepgen() {
  size_t end;
  {
    // Under the lock: a thread that registers a class later sees the new generation, and classes that
    // were registered before are flipped. A span of a class in between would stay unswept.
    LockHolder hold(class_lock_);
    // release: pairs with the acquire in sweepgen().
    sweepgen_.store(sweepgen_.load(std::memory_order_relaxed) + 2, std::memory_order_release);
    end = classes_.End();
  }
  for (size_t c = 1; c < end; ++c) central_[c].Flip();
}

}  // namespace tarn::rt
