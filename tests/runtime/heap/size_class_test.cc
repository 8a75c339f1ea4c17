// The size class tables against their definition: every class, every offset, every size.
#include "tarn/internal/size_class.h"

#include <gtest/gtest.h>

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
