// Size classes: which slot size serves an object of n bytes. Constant tables, usable at compile
// time, so that inline allocation knows the slot size of a type.
// Source of the sizes: Go's size class table (8 B to 32 KiB, tail waste of a span at most 12.5 %).
// I1 sizes ascend, are multiples of 8, and the reciprocal gives the exact object index for every
//    offset inside a span (proved by the tests for each class and each offset).
#ifndef TARN_INTERNAL_SIZE_CLASS_H_
#define TARN_INTERNAL_SIZE_CLASS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "tarn/internal/config.h"

namespace tarn::internal {

inline constexpr size_t kNumSizeClasses = 68;  // class 0: large objects, one span each

inline constexpr std::array<uint16_t, kNumSizeClasses> kClassBytes = {
    0,     8,     16,    24,    32,    48,    64,    80,    96,    112,   128,   144,  160,   176,
    192,   208,   224,   240,   256,   288,   320,   352,   384,   416,   448,   480,  512,   576,
    640,   704,   768,   896,   1024,  1152,  1280,  1408,  1536,  1792,  2048,  2304, 2688,  3072,
    3200,  3456,  4096,  4864,  5376,  6144,  6528,  6784,  6912,  8192,  9472,  9728, 10240, 10880,
    12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768};

// Pages of one span of the class.
inline constexpr std::array<uint8_t, kNumSizeClasses> kClassPages = {
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 2, 1, 2, 1, 3, 2,  3, 1, 3,
    2, 3, 4, 5, 6, 1, 7, 6, 5, 4, 3, 5, 7, 2, 9, 7, 5, 8, 3, 10, 7, 4};

constexpr size_t ClassObjects(size_t size_class) {
  return kClassPages[size_class] * kPageBytes / kClassBytes[size_class];
}

// index = (offset * magic) >> 32 for every offset inside a span of the class; 0 for class 0, whose
// only object has index 0.
constexpr uint32_t ClassMagic(size_t size_class) {
  return size_class == 0 ? 0 : 0xffffffffu / kClassBytes[size_class] + 1;
}

// The smallest class whose slots hold `bytes` (1 <= bytes <= kMaxSmallBytes).
constexpr size_t SizeToClassSlow(size_t bytes) {
  size_t lo = 1, hi = kNumSizeClasses - 1;
  while (lo < hi) {
    const size_t mid = (lo + hi) / 2;
    if (kClassBytes[mid] >= bytes) {
      hi = mid;
    } else {
      lo = mid + 1;
    }
  }
  return lo;
}

namespace size_class_detail {
inline constexpr size_t kFineLimit = 1024;  // classes by 8 bytes up to here, by 128 above
inline constexpr auto kFine = [] {
  std::array<uint8_t, kFineLimit / 8 + 1> t{};
  for (size_t i = 0; i < t.size(); ++i)
    t[i] = static_cast<uint8_t>(SizeToClassSlow(i == 0 ? 1 : i * 8));
  return t;
}();
inline constexpr auto kCoarse = [] {
  std::array<uint8_t, (kMaxSmallBytes - kFineLimit) / 128 + 1> t{};
  for (size_t i = 0; i < t.size(); ++i)
    t[i] = static_cast<uint8_t>(SizeToClassSlow(kFineLimit + i * 128));
  return t;
}();
}  // namespace size_class_detail

constexpr size_t SizeToClass(size_t bytes) {
  using namespace size_class_detail;
  return bytes <= kFineLimit ? kFine[(bytes + 7) / 8] : kCoarse[(bytes - kFineLimit + 127) / 128];
}

// The smallest class for `bytes` whose every slot is aligned to `align` (a power of two up to a
// page), or 0 if only a large object will do.
constexpr size_t SizeToAlignedClass(size_t bytes, size_t align) {
  if (bytes > kMaxSmallBytes) return 0;
  size_t c = SizeToClass(bytes == 0 ? 1 : bytes);
  while (c < kNumSizeClasses && kClassBytes[c] % align != 0) ++c;
  return c < kNumSizeClasses ? c : 0;
}

}  // namespace tarn::internal

#endif  // TARN_INTERNAL_SIZE_CLASS_H_
