// Settings from the environment: GOGC, MEMLIMIT and its kin, GODEBUG, and how bad values are reported.
// Pure: the strings come in as arguments; the caller prints the complaints.
#ifndef TARN_GC_API_ENVIRONMENT_H_
#define TARN_GC_API_ENVIRONMENT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gc/control/limit_setting.h"
#include "tarn/options.h"

namespace tarn::rt {

// GODEBUG=thp.
enum class HugePagePolicy {
  kDefault,   // what the system does by itself
  kAlways,    // asked for; made in the background where a page fault might have to wait for one
  kNever,     // refused
  kCollapse,  // made in the background of what is densely used
};

struct Settings {
  int gc_percent = 100;
  bool gc_trace = false;
  bool pacer_trace = false;
  bool clobber_free = false;
  bool verify = false;
  bool scav_trace = false;
  bool use_madv_free = false;
  HugePagePolicy huge_pages = HugePagePolicy::kDefault;
  bool check_mark = false;
  bool idle_workers = true;
  int stop_the_world = 0;
  int cpu_limit_percent = 50;
  uint64_t gc_stress = 0;
  int procs = 0;             // CPUs to plan for; 0: those that the process may use
  int markers = 0;           // 0: by CPU count
  size_t cage_bytes = 0;     // 0: default
  int handshake_signal = 0;  // 0: default
  LimitSetting memory_limit;
  LimitSetting hard_limit;
  int min_gc_percent = 0;
};

// The values of the environment variables; null: not set.
struct EnvironmentText {
  const char* gogc = nullptr;
  const char* godebug = nullptr;
  const char* gomaxprocs = nullptr;
  const char* memlimit = nullptr;  // overrides gomemlimit
  const char* gomemlimit = nullptr;
  const char* memhardlimit = nullptr;
  const char* memlimit_mingogc = nullptr;
};

// Each value that is not understood leaves the default in place and adds one line to `complaints`.
Settings ParseEnvironment(const EnvironmentText& text, std::vector<std::string>& complaints);

// Overrides `settings` with the options that are set. InvalidArgument names the first one out of
// range.
absl::Status ApplyOptions(const Options& options, Settings& settings);

}  // namespace tarn::rt

#endif  // TARN_GC_API_ENVIRONMENT_H_
