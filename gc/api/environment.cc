#include "gc/api/environment.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <optional>
#include <string_view>

namespace tarn::rt {
namespace {

// A decimal number, digits only.
std::optional<uint64_t> ParseNumber(std::string_view s) {
  uint64_t v = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (error != std::errc() || end != s.data() + s.size() || s.empty()) return std::nullopt;
  return v;
}

void ParseGogc(std::string_view value, Settings& s, std::vector<std::string>& complaints) {
  if (value.empty()) return;
  if (value == "off") {
    s.gc_percent = -1;
    return;
  }
  const std::optional<uint64_t> v = ParseNumber(value);
  if (!v || *v > INT32_MAX) {
    complaints.push_back("tarn: GOGC=" + std::string(value) +
                         ": not 'off' or a number from 0 to 2147483647; using 100");
    return;
  }
  s.gc_percent = static_cast<int>(*v);
}

void ParseProcs(std::string_view value, Settings& s, std::vector<std::string>& complaints) {
  if (value.empty()) return;
  constexpr uint64_t kMax = 1024;
  const std::optional<uint64_t> v = ParseNumber(value);
  if (!v || *v < 1 || *v > kMax) {
    complaints.push_back("tarn: GOMAXPROCS=" + std::string(value) +
                         ": not a number from 1 to 1024; using the CPUs of the process");
    return;
  }
  s.procs = static_cast<int>(*v);
}

std::string ParseHugePages(std::string_view value, Settings& s) {
  if (value == "default") {
    s.huge_pages = HugePagePolicy::kDefault;
  } else if (value == "always") {
    s.huge_pages = HugePagePolicy::kAlways;
  } else if (value == "never") {
    s.huge_pages = HugePagePolicy::kNever;
  } else if (value == "collapse") {
    s.huge_pages = HugePagePolicy::kCollapse;
  } else {
    return "the value must be default, always, never or collapse";
  }
  return "";
}

// False if there is nothing, or nothing that can be used.
bool ParseLimitVariable(const char* name, const char* value, LimitSetting& limit,
                        std::vector<std::string>& complaints) {
  if (value == nullptr || *value == 0) return false;
  const std::optional<LimitSetting> parsed = ParseLimit(value);
  if (parsed) limit = *parsed;
  if (!parsed) {
    complaints.push_back("tarn: " + std::string(name) + "=" + value +
                         ": not 'off', 'auto', 1% to 100%, or bytes with B, KiB, MiB, GiB or TiB; "
                         "ignored");
  }
  return parsed.has_value();
}

void ParseMinGogc(std::string_view value, Settings& s, std::vector<std::string>& complaints) {
  if (value.empty() || value == "off") return;
  const std::optional<uint64_t> v = ParseNumber(value);
  if (!v || *v > INT32_MAX) {
    complaints.push_back("tarn: MEMLIMIT_MINGOGC=" + std::string(value) +
                         ": not 'off' or a number from 0 to 2147483647; ignored");
    return;
  }
  s.min_gc_percent = static_cast<int>(*v);
}

// One "key=value" of GODEBUG. Returns what is wrong with it, or an empty string.
std::string ParseKey(std::string_view key, std::string_view value, Settings& s) {
  const auto flag = [&](bool& target, bool when_one) -> std::string {
    if (value != "0" && value != "1") return "the value must be 0 or 1";
    target = (value == "1") == when_one;
    return "";
  };
  if (key == "gctrace") {  // above 1 asks for more detail than there is yet
    const std::optional<uint64_t> v = ParseNumber(value);
    if (!v) return "the value must be a number";
    s.gc_trace = *v != 0;
    return "";
  }
  if (key == "gcpacertrace") return flag(s.pacer_trace, true);
  if (key == "scavtrace") return flag(s.scav_trace, true);
  if (key == "thp") return ParseHugePages(value, s);
  if (key == "clobberfree") return flag(s.clobber_free, true);
  if (key == "verify") return flag(s.verify, true);
  if (key == "madvdontneed") return flag(s.use_madv_free, false);
  if (key == "gccheckmark") return flag(s.check_mark, true);
  if (key == "gcidle") return flag(s.idle_workers, true);
  if (key == "gcstoptheworld") {
    const std::optional<uint64_t> v = ParseNumber(value);
    if (!v || *v > 2) return "the value must be 0, 1 or 2";
    s.stop_the_world = static_cast<int>(*v);
    return "";
  }
  if (key == "gccpulimit") {
    const std::optional<uint64_t> v = ParseNumber(value);
    if (!v || *v < 1 || *v > 100) return "the value must be a percentage from 1 to 100";
    s.cpu_limit_percent = static_cast<int>(*v);
    return "";
  }
  if (key == "gcstress") {
    const std::optional<uint64_t> v = ParseNumber(value);
    if (!v) return "the value must be a number";
    s.gc_stress = *v;
    return "";
  }
  return "unknown key";
}

void ParseGodebug(std::string_view all, Settings& s, std::vector<std::string>& complaints) {
  size_t at = 0;
  while (at < all.size()) {
    size_t end = all.find(',', at);
    if (end == std::string_view::npos) end = all.size();
    const std::string_view item = all.substr(at, end - at);
    at = end + 1;
    if (item.empty()) continue;
    const size_t eq = item.find('=');
    const std::string_view key = item.substr(0, eq);
    const std::string_view value = eq == std::string_view::npos ? "" : item.substr(eq + 1);
    const std::string wrong = ParseKey(key, value, s);
    if (wrong.empty()) continue;
    complaints.push_back("tarn: GODEBUG=" + std::string(item) + ": " + wrong + "; ignored");
  }
}

}  // namespace

Settings ParseEnvironment(const EnvironmentText& text, std::vector<std::string>& complaints) {
  Settings s;
  if (text.gogc != nullptr) ParseGogc(text.gogc, s, complaints);
  if (text.gomaxprocs != nullptr) ParseProcs(text.gomaxprocs, s, complaints);
  if (text.godebug != nullptr) ParseGodebug(text.godebug, s, complaints);
  if (!ParseLimitVariable("MEMLIMIT", text.memlimit, s.memory_limit, complaints)) {
    ParseLimitVariable("GOMEMLIMIT", text.gomemlimit, s.memory_limit, complaints);
  }
  ParseLimitVariable("MEMHARDLIMIT", text.memhardlimit, s.hard_limit, complaints);
  if (text.memlimit_mingogc != nullptr) ParseMinGogc(text.memlimit_mingogc, s, complaints);
  return s;
}

absl::Status ApplyOptions(const Options& o, Settings& s) {
  if (o.markers && (*o.markers < 1 || *o.markers > 64)) {
    return absl::InvalidArgumentError("markers must be from 1 to 64");
  }
  if (o.cage_bytes && (*o.cage_bytes < size_t{1} << 30 || *o.cage_bytes > size_t{1} << 46 ||
                       *o.cage_bytes % (size_t{64} << 20) != 0)) {
    return absl::InvalidArgumentError(
        "cage_bytes must be a multiple of 64 MiB from 1 GiB to 64 TiB");
  }
  if (o.handshake_signal && (*o.handshake_signal < 1 || *o.handshake_signal > SIGRTMAX)) {
    return absl::InvalidArgumentError("handshake_signal is no signal number");
  }
  if (o.memory_limit && o.memory_limit_percent) {
    return absl::InvalidArgumentError("memory_limit and memory_limit_percent exclude each other");
  }
  if (o.memory_limit_percent && (*o.memory_limit_percent < 1 || *o.memory_limit_percent > 100)) {
    return absl::InvalidArgumentError("memory_limit_percent must be from 1 to 100");
  }
  if (o.min_gc_percent && *o.min_gc_percent < 0) {
    return absl::InvalidArgumentError("min_gc_percent must not be negative");
  }
  if (o.memory_limit)
    s.memory_limit = LimitSetting::Bytes(std::min(*o.memory_limit, kNoMemoryLimit));
  if (o.memory_limit_percent) {
    s.memory_limit = LimitSetting::PercentOfGroup(static_cast<uint64_t>(*o.memory_limit_percent));
  }
  if (o.hard_limit) s.hard_limit = LimitSetting::Bytes(std::min(*o.hard_limit, kNoMemoryLimit));
  if (o.min_gc_percent) s.min_gc_percent = *o.min_gc_percent;
  if (o.gc_percent) s.gc_percent = *o.gc_percent < 0 ? -1 : *o.gc_percent;
  if (o.gc_trace) s.gc_trace = *o.gc_trace;
  if (o.markers) s.markers = *o.markers;
  if (o.cage_bytes) s.cage_bytes = *o.cage_bytes;
  if (o.handshake_signal) s.handshake_signal = *o.handshake_signal;
  if (o.gc_stress) s.gc_stress = *o.gc_stress;
  if (o.clobber_free) s.clobber_free = *o.clobber_free;
  if (o.verify) s.verify = *o.verify;
  return absl::OkStatus();
}

}  // namespace tarn::rt
