// GOGC, GODEBUG and Options: what is accepted, what is said about the rest, what then holds.
#include "gc/api/environment.h"

#include <csignal>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/subprocess.h"

namespace tarn::rt {
namespace {

struct GogcCase {
  const char* text;
  int percent;
  bool complaint;
};

TEST(EnvironmentTest, Gogc) {
  const GogcCase cases[] = {
      {nullptr, 100, false},     {"", 100, false},
      {"off", -1, false},        {"0", 0, false},
      {"1", 1, false},           {"100", 100, false},
      {"0400", 400, false},      {"2147483647", 2147483647, false},
      {"2147483648", 100, true}, {"99999999999999999999", 100, true},
      {"-1", 100, true},         {"-5", 100, true},
      {"abc", 100, true},        {"OFF", 100, true},
      {"50%", 100, true},        {" 50", 100, true},
      {"50 ", 100, true},        {"+50", 100, true},
      {"0x10", 100, true},       {"1e3", 100, true},
      {"12.5", 100, true},
  };
  for (const GogcCase& c : cases) {
    std::vector<std::string> complaints;
    const std::string name = c.text == nullptr ? "(null)" : c.text;
    EXPECT_EQ(c.percent, ParseEnvironment({c.text, nullptr, nullptr}, complaints).gc_percent)
        << name;
    ASSERT_EQ(c.complaint ? 1u : 0u, complaints.size()) << name;
    if (c.complaint) {
      EXPECT_NE(std::string::npos, complaints[0].find("GOGC=" + name)) << complaints[0];
      EXPECT_EQ(std::string::npos, complaints[0].find('\n'));
    }
  }
}

Settings Debug(const char* text, size_t complaints_expected = 0) {
  std::vector<std::string> complaints;
  const Settings s = ParseEnvironment({nullptr, text, nullptr}, complaints);
  EXPECT_EQ(complaints_expected, complaints.size()) << text;
  return s;
}

TEST(EnvironmentTest, GodebugFlags) {
  EXPECT_FALSE(Debug("").gc_trace);
  EXPECT_TRUE(Debug("gctrace=1").gc_trace);
  EXPECT_FALSE(Debug("gctrace=0").gc_trace);
  EXPECT_TRUE(Debug("clobberfree=1").clobber_free);
  EXPECT_TRUE(Debug("verify=1").verify);
  EXPECT_FALSE(Debug("madvdontneed=1").use_madv_free);
  EXPECT_TRUE(Debug("madvdontneed=0").use_madv_free);
  EXPECT_EQ(50u, Debug("gcstress=50").gc_stress);
  EXPECT_EQ(0, Debug("").stop_the_world);
  EXPECT_EQ(2, Debug("gcstoptheworld=2").stop_the_world);
  EXPECT_TRUE(Debug("gcpacertrace=1").pacer_trace);
  EXPECT_FALSE(Debug("").check_mark);
  EXPECT_TRUE(Debug("gccheckmark=1").check_mark);
  EXPECT_TRUE(Debug("").idle_workers);
  EXPECT_FALSE(Debug("gcidle=0").idle_workers);
  EXPECT_TRUE(Debug("gcidle=1").idle_workers);
  EXPECT_EQ(50, Debug("").cpu_limit_percent);
  EXPECT_EQ(1, Debug("gccpulimit=1").cpu_limit_percent);
  EXPECT_EQ(100, Debug("gccpulimit=100").cpu_limit_percent);
  for (const char* bad : {"gccpulimit=0", "gccpulimit=101", "gccpulimit=x", "gccpulimit="}) {
    EXPECT_EQ(50, Debug(bad, 1).cpu_limit_percent) << bad;
  }
  EXPECT_TRUE(Debug("gcidle=2", 1).idle_workers);
  EXPECT_TRUE(Debug("scavtrace=1").scav_trace);
  EXPECT_FALSE(Debug("").scav_trace);
}

TEST(EnvironmentTest, HugePagePolicies) {
  EXPECT_EQ(HugePagePolicy::kDefault, Debug("").huge_pages);
  EXPECT_EQ(HugePagePolicy::kDefault, Debug("thp=never,thp=default").huge_pages);
  EXPECT_EQ(HugePagePolicy::kAlways, Debug("thp=always").huge_pages);
  EXPECT_EQ(HugePagePolicy::kNever, Debug("thp=never").huge_pages);
  EXPECT_EQ(HugePagePolicy::kCollapse, Debug("thp=collapse").huge_pages);
  for (const char* bad : {"thp=", "thp", "thp=1", "thp=Always"}) {
    EXPECT_EQ(HugePagePolicy::kDefault, Debug(bad, 1).huge_pages) << bad;
  }
}

TEST(EnvironmentTest, Gomaxprocs) {
  struct Case {
    const char* text;
    int procs;
    bool complaint;
  };
  const Case cases[] = {{nullptr, 0, false},   {"", 0, false},   {"1", 1, false},
                        {"1024", 1024, false}, {"0", 0, true},   {"1025", 0, true},
                        {"-2", 0, true},       {"two", 0, true}, {"2 ", 0, true}};
  for (const Case& c : cases) {
    const std::string name = c.text == nullptr ? "(null)" : c.text;
    std::vector<std::string> complaints;
    EXPECT_EQ(c.procs, ParseEnvironment({nullptr, nullptr, c.text}, complaints).procs) << name;
    ASSERT_EQ(c.complaint ? 1u : 0u, complaints.size()) << name;
    if (c.complaint) {
      EXPECT_NE(std::string::npos, complaints[0].find("GOMAXPROCS=" + name)) << complaints[0];
    }
  }
}

TEST(EnvironmentTest, GodebugListsAndLastOneWins) {
  const Settings s = Debug("gctrace=1,verify=1,,gcstress=7,gctrace=0,");
  EXPECT_FALSE(s.gc_trace);
  EXPECT_TRUE(s.verify);
  EXPECT_EQ(7u, s.gc_stress);
}

TEST(EnvironmentTest, EachBadKeyGetsOneLineAndTheOthersCount) {
  for (const char* bad : {"nosuch=1", "gctrace", "gctrace=", "gctrace=yes", "GCTRACE=1",
                          "gcstress=x", "gcstress=-1", "gcstoptheworld=3", "=1"}) {
    const std::string all = std::string("verify=1,") + bad + ",clobberfree=1";
    std::vector<std::string> complaints;
    const Settings s = ParseEnvironment({nullptr, all.c_str(), nullptr}, complaints);
    EXPECT_TRUE(s.verify && s.clobber_free) << bad;
    ASSERT_EQ(1u, complaints.size()) << bad;
    EXPECT_NE(std::string::npos, complaints[0].find(bad)) << complaints[0];
  }
  Debug("a=1,b=2,c", 3);
}

TEST(EnvironmentTest, OptionsOverrideTheEnvironment) {
  std::vector<std::string> complaints;
  Settings s = ParseEnvironment({"50", "gctrace=1,verify=1", nullptr}, complaints);
  Options o;
  o.gc_percent = 300;
  o.gc_trace = false;
  EXPECT_TRUE(ApplyOptions(o, s).ok());
  EXPECT_EQ(300, s.gc_percent);
  EXPECT_FALSE(s.gc_trace);
  EXPECT_TRUE(s.verify);
  o.gc_percent = -7;
  EXPECT_TRUE(ApplyOptions(o, s).ok());
  EXPECT_EQ(-1, s.gc_percent);
}

void ExpectInvalid(const Options& o, const char* named) {
  Settings s;
  const absl::Status status = ApplyOptions(o, s);
  EXPECT_EQ(absl::StatusCode::kInvalidArgument, status.code()) << named;
  EXPECT_NE(std::string::npos, status.message().find(named)) << status;
}

TEST(EnvironmentTest, OptionsOutOfRangeAreNamed) {
  for (int markers : {0, -1, 65}) {
    Options o;
    o.markers = markers;
    ExpectInvalid(o, "markers");
  }
  for (size_t bytes : {size_t{0}, (size_t{1} << 30) - (size_t{64} << 20), (size_t{1} << 30) + 8192,
                       (size_t{1} << 46) + (size_t{64} << 20)}) {
    Options o;
    o.cage_bytes = bytes;
    ExpectInvalid(o, "cage_bytes");
  }
  for (int number : {0, -1, SIGRTMAX + 1}) {
    Options o;
    o.handshake_signal = number;
    ExpectInvalid(o, "handshake_signal");
  }
}

ProcessResult RunSettings(const char* gogc, const char* godebug) {
  ProcessSpec spec;
  spec.args = {TARN_TEST_CHILD, "settings"};
  if (gogc != nullptr) spec.environment.emplace_back("GOGC", gogc);
  if (godebug != nullptr) spec.environment.emplace_back("GODEBUG", godebug);
  return RunProcess(spec);
}

TEST(EnvironmentProcessTest, GoodValuesAreSilentAndUsed) {
  const ProcessResult r = RunSettings("50", "verify=1");
  EXPECT_EQ(0, r.exit_code);
  EXPECT_EQ("GOGC=50\n", r.out);
  EXPECT_EQ("", r.err);
  EXPECT_EQ("GOGC=-1\n", RunSettings("off", nullptr).out);
}

TEST(EnvironmentProcessTest, BadGogcGivesOneLineAndTheDefault) {
  for (const char* bad : {"abc", "-5"}) {
    const ProcessResult r = RunSettings(bad, nullptr);
    EXPECT_EQ(0, r.exit_code);
    EXPECT_EQ("GOGC=100\n", r.out);
    EXPECT_EQ(std::string("tarn: GOGC=") + bad +
                  ": not 'off' or a number from 0 to 2147483647; using 100\n",
              r.err);
  }
}

TEST(EnvironmentProcessTest, UnknownGodebugKeyGivesOneLine) {
  const ProcessResult r = RunSettings(nullptr, "nosuch=1");
  EXPECT_EQ(0, r.exit_code);
  EXPECT_EQ("GOGC=100\n", r.out);
  EXPECT_EQ("tarn: GODEBUG=nosuch=1: unknown key; ignored\n", r.err);
}

}  // namespace
}  // namespace tarn::rt
