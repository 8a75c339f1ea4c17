#include "runtime/os/cgroup_memory_linux.h"

#include <charconv>

#include "runtime/os/cgroup_linux.h"

namespace tarn::rt {
namespace {

// Version 1 says "no limit" with the largest number that is whole pages, of whatever size.
constexpr uint64_t kLeastUnlimited = uint64_t{1} << 62;

std::optional<uint64_t> Least(std::optional<uint64_t> a, std::optional<uint64_t> b) {
  if (!a) return b;
  return b && *b < *a ? b : a;
}

std::optional<uint64_t> ReadLimit(const CgroupDir& dir, std::string_view file) {
  const std::optional<std::string> text = ReadCgroupFile(dir, file);
  return text ? ParseMemoryMax(*text) : std::nullopt;
}

// Above memory.high the kernel slows the group down, above memory.max it ends processes.
std::optional<uint64_t> LimitOf(const CgroupDir& dir) {
  if (dir.version == 2) return Least(ReadLimit(dir, "memory.max"), ReadLimit(dir, "memory.high"));
  return ReadLimit(dir, "memory.limit_in_bytes");
}

}  // namespace

std::optional<uint64_t> ParseMemoryMax(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value >= kLeastUnlimited) {
    return std::nullopt;
  }
  return value;
}

std::optional<uint64_t> CgroupMemoryLimit(std::string_view root) {
  CgroupDir dir = FindCgroup("memory", root);
  if (dir.version == 0) return std::nullopt;
  std::optional<uint64_t> least;
  do {
    least = Least(least, LimitOf(dir));
  } while (MoveToParent(dir));
  return least;
}

}  // namespace tarn::rt
