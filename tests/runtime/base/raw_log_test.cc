// Lines of the runtime's messages: number formats, cutting, and one write per line.
#include "runtime/base/raw_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <limits>
#include <string>

namespace tarn::rt {
namespace {

constexpr size_t kLongest = 511;  // characters before the newline

std::string Text(const RawLine& line) { return std::string(line.view()); }

TEST(RawLineTest, PartsAreJoinedInOrder) {
  EXPECT_EQ(Text(RawLine().Str("gc ").Dec(12).Str(" @").Fixed3(0.25).Str("s ").Hex(0xab)),
            "gc 12 @0.250s 0xab");
}

TEST(RawLineTest, DecimalsOfEverySizeMatchPrintf) {
  const int64_t values[] = {0,
                            1,
                            -1,
                            9,
                            10,
                            -10,
                            99,
                            100,
                            std::numeric_limits<int64_t>::max(),
                            std::numeric_limits<int64_t>::min()};
  for (const int64_t v : values) EXPECT_EQ(Text(RawLine().Dec(v)), std::to_string(v));
}

TEST(RawLineTest, HexadecimalsMatchPrintf) {
  const uint64_t values[] = {0, 1, 15, 16, 0xdeadbeef, ~uint64_t{0}, uint64_t{1} << 63};
  for (const uint64_t v : values) {
    char want[32];
    std::snprintf(want, sizeof(want), "0x%llx", static_cast<unsigned long long>(v));
    EXPECT_EQ(Text(RawLine().Hex(v)), want);
  }
}

TEST(RawLineTest, ThousandthsAreRoundedAndPadded) {
  EXPECT_EQ(Text(RawLine().Fixed3(0)), "0.000");
  EXPECT_EQ(Text(RawLine().Fixed3(1.25)), "1.250");
  EXPECT_EQ(Text(RawLine().Fixed3(0.0004)), "0.000");
  EXPECT_EQ(Text(RawLine().Fixed3(0.0006)), "0.001");
  EXPECT_EQ(Text(RawLine().Fixed3(0.9996)), "1.000");
  EXPECT_EQ(Text(RawLine().Fixed3(12.034)), "12.034");
  EXPECT_EQ(Text(RawLine().Fixed3(-2.5)), "-2.500");
}

TEST(RawLineTest, WhatDoesNotFitIsCut) {
  RawLine line;
  line.Str(std::string(kLongest - 2, 'a')).Dec(1234);
  EXPECT_EQ(Text(line), std::string(kLongest - 2, 'a') + "12");
  line.Str("more").Hex(1);
  EXPECT_EQ(line.view().size(), kLongest);
}

class RawLinePipeTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pipe2(fds_, O_NONBLOCK), 0); }
  void TearDown() override {
    close(fds_[0]);
    close(fds_[1]);
  }
  std::string Read() {
    char buf[2048];
    const ssize_t n = read(fds_[0], buf, sizeof(buf));
    return n < 0 ? std::string() : std::string(buf, static_cast<size_t>(n));
  }
  int fds_[2];
};

TEST_F(RawLinePipeTest, LineArrivesWithItsNewline) {
  RawLine().Str("a line").WriteTo(fds_[1]);
  EXPECT_EQ(Read(), "a line\n");
}

TEST_F(RawLinePipeTest, CutLineStillEndsInANewline) {
  RawLine().Str(std::string(2000, 'x')).WriteTo(fds_[1]);
  EXPECT_EQ(Read(), std::string(kLongest, 'x') + "\n");
}

TEST(RawLineTest, WritingToABadDescriptorIsIgnored) {
  RawLine line;
  line.Str("lost").WriteTo(-1);
  EXPECT_EQ(line.view(), "lost");
}

}  // namespace
}  // namespace tarn::rt
