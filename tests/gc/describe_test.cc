// How types are described: what counts as pointer-free, exact, traced or unknown, and which words
// of an exact type are pointers.
#include "tarn/describe.h"

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tarn/make_gc.h"

namespace tarn {
namespace {

using internal::LayoutKind;
using internal::Precision;
using internal::PrecisionOf;
using internal::WordCodec;

struct Node {
  int value;
  gc_ptr<Node> next;
};

// The pointer words of T as a string of 0 and 1; "conservative", "noscan" or "custom" otherwise.
template <class T>
std::string WordsOf(WordCodec* codec_out = nullptr) {
  uint64_t bits[internal::kMaxMaskWords / 64] = {};
  WordCodec codec;
  const LayoutKind kind = internal::DescribeElement<T>(bits, codec);
  if (codec_out != nullptr) *codec_out = codec;
  if (kind == LayoutKind::kNoScan) return "noscan";
  if (kind == LayoutKind::kConservative) return "conservative";
  if (kind == LayoutKind::kCustom) return "custom";
  std::string s;
  for (size_t i = 0; i < sizeof(T) / 8; ++i) s += (bits[i / 64] >> (i % 64)) & 1 ? '1' : '0';
  return s;
}

enum class Colour : uint8_t { kRed };
struct Plain {
  char c;
  double d[3];
  Colour colour;
  std::array<std::array<int, 2>, 2> square;
  std::atomic<int> count;
};

TEST(DescribeTest, TypesWithoutPointersAreNotScanned) {
  EXPECT_EQ("noscan", WordsOf<int>());
  EXPECT_EQ("noscan", WordsOf<Colour>());
  EXPECT_EQ("noscan", WordsOf<std::byte>());
  EXPECT_EQ("noscan", WordsOf<const long double>());
  EXPECT_EQ("noscan", WordsOf<Plain>());
  EXPECT_EQ("noscan", (WordsOf<std::array<Plain, 3>>()));
}

struct Empty {};
struct EmptyClass {
  EmptyClass() {}
};
TEST(DescribeTest, EmptyTypesAreNotScanned) {
  EXPECT_EQ("noscan", WordsOf<Empty>());
  EXPECT_EQ("noscan", WordsOf<EmptyClass>());
}

TEST(DescribeTest, AggregateHasOneBitPerPointer) {
  EXPECT_EQ("01", WordsOf<Node>());
  EXPECT_EQ("01", WordsOf<const Node>());
}

struct Inner {
  char tag;
  gc_ptr<Node> p;
};
struct Nested {
  double x;
  Inner a;
  int y;
  Inner b[2];
  gc_ptr<Node> last;
};
TEST(DescribeTest, NestedAggregatesAndArraysAreFlattened) {
  EXPECT_EQ(
      "00100"
      "1011",
      WordsOf<Nested>());
}

struct Matrix {
  gc_ptr<Node> m[2][3];
  int rows;
};
TEST(DescribeTest, ArraysOfArraysAreFlattened) { EXPECT_EQ("1111110", WordsOf<Matrix>()); }

struct WithStdArray {
  std::array<gc_ptr<Node>, 3> a;
  int n;
  std::array<Inner, 2> b;
  std::array<gc_ptr<Node>, 0> none;
};
TEST(DescribeTest, StdArraysAreFlattened) {
  const std::string words = WordsOf<WithStdArray>();
  EXPECT_EQ("11100101", words.substr(0, 8));
  EXPECT_EQ(std::string::npos, words.substr(8).find('1'));
}

struct BitFields {
  unsigned a : 3;
  unsigned b : 9;
  gc_ptr<Node> p;
  uint64_t c : 40;
  gc_ptr<Node> q;
};
TEST(DescribeTest, BitFieldsHoldNoPointers) { EXPECT_EQ("0101", WordsOf<BitFields>()); }

struct OneMember {
  gc_ptr<Node> only;
};
struct LongAggregate {
  int a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15;
  gc_ptr<Node> b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15;
};
struct TooLong {
  int a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, extra;
  gc_ptr<Node> b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15;
};
TEST(DescribeTest, UpTo32MembersAreExact) {
  EXPECT_EQ("1", WordsOf<OneMember>());
  EXPECT_EQ(
      "00000000"
      "1111111111111111",
      WordsOf<LongAggregate>());
  EXPECT_EQ("conservative", WordsOf<TooLong>());
}

struct Over64Words {
  uint64_t numbers[70];
  gc_ptr<Node> p;
  gc_ptr<Node> q[3];
};
TEST(DescribeTest, MasksMayBeLongerThanAWord) {
  EXPECT_EQ(std::string(70, '0') + "1111", WordsOf<Over64Words>());
}

struct Huge {
  gc_ptr<Node> p;
  double numbers[512];
};
TEST(DescribeTest, MasksEndAt512Words) { EXPECT_EQ("conservative", WordsOf<Huge>()); }

struct Raw {
  int x;
  Node* p;
};
struct RawDeep {
  Raw r[2];
  gc_ptr<Node> q;
};
TEST(DescribeTest, RawPointersMakeATypeConservative) {
  EXPECT_EQ("conservative", WordsOf<Raw>());
  EXPECT_EQ("conservative", WordsOf<RawDeep>());
  EXPECT_EQ("conservative", WordsOf<Node*>());
  EXPECT_EQ("conservative", WordsOf<std::atomic<Node*>>());
  EXPECT_EQ("conservative", WordsOf<int (*)()>());
  EXPECT_EQ("conservative", WordsOf<int Node::*>());
}

union Either {
  uint64_t number;
  Node* node;
};
struct HoldsUnion {
  int tag;
  Either e;
};
TEST(DescribeTest, UnionsAreConservative) {
  EXPECT_EQ("conservative", WordsOf<Either>());
  EXPECT_EQ("conservative", WordsOf<HoldsUnion>());
}

struct WithBase : Node {
  gc_ptr<Node> other;
};
struct WithEmptyBase : Empty {
  gc_ptr<Node> other;
};
TEST(DescribeTest, AggregatesWithBasesAreConservative) {
  EXPECT_EQ("conservative", WordsOf<WithBase>());
  EXPECT_EQ("conservative", WordsOf<WithEmptyBase>());
}

struct HoldsConstReference {
  const Node& node;
};
struct HoldsReference {
  int x;
  Node& node;
};
struct HoldsConstIntReference {
  const int& value;
  gc_ptr<Node> p;
};
struct HoldsRvalueReference {
  Node&& node;
};
// A reference is a pointer that no member type shows.
TEST(DescribeTest, ReferencesMakeATypeConservative) {
  EXPECT_EQ("conservative", WordsOf<HoldsReference>());
  EXPECT_EQ("conservative", WordsOf<HoldsConstReference>());
  EXPECT_EQ("conservative", WordsOf<HoldsConstIntReference>());
  EXPECT_EQ("conservative", WordsOf<HoldsRvalueReference>());
}

class Opaque {
 public:
  explicit Opaque(Node* n) : p_(n) {}
  Node* get() const { return p_; }

 private:
  gc_ptr<Node> p_;
};
struct Virtual {
  virtual ~Virtual() = default;
  gc_ptr<Node> p;
};
struct HoldsOpaque {
  gc_ptr<Node> a;
  Opaque b;
};
TEST(DescribeTest, ClassesThatSayNothingAreConservative) {
  EXPECT_EQ("conservative", WordsOf<Opaque>());
  EXPECT_EQ("conservative", WordsOf<Virtual>());
  EXPECT_EQ("conservative", WordsOf<HoldsOpaque>());
  EXPECT_EQ("conservative", WordsOf<std::string>());
  EXPECT_EQ("conservative", WordsOf<std::vector<int>>());
  EXPECT_EQ("conservative", (WordsOf<std::pair<gc_ptr<Node>, int>>()));
  EXPECT_EQ("conservative", (WordsOf<std::tuple<gc_ptr<Node>, int>>()));
  EXPECT_EQ("conservative", WordsOf<std::optional<gc_ptr<Node>>>());
  EXPECT_EQ("conservative", WordsOf<std::unique_ptr<int>>());
}

class Point {
 public:
  Point() = default;
  virtual ~Point() = default;
  gc_ptr<Node> left;
  double numbers[2] = {};
  std::array<gc_ptr<Node>, 2> right;
  static constexpr auto tarn_layout = fields(&Point::left, &Point::numbers, &Point::right);
};
class Point3 : public Point {
 public:
  gc_ptr<Node> deep;
  static constexpr auto tarn_layout = fields(&Point3::left, &Point3::right, &Point3::deep);
};
struct HoldsPoint {
  gc_ptr<Node> before;
  Point point;
};
TEST(DescribeTest, DeclaredFieldsAreTheMask) {
  EXPECT_EQ("010011", WordsOf<Point>());
  EXPECT_EQ("0100111", WordsOf<Point3>());
  EXPECT_EQ("1010011", WordsOf<HoldsPoint>());
}

class AddsAMember : public Point {
 public:
  gc_ptr<Node> deep;
};
// The inherited declaration does not know of `deep`.
TEST(DescribeTest, InheritedDeclarationIsNotTrusted) {
  EXPECT_EQ("conservative", WordsOf<AddsAMember>());
}

struct Traces {
  gc_ptr<Node> a;
  void Trace(Tracer& t) const { t.Visit(a); }
};
struct AddsToTraced : Traces {
  gc_ptr<Node> more;
};
struct TracesAgain : Traces {
  gc_ptr<Node> more;
  void Trace(Tracer& t) const {
    Traces::Trace(t);
    t.Visit(more);
  }
};
// The inherited method does not know of `more`.
TEST(DescribeTest, InheritedTraceIsNotTrusted) {
  EXPECT_EQ(internal::Precision::kTrace, internal::PrecisionOf<Traces>());
  EXPECT_EQ(internal::Precision::kUnknown, internal::PrecisionOf<AddsToTraced>());
  EXPECT_EQ(internal::Precision::kTrace, internal::PrecisionOf<TracesAgain>());
  EXPECT_EQ("conservative", WordsOf<AddsToTraced>());
}

struct TracesVirtually {
  virtual ~TracesVirtually() = default;
  __attribute__((no_sanitize("vptr"))) virtual void Trace(Tracer& t) const { t.Visit(a); }
  gc_ptr<Node> a;
};
// Marking may meet it before its constructor has set the table pointer.
TEST(DescribeTest, VirtualTraceOfAnObjectThatIsAllZeroIsCalledDirectly) {
  alignas(TracesVirtually) static const unsigned char kZero[sizeof(TracesVirtually)] = {};
  struct Count : Tracer {
    Count() : Tracer(&Count::Take, nullptr) {}
    static void Take(Tracer* self, uintptr_t) { ++static_cast<Count*>(self)->visits; }
    int visits = 0;
  } count;
  internal::CallTrace<TracesVirtually>(kZero, count);
  EXPECT_EQ(1, count.visits);
}

class DeclaresUnknownMember {
 public:
  DeclaresUnknownMember() = default;
  gc_ptr<Node> p;
  Opaque e{nullptr};
  Node* raw = nullptr;
  static constexpr auto tarn_layout =
      fields(&DeclaresUnknownMember::p, &DeclaresUnknownMember::e, &DeclaresUnknownMember::raw);
};
TEST(DescribeTest, DeclaredFieldOfUnknownTypeMakesTheTypeConservative) {
  EXPECT_EQ("conservative", WordsOf<DeclaresUnknownMember>());
}

struct Traced {
  uintptr_t encoded;
  void Trace(Tracer& t) const { t.VisitPointer(reinterpret_cast<const void*>(~encoded)); }
};
struct HoldsTraced {
  gc_ptr<Node> p;
  Traced t;
};
TEST(DescribeTest, TraceMethodMakesACustomLayout) {
  EXPECT_EQ("custom", WordsOf<Traced>());
  EXPECT_EQ(Precision::kTrace, PrecisionOf<Traced>());
}
TEST(DescribeTest, TracedMemberOrElementMakesTheWholeConservative) {
  EXPECT_EQ("conservative", WordsOf<HoldsTraced>());
}

struct LooksExact {
  gc_ptr<Node> p;
  uintptr_t really_a_pointer;
};
}  // namespace

template <>
struct force_conservative<LooksExact> : std::true_type {};

namespace {
TEST(DescribeTest, ForcedTypeIsConservative) {
  EXPECT_EQ("conservative", WordsOf<LooksExact>());
  EXPECT_EQ("conservative", WordsOf<const LooksExact>());
  EXPECT_EQ("conservative", WordsOf<LooksExact[2]>());
}

using Tagged = gc_word<low_bit_codec<7, 1>>;
using OtherTagged = gc_word<low_bit_codec<3, 0>>;
using Boxed = gc_word<nan_box_codec<0xfffc>>;
using OtherBoxed = gc_word<nan_box_codec<0x7ffe>>;

struct TaggedPair {
  Tagged car, cdr;
};
struct BoxedPair {
  double number;
  Boxed a[2];
};
TEST(DescribeTest, CodecOfTheWordsBelongsToTheLayout) {
  WordCodec codec;
  EXPECT_EQ("11", WordsOf<TaggedPair>(&codec));
  EXPECT_EQ((low_bit_codec<7, 1>::codec), codec);
  EXPECT_EQ("011", WordsOf<BoxedPair>(&codec));
  EXPECT_EQ(nan_box_codec<0xfffc>::codec, codec);
}

struct LowMix {
  Tagged a;
  gc_ptr<Node> b;
  OtherTagged c;
};
TEST(DescribeTest, LowBitCodecsAndPointersMixAsRawWords) {
  WordCodec codec = low_bit_codec<7, 1>::codec;
  EXPECT_EQ("111", WordsOf<LowMix>(&codec));
  EXPECT_TRUE(codec.is_raw());
}

struct HighMix {
  Boxed a;
  gc_ptr<Node> b;
};
struct TwoBoxes {
  Boxed a;
  OtherBoxed b;
};
TEST(DescribeTest, HighCodecsDoNotMix) {
  EXPECT_EQ("conservative", WordsOf<HighMix>());
  EXPECT_EQ("conservative", WordsOf<TwoBoxes>());
}

TEST(DescribeTest, LowBitCodecDecodesItsTagOnly) {
  constexpr WordCodec c = low_bit_codec<7, 5>::codec;
  EXPECT_EQ(0x1000u, c.Decode(0x1005));
  EXPECT_EQ(0u, c.Decode(0x1000));
  EXPECT_EQ(0u, c.Decode(0x1007));
}

TEST(DescribeTest, NanBoxCodecDecodesItsPrefixOnly) {
  constexpr WordCodec c = nan_box_codec<0xfffc>::codec;
  EXPECT_EQ(0x7f0012345678u, c.Decode(0xfffc7f0012345678u));
  EXPECT_EQ(0u, c.Decode(0x7f0012345678u));
  EXPECT_EQ(0u, c.Decode(0xfffd7f0012345678u));
}

}  // namespace
}  // namespace tarn
