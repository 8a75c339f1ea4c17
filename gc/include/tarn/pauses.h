// How long the collector keeps threads from running: the distribution of its handshakes.
// A collection asks every thread, a few times, to do something small (a handshake); no thread waits
// for another one's answer. Only a program with roots or objects that are written without barriers
// is stopped as well.
#ifndef TARN_PAUSES_H_
#define TARN_PAUSES_H_

#include <bit>
#include <cstddef>
#include <cstdint>

namespace tarn {

// What a thread does in a handshake, in the order in which a collection asks for them.
enum class HandshakeKind : uint8_t {
  kSweepOwned,  // sweeps the spans that it allocates from
  kBarrierOn,   // its stores have write barriers from now on
  kHazards,     // marks what a store that was under way overwrites
  kRoots,       // scans its stack and registers
  kFlush,       // hands over what its barriers recorded; comes once or several times
  kBarrierOff,  // the end of marking
  kStop,        // scans its stack again while all threads wait
};
inline constexpr size_t kNumHandshakeKinds = 7;

// "sweep-owned", "barrier-on", ... "stop". Static storage.
const char* HandshakeName(HandshakeKind kind);

// Durations in nanoseconds, in buckets that are at most an eighth wide: eight between two powers of
// two (the log-linear layout of HdrHistogram).
struct DurationHistogram {
  static constexpr size_t kSub = 8;
  static constexpr size_t kBuckets = 38 * kSub;  // up to 2^40 ns; the last takes what is longer

  uint64_t counts[kBuckets] = {};
  uint64_t count = 0;
  uint64_t total_ns = 0;
  uint64_t max_ns = 0;

  static constexpr size_t BucketOf(uint64_t ns) {
    if (ns < 2 * kSub) return static_cast<size_t>(ns);
    const auto shift = static_cast<uint64_t>(std::bit_width(ns)) - std::bit_width(kSub);
    const auto bucket = static_cast<size_t>(shift * kSub + (ns >> shift));
    return bucket < kBuckets ? bucket : kBuckets - 1;
  }
  // The longest duration of the bucket.
  static constexpr uint64_t BucketEnd(size_t bucket) {
    if (bucket < 2 * kSub) return bucket;
    const size_t shift = bucket / kSub - 1;
    return ((uint64_t{bucket % kSub + kSub + 1} << shift)) - 1;
  }
  // At least this share (0 to 1) of the durations was not longer; at most max_ns. 0 if there is none.
  uint64_t QuantileNs(double share) const;
};

struct HandshakeTimes {
  DurationHistogram kept;  // each thread: how long its own part took
  DurationHistogram
      round;  // from the first request to the last answer; kStop: until threads run again
};

// The handshakes of one kind since the heap was started. Counters that are read while a collection
// runs may be a few answers apart.
// Thread-safety: any thread.
// May collect: no. Blocks: no.
HandshakeTimes ReadHandshakeTimes(HandshakeKind kind);

}  // namespace tarn

#endif  // TARN_PAUSES_H_
