// Arguments, histograms and threads of the workloads.
#include "bench/workloads/workload.h"

#include <peer.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace bench {

Args::Args(const std::vector<std::string>& defaults, const std::vector<std::string>& given)
    : values_(defaults) {
  if (given.size() > defaults.size()) {
    std::fprintf(stderr, "at most %zu arguments\n", defaults.size());
    std::exit(2);
  }
  std::copy(given.begin(), given.end(), values_.begin());
}

uint64_t Args::Number(size_t i) const {
  char* end;
  const uint64_t value = std::strtoull(Text(i).c_str(), &end, 10);
  if (*end != '\0' || value == 0) {
    std::fprintf(stderr, "argument %zu: %s is no number from 1 on\n", i + 1, Text(i).c_str());
    std::exit(2);
  }
  return value;
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < std::size(buckets_); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

uint64_t Histogram::Quantile(double quantile) const {
  const auto wanted = static_cast<uint64_t>(quantile * static_cast<double>(count_));
  uint64_t seen = 0;
  for (size_t i = 0; i < std::size(buckets_); ++i) {
    seen += buckets_[i];
    if (seen > wanted) return std::min(BucketEnd(i), max_);
  }
  return max_;
}

void Histogram::Print(const char* label) const {
  const auto us = [](uint64_t nanos) { return static_cast<double>(nanos) / 1e3; };
  std::printf("~ %s: %" PRIu64 ", p50 %.1f us, p99 %.1f us, p99.9 %.1f us, max %.1f us\n", label,
              count_, us(Quantile(0.5)), us(Quantile(0.99)), us(Quantile(0.999)), us(max_));
}

void RunThreads(uint64_t n, const std::function<void(uint64_t)>& body) {
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < n; ++i) {
    threads.emplace_back([&body, i] {
      [[maybe_unused]] const peer::ThreadScope scope;
      body(i);
    });
  }
  for (std::thread& t : threads) t.join();
}

void TimeCollection(uint64_t number) {
  if (peer::kManual) return;
  const uint64_t start = Now();
  peer::Collect();
  std::printf("~ collection %" PRIu64 ": %.2f ms\n", number,
              static_cast<double>(Now() - start) / 1e6);
}

}  // namespace bench
