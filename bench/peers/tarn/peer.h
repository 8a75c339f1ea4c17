// How the workloads use the heap of tarn: the public API, nothing else.
// Every peer.h has the same names; bench/README.md lists them.
#ifndef TARN_BENCH_PEERS_TARN_PEER_H_
#define TARN_BENCH_PEERS_TARN_PEER_H_

#include <tarn/tarn.h>

#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

namespace peer {

inline constexpr const char* kName = "tarn";
inline constexpr bool kManual = false;

template <class T>
using Ptr = tarn::gc_ptr<T>;

template <class T, class... A>
inline T* New(A&&... args) {
  return tarn::make_gc<T>(std::forward<A>(args)...);
}
template <class T>
inline T* NewArray(size_t n) {
  return tarn::make_gc<T[]>(n);
}
inline char* NewBytes(size_t n) { return tarn::make_gc<char[]>(n); }
inline void Free(const void*) {}
// `kOnDeath(p)` is called when nothing else refers to *p.
template <class T, void (*kOnDeath)(T*)>
inline void SetFinalizer(T* p) {
  if (!tarn::SetFinalizer(p, [](T* dead) { kOnDeath(dead); }).ok()) std::abort();
}
// The same, with a number in place of the object, where there is such a thing.
template <class T, void (*kOnDeath)(T*), void (*kOnGone)(uint64_t)>
inline void AddCleanup(T* p, uint64_t arg) {
  if (!tarn::AddCleanup(p, [arg] { kOnGone(arg); }).ok()) std::abort();
}
inline void RunFinalizers() { tarn::RunFinalizers(); }

struct ThreadScope {};
inline void Start() {}
inline void Collect() { tarn::Collect(); }
inline void FreeOsMemory() { tarn::FreeOsMemory(); }
inline uint64_t Collections() { return tarn::ReadMemStats().num_gc; }

// How long each kind of handshake kept threads, and how long its rounds were, since the start.
inline void PrintHandshakes() {
  for (size_t i = 0; i < tarn::kNumHandshakeKinds; ++i) {
    const auto kind = static_cast<tarn::HandshakeKind>(i);
    const tarn::HandshakeTimes t = tarn::ReadHandshakeTimes(kind);
    if (t.round.count == 0) continue;
    const auto us = [](uint64_t ns) { return static_cast<double>(ns) / 1e3; };
    std::printf("~ handshake %-11s kept %7" PRIu64
                ": p50 %.1f, p99 %.1f, max %.1f us; rounds %6" PRIu64
                ": p50 %.1f, p99 %.1f, max %.1f us\n",
                tarn::HandshakeName(kind), t.kept.count, us(t.kept.QuantileNs(0.5)),
                us(t.kept.QuantileNs(0.99)), us(t.kept.max_ns), t.round.count,
                us(t.round.QuantileNs(0.5)), us(t.round.QuantileNs(0.99)), us(t.round.max_ns));
  }
}

// Of each of the last collections (at most 256): how long a thread was kept from running at most.
inline std::vector<uint64_t> Pauses() {
  const tarn::MemStats s = tarn::ReadMemStats();
  const size_t n = s.num_gc < 256 ? s.num_gc : 256;
  return std::vector<uint64_t>(s.pause_ns, s.pause_ns + n);
}

}  // namespace peer

#endif  // TARN_BENCH_PEERS_TARN_PEER_H_
