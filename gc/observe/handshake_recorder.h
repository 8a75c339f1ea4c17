// HandshakeRecorder: the durations of handshakes, counted where they happen.
// Locking: none; threads add to it in signal handlers.
// Cost: three additions.
#ifndef TARN_GC_OBSERVE_HANDSHAKE_RECORDER_H_
#define TARN_GC_OBSERVE_HANDSHAKE_RECORDER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tarn/pauses.h"

namespace tarn::rt {

// relaxed: sums; a reader may find them a few additions apart.
class DurationCounter {
 public:
  void Add(int64_t nanos) {
    const auto ns = static_cast<uint64_t>(nanos < 0 ? 0 : nanos);
    counts_[DurationHistogram::BucketOf(ns)].fetch_add(1, std::memory_order_relaxed);
    total_.fetch_add(ns, std::memory_order_relaxed);
    uint64_t max = max_.load(std::memory_order_relaxed);
    while (ns > max && !max_.compare_exchange_weak(max, ns, std::memory_order_relaxed)) {
    }
  }
  void Read(DurationHistogram& out) const {
    out.count = 0;
    for (size_t i = 0; i < DurationHistogram::kBuckets; ++i) {
      out.counts[i] = counts_[i].load(std::memory_order_relaxed);
      out.count += out.counts[i];
    }
    out.total_ns = total_.load(std::memory_order_relaxed);
    out.max_ns = max_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t> counts_[DurationHistogram::kBuckets] = {};
  std::atomic<uint64_t> total_{0};
  std::atomic<uint64_t> max_{0};
};

class HandshakeRecorder {
 public:
  void AddKept(HandshakeKind kind, int64_t nanos) { kept_[Index(kind)].Add(nanos); }
  void AddRound(HandshakeKind kind, int64_t nanos) { round_[Index(kind)].Add(nanos); }
  HandshakeTimes Read(HandshakeKind kind) const {
    HandshakeTimes times;
    kept_[Index(kind)].Read(times.kept);
    round_[Index(kind)].Read(times.round);
    return times;
  }

 private:
  static size_t Index(HandshakeKind kind) { return static_cast<size_t>(kind); }

  DurationCounter kept_[kNumHandshakeKinds];
  DurationCounter round_[kNumHandshakeKinds];
};

}  // namespace tarn::rt

#endif  // TARN_GC_OBSERVE_HANDSHAKE_RECORDER_H_
