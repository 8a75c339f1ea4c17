// The heap as a whole: start, collect, tune, measure.
// There is one heap per process. It starts by itself on first use, configured from the environment
// (GOGC, MEMLIMIT, GODEBUG); Init before that is for programs that want to set options or handle errors.
#ifndef TARN_HEAP_H_
#define TARN_HEAP_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "tarn/options.h"

namespace tarn {

// Starts the heap. Options that are set override the environment.
// Errors: AlreadyExists if the heap has started; InvalidArgument for an option out of range;
// ResourceExhausted when not even 1 GiB of address space can be reserved.
// Thread-safety: any thread.
// May collect: no. Blocks: no.
absl::Status Init(const Options& options = {});

// A full collection: on return, everything that was unreachable at the call is free.
// Thread-safety: any thread.
// May collect: yes. Blocks: until it is done.
void Collect();

// A full collection; then all memory of the heap that holds no object goes back to the system, at once
// and not at the pace of the scavenger. For a program that knows that it will not need the memory soon:
// what it needs again costs page faults.
// Thread-safety: any thread.
// May collect: yes. Blocks: until it is done; some 0.1 s for each GB given back.
void FreeOsMemory();

// Sets GOGC; negative turns automatic collection off. Returns the previous value (-1: off). Takes
// effect at once.
// Thread-safety: any thread.
// May collect: no. Blocks: if it turns collection off, until a collection that runs has ended.
int SetGcPercent(int percent);

// Go's runtime.MemStats, as far as it exists yet. Bytes unless said.
struct MemStats {
  uint64_t alloc = 0;        // = heap_alloc
  uint64_t total_alloc = 0;  // cumulative bytes of objects
  // heap_sys + mspan_sys + gc_sys + other_sys: address space in use, released pages included
  uint64_t sys = 0;
  uint64_t mallocs = 0;  // cumulative objects, tiny ones included
  uint64_t frees = 0;    // cumulative; mallocs - frees = heap_objects

  uint64_t heap_alloc = 0;     // objects that are live or not yet swept
  uint64_t heap_sys = 0;       // heap_inuse + heap_idle
  uint64_t heap_idle = 0;      // in no span
  uint64_t heap_inuse = 0;     // in spans
  uint64_t heap_released = 0;  // part of heap_idle that was given back, or never used
  // Part of heap_released that the system takes only when it wants memory (GODEBUG=madvdontneed=0):
  // it may still be resident. Of the rest of heap_sys, what was touched is.
  uint64_t heap_lazily_free = 0;
  uint64_t heap_objects = 0;

  uint64_t mspan_sys = 0;  // span table
  uint64_t gc_sys = 0;     // mark bits, page table, mark buffers, root cells
  uint64_t other_sys = 0;  // tables of the page allocator, records of threads and types

  uint64_t next_gc = 0;  // heap goal; 2^64-1: collection is off
  uint64_t last_gc = 0;  // end of the last collection, nanoseconds since 1970
  uint64_t pause_total_ns = 0;
  uint64_t pause_ns[256] = {};   // ring: the newest is at (num_gc + 255) % 256
  uint64_t pause_end[256] = {};  // likewise, nanoseconds since 1970
  uint64_t num_gc = 0;
  uint64_t num_forced_gc = 0;
  double gc_cpu_fraction = 0;  // of the CPU available since the heap started

  uint64_t external = 0;       // as charged by AdjustExternalMemory, and for mappings (gc_mmap.h)
  uint64_t mapped = 0;         // address space of mappings; in none of the numbers above
  uint64_t limited_bytes = 0;  // what limits are compared with: ready memory and external bytes
  uint64_t memory_limit = 0;   // soft, 2^63-1: none
  uint64_t hard_limit = 0;     // likewise
  uint64_t last_limited_cycle = 0;   // when the CPU limiter last engaged; 0: never
  uint64_t hard_limit_refusals = 0;  // spans that the hard limit refused, cumulative
  bool enable_gc = true;

  struct BySize {
    uint32_t size = 0;
    uint64_t objects = 0;  // of this size class now
    uint64_t mallocs = 0;  // cumulative; a block of tiny objects counts once
    uint64_t frees = 0;    // likewise
  };
  BySize by_size[68];  // [0]: large objects
};

// A consistent snapshot: stops all threads while it reads.
// Thread-safety: any thread.
// May collect: no. Blocks: for the stop.
MemStats ReadMemStats();

// Aborts with a message if any invariant of the heap is violated. Stops all threads; for tests.
void VerifyHeapForDebugging();

}  // namespace tarn

#endif  // TARN_HEAP_H_
