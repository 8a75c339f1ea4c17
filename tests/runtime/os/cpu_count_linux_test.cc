// CPU quotas and control groups, from the text of the kernel's files.
#include "runtime/os/cpu_count_linux.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

#include "runtime/os/cgroup_linux.h"

namespace tarn::rt {
namespace {

TEST(CpuQuotaTest, Version2FilesGiveQuotaByPeriod) {
  EXPECT_EQ(ParseCpuMax("200000 100000\n"), 2.0);
  EXPECT_EQ(ParseCpuMax("50000 100000\n"), 0.5);
  EXPECT_EQ(ParseCpuMax("150000 100000"), 1.5);
  EXPECT_EQ(ParseCpuMax("  9223372036854775807 1 \n"), 9223372036854775807.0);
}

TEST(CpuQuotaTest, Version2WithoutAQuotaOrMalformedGivesNone) {
  for (const char* text :
       {"max 100000\n", "max", "", "\n", "100000", "0 100000", "-1 100000", "100000 0", "100000 -5",
        "1x 2", "1 2x", "1 2 3", "max max", "99999999999999999999 100000"}) {
    EXPECT_EQ(ParseCpuMax(text), std::nullopt) << "'" << text << "'";
  }
}

TEST(CpuQuotaTest, Version1FilesGiveQuotaByPeriod) {
  EXPECT_EQ(ParseCfsQuota("300000\n", "100000\n"), 3.0);
  EXPECT_EQ(ParseCfsQuota("-1\n", "100000\n"), std::nullopt);
  EXPECT_EQ(ParseCfsQuota("100000", ""), std::nullopt);
}

TEST(CpuQuotaTest, QuotasAreRoundedUpWithinAffinity) {
  EXPECT_EQ(CombineCpus(8, std::nullopt), 8);
  EXPECT_EQ(CombineCpus(8, 2.0), 2);
  EXPECT_EQ(CombineCpus(8, 2.0001), 3);
  EXPECT_EQ(CombineCpus(8, 0.1), 1);
  EXPECT_EQ(CombineCpus(2, 7.5), 2);
  EXPECT_EQ(CombineCpus(2, 1e300), 2);
  EXPECT_EQ(CombineCpus(0, std::nullopt), 1);
}

constexpr char kVersion2Groups[] = "0::/user.slice/app:1.scope\n";
constexpr char kVersion1Groups[] =
    "12:pids:/docker/abc\n"
    "5:cpu,cpuacct:/docker/abc\n"
    "4:cpuset:/\n"
    "1:name=systemd:/docker/abc\n"
    "0::/system.slice\n";

TEST(CgroupTest, TheGroupOfAControllerIsFound) {
  EXPECT_EQ(ParseProcCgroup(kVersion2Groups, "cpu", 2), "/user.slice/app:1.scope");
  EXPECT_EQ(ParseProcCgroup(kVersion2Groups, "cpu", 1), std::nullopt);
  EXPECT_EQ(ParseProcCgroup(kVersion1Groups, "cpu", 1), "/docker/abc");
  EXPECT_EQ(ParseProcCgroup(kVersion1Groups, "cpuset", 1), "/");
  EXPECT_EQ(ParseProcCgroup(kVersion1Groups, "memory", 1), std::nullopt);
  EXPECT_EQ(ParseProcCgroup(kVersion1Groups, "memory", 2), "/system.slice");
  EXPECT_EQ(ParseProcCgroup("", "cpu", 2), std::nullopt);
  EXPECT_EQ(ParseProcCgroup("garbage\n\n::\n", "cpu", 2), std::nullopt);
}

constexpr char kMountInfo[] =
    "22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
    "31 23 0:26 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw,nsdelegate\n"
    "32 23 0:27 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw shared:11 master:2 - cgroup cgroup "
    "rw,cpu,cpuacct\n"
    "33 23 0:28 / /mnt/with\\040space rw - cgroup cgroup rw,memory\n"
    "34 23 0:29 truncated\n";

TEST(CgroupTest, TheMountOfAControllerIsFound) {
  const auto unified = ParseMountInfo(kMountInfo, "cpu", 2);
  ASSERT_TRUE(unified.has_value());
  EXPECT_EQ(unified->point, "/sys/fs/cgroup/unified");
  EXPECT_EQ(unified->root, "/");
  const auto cpu = ParseMountInfo(kMountInfo, "cpu", 1);
  ASSERT_TRUE(cpu.has_value());
  EXPECT_EQ(cpu->point, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(cpu->root, "/docker/abc");
  const auto memory = ParseMountInfo(kMountInfo, "memory", 1);
  ASSERT_TRUE(memory.has_value());
  EXPECT_EQ(memory->point, "/mnt/with space");
  EXPECT_FALSE(ParseMountInfo(kMountInfo, "cpuset", 1).has_value());
  EXPECT_FALSE(ParseMountInfo("", "cpu", 2).has_value());
}

TEST(CgroupTest, PathsAreSeenThroughTheRootOfTheMount) {
  EXPECT_EQ(PathBelowMount("/", "/"), "");
  EXPECT_EQ(PathBelowMount("/a/b", "/"), "/a/b");
  EXPECT_EQ(PathBelowMount("/a/b", "/a"), "/b");
  EXPECT_EQ(PathBelowMount("/a/b", "/a/b"), "");
  EXPECT_EQ(PathBelowMount("/ab", "/a"), "");
  EXPECT_EQ(PathBelowMount("/", "/a"), "");
}

TEST(CgroupTest, ParentsEndAtTheMount) {
  CgroupDir dir{2, "/sys/fs/cgroup", "/a/b"};
  EXPECT_TRUE(MoveToParent(dir));
  EXPECT_EQ(dir.path, "/a");
  EXPECT_TRUE(MoveToParent(dir));
  EXPECT_EQ(dir.path, "");
  EXPECT_FALSE(MoveToParent(dir));
}

TEST(CpuCountTest, TheMachineHasAtLeastOneUsableCpu) {
  EXPECT_GE(UsableCpus(), 1);
  EXPECT_LE(UsableCpus(), AffinityCpus());
}

// The process's mask is the main thread's; a thread that pins itself does not change it.
TEST(CpuCountTest, AffinityOfTheMainThreadIsRespected) {
  cpu_set_t mine;
  ASSERT_EQ(sched_getaffinity(0, sizeof(mine), &mine), 0);
  int first = 0;
  while (!CPU_ISSET(first, &mine)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  const int all = AffinityCpus();
  EXPECT_EQ(all, CPU_COUNT(&mine));
  std::thread([&] {
    EXPECT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    EXPECT_EQ(AffinityCpus(), all);
  }).join();
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(AffinityCpus(), 1);
  EXPECT_EQ(UsableCpus(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof(mine), &mine), 0);
}

}  // namespace
}  // namespace tarn::rt
