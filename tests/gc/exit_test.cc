// Leaving a program: static destructors that use the heap, threads that still run.
#include <string>

#include "gtest/gtest.h"
#include "tests/support/subprocess.h"

namespace tarn::rt {
namespace {

ProcessResult RunChild(const char* what, const char* godebug) {
  ProcessSpec spec;
  spec.args = {TARN_TEST_CHILD, what};
  spec.environment = {{"GODEBUG", godebug}};
  return RunProcess(spec);
}

void ExpectCleanExit(const ProcessResult& r, const std::string& out) {
  EXPECT_EQ(0, r.exit_code) << r.err;
  EXPECT_EQ(0, r.signal) << r.err;
  EXPECT_EQ("", r.err);
  EXPECT_EQ(out, r.out);
}

TEST(ExitTest, StaticDestructorsMayUseTheHeap) {
  for (const char* godebug : {"", "verify=1,clobberfree=1"}) {
    ExpectCleanExit(RunChild("exit_roots", godebug), "static destructor done\n");
  }
}

TEST(ExitTest, ThreadsMayAllocateWhileMainReturns) {
  for (int i = 0; i < 5; ++i) {
    ExpectCleanExit(RunChild("exit_threads", i % 2 ? "verify=1" : ""),
                    "main done\nstatic destructor done\n");
  }
}

TEST(ExitTest, QuickExitIsQuick) { ExpectCleanExit(RunChild("exit_quick", ""), "main done\n"); }

}  // namespace
}  // namespace tarn::rt
