// Destructors and finalizers against memory and the end of the process.
#include <cstdlib>
#include <string>

#include "gtest/gtest.h"
#include "runtime/thread/sanitizer.h"
#include "tests/support/subprocess.h"

namespace tarn::rt {
namespace {

ProcessResult Child(std::vector<std::string> args) {
  ProcessSpec spec;
  spec.args = std::move(args);
  spec.args.insert(spec.args.begin(), TARN_LIFE_CHILD);
  return RunProcess(spec);
}

constexpr bool kSanitized = TARN_ASAN || TARN_TSAN;

// What waits for destructors counts as garbage, and whoever allocates waits when it is too much. Without
// either the heap grows with what is allocated: 256 MB here.
TEST(LifeProcessTest, GarbageWithDestructorsDoesNotFillTheHeap) {
  const ProcessResult r = Child({"backlog", kSanitized ? "1000000" : "4000000"});
  EXPECT_EQ(0, r.exit_code) << r.err;
  ASSERT_EQ(0u, r.out.find("peak ")) << r.out;
  EXPECT_LT(std::strtoull(r.out.c_str() + 5, nullptr, 10), 64u << 20);
}

TEST(LifeProcessTest, AllocationWaitsForDestructorsBeforeItFails) {
  const ProcessResult r = Child({"hard_limit", "33554432"});
  EXPECT_EQ(0, r.exit_code) << r.err;
  EXPECT_EQ("destroyed some: 1\n", r.out);
}

TEST(LifeProcessTest, ExitWaitsForTheFinalizerThatRuns) {
  const ProcessResult r = Child({"exit_waits"});
  EXPECT_EQ(0, r.exit_code) << r.err;
  EXPECT_EQ("main done\nfinalizer done\n", r.out);
}

TEST(LifeProcessTest, AFinalizerMayEndTheProcess) {
  EXPECT_EQ(7, Child({"exit_inside"}).exit_code);
}

}  // namespace
}  // namespace tarn::rt
