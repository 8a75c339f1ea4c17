// The word tricks against loops that do the same bit by bit.
#include "runtime/base/bits.h"

#include <gtest/gtest.h>

namespace tarn::rt {
namespace {

TEST(BitsTest, BitRangeHasExactlyTheBitsBetweenItsBounds) {
  for (unsigned lo = 0; lo <= 64; ++lo) {
    for (unsigned hi = lo; hi <= 64; ++hi) {
      uint64_t want = 0;
      for (unsigned i = lo; i < hi; ++i) want |= uint64_t{1} << i;
      ASSERT_EQ(BitRange(lo, hi), want) << lo << " " << hi;
    }
  }
}

TEST(BitsTest, RoundingGoesToTheNextMultipleAndStaysOnOne) {
  for (uint64_t align = 1; align <= 64; align *= 2) {
    for (uint64_t v = 0; v < 300; ++v) {
      uint64_t up = v;
      while (up % align != 0) ++up;
      ASSERT_EQ(RoundUp(v, align), up) << v << " " << align;
      ASSERT_EQ(RoundDown(v, align), v - v % align) << v << " " << align;
      ASSERT_EQ(IsAligned(v, align), v % align == 0) << v << " " << align;
    }
  }
}

TEST(BitsTest, RoundingKeepsTheUpperHalfOfAWord) {
  const uint64_t high = uint64_t{0x7fff} << 32;
  EXPECT_EQ(RoundUp(high + 1, 8192), high + 8192);
  EXPECT_EQ(RoundDown(high + 8191, 8192), high);
  EXPECT_TRUE(IsAligned(high, uint64_t{1} << 32));
  EXPECT_FALSE(IsAligned(high + 4096, 8192));
}

TEST(BitsTest, DivideUpCountsAPartialPieceAsOne) {
  for (uint64_t d = 1; d < 40; ++d) {
    for (uint64_t v = 0; v < 200; ++v) {
      uint64_t pieces = 0;
      while (pieces * d < v) ++pieces;
      ASSERT_EQ(DivideUp(v, d), pieces) << v << " " << d;
    }
  }
}

}  // namespace
}  // namespace tarn::rt
