// The simulated memory itself: it must allow every legal move and no other, or tests over it prove
// nothing.
#include "tests/support/sim_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

constexpr size_t kUnit = 4096;

class SimMemoryTest : public ::testing::Test {
 protected:
  char* Reserve(size_t units) { return static_cast<char*>(os_.Reserve(units * kUnit, kUnit)); }
  SimMemory os_;
};

TEST_F(SimMemoryTest, StatesFollowTheCalls) {
  char* const p = Reserve(4);
  EXPECT_EQ(os_.StateAt(p), MemoryState::kReserved);
  ASSERT_TRUE(os_.Map(p, 3 * kUnit));
  EXPECT_EQ(os_.StateAt(p), MemoryState::kPrepared);
  EXPECT_EQ(os_.StateAt(p + 3 * kUnit), MemoryState::kReserved);
  ASSERT_TRUE(os_.Used(p, 2 * kUnit, 2 * kUnit));
  ASSERT_TRUE(os_.Used(p, 3 * kUnit, kUnit));
  EXPECT_EQ(os_.BytesIn(p, 4 * kUnit, MemoryState::kReady), 3 * kUnit);
  os_.Unused(p + kUnit, kUnit, kUnit);
  EXPECT_EQ(os_.StateAt(p), MemoryState::kReady);
  EXPECT_EQ(os_.StateAt(p + kUnit), MemoryState::kPrepared);
  EXPECT_EQ(os_.StateAt(p + 2 * kUnit), MemoryState::kReady);
  os_.Unused(p, 3 * kUnit, 2 * kUnit);
  os_.Fault(p, 3 * kUnit, 0);
  EXPECT_EQ(os_.BytesIn(p, 4 * kUnit, MemoryState::kReserved), 4 * kUnit);
  os_.Free(p, 4 * kUnit, 0, 0);
  EXPECT_EQ(os_.StateAt(p), MemoryState::kNone);
  EXPECT_EQ(os_.TotalBytes(MemoryState::kReserved), 0u);
}

TEST_F(SimMemoryTest, ReservationsAreAlignedAndUsable) {
  SimMemory os;
  char* const p = static_cast<char*>(os.Reserve(size_t{1} << 30, size_t{1} << 26));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % (size_t{1} << 26), 0u);
  ASSERT_TRUE(os.Map(p, size_t{1} << 30));
  ASSERT_TRUE(os.Used(p, 2 * kUnit, 2 * kUnit));
  std::memset(p, 1, 2 * kUnit);
  os.Unused(p, kUnit, kUnit);
  ASSERT_TRUE(os.Used(p, kUnit, kUnit));
  EXPECT_EQ(p[7], 0);
  EXPECT_EQ(p[kUnit], 1);
}

TEST_F(SimMemoryTest, ReleasedMemoryMayKeepItsContents) {
  SimMemory::Options options;
  options.released_is_zero = false;
  SimMemory os(options);
  EXPECT_FALSE(os.ReleasedIsZero());
  char* const p = static_cast<char*>(os.Reserve(kUnit, kUnit));
  ASSERT_TRUE(os.Map(p, kUnit));
  ASSERT_TRUE(os.Used(p, kUnit, kUnit));
  p[3] = 9;
  os.Unused(p, kUnit, kUnit);
  ASSERT_TRUE(os.Used(p, kUnit, kUnit));
  EXPECT_EQ(p[3], 9);
}

TEST_F(SimMemoryTest, AdoptedRegionsAreAddressesOnly) {
  constexpr uintptr_t kBase = uintptr_t{1} << 56;
  os_.Adopt(kBase, size_t{1} << 48);
  void* const p = reinterpret_cast<void*>(kBase + (size_t{1} << 47));
  ASSERT_TRUE(os_.Map(p, size_t{1} << 40));
  ASSERT_TRUE(os_.Used(p, size_t{1} << 40, size_t{1} << 40));
  EXPECT_EQ(os_.TotalBytes(MemoryState::kReady), size_t{1} << 40);
  os_.Free(reinterpret_cast<void*>(kBase), size_t{1} << 48, size_t{1} << 40, size_t{1} << 40);
}

TEST_F(SimMemoryTest, PlannedCallsAreRefusedAndChangeNothing) {
  os_.plan().FailCall(OsCall::kReserve, 2);
  char* const p = Reserve(4);
  ASSERT_NE(p, nullptr);
  EXPECT_EQ(Reserve(4), nullptr);
  os_.plan().FailCall(OsCall::kMap, 1);
  EXPECT_FALSE(os_.Map(p, 4 * kUnit));
  EXPECT_EQ(os_.StateAt(p), MemoryState::kReserved);
  ASSERT_TRUE(os_.Map(p, 4 * kUnit));
  os_.plan().FailCall(OsCall::kUsed, 1, 2);
  EXPECT_FALSE(os_.Used(p, kUnit, kUnit));
  EXPECT_FALSE(os_.Used(p, kUnit, kUnit));
  EXPECT_EQ(os_.StateAt(p), MemoryState::kPrepared);
  EXPECT_TRUE(os_.Used(p, kUnit, kUnit));
  os_.plan().FailAny(2, FailurePlan::kForever);
  EXPECT_TRUE(os_.Used(p, kUnit, 0));
  EXPECT_FALSE(os_.Used(p, kUnit, 0));
  EXPECT_EQ(Reserve(1), nullptr);
  os_.plan().Clear();
  EXPECT_TRUE(os_.Used(p, kUnit, 0));
  EXPECT_EQ(os_.plan().Count(OsCall::kReserve), 3u);
  EXPECT_EQ(os_.plan().RefusedCount(), 6u);
}

using SimMemoryDeathTest = SimMemoryTest;

TEST_F(SimMemoryDeathTest, IllegalMovesAreFatal) {
  char* const p = Reserve(4);
  EXPECT_DEATH(static_cast<void>(os_.Used(p, kUnit, kUnit)), "illegal Used.*not all Prepared");
  EXPECT_DEATH(os_.Unused(p, kUnit, kUnit), "illegal Unused");
  EXPECT_DEATH(os_.Fault(p, kUnit, 0), "illegal Fault");
  ASSERT_TRUE(os_.Map(p, 2 * kUnit));
  EXPECT_DEATH(static_cast<void>(os_.Map(p, kUnit)), "illegal Map.*not all Reserved");
  EXPECT_DEATH(static_cast<void>(os_.Map(p + 3 * kUnit, 2 * kUnit)), "illegal Map");
  EXPECT_DEATH(static_cast<void>(os_.Map(p + 1, kUnit)), "not whole pages");
  os_.Fault(p, 2 * kUnit, 0);
  os_.Free(p, 4 * kUnit, 0, 0);
  EXPECT_DEATH(os_.Free(p, 4 * kUnit, 0, 0), "illegal Free.*not all ours");
  EXPECT_DEATH(static_cast<void>(os_.Map(p, kUnit)), "illegal Map");
}

TEST_F(SimMemoryDeathTest, WrongByteCountsAreFatal) {
  char* const p = Reserve(4);
  ASSERT_TRUE(os_.Map(p, 4 * kUnit));
  ASSERT_TRUE(os_.Used(p, kUnit, kUnit));
  EXPECT_DEATH(static_cast<void>(os_.Used(p, 2 * kUnit, 2 * kUnit)), "wrong number of Prepared");
  EXPECT_DEATH(os_.Unused(p, 2 * kUnit, 2 * kUnit), "wrong number of Ready");
  EXPECT_DEATH(os_.Fault(p, 2 * kUnit, 0), "wrong number of Ready");
  EXPECT_DEATH(os_.Free(p, 4 * kUnit, 4 * kUnit, 0), "wrong number of Ready");
  EXPECT_DEATH(os_.Free(p, 4 * kUnit, kUnit, kUnit), "wrong number of mapped");
}

TEST_F(SimMemoryDeathTest, OnlyReadyMemoryCanBeAccessed) {
  volatile char* const p = Reserve(1);
  EXPECT_DEATH(p[0] = 1, "");
  ASSERT_TRUE(os_.Map(const_cast<char*>(p), kUnit));
  EXPECT_DEATH(p[0] = 1, "");
  ASSERT_TRUE(os_.Used(const_cast<char*>(p), kUnit, kUnit));
  p[0] = 1;
  os_.Unused(const_cast<char*>(p), kUnit, kUnit);
  EXPECT_DEATH(p[0] = 1, "");
}

// Random legal moves over an adopted region, against one state per unit.
TEST_F(SimMemoryTest, StatesAgreeWithAnArrayOfThem) {
  std::mt19937_64 rng(TestSeed());
  constexpr size_t kUnits = 40;
  constexpr uintptr_t kBase = uintptr_t{1} << 56;
  os_.Adopt(kBase, kUnits * kUnit);
  std::vector<MemoryState> model(kUnits, MemoryState::kReserved);
  for (int op = 0; op < 20000; ++op) {
    const size_t first = rng() % kUnits;
    const size_t n = rng() % std::min<size_t>(8, kUnits - first) + 1;
    void* const p = reinterpret_cast<void*>(kBase + first * kUnit);
    size_t count[4] = {};
    for (size_t i = first; i < first + n; ++i) ++count[static_cast<size_t>(model[i])];
    const size_t reserved = count[1];
    const size_t prepared = count[2];
    const size_t ready = count[3];
    MemoryState to = MemoryState::kReady;
    if (reserved == n) {
      ASSERT_TRUE(os_.Map(p, n * kUnit));
      to = MemoryState::kPrepared;
    } else if (reserved != 0) {
      continue;
    } else if (rng() % 8 == 0) {
      os_.Fault(p, n * kUnit, ready * kUnit);
      to = MemoryState::kReserved;
    } else if (rng() % 2 == 0) {
      ASSERT_TRUE(os_.Used(p, n * kUnit, prepared * kUnit));
    } else {
      os_.Unused(p, n * kUnit, ready * kUnit);
      to = MemoryState::kPrepared;
    }
    for (size_t i = first; i < first + n; ++i) model[i] = to;
    for (size_t i = 0; i < kUnits; ++i) {
      ASSERT_EQ(os_.StateAt(reinterpret_cast<void*>(kBase + i * kUnit)), model[i]);
    }
  }
}

}  // namespace
}  // namespace tarn::rt
