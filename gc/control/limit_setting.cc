#include "gc/control/limit_setting.h"

#include <charconv>

#include "gc/control/heap_goal.h"

namespace tarn::rt {
namespace {

std::optional<uint64_t> ParseDigits(std::string_view s) {
  uint64_t v = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (error != std::errc() || end != s.data() + s.size()) return std::nullopt;
  return v;
}

struct Unit {
  std::string_view suffix;
  unsigned shift;
};
// Longest first: "B" ends all of them.
constexpr Unit kUnits[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"B", 0}};

std::optional<uint64_t> ParseByteSize(std::string_view text) {
  unsigned shift = 0;
  for (const Unit& unit : kUnits) {
    if (!text.ends_with(unit.suffix)) continue;
    text.remove_suffix(unit.suffix.size());
    shift = unit.shift;
    break;
  }
  const bool is_negative = text.starts_with('-');
  if (is_negative) text.remove_prefix(1);
  const std::optional<uint64_t> n = ParseDigits(text);
  // Go reads "-0" as 0.
  if (!n || (is_negative && *n != 0) || *n > kMaxBytes >> shift) return std::nullopt;
  return *n << shift;
}

}  // namespace

std::optional<LimitSetting> ParseLimit(std::string_view text) {
  if (text == "off") return LimitSetting{};
  if (text == "auto") return LimitSetting::PercentOfGroup(LimitSetting::kAutoPercent);
  if (text.ends_with('%')) {
    text.remove_suffix(1);
    const std::optional<uint64_t> percent = ParseDigits(text);
    if (!percent || *percent < 1 || *percent > 100) return std::nullopt;
    return LimitSetting::PercentOfGroup(*percent);
  }
  const std::optional<uint64_t> bytes = ParseByteSize(text);
  if (!bytes) return std::nullopt;
  return LimitSetting::Bytes(*bytes);
}

uint64_t ResolveLimit(const LimitSetting& setting, std::optional<uint64_t> group) {
  if (!setting.follows_group()) return setting.value;
  if (!group) return kNoMemoryLimit;
  return std::min(PercentOf(*group, setting.value), kNoMemoryLimit);
}

}  // namespace tarn::rt
