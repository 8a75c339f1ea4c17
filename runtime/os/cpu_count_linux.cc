#include "runtime/os/cpu_count_linux.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <memory>

#include "runtime/os/cgroup_linux.h"

namespace tarn::rt {
namespace {

// The kernel refuses a mask smaller than its own; no kernel is built for more CPUs than this.
constexpr int kMostCpus = 1 << 16;

std::string_view Trim(std::string_view s) {
  while (!s.empty() && (s.back() == '\n' || s.back() == ' ')) s.remove_suffix(1);
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  return s;
}

// A positive decimal number that is all of `text`.
std::optional<int64_t> ParsePositive(std::string_view text) {
  text = Trim(text);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value <= 0) return std::nullopt;
  return value;
}

std::optional<double> QuotaOf(const CgroupDir& dir) {
  if (dir.version == 2) {
    const auto text = ReadCgroupFile(dir, "cpu.max");
    return text ? ParseCpuMax(*text) : std::nullopt;
  }
  const auto quota = ReadCgroupFile(dir, "cpu.cfs_quota_us");
  const auto period = ReadCgroupFile(dir, "cpu.cfs_period_us");
  return quota && period ? ParseCfsQuota(*quota, *period) : std::nullopt;
}

}  // namespace

std::optional<double> ParseCfsQuota(std::string_view quota, std::string_view period) {
  const auto q = ParsePositive(quota);
  const auto p = ParsePositive(period);
  if (!q || !p) return std::nullopt;
  return static_cast<double>(*q) / static_cast<double>(*p);
}

std::optional<double> ParseCpuMax(std::string_view text) {
  text = Trim(text);
  const size_t space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  return ParseCfsQuota(text.substr(0, space), text.substr(space + 1));
}

int AffinityCpus() {
  for (int cpus = 1024; cpus <= kMostCpus; cpus *= 2) {
    const size_t bytes = CPU_ALLOC_SIZE(cpus);
    const auto words = std::make_unique<unsigned long[]>(bytes / sizeof(unsigned long));
    auto* const set = reinterpret_cast<cpu_set_t*>(words.get());
    // Of the main thread: the caller may be one that the program has pinned.
    if (sched_getaffinity(getpid(), bytes, set) == 0) return std::max(1, CPU_COUNT_S(bytes, set));
    if (errno != EINVAL) break;
  }
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online < 1 ? 1 : static_cast<int>(online);
}

std::optional<double> QuotaCpus() {
  CgroupDir dir = FindCgroup("cpu");
  std::optional<double> least;
  do {
    const std::optional<double> quota = QuotaOf(dir);
    if (quota && (!least || *quota < *least)) least = quota;
  } while (MoveToParent(dir));
  return least;
}

int CombineCpus(int affinity, std::optional<double> quota) {
  if (!quota || *quota >= affinity) return std::max(1, affinity);
  return std::max(1, static_cast<int>(std::ceil(*quota)));
}

int UsableCpus() { return CombineCpus(AffinityCpus(), QuotaCpus()); }

}  // namespace tarn::rt
