// Memory limits in whole processes: settings, the soft limit over workload shapes, the hard limit and
// life after it, external bytes, the callback.
#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "tests/gc/gc_test_util.h"
#include "tests/support/subprocess.h"

namespace tarn::rt {
namespace {

using Environment = std::vector<std::pair<std::string, std::string>>;

ProcessResult Child(std::vector<std::string> args, Environment environment = {}) {
  ProcessSpec spec;
  spec.args = std::move(args);
  spec.args.insert(spec.args.begin(), TARN_LIMIT_CHILD);
  spec.environment = std::move(environment);
  return RunProcess(spec);
}

// The number after "name=" in a text; -1 if there is none.
double Number(const std::string& text, const std::string& name) {
  const size_t at = text.find(name + "=");
  return at == std::string::npos ? -1 : std::atof(text.c_str() + at + name.size() + 1);
}

constexpr const char* kNone = "9223372036854775807";

TEST(LimitSettingsTest, VariablesAndWhatOverridesWhat) {
  const struct {
    Environment environment;
    std::string soft, hard;
  } kRows[] = {
      {{}, kNone, kNone},
      {{{"GOMEMLIMIT", "100MiB"}}, "104857600", kNone},
      {{{"MEMLIMIT", "50MiB"}, {"GOMEMLIMIT", "100MiB"}}, "52428800", kNone},
      {{{"MEMLIMIT", "off"}, {"GOMEMLIMIT", "100MiB"}}, kNone, kNone},
      {{{"MEMLIMIT", ""}, {"GOMEMLIMIT", "100MiB"}}, "104857600", kNone},
      {{{"MEMHARDLIMIT", "1GiB"}}, kNone, "1073741824"},
  };
  for (const auto& row : kRows) {
    const ProcessResult r = Child({"settings"}, row.environment);
    EXPECT_EQ(r.out, "soft=" + row.soft + " hard=" + row.hard + "\n");
    EXPECT_EQ(r.err, "");
  }
}

TEST(LimitSettingsTest, BadValuesGetOneLineAndAreIgnored) {
  for (const char* name : {"MEMLIMIT", "GOMEMLIMIT", "MEMHARDLIMIT", "MEMLIMIT_MINGOGC"}) {
    for (const char* value : {"abc", "12XB", "-5", "200%"}) {
      const ProcessResult r = Child({"settings"}, {{name, value}});
      EXPECT_EQ(r.out, "soft=" + std::string(kNone) + " hard=" + kNone + "\n");
      ASSERT_EQ(Lines(r.err).size(), 1u) << r.err;
      EXPECT_EQ(r.err.rfind("tarn: " + std::string(name) + "=" + value + ": ", 0), 0u) << r.err;
      EXPECT_EQ(r.exit_code, 0);
    }
  }
}

TEST(LimitSettingsTest, SettersReturnThePreviousValue) {
  EXPECT_EQ(Child({"set"}).out, "1111111111\n11111111\n");
}

// --- The soft limit

// A machine that is busy with other things gives the marker so little CPU that the limiter may give up:
// then the run says so and proves nothing.
void ExpectLimitHeld(const std::string& shape, const std::string& seconds) {
  ProcessSpec spec;
  spec.args = {TARN_LIMIT_SHAPES, shape, "75", seconds};
  spec.environment = {{"MEMLIMIT", "128MiB"}};
  ProcessResult r;
  // A second run if a collector that waited for a CPU, below what the limiter notices, was too late.
  for (int i = 0; i < 2 && (i == 0 || Number(r.out, "ratio") > 1.02); ++i) {
    r = RunProcess(spec);
    ASSERT_EQ(r.exit_code, 0) << shape << r.err;
    if (Number(r.out, "limited_cycle") > 0) {
      GTEST_SKIP() << "the collector got too little CPU: " << r.out;
    }
  }
  EXPECT_LE(Number(r.out, "ratio"), 1.02) << r.out;
  EXPECT_GT(Number(r.out, "made_mib") + Number(r.out, "cycles"), 0) << r.out;
}

class SoftLimitTest : public testing::TestWithParam<const char*> {};

TEST_P(SoftLimitTest, IsHeldWithinTwoPercentOfResidentMemory) {
  if (kSlowdown != 1) GTEST_SKIP() << "sanitizers need memory of their own";
  ExpectLimitHeld(GetParam(), "1.5");
}

INSTANTIATE_TEST_SUITE_P(Shapes, SoftLimitTest,
                         testing::Values("small_fifo", "small_batch", "small_static",
                                         "small_fifo_4_threads", "mixed_random_4_threads",
                                         "mixed_shift", "large_random", "huge_static",
                                         "external_random", "mmap_random", "mmap_fifo_2_threads",
                                         "mmap_virtual_random"),
                         [](const auto& param) { return std::string(param.param); });

TEST(SoftLimitTest, LoweringItReleasesMemoryWithoutAnyAllocation) {
  if (kSlowdown != 1) GTEST_SKIP() << "sanitizers need memory of their own";
  EXPECT_EQ(Child({"lower"}).out, "full=1 low=1 counted=1\n");
}

// The live data are half as large again as the limit.
TEST(SoftLimitTest, WhatDoesNotFitGoesOnAndTheCollectorKeepsToItsShare) {
  const ProcessResult r = Child({"too_much", "150", "6"}, {{"MEMLIMIT", "64MiB"}});
  ASSERT_EQ(r.exit_code, 0) << r.err;
  if (Number(r.out, "process_cpu") < 2) GTEST_SKIP() << "another process had the CPUs: " << r.out;
  EXPECT_GT(Number(r.out, "made"), 10000) << r.out;
  EXPECT_GT(Number(r.out, "cycles"), 3) << r.out;
  // The limiter's percentage, and what it lets through before its bucket is full.
  EXPECT_LE(Number(r.out, "gc_cpu_fraction"), 0.55) << r.out;
  RecordProperty("too_much", r.out);
}

TEST(SoftLimitTest, AMinimumGogcMakesTheLimitGiveWay) {
  const Environment limit = {{"MEMLIMIT", "64MiB"}, {"GOGC", "off"}};
  Environment with_minimum = limit;
  with_minimum.push_back({"MEMLIMIT_MINGOGC", "50"});
  const ProcessResult without = Child({"too_much", "110", "3"}, limit);
  const ProcessResult with = Child({"too_much", "110", "3"}, with_minimum);
  // Another process had the CPUs.
  if (Number(with.out, "process_cpu") < 1 || Number(without.out, "process_cpu") < 1)
    GTEST_SKIP() << with.out;
  if (Number(without.out, "cycles") < 3)
    GTEST_SKIP() << "a collector without CPUs: " << without.out;
  // Half of 110 % of 64 MiB is 35 MiB between two collections.
  EXPECT_GT(Number(with.out, "limited_bytes"), 75 << 20) << with.out;
  const double per_cycle = Number(with.out, "made") / Number(with.out, "cycles");
  EXPECT_GT(per_cycle, 100000) << with.out;
  EXPECT_GT(per_cycle, 2 * Number(without.out, "made") / Number(without.out, "cycles"))
      << without.out;
}

TEST(SoftLimitTest, TheCallbackComesOnAThreadOfItsOwnThatMayUseTheHeap) {
  const ProcessResult r =
      Child({"callback"}, {{"MEMLIMIT", "32MiB"}, {"GODEBUG", "gccpulimit=20"}});
  EXPECT_EQ(r.exit_code, 0) << r.err;
  EXPECT_EQ(r.out, "called, quiet afterwards=1\n");
}

// --- The hard limit

TEST(HardLimitTest, AllocationThrowsAndTheProgramGoesOn) {
  for (const char* bytes : {"0", "1000", "20000", "300000", "9000000"}) {
    const ProcessResult r = Child({"hard", "1", bytes}, {{"MEMHARDLIMIT", "64MiB"}});
    EXPECT_EQ(r.exit_code, 0) << bytes << r.err;
    EXPECT_EQ(r.out, "recovered\n") << bytes;
    EXPECT_EQ(r.err, "");
  }
}

TEST(HardLimitTest, WithThreadsAndASoftLimitBelow) {
  const ProcessResult r =
      Child({"hard", "4", "5000"}, {{"MEMHARDLIMIT", "64MiB"}, {"MEMLIMIT", "60MiB"}});
  EXPECT_EQ(r.exit_code, 0) << r.err;
  EXPECT_EQ(r.out, "recovered\n");
}

TEST(HardLimitTest, ExternalBytesCount) {
  EXPECT_EQ(Child({"external_hard"}, {{"MEMHARDLIMIT", "64MiB"}}).out, "recovered\n");
}

// --- External bytes

TEST(ExternalMemoryTest, GrowthAloneStartsTheFirstCollection) {
  EXPECT_EQ(Child({"external_alone"}).out, "started=1\n");
}

TEST(ExternalMemoryTest, StartsCollectionsAndRaisesTheGoal) {
  const ProcessResult r = Child({"external"});
  EXPECT_EQ(r.exit_code, 0) << r.err;
  EXPECT_EQ(r.out, "started=1 external=67108864 goal_ok=1 back=1\n");
}

TEST(ExternalMemoryTest, UnderflowIsReportedOnceAndCountsFromZero) {
  const ProcessResult r = Child({"underflow"});
  EXPECT_EQ(r.out, "external=7\n");
  EXPECT_EQ(r.err,
            "tarn: AdjustExternalMemory(-300): only 100 bytes are charged; counting from 0 (said "
            "once)\n");
}

// --- Failing system calls, in the whole library

ProcessResult FailingCalls(const std::string& call, int nth, const std::string& count) {
  ProcessSpec spec;
  spec.args = {TARN_FAILING_CALLS_CHILD, call, std::to_string(nth), count};
  return RunProcess(spec);
}

// Either it starts and does all its work, perhaps with exceptions in between, or it says clearly why
// it cannot go on.
void ExpectSurvivedOrSaidWhy(const ProcessResult& r) {
  const bool done = r.exit_code == 0 && r.out.find("done\n") != std::string::npos;
  const bool not_started = r.exit_code == 0 && r.out.find("not started: tarn: ") == 0;
  const bool said_why = r.err.find("memory for ") != std::string::npos;
  EXPECT_TRUE(done || not_started || said_why)
      << "exit " << r.exit_code << " signal " << r.signal << "\n"
      << r.out << r.err;
}

TEST(FailingCallsTest, EachMmapInTurn) {
  for (int nth = 1; nth <= 16; ++nth) {
    SCOPED_TRACE(nth);
    ExpectSurvivedOrSaidWhy(FailingCalls("mmap", nth, "1"));
  }
}

TEST(FailingCallsTest, EachMprotectInTurnAndAllFromOneOn) {
  for (int nth = 1; nth <= 20; ++nth) {
    SCOPED_TRACE(nth);
    ExpectSurvivedOrSaidWhy(FailingCalls("mprotect", nth, "1"));
    if (nth % 4 == 0) ExpectSurvivedOrSaidWhy(FailingCalls("mprotect", nth, "1000000"));
  }
}

TEST(FailingCallsTest, MadviseMayFailAlways) {
  for (const char* count : {"1", "1000000"}) {
    const ProcessResult r = FailingCalls("madvise", 1, count);
    EXPECT_NE(r.out.find("done\n"), std::string::npos) << r.out << r.err;
    EXPECT_GE(Number(r.out, "failed"), 1) << "nothing was released: " << r.out;
  }
}

ProcessResult FailingMappings(const std::string& call, int nth, const std::string& count) {
  ProcessSpec spec;
  spec.args = {TARN_FAILING_CALLS_CHILD, call, std::to_string(nth), count, "mappings"};
  return RunProcess(spec);
}

// One refusal is got over by a collection, and what cannot be mapped over by unmapping it first.
TEST(FailingMappingsTest, NothingIsLostWhenOneCallFails) {
  for (const char* call : {"mmap", "mremap"}) {
    for (int nth = 1; nth <= 60; nth += 1 + nth / 8) {
      const ProcessResult r = FailingMappings(call, nth, "1");
      EXPECT_EQ(r.exit_code, 0) << call << nth << r.out << r.err;
      EXPECT_EQ(Number(r.out, "failed"), 1) << call << nth;
      EXPECT_LE(Number(r.out, "active"), 2) << call << nth;  // stale words on a stack
      EXPECT_EQ(Number(r.out, "lost"), 0) << call << nth << r.err;
      EXPECT_EQ(Number(r.out, "refused"), 0) << call << nth;
    }
  }
}

TEST(FailingMappingsTest, WhenAllFailTheProgramIsTold) {
  const ProcessResult r = FailingMappings("mremap", 11, "1000000");
  EXPECT_EQ(r.exit_code, 0) << r.out << r.err;
  EXPECT_EQ(Number(r.out, "refused"), 190) << r.out;
  EXPECT_EQ(Number(r.out, "lost"), 0) << r.out;
  for (int nth : {20, 40, 100}) {
    SCOPED_TRACE(nth);
    ExpectSurvivedOrSaidWhy(FailingMappings("mmap", nth, "1000000"));
  }
}

}  // namespace
}  // namespace tarn::rt
