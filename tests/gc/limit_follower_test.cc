// Limits that are a share of the control group's, as time goes by.
#include "gc/collect/limit_follower.h"

#include "gtest/gtest.h"
#include "tests/support/file_tree.h"

namespace tarn::rt {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr int64_t kMinute = LimitFollower::kPeriodNanos;

struct Group : FileTree {
  Group() {
    Write("/proc/self/cgroup", "0::/g\n");
    Write("/proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  }
  void Resize(const std::string& max) { Write("/sys/fs/cgroup/g/memory.max", max); }
};

TEST(LimitFollowerTest, AResizedGroupIsNoticedWithinAMinute) {
  Group g;
  g.Resize("104857600\n");
  LimitFollower f(LimitSetting::PercentOfGroup(90), LimitSetting{}, 1000, g.root());
  EXPECT_EQ(f.limits().soft, 90 * kMiB);
  EXPECT_EQ(f.limits().hard, kNoMemoryLimit);
  g.Resize("209715200\n");
  EXPECT_FALSE(f.Poll(1000 + kMinute - 1));
  EXPECT_EQ(f.limits().soft, 90 * kMiB);
  EXPECT_TRUE(f.Poll(1000 + kMinute));
  EXPECT_EQ(f.limits().soft, 180 * kMiB);
  EXPECT_FALSE(f.Poll(1000 + 2 * kMinute)) << "nothing has changed";
  g.Resize("max\n");
  EXPECT_TRUE(f.Poll(1000 + 3 * kMinute));
  EXPECT_EQ(f.limits().soft, kNoMemoryLimit);
}

TEST(LimitFollowerTest, BothLimitsMayFollow) {
  Group g;
  g.Resize("104857600\n");
  LimitFollower f(LimitSetting::PercentOfGroup(80), LimitSetting::PercentOfGroup(95), 0, g.root());
  EXPECT_EQ(f.limits(), (LimitFollower::Limits{80 * kMiB, 95 * kMiB}));
}

TEST(LimitFollowerTest, ALimitThatTheProgramSetsStays) {
  Group g;
  g.Resize("104857600\n");
  LimitFollower f(LimitSetting::PercentOfGroup(90), LimitSetting::PercentOfGroup(100), 0, g.root());
  f.SetSoft(7 * kMiB);
  g.Resize("52428800\n");
  EXPECT_TRUE(f.Poll(kMinute)) << "the hard limit still follows";
  EXPECT_EQ(f.limits(), (LimitFollower::Limits{7 * kMiB, 50 * kMiB}));
  f.SetHard(kNoMemoryLimit);
  g.Resize("1048576\n");
  EXPECT_FALSE(f.Poll(2 * kMinute));
}

TEST(LimitFollowerTest, NoGroupIsNoLimit) {
  FileTree empty;
  LimitFollower f(LimitSetting::PercentOfGroup(90), LimitSetting{}, 0, empty.root());
  EXPECT_EQ(f.limits().soft, kNoMemoryLimit);
}

}  // namespace
}  // namespace tarn::rt
