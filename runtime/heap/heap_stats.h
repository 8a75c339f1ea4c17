// HeapStats: the byte ledger. Every byte of the heap's address space is in one of four columns, and
// the sums are checked by tests and by Verify():
//   L1 mapped == in_use + free + released + lent    (pages; "free" is what the others leave)
//      Resident: in_use and free, as far as they have been touched, and of released at most
//      lazily_free, which the system takes when it wants memory. Of lent pages the heap knows nothing:
//      mappings have them, or they are lost. Nothing below counts them or the objects in them.
//   L2 live == marked by the last cycle + growth of allocated_bytes since (all threads flushed)
//   L3 allocated_bytes - freed_bytes == bytes of all allocation bits that are set
//      freed_by_class adds up to freed_objects
//   L4 external_bytes == the sum of all calls of AdjustExternalMemory, never below zero, and of what
//      mappings are charged with
// All counters are relaxed atomics: each is exact on its own; readers that need a consistent set
// stop the world first (ReadMemStats).
#ifndef TARN_RUNTIME_HEAP_HEAP_STATS_H_
#define TARN_RUNTIME_HEAP_HEAP_STATS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tarn/internal/size_class.h"

namespace tarn::rt {

struct HeapStats {
  std::atomic<uint64_t> mapped_pages{0};       // pages that the page allocator was given
  std::atomic<uint64_t> in_use_pages{0};       // pages in spans
  std::atomic<uint64_t> released_pages{0};     // free pages that the system need not back
  std::atomic<uint64_t> lazily_free_pages{0};  // those of them given back by MADV_FREE
  std::atomic<uint64_t> lent_pages{0};         // pages whose addresses a mapping has
  // Bytes marked by the last cycle plus everything handed to threads since, whole runs at a time.
  alignas(64) std::atomic<uint64_t> live{0};
  std::atomic<uint64_t> scan{0};   // the part of `live` that may hold pointers
  std::atomic<uint64_t> black{0};  // the part of `live` that was allocated black in this cycle
  std::atomic<uint64_t> trigger{~uint64_t{0}};  // a cycle starts when LiveBytes() reaches it
  // Object counts and bytes, cumulative. Runs count as a whole when taken; what a thread gives back
  // is subtracted from the allocated side.
  alignas(64) std::atomic<uint64_t> allocated_bytes{0};
  std::atomic<uint64_t> allocated_objects{0};
  std::atomic<uint64_t> freed_bytes{0};
  std::atomic<uint64_t> freed_objects{0};
  std::atomic<uint64_t> freed_by_class[internal::kNumSizeClasses] = {};  // the same by size class
  std::atomic<uint64_t> tiny_allocs{0};
  std::atomic<uint64_t> swept_pages{0};
  std::atomic<uint64_t> large_objects{0};    // cumulative
  std::atomic<uint64_t> scavenged_pages{0};  // cumulative: given back to the system
  // Memory outside the heap that objects own, as the program says.
  alignas(64) std::atomic<uint64_t> external_bytes{0};

  // What pacing goes by.
  uint64_t LiveBytes() const { return Get(live) + Get(external_bytes); }

  static void Add(std::atomic<uint64_t>& counter, uint64_t n) {
    counter.fetch_add(n, std::memory_order_relaxed);
  }
  static void Sub(std::atomic<uint64_t>& counter, uint64_t n) {
    counter.fetch_sub(n, std::memory_order_relaxed);
  }
  // Not below zero: of what the program also counts.
  static void SubToZero(std::atomic<uint64_t>& counter, uint64_t n) {
    uint64_t have = counter.load(std::memory_order_relaxed);
    while (
        !counter.compare_exchange_weak(have, have > n ? have - n : 0, std::memory_order_relaxed)) {
    }
  }
  static uint64_t Get(const std::atomic<uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  }
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_HEAP_STATS_H_
