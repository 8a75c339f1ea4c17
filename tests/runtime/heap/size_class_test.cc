// The size class tables against their definition: every class, every offset, every size.
#include "tarn/internal/size_class.h"

#include <gtest/gtest.h>

#include <iterator>

#include "runtime/heap/size_class_table.h"

namespace tarn::internal {
namespace {

TEST(SizeClassTest, ReciprocalGivesTheIndexForEveryOffsetOfEveryClass) {
  for (size_t c = 1; c < kNumSizeClasses; ++c) {
    const uint64_t magic = ClassMagic(c);
    const size_t bytes = kClassBytes[c];
    for (size_t offset = 0; offset < kClassPages[c] * kPageBytes; ++offset) {
      ASSERT_EQ(offset * magic >> 32, offset / bytes) << "class " << c << " offset " << offset;
    }
  }
}

TEST(SizeClassTest, ReciprocalOfALargeObjectIsAlwaysZero) {
  EXPECT_EQ(ClassMagic(0), 0u);
  EXPECT_EQ(((uint64_t{1} << 31) * ClassMagic(0)) >> 32, 0u);
}

TEST(SizeClassTest, EverySizeGetsTheSmallestClassThatHoldsIt) {
  size_t want = 1;
  for (size_t bytes = 1; bytes <= kMaxSmallBytes; ++bytes) {
    while (kClassBytes[want] < bytes) ++want;
    ASSERT_EQ(SizeToClass(bytes), want) << bytes;
    ASSERT_EQ(SizeToClassSlow(bytes), want) << bytes;
  }
  EXPECT_EQ(want, kNumSizeClasses - 1);
}

// Bytes, pages and objects of each class, written down independently of the table (Go's size classes).
TEST(SizeClassTest, ClassesAreGos) {
  struct Row {
    size_t bytes, pages, objects;
  };
  static constexpr Row kRows[] = {
      {8, 1, 1024},  {16, 1, 512},  {24, 1, 341},  {32, 1, 256},  {48, 1, 170},   {64, 1, 128},
      {80, 1, 102},  {96, 1, 85},   {112, 1, 73},  {128, 1, 64},  {144, 1, 56},   {160, 1, 51},
      {176, 1, 46},  {192, 1, 42},  {208, 1, 39},  {224, 1, 36},  {240, 1, 34},   {256, 1, 32},
      {288, 1, 28},  {320, 1, 25},  {352, 1, 23},  {384, 1, 21},  {416, 1, 19},   {448, 1, 18},
      {480, 1, 17},  {512, 1, 16},  {576, 1, 14},  {640, 1, 12},  {704, 1, 11},   {768, 1, 10},
      {896, 1, 9},   {1024, 1, 8},  {1152, 1, 7},  {1280, 1, 6},  {1408, 2, 11},  {1536, 1, 5},
      {1792, 2, 9},  {2048, 1, 4},  {2304, 2, 7},  {2688, 1, 3},  {3072, 3, 8},   {3200, 2, 5},
      {3456, 3, 7},  {4096, 1, 2},  {4864, 3, 5},  {5376, 2, 3},  {6144, 3, 4},   {6528, 4, 5},
      {6784, 5, 6},  {6912, 6, 7},  {8192, 1, 1},  {9472, 7, 6},  {9728, 6, 5},   {10240, 5, 4},
      {10880, 4, 3}, {12288, 3, 2}, {13568, 5, 3}, {14336, 7, 4}, {16384, 2, 1},  {18432, 9, 4},
      {19072, 7, 3}, {20480, 5, 2}, {21760, 8, 3}, {24576, 3, 1}, {27264, 10, 3}, {28672, 7, 2},
      {32768, 4, 1}};
  static_assert(std::size(kRows) + 1 == kNumSizeClasses);
  for (size_t c = 1; c < kNumSizeClasses; ++c) {
    EXPECT_EQ(kRows[c - 1].bytes, kClassBytes[c]) << c;
    EXPECT_EQ(kRows[c - 1].pages, kClassPages[c]) << c;
    EXPECT_EQ(kRows[c - 1].objects, ClassObjects(c)) << c;
  }
}

// What programs may rely on without asking for an alignment.
constexpr bool AlignmentIsGuaranteed() {
  for (size_t c = 1; c < kNumSizeClasses; ++c) {
    const size_t bytes = kClassBytes[c];
    const size_t align = bytes >= 768   ? 128
                         : bytes >= 512 ? 64
                         : bytes >= 256 ? 32
                         : bytes >= 32  ? 16
                                        : 8;
    if (bytes % align != 0) return false;
  }
  return true;
}
static_assert(AlignmentIsGuaranteed());

TEST(SizeClassTest, ObjectsAndTailFillTheSpan) {
  for (size_t c = 1; c < kNumSizeClasses; ++c) {
    const size_t span = kClassPages[c] * kPageBytes;
    const size_t used = ClassObjects(c) * kClassBytes[c];
    EXPECT_LE(used, span) << c;
    EXPECT_LT(span - used, kClassBytes[c]) << c;
    EXPECT_LE((span - used) * 8, span) << c;
  }
}

// The definition: the first class that is large enough and a multiple of the alignment.
size_t AlignedClassByDefinition(size_t bytes, size_t align) {
  for (size_t c = 1; c < kNumSizeClasses; ++c) {
    if (kClassBytes[c] >= bytes && kClassBytes[c] % align == 0) return c;
  }
  return 0;
}

TEST(SizeClassTest, AlignedClassIsTheSmallestWhoseSlotsAreAligned) {
  for (size_t align = 1; align <= kPageBytes; align *= 2) {
    for (size_t bytes = 0; bytes <= kMaxSmallBytes + 1; ++bytes) {
      ASSERT_EQ(SizeToAlignedClass(bytes, align), AlignedClassByDefinition(bytes, align))
          << bytes << " aligned to " << align;
    }
  }
}

TEST(SizeClassTest, EverySlotOfAnAlignedClassIsAligned) {
  for (size_t align = 1; align <= kPageBytes; align *= 2) {
    for (const size_t bytes : {size_t{1}, align, align + 1, 3 * align}) {
      const size_t c = SizeToAlignedClass(bytes, align);
      if (c == 0) continue;
      for (size_t i = 0; i < ClassObjects(c); ++i) {
        ASSERT_EQ(i * kClassBytes[c] % align, 0u) << bytes << " " << align;
      }
    }
  }
}

TEST(SizeClassTest, EveryAlignmentUpToAPageHasAClassForItsOwnSize) {
  for (size_t align = 1; align <= kPageBytes; align *= 2) {
    const size_t c = SizeToAlignedClass(align, align);
    ASSERT_NE(c, 0u) << align;
    EXPECT_GE(kClassBytes[c], align);
  }
}

TEST(SizeClassTest, LargerThanTheLargestSlotHasNoClass) {
  EXPECT_EQ(SizeToAlignedClass(kMaxSmallBytes, 8), kNumSizeClasses - 1);
  EXPECT_EQ(SizeToAlignedClass(kMaxSmallBytes + 1, 8), 0u);
  EXPECT_EQ(SizeToAlignedClass(~size_t{0}, 1), 0u);
}

TEST(SizeClassTest, TablesAreUsableAtCompileTime) {
  static_assert(SizeToClass(1) == 1 && SizeToClass(9) == 2 && SizeToClass(1025) > 1);
  static_assert(kClassBytes[SizeToAlignedClass(24, 64)] == 64);
  SUCCEED();
}

}  // namespace
}  // namespace tarn::internal
