// How many CPUs this process may use: the scheduling affinity, cut by the CPU quota of its control
// group. Not here: how many markers to run with them (the pacer). Locking: none. Cost: reads a few
// files; call at start-up and at most every few seconds after.
#ifndef TARN_RUNTIME_OS_CPU_COUNT_LINUX_H_
#define TARN_RUNTIME_OS_CPU_COUNT_LINUX_H_

#include <optional>
#include <string_view>

namespace tarn::rt {

// At least 1.
int UsableCpus();

// CPUs that the mask of the main thread allows, at least 1.
int AffinityCpus();
// CPUs worth of time that the control group of this process and its ancestors allow; none: no
// quota.
std::optional<double> QuotaCpus();

// The text of a version 2 "cpu.max" file, "<quota> <period>" in microseconds, as a number of CPUs.
// None if there is no quota ("max") or the text is malformed.
std::optional<double> ParseCpuMax(std::string_view text);
// The same from the two files of version 1, "cpu.cfs_quota_us" (-1: no quota) and
// "cpu.cfs_period_us".
std::optional<double> ParseCfsQuota(std::string_view quota, std::string_view period);

// `quota` rounded up, since a fraction of a CPU still runs a thread; within [1, affinity].
int CombineCpus(int affinity, std::optional<double> quota);

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_OS_CPU_COUNT_LINUX_H_
