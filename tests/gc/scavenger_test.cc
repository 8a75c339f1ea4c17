// The scavenger in a whole program: resident memory falls by itself and at once on request, nothing
// drifts, the kernel may refuse, and what can be seen of it.
#include "gc/collect/scavenger.h"

#include <map>
#include <regex>
#include <sstream>
#include <string>

#include "gc/observe/scav_trace.h"
#include "gtest/gtest.h"
#include "runtime/thread/sanitizer.h"
#include "tests/support/subprocess.h"

namespace tarn::rt {
namespace {

// Sanitizers keep memory of their own, and the time they take is no measure.
#define TARN_SKIP_UNDER_SANITIZERS() \
  if (TARN_ASAN || TARN_TSAN) GTEST_SKIP() << "memory and time are the sanitizer's"

struct ChildRun {
  ProcessResult process;
  std::map<std::string, uint64_t> values;  // what it printed

  uint64_t operator[](const std::string& name) const {
    const auto it = values.find(name);
    EXPECT_TRUE(it != values.end()) << name;
    return it != values.end() ? it->second : 0;
  }
};

ChildRun RunChild(std::vector<std::string> args, const char* godebug = "") {
  ProcessSpec spec;
  spec.args = std::move(args);
  spec.args.insert(spec.args.begin(), TARN_SCAVENGE_CHILD);
  spec.environment = {{"GODEBUG", godebug}};
  ChildRun run{RunProcess(spec), {}};
  EXPECT_EQ(0, run.process.exit_code) << run.process.signal << run.process.err;
  std::istringstream in(run.process.out);
  std::string name;
  for (uint64_t value; in >> name >> value;) run.values[name] = value;
  return run;
}

TEST(ScavengerTest, ResidentMemoryFallsByItself) {
  TARN_SKIP_UNDER_SANITIZERS();
  const ChildRun run = RunChild({"drop", "300"});
  EXPECT_GT(run["peak"], 300u << 10);
  EXPECT_LE(run["after"], run["before"] + (30 << 10));
  EXPECT_LT(run["milliseconds"], 120'000u);
  EXPECT_GT(run["retained_at_peak"], 300u << 10);
  EXPECT_LT(run["retained_after"] + (250 << 10), run["retained_at_peak"]);
  EXPECT_EQ(0u, run["lazily_free"]);
}

TEST(ScavengerTest, WithMadvFreeMemoryIsReleasedButMayStayResident) {
  TARN_SKIP_UNDER_SANITIZERS();
  const ChildRun run = RunChild({"free_os", "large"}, "madvdontneed=0,scavtrace=1");
  EXPECT_LT(run["retained"], run["live"] * 115 / 100);
  EXPECT_NE(std::string::npos, run.process.err.find("(forced)"));
}

TEST(ScavengerTest, AKernelThatRefusesMadvFreeGetsMadvDontneed) {
  TARN_SKIP_UNDER_SANITIZERS();
  const ChildRun run = RunChild({"refuse_free"}, "madvdontneed=0");
  EXPECT_LE(run["after"], run["before"] + (10 << 10));
  EXPECT_EQ(0u, run["lazily_free"]);
}

class FreeOsMemoryTest : public testing::TestWithParam<const char*> {};

TEST_P(FreeOsMemoryTest, ResidentMemoryIsWithinFivePercentOfLive) {
  TARN_SKIP_UNDER_SANITIZERS();
  const ChildRun run = RunChild({"free_os", GetParam()});
  EXPECT_GT(run["live"], 200u << 10);
  EXPECT_GT(run["peak"], run["live"] + (150 << 10));
  // Beside it: stacks of threads, libraries that were touched, and the program's list of roots.
  constexpr uint64_t kFixed = 3 << 10;
  EXPECT_LE(run["resident"], run["live"] * 105 / 100 + kFixed);
}
INSTANTIATE_TEST_SUITE_P(Shapes, FreeOsMemoryTest, testing::Values("small", "medium", "large"),
                         [](const auto& shape) { return std::string(shape.param); });

void ExpectNoDrift(const ChildRun& run) {
  // Garbage that one cycle misses may need another chunk (4 MiB) and its tables at any time.
  constexpr uint64_t kChunks = 8 << 10;
  EXPECT_LE(run["end_heap_sys"], run["early_heap_sys"] + kChunks);
  // Marking needs a few more buffers at times.
  constexpr uint64_t kSlack = 512;
  EXPECT_LE(run["end_sys"], run["early_sys"] + kChunks * 105 / 100 + kSlack);
  // What a few stale words on a stack keep of one round.
  constexpr double kStale = 512;
  EXPECT_NEAR(static_cast<double>(run["early_heap_inuse"]),
              static_cast<double>(run["end_heap_inuse"]), kStale);
  EXPECT_NEAR(static_cast<double>(run["early_heap_retained"]),
              static_cast<double>(run["end_heap_retained"]), kStale);
  if (TARN_ASAN || TARN_TSAN) return;
  EXPECT_LE(run["end_size"], run["early_size"] + kSlack);
  EXPECT_LE(run["end_mappings"], run["early_mappings"] + 2) << "malloc may add one";
}

TEST(ScavengerTest, GrowingAndShrinkingDoesNotDrift) {
  ExpectNoDrift(RunChild({"grow_shrink", TARN_ASAN || TARN_TSAN ? "40" : "1000"}));
}

TEST(ScavengerTest, ManySmallRoundsDoNotDrift) {
  ExpectNoDrift(RunChild({"grow_shrink_small", TARN_ASAN || TARN_TSAN ? "2000" : "10000"}));
}

TEST(ScavengerTest, SideTablesStayOutOfCoreFiles) {
  TARN_SKIP_UNDER_SANITIZERS();
  const ChildRun run = RunChild({"dump"});
  EXPECT_GE(run["in_use"], 200u << 10);
  // 4 % of the heap are tables.
  EXPECT_GT(run["left_out"], run["in_use"] * 3 / 100);
  EXPECT_GE(run["dumped"], run["in_use"]);
  // Arenas of 64 MiB, and malloc's; not what is only reserved: some programs write it as zeros.
  EXPECT_LE(run["dumped_size"], run["in_use"] + (1 << 20));
  EXPECT_LE(run["dumped"], run["in_use"] + (16 << 10));
}

TEST(ScavengerTest, FreeMemoryOfAHeapThatBreathesStaysOutOfCoreFiles) {
  TARN_SKIP_UNDER_SANITIZERS();
  const ChildRun run = RunChild({"dump_free"});
  // The program, chunks that are free in part, runs of less than 16 MiB.
  constexpr uint64_t kSlack = 32 << 10;
  EXPECT_GE(run["large_in_use"], 400u << 10);
  EXPECT_GE(run["large_dumped"], run["large_in_use"]);
  for (const std::string at : {"first_", "last_"}) {
    SCOPED_TRACE(at);
    EXPECT_GE(run[at + "retained"], run[at + "in_use"] + 2 * kSlack) << "nothing to leave out";
    EXPECT_GE(run[at + "dumped"], run[at + "in_use"]);
    EXPECT_LE(run[at + "dumped"], run[at + "in_use"] + kSlack);
  }
  EXPECT_LE(run["last_mappings"], run["first_mappings"] + 8);
}

TEST(ScavengerTest, ACollectionInAForkedChildLeavesObjectsShared) {
  TARN_SKIP_UNDER_SANITIZERS();
  const ChildRun run = RunChild({"fork_cow"});
  EXPECT_GE(run["parent_objects"], 300u << 10);
  // Mark bits and spans lie apart from objects: marking writes to no page of the heap.
  EXPECT_LE(run["child_objects_after"], 1u << 10);
  EXPECT_LE(run["child_tables_after"], run["parent_objects"] * 6 / 100);
}

TEST(ScavengerTest, EveryHugePagePolicyWorks) {
  for (const char* policy : {"thp=default", "thp=always", "thp=never", "thp=collapse"}) {
    SCOPED_TRACE(policy);
    // Without pages to be made there is nothing to wait for.
    const bool makes = std::string(policy) == "thp=always" || std::string(policy) == "thp=collapse";
    const ChildRun run = RunChild({"thp", makes ? "100" : "20"}, policy);
    if (std::string(policy) == "thp=never") {
      EXPECT_EQ(0u, run["huge"]);
    }
    std::printf("%s: %lu KiB of huge pages\n", policy, static_cast<unsigned long>(run["huge"]));
  }
}

TEST(ScavengerTest, ForkWhileItWorks) {
  if (TARN_TSAN) GTEST_SKIP() << "no threads after fork under ThreadSanitizer";
  RunChild({"fork"});
}

TEST(ScavTraceTest, LineHasGosFormat) {
  ScavRecord r;
  r.background = 1 << 20;
  r.released = 20 << 20;
  r.in_use = 91 << 20;
  r.retained = 100 << 20;
  const std::string line = "scav 1024 KiB work (bg), 0 KiB work (eager), 20480 KiB now, 91% util";
  EXPECT_EQ(line, ScavTraceLine(r));
  r.forced = true;
  EXPECT_EQ(line + " (forced)", ScavTraceLine(r));
  r.forced = false;
  r.was_reset = true;
  EXPECT_EQ(line + " [controller reset]", ScavTraceLine(r));
  EXPECT_EQ("scav 0 KiB work (bg), 0 KiB work (eager), 0 KiB now, 100% util", ScavTraceLine({}));
}

TEST(ScavTraceTest, ProgramPrintsALinePerCollectionAndForEachRequest) {
  const ChildRun run = RunChild({"grow_shrink", "8"}, "scavtrace=1,gctrace=1");
  const std::regex pattern(
      R"(scav \d+ KiB work \(bg\), \d+ KiB work \(eager\), \d+ KiB now, \d+% util( \(forced\))?)");
  size_t cycles = 0, lines = 0, forced = 0;
  for (const std::string& line : Lines(run.process.err)) {
    if (line.starts_with("gc ")) ++cycles;
    if (!line.starts_with("scav ")) continue;
    std::smatch match;
    ASSERT_TRUE(std::regex_match(line, match, pattern)) << line;
    match[1].matched ? ++forced : ++lines;
  }
  EXPECT_GE(lines + 1, cycles) << "the last one may be cut off by the exit";
  EXPECT_LE(lines, cycles);
  EXPECT_EQ(7u, forced);
}

}  // namespace
}  // namespace tarn::rt
