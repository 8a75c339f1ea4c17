#include "runtime/os/cgroup_linux.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace tarn::rt {
namespace {

// Cuts the part up to `separator` off the front of `rest` and returns it; all of it if there is
// none.
std::string_view Next(std::string_view& rest, char separator) {
  const size_t at = rest.find(separator);
  const std::string_view part = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 1);
  return part;
}

bool ListContains(std::string_view comma_list, std::string_view word) {
  while (!comma_list.empty()) {
    if (Next(comma_list, ',') == word) return true;
  }
  return false;
}

// mountinfo writes space, tab, newline and backslash as a backslash and three octal digits.
std::string Unescape(std::string_view s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    const auto digit = [&](size_t k) {
      return i + k < s.size() && s[i + k] >= '0' && s[i + k] <= '7' ? s[i + k] - '0' : -1;
    };
    if (s[i] == '\\' && digit(1) >= 0 && digit(2) >= 0 && digit(3) >= 0) {
      out.push_back(static_cast<char>(digit(1) * 64 + digit(2) * 8 + digit(3)));
      i += 3;
    } else {
      out.push_back(s[i]);
    }
  }
  return out;
}

// One line of /proc/self/cgroup: "hierarchy:controllers:path".
struct CgroupLine {
  std::string_view hierarchy, controllers, path;
};
CgroupLine SplitCgroupLine(std::string_view line) {
  CgroupLine out;
  out.hierarchy = Next(line, ':');
  out.controllers = Next(line, ':');
  out.path = line;
  return out;
}

}  // namespace

std::optional<std::string> ParseProcCgroup(std::string_view text, std::string_view controller,
                                           int version) {
  while (!text.empty()) {
    const CgroupLine line = SplitCgroupLine(Next(text, '\n'));
    if (line.path.empty()) continue;
    const bool matches = version == 2 ? line.hierarchy == "0" && line.controllers.empty()
                                      : ListContains(line.controllers, controller);
    if (matches) return std::string(line.path);
  }
  return std::nullopt;
}

// "36 35 98:0 /root /mount/point options [optional fields] - type source super_options"
std::optional<CgroupMount> ParseMountInfo(std::string_view text, std::string_view controller,
                                          int version) {
  while (!text.empty()) {
    std::string_view line = Next(text, '\n');
    std::array<std::string_view, 5> head;
    for (auto& field : head) field = Next(line, ' ');
    const size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) continue;
    std::string_view tail = line.substr(dash + 3);
    const std::string_view type = Next(tail, ' ');
    Next(tail, ' ');  // source
    const bool matches =
        version == 2 ? type == "cgroup2" : type == "cgroup" && ListContains(tail, controller);
    if (matches) return CgroupMount{Unescape(head[4]), Unescape(head[3])};
  }
  return std::nullopt;
}

std::string PathBelowMount(std::string_view group, std::string_view root) {
  if (root == "/") return group == "/" ? std::string() : std::string(group);
  const bool inside = group.substr(0, root.size()) == root &&
                      (group.size() == root.size() || group[root.size()] == '/');
  return inside ? std::string(group.substr(root.size())) : std::string();
}

std::optional<std::string> ReadSmallFile(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  std::string out;
  char buffer[4096];
  ssize_t n = 0;
  do {
    n = read(fd, buffer, sizeof(buffer));
    if (n > 0) out.append(buffer, static_cast<size_t>(n));
  } while (n > 0 || (n < 0 && errno == EINTR));
  close(fd);
  if (n < 0) return std::nullopt;
  return out;
}

CgroupDir FindCgroup(std::string_view controller, std::string_view root) {
  const std::string prefix(root);
  const auto groups = ReadSmallFile((prefix + "/proc/self/cgroup").c_str());
  const auto mounts = ReadSmallFile((prefix + "/proc/self/mountinfo").c_str());
  if (!groups || !mounts) return {};
  // A controller is in one hierarchy: where a version 1 hierarchy has it, version 2 has not.
  int version = 1;
  auto group = ParseProcCgroup(*groups, controller, 1);
  if (!group) {
    version = 2;
    group = ParseProcCgroup(*groups, controller, 2);
  }
  const auto mount = ParseMountInfo(*mounts, controller, version);
  if (!group || !mount) return {};
  return {version, prefix + mount->point, PathBelowMount(*group, mount->root)};
}

std::optional<std::string> ReadCgroupFile(const CgroupDir& dir, std::string_view file) {
  if (dir.version == 0) return std::nullopt;
  std::string path = dir.mount + dir.path + "/";
  path += file;
  return ReadSmallFile(path.c_str());
}

bool MoveToParent(CgroupDir& dir) {
  if (dir.path.empty()) return false;
  const size_t slash = dir.path.rfind('/');
  dir.path.resize(slash == std::string::npos ? 0 : slash);
  return true;
}

}  // namespace tarn::rt
