// Options: how the heap is set up. Defaults come from the environment; see ParseEnvironment.
#ifndef TARN_OPTIONS_H_
#define TARN_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>

namespace tarn {

struct Options {
  // Behaviour.

  // GOGC: the heap may grow by this many percent of what the last collection found alive before the
  // next one ends. Negative: no automatic collection. Default: 100, or GOGC. Raise it to trade
  // memory for CPU.
  std::optional<int> gc_percent;
  // MEMLIMIT: the soft memory limit, in bytes; see limits.h. Default: none, or MEMLIMIT, or GOMEMLIMIT.
  // Set it where memory is what runs out: the heap may then grow beyond what gc_percent says is worth
  // it (gc_percent negative or large) and still stays below the limit.
  std::optional<uint64_t> memory_limit;
  // MEMLIMIT=N%: the same as a percentage (1 to 100) of the memory limit of the control group, read
  // again every minute. Not together with memory_limit.
  std::optional<int> memory_limit_percent;
  // MEMHARDLIMIT: the hard limit in bytes: allocations that would pass it throw std::bad_alloc.
  std::optional<uint64_t> hard_limit;
  // MEMLIMIT_MINGOGC: under the soft limit the heap may still grow by this many percent between two
  // collections, if need be beyond the limit. Default: 0, the limit rules until the collector has used
  // its share of the CPU. 5 or 10 keep a program fast whose live data hardly fit.
  std::optional<int> min_gc_percent;
  // GODEBUG=gctrace=1: one line per collection on stderr, in Go's format.
  std::optional<bool> gc_trace;

  // Performance.

  // Parallel markers. Default: the CPUs that the process may use, at most 8.
  std::optional<int> markers;
  // Bytes of address space to reserve (a multiple of 64 MiB, at least 1 GiB). Default: 1 TiB or
  // four times physical memory, whichever is larger; halved until the system agrees.
  std::optional<size_t> cage_bytes;
  // Signal for handshakes with running threads. Default SIGURG.
  std::optional<int> handshake_signal;

  // Debugging.

  // GODEBUG=gcstress=N: collect at every N-th allocation slow path; 1 makes every allocation one.
  std::optional<uint64_t> gc_stress;
  // GODEBUG=clobberfree=1: fill freed objects with 0xdeadbeef.
  std::optional<bool> clobber_free;
  // GODEBUG=verify=1: walk all invariants of the heap in every collection.
  std::optional<bool> verify;
};

}  // namespace tarn

#endif  // TARN_OPTIONS_H_
