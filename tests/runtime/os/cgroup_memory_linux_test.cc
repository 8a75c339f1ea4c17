// The memory limit of control groups, read from made-up trees of files.
#include "runtime/os/cgroup_memory_linux.h"

#include "gtest/gtest.h"
#include "tests/support/file_tree.h"

namespace tarn::rt {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr const char* kUnlimited1 = "9223372036854771712\n";

const std::string kMounts2 =
    "24 1 0:22 / /proc rw,nosuid - proc proc rw\n"
    "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const std::string kMounts1 =
    "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

struct Tree : FileTree {
  void Self(const std::string& cgroup, const std::string& mounts) {
    Write("/proc/self/cgroup", cgroup);
    Write("/proc/self/mountinfo", mounts);
  }
  std::optional<uint64_t> Limit() const { return CgroupMemoryLimit(root()); }
};

TEST(CgroupMemoryTest, TextOfTheFiles) {
  EXPECT_EQ(ParseMemoryMax("536870912\n"), 512 * kMiB);
  EXPECT_EQ(ParseMemoryMax("0\n"), 0u);
  EXPECT_EQ(ParseMemoryMax("4096"), 4096u);
  for (const char* text : {"max\n", kUnlimited1, "9223372036854710272\n", "", "\n", "-1\n", "12x\n",
                           "99999999999999999999999\n"}) {
    EXPECT_FALSE(ParseMemoryMax(text).has_value()) << text;
  }
}

TEST(CgroupMemoryTest, NoGroupsNoLimit) {
  Tree t;
  EXPECT_FALSE(t.Limit().has_value()) << "no files at all";
  t.Self("", "");
  EXPECT_FALSE(t.Limit().has_value());
  t.Self("0::/a\n", "24 1 0:22 / /proc rw - proc proc rw\n");
  EXPECT_FALSE(t.Limit().has_value()) << "nothing mounted";
  t.Self("0::/a\n", kMounts2);
  EXPECT_FALSE(t.Limit().has_value()) << "no files in the group";
}

TEST(CgroupMemoryTest, Version2TakesTheLeastOverAllAncestors) {
  Tree t;
  t.Self("0::/a/b/c\n", kMounts2);
  t.Write("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
  EXPECT_FALSE(t.Limit().has_value());
  t.Write("/sys/fs/cgroup/a/b/memory.max", "314572800\n");
  EXPECT_EQ(t.Limit(), 300 * kMiB);
  t.Write("/sys/fs/cgroup/a/memory.max", "209715200\n");
  EXPECT_EQ(t.Limit(), 200 * kMiB) << "the outer group is smaller";
  t.Write("/sys/fs/cgroup/a/b/c/memory.max", "104857600\n");
  EXPECT_EQ(t.Limit(), 100 * kMiB);
  t.Write("/sys/fs/cgroup/b/memory.max", "1048576\n");
  EXPECT_EQ(t.Limit(), 100 * kMiB) << "a stranger's group";
  t.Write("/sys/fs/cgroup/a/b/memory.high", "52428800\n");
  EXPECT_EQ(t.Limit(), 50 * kMiB) << "above memory.high the kernel throttles";
}

TEST(CgroupMemoryTest, Version1BesideAnEmptyVersion2) {
  Tree t;
  t.Self("4:memory:/job/7\n1:cpu,cpuacct:/\n0::/job/7\n", kMounts1);
  t.Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", kUnlimited1);
  t.Write("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "268435456\n");
  t.Write("/sys/fs/cgroup/memory/job/7/memory.limit_in_bytes", kUnlimited1);
  t.Write("/sys/fs/cgroup/unified/job/7/memory.max", "1048576\n");
  EXPECT_EQ(t.Limit(), 256 * kMiB);
  t.Write("/sys/fs/cgroup/memory/job/7/memory.limit_in_bytes", "134217728\n");
  EXPECT_EQ(t.Limit(), 128 * kMiB);
}

TEST(CgroupMemoryTest, InsideAContainerTheMountShowsTheGroupAsItsRoot) {
  Tree t;
  t.Self("0::/docker/abc/inner\n",
         "30 24 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n");
  t.Write("/sys/fs/cgroup/memory.max", "104857600\n");
  EXPECT_EQ(t.Limit(), 100 * kMiB);
  t.Write("/sys/fs/cgroup/inner/memory.max", "94371840\n");
  EXPECT_EQ(t.Limit(), 90 * kMiB);
  // With a namespace of its own the group is "/".
  t.Self("0::/\n", kMounts2);
  EXPECT_EQ(t.Limit(), 100 * kMiB);
}

TEST(CgroupMemoryTest, TheRealFilesCanBeRead) {
  const std::optional<uint64_t> limit = CgroupMemoryLimit();
  if (limit) {
    EXPECT_GT(*limit, kMiB);
  }
}

}  // namespace
}  // namespace tarn::rt
