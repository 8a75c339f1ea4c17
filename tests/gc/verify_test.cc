// GODEBUG=verify=1: the walks after H0 and at the end of marking notice damage that was done just before
// them; an intact heap passes all walks of a cycle.
// Not here: damage just before the walks after the flip and after sweeping.
#include <csignal>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/subprocess.h"

namespace tarn::rt {
namespace {

ProcessResult RunChild(const char* where, const char* what, const char* more = "") {
  ProcessSpec spec;
  spec.args = {TARN_VERIFY_CHILD, where, what};
  spec.environment = {{"GODEBUG", std::string("verify=1") + more}};
  return RunProcess(spec);
}

constexpr const char* kPlaces[] = {"all_swept", "marked"};

TEST(VerifyTest, AnIntactHeapPassesEveryWalk) {
  for (const char* where : kPlaces) {
    const ProcessResult r = RunChild(where, "nothing");
    EXPECT_EQ(0, r.exit_code) << where << ": " << r.err;
    EXPECT_EQ("ok\n", r.out) << where;
  }
}

void ExpectNoticed(const char* where, const char* what) {
  const ProcessResult r = RunChild(where, what);
  EXPECT_EQ(SIGABRT, r.signal) << where << " " << what << ": exit code " << r.exit_code << r.err;
  EXPECT_NE(std::string::npos, r.err.find("verifier.cc")) << where << " " << what << ": " << r.err;
}

TEST(VerifyTest, DamageOfAnyKindIsNoticed) {
  for (const char* where : kPlaces) {
    for (const char* what : {"count", "ledger", "free_slot_in_run", "mark_of_run", "used_memory",
                             "unlisted", "barrier", "colour"}) {
      ExpectNoticed(where, what);
    }
  }
}

TEST(VerifyTest, SpansThatMustBeSweptAre) {
  for (const char* where : kPlaces) ExpectNoticed(where, "unswept");
}

TEST(VerifyTest, SweptSpansCarryNoMarks) { ExpectNoticed("all_swept", "mark_of_large"); }

}  // namespace
}  // namespace tarn::rt
