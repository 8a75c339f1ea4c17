#include "runtime/heap/heap.h"

namespace tarn::rt {

bool Heap::Init(OsMemory& os, size_t cage_bytes) {
  os_ = &os;
  return pages_.Init(os, cage_bytes);
}

void Heap::FlipSweepgen() {
  // release: pairs with the acquire in sweepgen().
  sweepgen_.store(sweepgen_.load(std::memory_order_relaxed) + 2, std::memory_order_release);
  const size_t end = classes_.End();
  for (size_t c = 1; c < end; ++c) central_[c].Flip();
}

}  // namespace tarn::rt
