// MEMLIMIT=auto inside a real control group: skipped where none can be made.
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "runtime/os/cgroup_linux.h"
#include "tests/gc/gc_test_util.h"
#include "tests/support/subprocess.h"

namespace tarn::rt {
namespace {

// A group of this process's memory controller, removed at the end.
class MemoryGroup {
 public:
  explicit MemoryGroup(const std::string& bytes) {
    const CgroupDir dir = FindCgroup("memory");
    if (dir.version == 0) return;
    const std::string path = dir.mount + dir.path + "/tarn_limit_test_" + std::to_string(getpid());
    if (mkdir(path.c_str(), 0755) != 0) return;
    path_ = path;
    const char* file = dir.version == 2 ? "/memory.max" : "/memory.limit_in_bytes";
    ok_ = Write(file, bytes) && access((path + "/cgroup.procs").c_str(), W_OK) == 0;
  }
  ~MemoryGroup() {
    if (!path_.empty()) rmdir(path_.c_str());
  }
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  bool ok() const { return ok_; }
  bool Write(const std::string& file, const std::string& text) const {
    std::ofstream out(path_ + file);
    out << text << std::flush;
    return out.good();
  }
  // Runs the child in the group.
  ProcessResult Run(const std::string& args,
                    std::vector<std::pair<std::string, std::string>> environment) const {
    ProcessSpec spec;
    spec.args = {"/bin/sh", "-c",
                 "echo $$ > " + path_ + "/cgroup.procs && exec " TARN_LIMIT_CHILD " " + args};
    spec.environment = std::move(environment);
    return RunProcess(spec);
  }

 private:
  std::string path_;
  bool ok_ = false;
};

// 1.5 GiB of garbage with 10 MiB alive, in a group of 160 MiB, with GOGC off.
TEST(CgroupLimitTest, AutoSurvivesWhatIsKilledWithoutIt) {
  if (kSlowdown != 1) GTEST_SKIP() << "sanitizers need memory of their own";
  MemoryGroup group("167772160");
  if (!group.ok()) GTEST_SKIP() << "no control group can be made here";
  const ProcessResult settings = group.Run("settings", {{"MEMLIMIT", "auto"}});
  EXPECT_EQ(settings.out, "soft=150994944 hard=9223372036854775807\n") << settings.err;
  const ProcessResult without = group.Run("grow 1500", {{"GOGC", "off"}});
  EXPECT_EQ(without.signal, SIGKILL) << without.out;
  const ProcessResult with = group.Run("grow 1500", {{"GOGC", "off"}, {"MEMLIMIT", "auto"}});
  EXPECT_EQ(with.exit_code, 0) << "signal " << with.signal;
  EXPECT_EQ(with.out.rfind("survived ", 0), 0u) << with.out;
}

}  // namespace
}  // namespace tarn::rt
