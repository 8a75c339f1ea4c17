// Word tricks used by several layers.
#ifndef TARN_RUNTIME_BASE_BITS_H_
#define TARN_RUNTIME_BASE_BITS_H_

#include <bit>
#include <cstddef>
#include <cstdint>

namespace tarn::rt {

// `align` is a power of two.
constexpr uint64_t RoundUp(uint64_t v, uint64_t align) { return (v + align - 1) & ~(align - 1); }
constexpr uint64_t RoundDown(uint64_t v, uint64_t align) { return v & ~(align - 1); }
constexpr bool IsAligned(uint64_t v, uint64_t align) { return (v & (align - 1)) == 0; }
constexpr uint64_t DivideUp(uint64_t v, uint64_t d) { return (v + d - 1) / d; }

// Bits [lo, hi) set, 0 <= lo <= hi <= 64.
constexpr uint64_t BitRange(unsigned lo, unsigned hi) {
  const uint64_t below_hi = hi >= 64 ? ~uint64_t{0} : (uint64_t{1} << hi) - 1;
  const uint64_t below_lo = lo >= 64 ? ~uint64_t{0} : (uint64_t{1} << lo) - 1;
  return below_hi & ~below_lo;
}

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_BASE_BITS_H_
