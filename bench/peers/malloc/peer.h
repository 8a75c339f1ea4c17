// How the workloads use malloc and free: every object is freed when the program drops it.
// Run with LD_PRELOAD=libmimalloc.so it measures mimalloc.
#ifndef TARN_BENCH_PEERS_MALLOC_PEER_H_
#define TARN_BENCH_PEERS_MALLOC_PEER_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

namespace peer {

inline constexpr const char* kName = "malloc";
inline constexpr bool kManual = true;

template <class T>
using Ptr = T*;

inline void* Checked(void* p) {
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
template <class T, class... A>
inline T* New(A&&... args) {
  return new (Checked(std::malloc(sizeof(T)))) T{std::forward<A>(args)...};
}
template <class T>
inline T* NewArray(size_t n) {
  return static_cast<T*>(Checked(std::calloc(n, sizeof(T))));
}
inline char* NewBytes(size_t n) { return static_cast<char*>(Checked(std::malloc(n))); }
inline void Free(void* p) { std::free(p); }
// The object dies at once.
template <class T, void (*kOnDeath)(T*)>
inline void SetFinalizer(T* p) {
  kOnDeath(p);
  Free(p);
}
template <class T, void (*kOnDeath)(T*), void (*kOnGone)(uint64_t)>
inline void AddCleanup(T* p, uint64_t arg) {
  Free(p);
  kOnGone(arg);
}
inline void RunFinalizers() {}

struct ThreadScope {};
inline void Start() {}
inline void Collect() {}
inline void FreeOsMemory() {}
inline uint64_t Collections() { return 0; }
inline std::vector<uint64_t> Pauses() { return {}; }
inline void PrintHandshakes() {}

}  // namespace peer

#endif  // TARN_BENCH_PEERS_MALLOC_PEER_H_
