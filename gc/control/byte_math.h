// Byte arithmetic that saturates instead of wrapping or trapping.
// Not here: policy.
// I1 No result is larger than kMaxBytes (what fits in 63 bits) or negative, whatever the input: NaN
//    and negative numbers count as 0.
// Locking: none; pure.
#ifndef TARN_GC_CONTROL_BYTE_MATH_H_
#define TARN_GC_CONTROL_BYTE_MATH_H_

#include <algorithm>
#include <cstdint>

namespace tarn::rt {

inline constexpr uint64_t kMaxBytes = ~uint64_t{0} >> 1;

// a + b, at most 2^64 - 1: kNoGoal stays kNoGoal.
constexpr uint64_t SaturatingAdd(uint64_t a, uint64_t b) {
  return a > ~uint64_t{0} - b ? ~uint64_t{0} : a + b;
}

// a - b, at least 0.
constexpr uint64_t SaturatingSub(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }
constexpr uint64_t AddSigned(uint64_t a, int64_t b) {
  return b < 0 ? SaturatingSub(a, uint64_t{0} - static_cast<uint64_t>(b))
               : a + static_cast<uint64_t>(b);
}

// Truncates; keeps I1.
constexpr uint64_t ToBytes(double v) {
  if (!(v > 0)) return 0;
  // 2^63 is a double, 2^63 - 1 is not.
  return v >= 9223372036854775808.0 ? kMaxBytes : static_cast<uint64_t>(v);
}

// For differences: at most kMaxBytes, so that the difference of two fits in 64 bits.
constexpr int64_t ToSigned(uint64_t v) { return static_cast<int64_t>(std::min(v, kMaxBytes)); }

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_BYTE_MATH_H_
