// What all workloads share: the list of them, arguments, random numbers, time, histograms, threads.
//
// One program per peer (tarn, malloc, libgc) is built from the same sources; peer.h in
// bench/peers/PEER says how that peer makes and frees objects. The Go program in bench/peers/go
// does the same work.
// I1 Lines that begin with "~ " and the last line, TOTAL, are measurements. All other lines are
//    results and the same for every peer, so workloads draw random numbers in the same order.
// Not here: what a workload does (NAME.cc), the command line (main.cc).
#ifndef TARN_BENCH_WORKLOADS_WORKLOAD_H_
#define TARN_BENCH_WORKLOADS_WORKLOAD_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace bench {

// The arguments behind the name. A missing one has the workload's default.
class Args {
 public:
  Args(const std::vector<std::string>& defaults, const std::vector<std::string>& given);
  const std::string& Text(size_t i) const { return values_.at(i); }
  // Exits with a message unless argument i is a number from 1 on.
  uint64_t Number(size_t i) const;

 private:
  std::vector<std::string> values_;
};

struct Workload {
  const char* name;
  const char* usage;  // names of the arguments
  std::vector<std::string> defaults;
  std::vector<std::string> smoke;  // arguments of a run of less than a second
  void (*run)(const Args& args);
};

extern const Workload kBinaryTrees, kGcBench, kGcBenchXl, kMark, kChurn, kAlloc, kPauses, kPacing,
    kMessages, kStringMap, kWideArray, kLongList, kServer, kSpike, kFinalizers;

// SplitMix64. Below(n): 0 <= result < n, n <= 2^32.
class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t n) { return ((Next() >> 32) * n) >> 32; }

 private:
  uint64_t state_;
};

// Monotonic nanoseconds.
inline uint64_t Now() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
}

// Counts of durations in buckets that are at most 1/16 wide. Of one thread; Merge after joining.
class Histogram {
 public:
  void Add(uint64_t nanos) {
    ++buckets_[Bucket(nanos)];
    ++count_;
    sum_ += nanos;
    max_ = std::max(max_, nanos);
  }
  void Merge(const Histogram& other);
  uint64_t count() const { return count_; }
  uint64_t sum() const { return sum_; }
  uint64_t max() const { return max_; }
  // The upper end of the bucket in which the quantile (0..1) lies, at most max().
  uint64_t Quantile(double quantile) const;
  // "~ LABEL: N, p50 A us, p99 B us, p99.9 C us, max D us"
  void Print(const char* label) const;

 private:
  static constexpr uint64_t kSub = 16;
  static size_t Bucket(uint64_t nanos) {
    if (nanos < 2 * kSub) return nanos;
    const auto shift = static_cast<uint64_t>(59 - __builtin_clzll(nanos));
    return shift * kSub + (nanos >> shift);
  }
  static uint64_t BucketEnd(size_t bucket) {
    if (bucket < 2 * kSub) return bucket;
    const uint64_t shift = bucket / kSub - 1;
    return ((bucket % kSub + kSub + 1) << shift) - 1;
  }

  uint64_t buckets_[64 * kSub] = {};
  uint64_t count_ = 0, sum_ = 0, max_ = 0;
};

// Calls body(0) .. body(n - 1), each in a thread that the peer's heap knows, and waits for all.
// `body` and what it refers to live on the caller's stack, which the collectors scan.
void RunThreads(uint64_t n, const std::function<void(uint64_t)>& body);

// Forces a collection and prints "~ collection N: T ms" (nothing with malloc).
void TimeCollection(uint64_t number);

}  // namespace bench

#endif  // TARN_BENCH_WORKLOADS_WORKLOAD_H_
