// Starting the heap: once, with good options, in what address space there is.
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "runtime/thread/mutator.h"
#include "tarn/tarn.h"
#include "tests/gc/gc_test_util.h"
#include "tests/support/subprocess.h"

namespace tarn {
namespace {

// The first test starts the heap of this process.
TEST(InitTest, BadOptionsStartNothingAndGoodOnesThenOnce) {
  Options bad;
  bad.markers = 0;
  EXPECT_EQ(absl::StatusCode::kInvalidArgument, Init(bad).code());
  EXPECT_EQ(nullptr, rt::Instance::IfStarted());
  Options good;
  good.gc_percent = 250;
  good.markers = 2;
  EXPECT_TRUE(Init(good).ok());
  EXPECT_EQ(250, SetGcPercent(100));
  EXPECT_EQ(absl::StatusCode::kAlreadyExists, Init(good).code());
  EXPECT_EQ(absl::StatusCode::kAlreadyExists, Init().code());
}

TEST(InitTest, AfterFirstUseItIsTooLate) {
  make_gc<int>();
  EXPECT_EQ(absl::StatusCode::kAlreadyExists, Init().code());
}

// What takes locks of the runtime attaches the thread first: a stop never finds their holder.
template <class F>
void ExpectAttaches(F&& f) {
  std::thread([&] {
    EXPECT_EQ(nullptr, rt::Mutator::Current());
    f();
    EXPECT_NE(nullptr, rt::Mutator::Current());
  }).join();
}
TEST(InitTest, FirstCallOfAThreadAttachesIt) {
  static uintptr_t words[2];
  ExpectAttaches([] { Collect(); });
  ExpectAttaches([] { SetGcPercent(100); });
  ExpectAttaches([] { AddRootRange(words, words + 2); });
  ExpectAttaches([] { RemoveRootRange(words); });
  ExpectAttaches([] { gc_root<int> root(make_gc<int>(1)); });
  ExpectAttaches([] { make_gc<int[]>(1 << 20); });
}

rt::ProcessResult Start(const char* how, size_t address_space) {
  rt::ProcessSpec spec;
  spec.args = {TARN_TEST_CHILD, how};
  spec.address_space = address_space;
  return rt::RunProcess(spec);
}

constexpr size_t kGiB = size_t{1} << 30;
constexpr const char* kTooSmall =
    "tarn: cannot reserve 1 GiB of address space and its side tables (is ulimit -v set?)";

// Sanitizers reserve terabytes themselves.
#define TARN_SKIP_UNDER_SANITIZERS() \
  if (rt::kSlowdown != 1) GTEST_SKIP() << "a sanitizer needs the address space"

TEST(InitProcessTest, CageIsHalvedUntilItFits) {
  TARN_SKIP_UNDER_SANITIZERS();
  for (size_t limit : {3 * kGiB, 5 * kGiB, 20 * kGiB, 200 * kGiB}) {
    const rt::ProcessResult r = Start("start", limit);
    EXPECT_EQ("OK\nworks\n", r.out) << limit / kGiB << " GiB";
    EXPECT_EQ("", r.err) << limit / kGiB << " GiB";
    EXPECT_EQ(0, r.exit_code);
  }
}

TEST(InitProcessTest, TooLittleAddressSpaceIsAClearError) {
  TARN_SKIP_UNDER_SANITIZERS();
  const rt::ProcessResult r = Start("start", kGiB / 2);
  EXPECT_EQ(std::string("RESOURCE_EXHAUSTED: ") + kTooSmall + "\n", r.out);
  EXPECT_EQ(3, r.exit_code);
}

TEST(InitProcessTest, TooLittleAddressSpaceOnFirstUseAbortsWithTheReason) {
  TARN_SKIP_UNDER_SANITIZERS();
  const rt::ProcessResult r = Start("start_by_use", kGiB / 2);
  EXPECT_EQ(SIGABRT, r.signal);
  EXPECT_EQ(std::string(kTooSmall) + "\ntarn: fatal: the heap cannot start\n", r.err);
}

// A full cage is std::bad_alloc, and after dropping what filled it there is room again.
TEST(InitProcessTest, FullCageIsBadAllocAndRecovers) {
  const rt::ProcessResult r = Start("fill", 0);
  EXPECT_EQ(0, r.exit_code) << r.out << r.err << r.signal;
  EXPECT_EQ(3u, rt::Lines(r.out).size()) << r.out;
}

}  // namespace
}  // namespace tarn
