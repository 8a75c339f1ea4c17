// SpanClass: a (size class, layout) pair, numbered densely. Spans, thread runs and central lists
// are kept per span class, which is why objects need no header.
// Not here: what a layout means (gc/types/layout_table.h); this layer knows it as a number and a noscan
// flag, and keeps for the marker three words per class that it never looks at.
// I1 Classes are numbered from 1; 0 means "not yet assigned". I2 A class never changes once
//    published.
// Locking: Intern takes the table's lock; reads need none (count is published with release).
// Cost: programs use some dozens of 16383 classes: memory is taken as numbers are.
#ifndef TARN_RUNTIME_HEAP_SPAN_CLASS_H_
#define TARN_RUNTIME_HEAP_SPAN_CLASS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "runtime/base/lock.h"
#include "runtime/heap/meta_region.h"
#include "runtime/heap/size_class_table.h"

namespace tarn::rt {

struct alignas(64) SpanClassInfo {
  uint32_t elem_bytes;  // 0 for large objects
  uint32_t magic;       // reciprocal of elem_bytes, 0 for large objects
  uint32_t nelems;      // 1 for large objects
  uint16_t npages;      // 0 for large objects
  uint16_t layout;
  uint8_t size_class;
  uint8_t noscan;
  uint8_t mark_kind;  // how the marker scans an element: belongs to the layer above
  uint8_t unused;
  uint64_t mark_data[3];  // likewise
};
static_assert(sizeof(SpanClassInfo) == 64, "one cache line per span class");

class SpanClassTable {
 public:
  SpanClassTable() = default;
  ~SpanClassTable() { memory_.Destroy(); }
  SpanClassTable(const SpanClassTable&) = delete;
  SpanClassTable& operator=(const SpanClassTable&) = delete;

  // Before anything else. False when the system refuses; nothing is kept then.
  [[nodiscard]] bool Init(OsMemory& os);

  // The class of (size_class, layout); registers it on first use. `fill` sets the marker's words of
  // a new class before it is published. 0 if the table is full (IsFull) or the system refuses memory.
  uint16_t Intern(size_t size_class, uint16_t layout, bool noscan,
                  void (*fill)(SpanClassInfo& info, void* arg), void* arg);
  bool IsFull() const { return End() == internal::kMaxSpanClasses; }
  const SpanClassInfo& Info(uint16_t span_class) const { return infos_[span_class]; }
  const SpanClassInfo* infos() const { return infos_; }
  // One past the largest class in use.
  size_t End() const {
    // acquire: pairs with the release in Intern; the infos below are complete.
    return end_.load(std::memory_order_acquire);
  }

 private:
  static constexpr size_t kHashSlots = internal::kMaxSpanClasses * 2;

  Lock lock_;
  MetaRegion memory_ ABSL_GUARDED_BY(lock_);
  uint16_t* hash_ ABSL_PT_GUARDED_BY(lock_) = nullptr;  // kHashSlots, all ready
  SpanClassInfo* infos_ = nullptr;                      // kMaxSpanClasses, ready up to end_
  std::atomic<size_t> end_{1};
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_SPAN_CLASS_H_
