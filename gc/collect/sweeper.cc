#include "gc/collect/sweeper.h"

#include "runtime/heap/span_sweep.h"

namespace tarn::rt {

size_t SweepAll(Heap& heap) {
  size_t swept = 0;
  const size_t end = heap.classes().End();
  for (size_t c = 1; c < end; ++c) {
    while (SweepOne(heap, static_cast<uint16_t>(c))) ++swept;
  }
  return swept;
}

}  // namespace tarn::rt
