// Proofs about the size class table of tarn/internal/size_class.h. Including this file checks them.
#ifndef TARN_RUNTIME_HEAP_SIZE_CLASS_TABLE_H_
#define TARN_RUNTIME_HEAP_SIZE_CLASS_TABLE_H_

#include "tarn/internal/size_class.h"

namespace tarn::rt {

namespace size_class_proofs {
using internal::kClassBytes;
using internal::kClassPages;
using internal::kNumSizeClasses;
using internal::kPageBytes;

constexpr bool SizesAscendAndAreWordMultiples() {
  for (size_t c = 1; c < kNumSizeClasses; ++c) {
    if (kClassBytes[c] % internal::kWordBytes != 0) return false;
    if (kClassBytes[c] <= kClassBytes[c - 1]) return false;
  }
  return true;
}
constexpr bool TailWasteIsAtMostAnEighth() {
  for (size_t c = 1; c < kNumSizeClasses; ++c) {
    const size_t span = kClassPages[c] * kPageBytes;
    if (8 * (span % kClassBytes[c]) > span) return false;
  }
  return true;
}
constexpr bool BitsFitTheSideTable() {
  for (size_t c = 1; c < kNumSizeClasses; ++c) {
    if ((internal::ClassObjects(c) + 7) / 8 > kClassPages[c] * internal::kMarkBytesPerPage)
      return false;
  }
  return true;
}
// At both ends of each class; the test size_class_test.cc checks every size in between.
constexpr bool LookupFindsTheSmallestClass() {
  for (size_t c = 1; c < kNumSizeClasses; ++c) {
    if (internal::SizeToClass(kClassBytes[c]) != c) return false;
    if (internal::SizeToClass(kClassBytes[c - 1] + size_t{1}) != c) return false;
  }
  return true;
}
static_assert(SizesAscendAndAreWordMultiples());
static_assert(TailWasteIsAtMostAnEighth());
static_assert(BitsFitTheSideTable());
static_assert(LookupFindsTheSmallestClass());
static_assert(kClassBytes[kNumSizeClasses - 1] == internal::kMaxSmallBytes);
}  // namespace size_class_proofs

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_SIZE_CLASS_TABLE_H_
