// LayoutTable: interning, copies, periods, codecs.
#include "gc/types/layout_table.h"

#include <vector>

#include "gc/types/value_codecs.h"
#include "gtest/gtest.h"
#include "runtime/os/os_memory_linux.h"
#include "tarn/gc_word.h"
#include "tests/gc/gc_test_util.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

using internal::LayoutKind;
using internal::LayoutSpec;
using internal::WordCodec;

// Tables keep what they allocate for ever.
PersistentAlloc& Memory() {
  static auto* memory = new PersistentAlloc(LinuxMemory::Instance());
  return *memory;
}

LayoutSpec Mask(uint32_t words, const uint64_t* bits) {
  LayoutSpec s;
  s.kind = LayoutKind::kMask;
  s.prefix_words = words;
  s.prefix_bits = bits;
  return s;
}

LayoutSpec Repeated(uint32_t prefix, const uint64_t* prefix_bits, uint32_t period,
                    const uint64_t* period_bits) {
  LayoutSpec s = Mask(prefix, prefix_bits);
  s.period_words = period;
  s.period_bits = period_bits;
  return s;
}

TEST(LayoutTableTest, FirstTwoAreNoScanAndConservative) {
  LayoutTable table(Memory());
  EXPECT_EQ(2u, table.size());
  EXPECT_EQ(LayoutKind::kNoScan, table.Get(LayoutTable::kNoScanId).kind);
  EXPECT_EQ(LayoutKind::kConservative, table.Get(LayoutTable::kConservativeId).kind);
  LayoutSpec s;
  s.kind = LayoutKind::kNoScan;
  EXPECT_EQ(LayoutTable::kNoScanId, table.Intern(s));
  s.kind = LayoutKind::kConservative;
  EXPECT_EQ(LayoutTable::kConservativeId, table.Intern(s));
}

TEST(LayoutTableTest, EqualMasksShareAnId) {
  LayoutTable table(Memory());
  const uint64_t a[] = {0b101}, b[] = {0b101};
  EXPECT_EQ(table.Intern(Mask(3, a)), table.Intern(Mask(3, b)));
  EXPECT_EQ(3u, table.size());
}

TEST(LayoutTableTest, DifferentMasksHaveDifferentIds) {
  LayoutTable table(Memory());
  const uint64_t a[] = {0b101}, b[] = {0b111};
  EXPECT_NE(table.Intern(Mask(3, a)), table.Intern(Mask(3, b)));
}

TEST(LayoutTableTest, PointerFreeWordsAtTheEndDoNotMatter) {
  LayoutTable table(Memory());
  const uint64_t bits[] = {0b101, 0};
  EXPECT_EQ(table.Intern(Mask(3, bits)), table.Intern(Mask(100, bits)));
}

TEST(LayoutTableTest, PointerFreeWordsBeforeAPeriodMatter) {
  LayoutTable table(Memory());
  const uint64_t none[] = {0}, one[] = {1};
  EXPECT_NE(table.Intern(Repeated(1, none, 2, one)), table.Intern(Repeated(2, none, 2, one)));
}

TEST(LayoutTableTest, MaskWithoutPointersIsNoScan) {
  LayoutTable table(Memory());
  const uint64_t none[] = {0};
  EXPECT_EQ(LayoutTable::kNoScanId, table.Intern(Mask(5, none)));
  EXPECT_EQ(LayoutTable::kNoScanId, table.Intern(Repeated(5, none, 3, none)));
}

TEST(LayoutTableTest, PeriodWithoutPointersIsThePrefixAlone) {
  LayoutTable table(Memory());
  const uint64_t none[] = {0}, some[] = {0b10};
  EXPECT_EQ(table.Intern(Mask(2, some)), table.Intern(Repeated(2, some, 7, none)));
}

TEST(LayoutTableTest, TableOwnsCopiesOfTheBits) {
  LayoutTable table(Memory());
  uint64_t bits[] = {0b110}, period[] = {0b01};
  const uint16_t id = table.Intern(Repeated(3, bits, 2, period));
  bits[0] = 0;
  period[0] = 0b10;
  EXPECT_TRUE(table.Get(id).HasPointer(1));
  EXPECT_TRUE(table.Get(id).HasPointer(2));
  EXPECT_TRUE(table.Get(id).HasPointer(3));
  EXPECT_FALSE(table.Get(id).HasPointer(4));
}

TEST(LayoutTableTest, TraceFunctionsNameCustomLayouts) {
  LayoutTable table(Memory());
  LayoutSpec s;
  s.kind = LayoutKind::kCustom;
  s.trace = [](const void*, Tracer&) {};
  const uint16_t a = table.Intern(s);
  EXPECT_EQ(a, table.Intern(s));
  s.trace = [](const void* p, Tracer& t) { t.VisitPointer(p); };
  EXPECT_NE(a, table.Intern(s));
}

// Against a list of booleans, spelled out.
TEST(LayoutTableTest, HasPointerAgreesWithTheSpelledOutMask) {
  const uint64_t seed = TestSeed();
  TestRng rng(seed);
  LayoutTable table(Memory());
  for (int round = 0; round < 300; ++round) {
    const auto prefix = static_cast<uint32_t>(rng.Below(200));
    const auto period = static_cast<uint32_t>(rng.Below(140));
    std::vector<uint64_t> a(4), b(4);
    for (auto* v : {&a, &b}) {
      for (uint64_t& w : *v) w = rng.Next() & rng.Next();
    }
    std::vector<bool> spelled;
    for (size_t i = 0; i < 1000; ++i) {
      const size_t j = period == 0 || i < prefix ? 0 : (i - prefix) % period;
      spelled.push_back(i < prefix    ? (a[i / 64] >> (i % 64)) & 1
                        : period == 0 ? false
                                      : (b[j / 64] >> (j % 64)) & 1);
    }
    const Layout& l = table.Get(table.Intern(Repeated(prefix, a.data(), period, b.data())));
    for (size_t i = 0; i < spelled.size(); ++i) {
      const bool has = l.kind == LayoutKind::kMask && l.HasPointer(i);
      ASSERT_EQ(spelled[i], has) << "word " << i << " round " << round << " seed " << seed;
    }
  }
}

TEST(LayoutTableTest, CodecBelongsToTheIdentity) {
  LayoutTable table(Memory());
  const uint64_t bits[] = {1};
  LayoutSpec s = Mask(1, bits);
  const uint16_t raw = table.Intern(s);
  s.codec = low_bit_codec<7, 1>::codec;
  const uint16_t tagged = table.Intern(s);
  s.codec = nan_box_codec<0xfffc>::codec;
  const uint16_t boxed = table.Intern(s);
  EXPECT_NE(raw, tagged);
  EXPECT_NE(raw, boxed);
  EXPECT_NE(tagged, boxed);
}

TEST(ValueCodecsTest, HighCodecsAreListedOnceAndLowOnesNot) {
  LayoutTable table(Memory());
  const size_t before = ValueCodecs::count();
  const uint64_t bits[] = {1}, more[] = {3};
  LayoutSpec s = Mask(1, bits);
  s.codec = low_bit_codec<7, 1>::codec;
  table.Intern(s);
  EXPECT_EQ(before, ValueCodecs::count());
  s.codec = nan_box_codec<0xfffb>::codec;
  table.Intern(s);
  s.prefix_words = 2;
  s.prefix_bits = more;
  table.Intern(s);
  ASSERT_EQ(before + 1, ValueCodecs::count());
  EXPECT_EQ(nan_box_codec<0xfffb>::codec, ValueCodecs::Get(before));
}

TEST(ValueCodecsDeathTest, NinthHighCodecAborts) {
  const auto nine = [] {
    LayoutTable table(Memory());
    const uint64_t bits[] = {1};
    for (uint64_t prefix = 1; prefix <= 9; ++prefix) {
      LayoutSpec s = Mask(1, bits);
      s.codec = WordCodec{uint64_t{0xffff} << 48, prefix << 48, (uint64_t{1} << 48) - 1};
      table.Intern(s);
    }
  };
  EXPECT_DEATH(nine(), "more than 8 different value encodings");
}

SpanClassInfo Filled(const LayoutTable& table, uint16_t layout, uint32_t elem_bytes) {
  SpanClassInfo info{};
  info.layout = layout;
  info.elem_bytes = elem_bytes;
  table.FillMarkWords(info);
  return info;
}

TEST(LayoutTableTest, ShortMaskGoesIntoOneWord) {
  LayoutTable table(Memory());
  const uint64_t head[] = {0b1}, tail[] = {0b10};
  const uint16_t id = table.Intern(Repeated(1, head, 2, tail));
  const SpanClassInfo info = Filled(table, id, 64);
  EXPECT_EQ(static_cast<uint8_t>(MarkKind::kMask64), info.mark_kind);
  EXPECT_EQ(0b01010101u, info.mark_data[0]);
  // All of the last word counts: 64 words, pointer in word 62 and 0.
  EXPECT_EQ(0x5555555555555555u, Filled(table, id, 512).mark_data[0]);
}

TEST(LayoutTableTest, LongAndLargeElementsKeepTheLayout) {
  LayoutTable table(Memory());
  const uint64_t tail[] = {0b10};
  const uint16_t id = table.Intern(Repeated(0, nullptr, 2, tail));
  for (uint32_t bytes : {520u, 32768u, 0u}) {
    const SpanClassInfo info = Filled(table, id, bytes);
    EXPECT_EQ(static_cast<uint8_t>(MarkKind::kMaskLong), info.mark_kind) << bytes;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(&table.Get(id)), info.mark_data[1]) << bytes;
  }
}

TEST(LayoutTableTest, CodedMaskSaysSo) {
  LayoutTable table(Memory());
  const uint64_t bits[] = {0b11};
  LayoutSpec s = Mask(2, bits);
  s.codec = low_bit_codec<7, 3>::codec;
  const SpanClassInfo info = Filled(table, table.Intern(s), 16);
  EXPECT_EQ(static_cast<uint8_t>(MarkKind::kMask64Code), info.mark_kind);
  EXPECT_EQ(3u, info.mark_data[0]);
}

}  // namespace
}  // namespace tarn::rt
