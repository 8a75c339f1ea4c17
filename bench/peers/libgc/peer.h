// How the workloads use libgc, the conservative collector: blobs are pointer-free, the rest is
// scanned conservatively.
#ifndef TARN_BENCH_PEERS_LIBGC_PEER_H_
#define TARN_BENCH_PEERS_LIBGC_PEER_H_

#define GC_THREADS
#define GC_NO_THREAD_REDIRECTS  // std::thread makes the threads; ThreadScope registers them
#include <gc.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

namespace peer {

inline constexpr const char* kName = "libgc";
inline constexpr bool kManual = false;

template <class T>
using Ptr = T*;

inline void* Checked(void* p) {
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
template <class T, class... A>
inline T* New(A&&... args) {
  return new (Checked(GC_MALLOC(sizeof(T)))) T{std::forward<A>(args)...};
}
template <class T>
inline T* NewArray(size_t n) {
  return static_cast<T*>(Checked(GC_MALLOC(n * sizeof(T))));
}
inline char* NewBytes(size_t n) { return static_cast<char*>(Checked(GC_MALLOC_ATOMIC(n))); }
inline void Free(const void*) {}
template <class T, void (*kOnDeath)(T*)>
inline void SetFinalizer(T* p) {
  GC_REGISTER_FINALIZER(
      p, [](void* dead, void*) { kOnDeath(static_cast<T*>(dead)); }, nullptr, nullptr, nullptr);
}
template <class T, void (*kOnDeath)(T*), void (*kOnGone)(uint64_t)>
inline void AddCleanup(T* p, uint64_t) {
  SetFinalizer<T, kOnDeath>(p);
}
inline void RunFinalizers() { GC_invoke_finalizers(); }

class ThreadScope {
 public:
  ThreadScope() {
    GC_stack_base base;
    GC_get_stack_base(&base);
    GC_register_my_thread(&base);
  }
  ~ThreadScope() { GC_unregister_my_thread(); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;
};
inline void Start() {
  GC_INIT();
  GC_allow_register_threads();
}
inline void Collect() { GC_gcollect(); }
inline void FreeOsMemory() { GC_gcollect_and_unmap(); }
inline uint64_t Collections() { return GC_get_gc_no(); }
inline std::vector<uint64_t> Pauses() { return {}; }
inline void PrintHandshakes() {}

}  // namespace peer

#endif  // TARN_BENCH_PEERS_LIBGC_PEER_H_
