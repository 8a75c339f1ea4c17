// Finds the control group of this process and reads its limits. Version 2 (one hierarchy) and
// version 1 (one per controller), also mixed. Not here: what a limit means for the heap
// (cpu_count_linux.h for CPUs). The parsers are pure functions over the text of the kernel's files,
// so that each layout can be tested. Locking: none. Cost: a few small files are read; for start-up
// and rare refreshes.
#ifndef TARN_RUNTIME_OS_CGROUP_LINUX_H_
#define TARN_RUNTIME_OS_CGROUP_LINUX_H_

#include <optional>
#include <string>
#include <string_view>

namespace tarn::rt {

// The group of a process for one controller: a directory of the cgroup file system.
struct CgroupDir {
  int version = 0;    // 1, 2, or 0: none
  std::string mount;  // where the hierarchy is mounted
  std::string path;   // of the group below the mount: "" or "/a/b"
};

// Path of the group in /proc/self/cgroup: the line of `controller` (version 1) or the line of the
// unified hierarchy (version 2), where `version` tells which.
std::optional<std::string> ParseProcCgroup(std::string_view text, std::string_view controller,
                                           int version);
// The mount of `controller` (version 1) or of the unified hierarchy (version 2) in
// /proc/self/mountinfo, and the group that is mounted there ("/" unless the mount shows a part
// only).
struct CgroupMount {
  std::string point;
  std::string root;
};
std::optional<CgroupMount> ParseMountInfo(std::string_view text, std::string_view controller,
                                          int version);

// The group below the mount for the process's `group`, given what the mount shows: "/a/b" seen
// through the root "/a" is "/b". A group outside of the root is taken to be the root itself.
std::string PathBelowMount(std::string_view group, std::string_view root);

// The group of this process for `controller` ("cpu", "memory"). `root` stands before every path that
// is read, and before the mount of the result; tests name a tree of files.
CgroupDir FindCgroup(std::string_view controller, std::string_view root = {});
// Contents of `file` in the group, if it exists.
std::optional<std::string> ReadCgroupFile(const CgroupDir& dir, std::string_view file);
// Moves `dir` to its parent; false at the root.
bool MoveToParent(CgroupDir& dir);

std::optional<std::string> ReadSmallFile(const char* path);

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_OS_CGROUP_LINUX_H_
