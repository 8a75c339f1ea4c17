// The gctrace line: Go's format of durations and of the line, and real lines of a program.
#include "gc/observe/gc_trace.h"

#include <cstdint>
#include <regex>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/subprocess.h"

namespace tarn::rt {
namespace {

TEST(GcTraceTest, DurationsHaveTwoDigitsAndAtMostThreeDecimals) {
  struct Case {
    int64_t nanos;
    const char* text;
  };
  const Case cases[] = {
      {0, "0"},           {1, "0"},           {999, "0"},           {1000, "0.001"},
      {1999, "0.001"},    {9999, "0.009"},    {12'345, "0.012"},    {99'999, "0.099"},
      {100'000, "0.10"},  {123'456, "0.12"},  {999'999, "0.99"},    {1'000'000, "1.0"},
      {1'999'999, "1.9"}, {4'200'000, "4.2"}, {9'999'999, "9.9"},   {10'000'000, "10"},
      {10'999'999, "10"}, {99'999'999, "99"}, {123'456'789, "123"}, {3'600'000'000'000, "3600000"},
  };
  for (const Case& c : cases) EXPECT_EQ(c.text, TraceMillis(c.nanos)) << c.nanos;
}

TEST(GcTraceTest, LineHasGosFormat) {
  CycleRecord r;
  r.number = 7;
  r.start_since_init = 3'141'592'653;
  r.cpu_fraction = 0.0299;
  r.start_pause = 21'500;
  r.mark_wall = 4'200'000;
  r.end_pause = 30'000;
  r.start_cpu = 170'000;
  r.assist_cpu = 900'000;
  r.mark_cpu = 6'100'000;
  r.idle_cpu = 2'200'000;
  r.end_cpu = 240'000;
  r.live_at_start = (uint64_t{62} << 20) - 1;
  r.live_at_end = uint64_t{64} << 20;
  r.marked = (uint64_t{35} << 20) + 5;
  r.goal = uint64_t{66} << 20;
  r.stacks = uint64_t{1} << 20;
  r.globals = 100;
  r.procs = 8;
  const std::string line =
      "gc 7 @3.142s 2%: 0.021+4.2+0.030 ms clock, 0.17+0.90/6.1/2.2+0.24 ms cpu, 61->64->35 MB, "
      "66 MB goal, 1 MB stacks, 0 MB globals, 8 P";
  EXPECT_EQ(line, GcTraceLine(r));
  r.forced = true;
  EXPECT_EQ(line + " (forced)", GcTraceLine(r));
}

TEST(GcTraceTest, LongestLineIsNotCut) {
  CycleRecord r;
  r.number = UINT64_MAX;
  r.start_since_init = r.start_pause = r.mark_wall = r.end_pause = r.start_cpu = INT64_MAX;
  r.assist_cpu = r.mark_cpu = r.idle_cpu = r.end_cpu = INT64_MAX;
  r.cpu_fraction = 1;
  r.live_at_start = r.live_at_end = r.marked = r.goal = r.stacks = r.globals = UINT64_MAX;
  r.procs = INT32_MAX;
  r.forced = true;
  const std::string line = GcTraceLine(r);
  EXPECT_EQ(" P (forced)", line.substr(line.size() - 11));
}

TEST(PacerTraceTest, LinesHaveGosFormat) {
  EXPECT_EQ("pacer: assist ratio=1.500000e+00 (scan 17 MB in 60->64 MB) workers=2+5.000000e-01",
            PacerStartLine({1.5, 17 << 20, 60 << 20, 64 << 20, 2, 0.5}));
  PacerEnd e;
  e.utilization = 0.269;
  e.heap_work = 18300000;
  e.stack_work = 40960;
  e.globals_work = 65536;
  e.expected_work = 18250000;
  e.triggered = 60000000;
  e.live = 64100000;
  e.goal = 66000000;
  e.cons_mark = 0.31;
  EXPECT_EQ(
      "pacer: 26% CPU (25 exp.) for 18300000+40960+65536 B work (18250000 B exp.) in 60000000 B -> "
      "64100000 B (\xe2\x88\x86goal -1900000, cons/mark +3.100000e-01)",
      PacerEndLine(e));
  EXPECT_EQ(
      "pacer: sweep done at heap size 40 MB; allocated 4 MB during sweep; swept 5000 pages at "
      "2.500000e-04 pages/byte",
      PacerSweepLine({40 << 20, 36 << 20, 5000, 0.00025}));
}

TEST(GcTraceTest, GomaxprocsAndPacerTraceReachTheCollector) {
  ProcessSpec spec;
  spec.args = {TARN_TEST_CHILD, "churn", "50"};
  spec.environment = {{"GODEBUG", "gctrace=1,gcpacertrace=1"}, {"GOMAXPROCS", "8"}};
  const ProcessResult r = RunProcess(spec);
  ASSERT_EQ(0, r.exit_code);
  EXPECT_NE(std::string::npos, r.err.find(", 8 P"));
  EXPECT_NE(std::string::npos, r.err.find(" workers=2+0"));  // a quarter of 8
  EXPECT_NE(std::string::npos, r.err.find("B work ("));
  EXPECT_NE(std::string::npos, r.err.find("sweep done at heap size"));
}

TEST(GcTraceTest, ProgramPrintsOneLinePerCollection) {
  ProcessSpec spec;
  spec.args = {TARN_TEST_CHILD, "churn", "200"};
  spec.environment = {{"GODEBUG", "gctrace=1"}};
  const ProcessResult r = RunProcess(spec);
  ASSERT_EQ(0, r.exit_code);
  const std::string duration = R"((0|0\.00[1-9]|0\.0[1-9]\d|0\.[1-9]\d|[1-9]\.\d|[1-9]\d+))";
  const std::regex pattern(R"(gc (\d+) @\d+\.\d{3}s \d+%: )" + duration + R"(\+)" + duration +
                           R"(\+)" + duration + " ms clock, " + duration + R"(\+)" + duration +
                           "/" + duration + "/" + duration + R"(\+)" + duration +
                           R"( ms cpu, \d+->\d+->\d+ MB, \d+ MB goal, \d+ MB stacks, )"
                           R"(\d+ MB globals, \d+ P( \(forced\))?)");
  const std::vector<std::string> lines = Lines(r.err);
  EXPECT_EQ(std::stoul(r.out), lines.size());
  ASSERT_GT(lines.size(), 2u);  // beside the program, fewer than the heap's goal would need
  for (size_t i = 0; i < lines.size(); ++i) {
    std::smatch match;
    ASSERT_TRUE(std::regex_match(lines[i], match, pattern)) << lines[i];
    EXPECT_EQ(std::to_string(i + 1), match[1]) << lines[i];
  }
}

}  // namespace
}  // namespace tarn::rt
