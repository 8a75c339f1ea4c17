// A walk over all spans in use, in the order of their addresses.
// I1 Nobody makes or frees a span meanwhile: the world is stopped and the driver rests. But a
//    blocked thread may be writing the inner page entries of a span that is not published yet
//    (page_heap_lent.cc); such a span is passed over, for it holds no object.
#ifndef TARN_RUNTIME_HEAP_SPAN_WALK_H_
#define TARN_RUNTIME_HEAP_SPAN_WALK_H_

#include <algorithm>
#include <cstddef>

#include "runtime/heap/cage.h"
#include "runtime/heap/page_entry.h"
#include "runtime/heap/span.h"

namespace tarn::rt {

// f(span, first page)
template <class F>
void ForEachSpan(const Cage& cage, F&& f) {
  for (size_t page = 0; page < cage.committed_pages();) {
    const PageEntry e = cage.Entry(page);
    if (!e.in_use()) {
      ++page;
      continue;
    }
    // The span's record is older than its entries; those of inner pages are none.
    const size_t first = page - e.offset_pages();
    const Span* const s = cage.SpanAt(first);
    if (first == page) f(*s, first);
    page = std::max(page + 1, first + s->npages);
  }
}

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_SPAN_WALK_H_
