// LayoutTable: the layouts of the program, interned: types with equal masks share one, so a program
// has few.
// Not here: how a layout is derived from a C++ type (tarn/describe.h); scanning
// (gc/collect/marker.h).
// I1 Layout ids are dense, below kMaxLayouts; 0 is noscan, 1 is conservative. Layouts are never
//    removed.
// I2 The table owns copies of the masks, in persistent memory.
// Locking: one Lock to intern; reads of a known id need none.
#ifndef TARN_GC_TYPES_LAYOUT_TABLE_H_
#define TARN_GC_TYPES_LAYOUT_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "runtime/base/lock.h"
#include "runtime/heap/persistent_alloc.h"
#include "runtime/heap/span_class.h"
#include "tarn/internal/layout_spec.h"

namespace tarn::rt {

// What SpanClassInfo::mark_kind says; mark_data depends on it.
enum class MarkKind : uint8_t {
  kNone,        // noscan
  kMask64,      // mark_data[0]: the mask of the whole slot (at most 64 words), raw words
  kMask64Code,  // the same, decoded by the layout's codec; mark_data[1]: const Layout*
  kMaskLong,    // mark_data[1]: const Layout*
  kConservative,
  kCustom,  // mark_data[1]: const Layout*
};

struct Layout {
  internal::LayoutKind kind = internal::LayoutKind::kNoScan;
  internal::WordCodec codec;
  uint32_t prefix_words = 0;
  uint32_t period_words = 0;
  const uint64_t* prefix_bits = nullptr;
  const uint64_t* period_bits = nullptr;
  internal::TraceFn trace = nullptr;

  // Whether word `i` of an element holds a pointer. For kMask.
  bool HasPointer(size_t i) const {
    if (i < prefix_words) return (prefix_bits[i / 64] >> (i % 64)) & 1;
    if (period_words == 0) return false;
    const size_t j = (i - prefix_words) % period_words;
    return (period_bits[j / 64] >> (j % 64)) & 1;
  }
};

class LayoutTable {
 public:
  static constexpr uint16_t kNoScanId = 0;
  static constexpr uint16_t kConservativeId = 1;

  explicit LayoutTable(PersistentAlloc& memory);
  LayoutTable(const LayoutTable&) = delete;
  LayoutTable& operator=(const LayoutTable&) = delete;

  // The id of the layout; registers it on first use. A full table gives kConservativeId, which is
  // always safe except for custom layouts, which abort.
  uint16_t Intern(const internal::LayoutSpec& spec);
  const Layout& Get(uint16_t id) const { return *layouts_[id]; }
  size_t size() const {
    // acquire: pairs with the release in Add; the layouts below are complete.
    return size_.load(std::memory_order_acquire);
  }

  // Some Trace method has visited words that are written without barriers: from then on all objects
  // with such a method count as written without barriers. relaxed: the rescan that reads it comes
  // after the end of marking.
  void NoteUnbarrieredTrace() const { unbarriered_trace_.store(1, std::memory_order_relaxed); }
  bool HasUnbarrieredTrace() const {
    return unbarriered_trace_.load(std::memory_order_relaxed) != 0;
  }

  // Fills the marker's words of a new span class of layout `info.layout`.
  void FillMarkWords(SpanClassInfo& info) const;

 private:
  uint16_t Add(const Layout& layout) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);

  const uint64_t* CopyBits(const uint64_t* bits, uint32_t words);

  PersistentAlloc& memory_;
  Lock lock_;
  const Layout* layouts_[internal::kMaxLayouts] = {};
  std::atomic<size_t> size_{0};
  mutable std::atomic<uint32_t> unbarriered_trace_{0};
};

}  // namespace tarn::rt

#endif  // TARN_GC_TYPES_LAYOUT_TABLE_H_
