// What an allocating thread owes, steals and gets, by examples and over random ratios.
#include "gc/control/assist_credit.h"

#include <cmath>
#include <cstdint>
#include <random>

#include "gtest/gtest.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

constexpr AssistRatio kTwo{2.0, 0.5};

TEST(AssistCreditTest, CreditOwesNothing) {
  EXPECT_EQ(DemandFor(0, 100, kTwo).work, 0);
  EXPECT_EQ(DemandFor(100, 100, kTwo).work, 0);
}

TEST(AssistCreditTest, ASmallDebtIsRoundedUpToAWholeAssist) {
  const AssistDemand d = DemandFor(-16, 16, kTwo);
  EXPECT_EQ(d.work, kOverAssistWork);
  EXPECT_EQ(d.bytes, kOverAssistWork / 2 + 1);
}

TEST(AssistCreditTest, ARunAtTheHighestRatioIsOneAssist) {
  const AssistDemand d = DemandFor(-8192, 8192, {8.0, 0.125});
  EXPECT_EQ(d.work, kOverAssistWork);
  EXPECT_GE(d.bytes, 8192);
}

TEST(AssistCreditTest, WorkBeyondTheBoundStaysDebt) {
  const AssistRatio steep{1000.0, 0.001};
  const AssistDemand d = DemandFor(-8192, 8192, steep);
  EXPECT_EQ(d.work, kOverAssistWork);
  EXPECT_EQ(d.bytes, 66);
  // 1 MiB at once: the object is large, and so is its assist.
  EXPECT_EQ(DemandFor(-(1 << 20), 1 << 20, steep).work, 8 << 20);
  // Its debt that is left costs the next small allocation no more than others pay.
  EXPECT_EQ(DemandFor(-(1 << 20), 16, steep).work, kOverAssistWork);
}

TEST(AssistCreditTest, StealingTakesWhatThereIs) {
  const AssistDemand demand{65536, 32769};
  EXPECT_EQ(StealFor(0, demand, kTwo).work, 0);
  EXPECT_EQ(StealFor(-5, demand, kTwo).work, 0);
  EXPECT_EQ(StealFor(1000, demand, kTwo).work, 1000);
  EXPECT_EQ(StealFor(1000, demand, kTwo).bytes, 501);
  EXPECT_EQ(StealFor(65536, demand, kTwo).work, 65536);
  EXPECT_EQ(StealFor(1 << 20, demand, kTwo).bytes, 32769);
}

TEST(AssistCreditTest, AWaitingThreadIsPaidInFullOrInPart) {
  const AssistDemand part = PayDebt(-1000, 500, kTwo);
  EXPECT_EQ(part.work, 500);
  EXPECT_EQ(part.bytes, 251);
  const AssistDemand full = PayDebt(-1000, 5000, kTwo);
  EXPECT_EQ(full.work, 2000);
  EXPECT_EQ(full.bytes, 1000);
  EXPECT_EQ(PayDebt(10, 5000, kTwo).work, 0);
}

TEST(AssistCreditTest, CreditReturnsToThePoolAsWork) {
  EXPECT_EQ(WorkFor(100, kTwo), 200);
  EXPECT_EQ(WorkFor(-100, kTwo), 0);
}

// Over ratios of 30 binary orders of magnitude: the bound holds (I1), an assist that does all it asked
// for, or as much as the bound allows, never raises the debt, and repeated assists end it (I2).
TEST(AssistCreditTest, RandomDebtsAreBoundedAndEnd) {
  std::mt19937_64 rng(TestSeed());
  for (int i = 0; i < 20000; ++i) {
    const double ratio = std::exp2(std::uniform_real_distribution<double>(-15, 15)(rng));
    const AssistRatio r{ratio, 1 / ratio};
    const auto charged = static_cast<int64_t>(rng() >> (30 + rng() % 33));
    const auto older = static_cast<int64_t>(rng() >> (40 + rng() % 24));
    int64_t balance = -charged - older;
    const AssistDemand first = DemandFor(balance, charged, r);
    ASSERT_LE(first.work, MaxAssistWork(charged));
    if (balance == 0) continue;
    ASSERT_GE(first.work, kOverAssistWork);
    ASSERT_GT(first.bytes, 0);
    const double needed = static_cast<double>(-balance) * ratio;
    const AssistDemand paid = StealFor(first.work, first, r);
    ASSERT_EQ(paid.work, first.work);
    balance += paid.bytes;
    if (needed < static_cast<double>(MaxAssistWork(charged))) {
      ASSERT_GE(balance, 0) << "a debt within the bound is paid by one assist";
    }
    const double left = needed / static_cast<double>(kOverAssistWork);
    if (left > 1000) continue;
    int assists = 1;
    for (; balance < 0; ++assists) balance += DemandFor(balance, 0, r).bytes;
    ASSERT_LE(assists, left + 2);
  }
}

}  // namespace
}  // namespace tarn::rt
