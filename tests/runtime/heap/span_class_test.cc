// Interning of (size class, layout) pairs.
#include "runtime/heap/span_class.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/heap/heap.h"
#include "tests/support/sim_memory.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

using internal::kMaxSpanClasses;

class SpanClassTest : public ::testing::Test {
 protected:
  uint16_t Intern(size_t size_class, uint16_t layout, bool noscan = false) {
    return table_.Intern(size_class, layout, noscan, nullptr, nullptr);
  }
  void SetUp() override { ASSERT_TRUE(table_.Init(os_)); }

  SimMemory os_;
  SpanClassTable table_;
};

TEST_F(SpanClassTest, NumbersStartAtOneAndAreDense) {
  EXPECT_EQ(table_.End(), 1u);
  EXPECT_EQ(Intern(1, 0), 1);
  EXPECT_EQ(Intern(1, 1), 2);
  EXPECT_EQ(Intern(2, 0), 3);
  EXPECT_EQ(table_.End(), 4u);
}

TEST_F(SpanClassTest, SamePairGetsTheSameNumber) {
  std::map<std::pair<size_t, uint16_t>, uint16_t> seen;
  std::mt19937_64 rng(TestSeed());
  for (int i = 0; i < 5000; ++i) {
    const size_t size_class = rng() % internal::kNumSizeClasses;
    const auto layout = static_cast<uint16_t>(rng() % 3 == 0 ? rng() % 65536 : rng() % 20);
    const uint16_t id = Intern(size_class, layout, layout % 2 == 0);
    ASSERT_NE(id, 0);
    const auto [it, is_new] = seen.try_emplace({size_class, layout}, id);
    ASSERT_EQ(it->second, id);
    ASSERT_TRUE(!is_new || id == seen.size());
  }
  EXPECT_EQ(table_.End(), seen.size() + 1);
  for (const auto& [pair, id] : seen) {
    EXPECT_EQ(table_.Info(id).size_class, pair.first);
    EXPECT_EQ(table_.Info(id).layout, pair.second);
    EXPECT_EQ(table_.Info(id).noscan, pair.second % 2 == 0);
  }
}

TEST_F(SpanClassTest, InfoDescribesTheSizeClass) {
  for (size_t c = 1; c < internal::kNumSizeClasses; ++c) {
    const SpanClassInfo& info = table_.Info(Intern(c, 9, true));
    EXPECT_EQ(info.elem_bytes, internal::kClassBytes[c]);
    EXPECT_EQ(info.npages, internal::kClassPages[c]);
    EXPECT_EQ(info.nelems, internal::ClassObjects(c));
    EXPECT_EQ(info.magic, internal::ClassMagic(c));
    EXPECT_TRUE(info.noscan);
  }
  const SpanClassInfo& large = table_.Info(Intern(0, 9));
  EXPECT_EQ(large.elem_bytes, 0u);
  EXPECT_EQ(large.npages, 0u);
  EXPECT_EQ(large.nelems, 1u);
  EXPECT_EQ(large.magic, 0u);
}

TEST_F(SpanClassTest, FillRunsOnceBeforeTheClassIsPublished) {
  struct Seen {
    SpanClassTable* table;
    int calls = 0;
    size_t end = 0;
  } seen{&table_};
  const auto fill = [](SpanClassInfo& info, void* arg) {
    auto* s = static_cast<Seen*>(arg);
    ++s->calls;
    s->end = s->table->End();
    info.mark_kind = 7;
    info.mark_data[2] = 0x1234;
  };
  const uint16_t id = table_.Intern(5, 2, false, fill, &seen);
  EXPECT_EQ(table_.Intern(5, 2, false, fill, &seen), id);
  EXPECT_EQ(seen.calls, 1);
  EXPECT_EQ(seen.end, id);
  EXPECT_EQ(table_.Info(id).mark_kind, 7);
  EXPECT_EQ(table_.Info(id).mark_data[2], 0x1234u);
}

TEST_F(SpanClassTest, FullTableRefusesNewPairsAndStillFindsOldOnes) {
  for (size_t i = 1; i < kMaxSpanClasses; ++i) {
    ASSERT_EQ(Intern(i % 64, static_cast<uint16_t>(i / 64)), i);
  }
  EXPECT_EQ(table_.End(), kMaxSpanClasses);
  EXPECT_EQ(Intern(65, 0), 0);
  EXPECT_EQ(Intern(1, 60000), 0);
  EXPECT_EQ(Intern(1, 0), 1);
  EXPECT_EQ(Intern((kMaxSpanClasses - 1) % 64, (kMaxSpanClasses - 1) / 64), kMaxSpanClasses - 1);
  EXPECT_EQ(table_.End(), kMaxSpanClasses);
}

TEST_F(SpanClassTest, ThreadsAgreeOnTheNumbers) {
  constexpr size_t kThreads = 4;
  constexpr uint16_t kLayouts = 200;
  std::vector<std::vector<uint16_t>> ids(kThreads, std::vector<uint16_t>(kLayouts));
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t, &ids] {
      for (uint16_t i = 0; i < kLayouts; ++i) {
        const auto layout = static_cast<uint16_t>((i * 7 + t * 31) % kLayouts);
        const uint16_t id = Intern(3, layout);
        ids[t][layout] = id;
        // What was returned is complete, whoever registered it.
        if (id >= table_.End() || table_.Info(id).layout != layout) ids[t][layout] = 0;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(table_.End(), kLayouts + 1u);
  for (uint16_t layout = 0; layout < kLayouts; ++layout) {
    EXPECT_NE(ids[0][layout], 0);
    for (size_t t = 1; t < kThreads; ++t) EXPECT_EQ(ids[t][layout], ids[0][layout]);
  }
}

// Each system call of a table refused once: a class is refused, nothing else changes.
TEST(SpanClassRefusalTest, AClassThatMemoryIsRefusedForCanBeHadLater) {
  for (uint64_t nth = 1; nth <= 8; ++nth) {
    SCOPED_TRACE(nth);
    SimMemory os;
    Heap heap;
    ASSERT_TRUE(heap.Init(os, internal::kArenasMin * internal::kArenaBytes));
    os.plan().FailAny(nth, 1);
    size_t refused = 0;
    std::map<uint16_t, std::pair<size_t, uint16_t>> seen;
    // More than one granule of both tables.
    for (uint16_t layout = 0; layout < 40; ++layout) {
      for (size_t c = 1; c < 60; ++c) {
        uint16_t id = heap.InternClass(c, layout, true, nullptr, nullptr);
        if (id == 0) {
          ++refused;
          EXPECT_FALSE(heap.classes().IsFull());
          id = heap.InternClass(c, layout, true, nullptr, nullptr);
        }
        ASSERT_NE(id, 0);
        EXPECT_TRUE(seen.emplace(id, std::make_pair(c, layout)).second);
        EXPECT_FALSE(heap.central(id).HasUnswept());
      }
    }
    EXPECT_EQ(refused, 1u);
    for (const auto& [id, key] : seen) {
      EXPECT_EQ(heap.classes().Info(id).size_class, key.first);
      EXPECT_EQ(heap.classes().Info(id).layout, key.second);
    }
  }
}

}  // namespace
}  // namespace tarn::rt
