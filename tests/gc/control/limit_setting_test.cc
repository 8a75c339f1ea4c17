// What MEMLIMIT accepts, and what it comes to in bytes.
#include "gc/control/limit_setting.h"

#include "gtest/gtest.h"

namespace tarn::rt {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

TEST(LimitSettingTest, BytesAsInGo) {
  const struct {
    const char* text;
    uint64_t bytes;
  } kRows[] = {
      {"1", 1},
      {"012345", 12345},
      {"9223372036854775807", kMaxBytes},
      {"12345B", 12345},
      {"9223372036854775807B", kMaxBytes},
      {"1KiB", 1024},
      {"05KiB", 5120},
      {"10MiB", 10 * kMiB},
      {"100GiB", 100 * 1024 * kMiB},
      {"99TiB", 99 * 1024 * 1024 * kMiB},
      {"-0", 0},
      {"0", 0},
      {"0B", 0},
      {"0KiB", 0},
      {"0TiB", 0},
      {"off", kNoMemoryLimit},
  };
  for (const auto& row : kRows) {
    const std::optional<LimitSetting> s = ParseLimit(row.text);
    ASSERT_TRUE(s.has_value()) << row.text;
    EXPECT_FALSE(s->follows_group()) << row.text;
    EXPECT_EQ(s->value, row.bytes) << row.text;
    EXPECT_EQ(ResolveLimit(*s, kMiB), row.bytes) << "the group does not matter: " << row.text;
  }
}

TEST(LimitSettingTest, SharesOfTheGroup) {
  const struct {
    const char* text;
    uint64_t percent;
  } kRows[] = {{"auto", 90}, {"1%", 1}, {"90%", 90}, {"100%", 100}, {"050%", 50}};
  for (const auto& row : kRows) {
    const std::optional<LimitSetting> s = ParseLimit(row.text);
    ASSERT_TRUE(s.has_value()) << row.text;
    EXPECT_TRUE(s->follows_group()) << row.text;
    EXPECT_EQ(ResolveLimit(*s, 200 * kMiB), 2 * kMiB * row.percent) << row.text;
    EXPECT_EQ(ResolveLimit(*s, std::nullopt), kNoMemoryLimit) << row.text;
  }
}

TEST(LimitSettingTest, EverythingElseIsRefused) {
  for (const char* text : {"",
                           "abc",
                           "-1",
                           "-5",
                           "-120KiB",
                           "a12345",
                           "12345x",
                           "0x12345",
                           "1Ki",
                           "10Mi",
                           "22iB",
                           "B",
                           "iB",
                           "KiB",
                           "TiB",
                           "1KB",
                           "1MB",
                           "10M",
                           "1K",
                           "12XB",
                           "1kib",
                           "1 MiB",
                           " 1MiB",
                           "1MiB ",
                           "1.5GiB",
                           "1e9",
                           "+1",
                           "OFF",
                           "Auto",
                           "0%",
                           "101%",
                           "200%",
                           "-5%",
                           "%",
                           "1.5%",
                           "5%%",
                           "50% ",
                           "555EiB",
                           "555EB",
                           "1MiBMiB",
                           "--0",
                           "9223372036854775808",
                           "99999999999TiB",
                           "18446744073709551616B",
                           "99999999999999GiB",
                           "8388608TiB"}) {
    EXPECT_FALSE(ParseLimit(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace tarn::rt
