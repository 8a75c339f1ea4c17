// The distribution of handshakes: buckets, quantiles, and what a collection counts.
#include "tarn/pauses.h"

#include <set>
#include <string>

#include "gc/observe/handshake_recorder.h"
#include "gtest/gtest.h"
#include "tarn/tarn.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/manual_collections.h"

namespace tarn {
namespace {

using H = DurationHistogram;

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

TEST(DurationHistogramTest, BucketsAreOrderedGaplessAndAnEighthWide) {
  for (size_t i = 1; i < H::kBuckets; ++i) {
    const uint64_t first = H::BucketEnd(i - 1) + 1, last = H::BucketEnd(i);
    ASSERT_LE(first, last) << i;
    ASSERT_EQ(i, H::BucketOf(first));
    ASSERT_EQ(i, H::BucketOf(last));
    ASSERT_LE((last - first) * H::kSub, first) << i;
  }
  EXPECT_EQ(0u, H::BucketOf(0));
  EXPECT_EQ(H::kBuckets - 1, H::BucketOf(~uint64_t{0}));
  EXPECT_EQ((uint64_t{1} << 40) - 1, H::BucketEnd(H::kBuckets - 1));
}

TEST(DurationHistogramTest, QuantilesOfKnownDurations) {
  rt::DurationCounter counter;
  H empty;
  counter.Read(empty);
  EXPECT_EQ(0u, empty.QuantileNs(0.5));
  for (int i = 0; i < 98; ++i) counter.Add(10);
  counter.Add(1000);
  counter.Add(50'000);
  counter.Add(-5);  // a clock that steps back
  H h;
  counter.Read(h);
  EXPECT_EQ(101u, h.count);
  EXPECT_EQ(98u * 10 + 51'000, h.total_ns);
  EXPECT_EQ(50'000u, h.max_ns);
  EXPECT_EQ(0u, h.QuantileNs(0));
  EXPECT_EQ(10u, h.QuantileNs(0.5));
  EXPECT_EQ(H::BucketEnd(H::BucketOf(1000)), h.QuantileNs(0.99));
  EXPECT_EQ(50'000u, h.QuantileNs(1));
}

TEST(HandshakeTimesTest, ACollectionCountsEachKindOnceAndFlushesAtLeastOnce) {
  std::set<std::string> names;
  Collect();  // attaches the thread
  HandshakeTimes before[kNumHandshakeKinds];
  for (size_t i = 0; i < kNumHandshakeKinds; ++i) {
    before[i] = ReadHandshakeTimes(static_cast<HandshakeKind>(i));
  }
  Collect();
  for (size_t i = 0; i < kNumHandshakeKinds; ++i) {
    const auto kind = static_cast<HandshakeKind>(i);
    names.insert(HandshakeName(kind));
    const HandshakeTimes after = ReadHandshakeTimes(kind);
    const uint64_t rounds = after.round.count - before[i].round.count;
    const uint64_t kept = after.kept.count - before[i].kept.count;
    if (kind == HandshakeKind::kStop) {
      EXPECT_EQ(0u, rounds) << "all roots here have barriers";
    } else if (kind == HandshakeKind::kFlush) {
      EXPECT_LE(1u, rounds);
    } else {
      EXPECT_EQ(1u, rounds) << HandshakeName(kind);
    }
    EXPECT_EQ(rounds, kept) << "one thread; " << HandshakeName(kind);
    EXPECT_LE(after.kept.max_ns, after.round.max_ns) << HandshakeName(kind);
  }
  EXPECT_EQ(kNumHandshakeKinds, names.size());
}

TEST(HandshakeTimesTest, RootsWithoutBarriersCostAStop) {
  static uintptr_t words[2];
  AddRootRange(words, words + 2);
  const uint64_t before = ReadHandshakeTimes(HandshakeKind::kStop).round.count;
  Collect();
  RemoveRootRange(words);
  EXPECT_EQ(before + 1, ReadHandshakeTimes(HandshakeKind::kStop).round.count);
}

// Words that its Trace visits conservatively have no barrier: it is traced again under a stop.
struct HoldsRawWords {
  uintptr_t word = 0;
  void Trace(Tracer& t) const { t.VisitConservatively(&word, &word + 1); }
};
TEST(HandshakeTimesTest, TraceMethodsThatVisitWordsCostAStop) {
  gc_root<HoldsRawWords> root = make_gc<HoldsRawWords>();
  rt::Hidden held;
  rt::OnOtherThread([&] {
    int64_t* number = make_gc<int64_t>(7);
    held = rt::Hidden(number);
    root->word = reinterpret_cast<uintptr_t>(number);
  });
  const uint64_t before = ReadHandshakeTimes(HandshakeKind::kStop).round.count;
  Collect();
  EXPECT_EQ(before + 1, ReadHandshakeTimes(HandshakeKind::kStop).round.count);
  EXPECT_TRUE(rt::IsAllocated(held));
  root->word = 0;
  Collect();
  EXPECT_FALSE(rt::IsAllocated(held));
}

}  // namespace
}  // namespace tarn
