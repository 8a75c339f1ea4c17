// Failing checks: one line that says what and where, and abort.
#include "runtime/base/check.h"

#include <gtest/gtest.h>

#include <csignal>

namespace tarn::rt {
namespace {

TEST(CheckTest, ConditionThatHoldsDoesNothing) {
  int evaluated = 0;
  TARN_CHECK(++evaluated == 1);
  EXPECT_EQ(evaluated, 1);
}

TEST(CheckDeathTest, ViolationNamesFileLineAndCondition) {
  const int one = 1;
  EXPECT_EXIT(TARN_CHECK(one == 2), ::testing::KilledBySignal(SIGABRT),
              "^tarn: fatal: .*check_test\\.cc:[0-9]+: check failed: one == 2\n$");
}

TEST(CheckDeathTest, FatalWritesItsMessage) {
  EXPECT_EXIT(Fatal("out of luck"), ::testing::KilledBySignal(SIGABRT),
              "^tarn: fatal: out of luck\n$");
}

TEST(CheckDeathTest, FatalValueAppendsTheNumber) {
  EXPECT_EXIT(FatalValue("bad pointer", 0xdead1234), ::testing::KilledBySignal(SIGABRT),
              "^tarn: fatal: bad pointer 0xdead1234\n$");
}

TEST(CheckDeathTest, AssertIsACheckExactlyWhereAssertsAreOn) {
  int evaluated = 0;
#if TARN_ASSERTS_ENABLED
  EXPECT_EXIT(TARN_ASSERT(evaluated != 0), ::testing::KilledBySignal(SIGABRT), "check failed");
  TARN_ASSERT(++evaluated == 1);
  EXPECT_EQ(evaluated, 1);
#else
  TARN_ASSERT(++evaluated == 1);
  EXPECT_EQ(evaluated, 0);
#endif
}

TEST(CheckTest, ChecksAreStatementsThatNestInConditions) {
  bool reached = false;
  if (reached)
    TARN_CHECK(false);
  else
    reached = true;
  EXPECT_TRUE(reached);
}

}  // namespace
}  // namespace tarn::rt
