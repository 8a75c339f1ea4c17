// Publishing a span whose pages are lent (page_heap_lent.cc): from then on it is an object.
#ifndef TARN_RUNTIME_HEAP_LENT_SPAN_H_
#define TARN_RUNTIME_HEAP_LENT_SPAN_H_

#include <cstdint>

#include "runtime/heap/heap.h"

namespace tarn::rt {

// `span`, from PageHeap::MakeLentSpan, becomes one live object of its class, without pointers; marked if
// the caller allocates black (ThreadCache::black_gen). Neither live bytes nor objects are counted. Inside
// the runtime.
void PublishLentSpan(Heap& heap, Span* span, uint32_t black_gen);

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_LENT_SPAN_H_
