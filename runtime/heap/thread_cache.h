// ThreadCache: one thread's allocation state. Per span class it owns at most one span and hands out
// a run [cursor, limit): one maximal stretch of free slots, zeroed when it is taken.
// Not here: the inline bump itself (tarn/internal/alloc_fast.h); attaching (runtime/thread); when
// to collect.
// I1 Slots in [cursor, limit) are allocated as far as the bits are concerned, zero, and
//    unreachable.
// I2 Cursors move only on the owning thread; others read them only in a handshake of that thread.
// I3 An owned span is swept by its owner, before a run is taken from it, or under a handshake (H0).
// Locking: none, except the central lists' and the heap's on refill. All calls with in_runtime !=
// 0, or in a handshake of the thread, or after the thread is gone.
// Cost: a refill scans the bitmap by words and zeroes at most 8 KiB (or one object).
#ifndef TARN_RUNTIME_HEAP_THREAD_CACHE_H_
#define TARN_RUNTIME_HEAP_THREAD_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "runtime/heap/heap.h"
#include "runtime/heap/page_cache.h"
#include "tarn/internal/mutator_block.h"

namespace tarn::rt {

class ThreadCache {
 public:
  // Null when the system refuses memory. Caches are recycled, never unmapped.
  static ThreadCache* New(Heap& heap);
  // Gives every span and page back and recycles the cache. `marking`: unused slots stay allocated
  // (their marks may be set); else they become free again.
  void Release(bool marking);

  internal::Run* runs() { return runs_; }
  static constexpr uint32_t kMaxRunBytes = internal::kPageBytes;

  // Takes the next run of `span_class` and returns its first slot; the cursor is past it. Null when
  // out of memory; nothing has changed then.
  void* Refill(uint16_t span_class);
  // One object without touching the run if it has room, else Refill. For callers off the inline
  // path.
  void* Allocate(uint16_t span_class);
  // A large object: its own span. `bytes` > 0. Zeroed. Null when out of memory.
  // `zero` clears memory that was used before; handshakes of the thread may come while it runs.
  using ZeroFn = void (*)(void* p, size_t bytes);
  void* AllocateLarge(uint16_t span_class, size_t bytes, ZeroFn zero = &ZeroHere);
  static void ZeroHere(void* p, size_t bytes) { std::memset(p, 0, bytes); }
  // A pointer-free block below 16 bytes that shares its slot with others. `span_class16` is the
  // noscan class of 16-byte slots.
  // Source: Go's tiny allocator.
  void* AllocateTiny(uint16_t span_class16, size_t bytes, size_t align);

  // The same if the current block has room; null otherwise, without taking a slot.
  void* TryTiny(size_t bytes, size_t align);

  // Black allocation: runs and large objects from spans of generation `gen`, the one that is being
  // marked, are taken with their mark bits set; 0: none. The generation decides, so that what is
  // taken after the flip is white whenever the thread learns of it.
  void SetBlack(uint32_t gen) { black_gen_ = gen; }
  uint32_t black_gen() const { return black_gen_; }
  // Sets the mark bits of [cursor, limit) of every run and of the tiny block; returns the bytes
  // newly marked. In a handshake of the thread.
  uint64_t MarkRuns();
  // Sweeps every owned span that needs it (H0).
  void SweepOwned();
  // Bytes and slots in [cursor, limit) of all runs: handed to the thread, not yet to the program.
  struct Unused {
    uint64_t bytes = 0, slots = 0;
    uint64_t by_class[internal::kNumSizeClasses] = {};  // slots by size class
  };
  Unused UnusedInRuns() const;
  void FlushPages() { heap_->pages().FlushCache(page_cache_); }
  // The same unless somebody holds the heap lock.
  void TryFlushPages() { heap_->pages().TryFlushCache(page_cache_); }
  // Adds what was taken since the last flush to the ledger's live bytes.
  void FlushLive();
  // Bytes taken since the last flush.
  uint64_t unflushed() const { return live_; }
  // True when enough was taken since the last flush that the trigger should be looked at.
  bool WantsFlush() const { return live_ >= kLiveFlushBytes; }
  // Slot limit of the next runs: 0 = as long as possible. Stress modes shorten runs so that each
  // object takes the slow path.
  void SetMaxRunSlots(uint32_t n) { max_run_slots_ = n; }
  // Bytes of the next runs, at least one slot each; at most kMaxRunBytes. Short runs let a thread
  // pay its debts to the collector in small pieces.
  void SetMaxRunBytes(uint32_t n) { max_run_bytes_ = n < kMaxRunBytes ? n : kMaxRunBytes; }

  // Whether the next spans may pass the soft limit; otherwise a call that needs one that would
  // returns null, and nothing has changed.
  void SetAtSoftLimit(SoftLimit at_soft) { at_soft_ = at_soft; }

  template <class F>
  void ForEachOwned(F&& f) {
    const size_t end = heap_->classes().End();
    for (size_t c = 1; c < end; ++c) {
      if (owned_[c] != nullptr) f(owned_[c], runs_[c]);
    }
  }

 private:
  static constexpr uint64_t kLiveFlushBytes = 16 << 10;

  ThreadCache() = default;
  bool TakeRun(uint16_t span_class, Span* span);
  Span* NextSpan(uint16_t span_class);
  Span* TakeSweptSpan(uint16_t span_class);
  void GiveBackRun(Span* span, internal::Run& run);
  void ReleaseSpan(uint16_t span_class, bool marking);
  void MarkRange(size_t from, size_t to, std::atomic<uint64_t>* bits);
  void Count(uint64_t bytes, bool noscan, bool black);

  Heap* heap_ = nullptr;
  internal::Run* runs_ = nullptr;  // kMaxSpanClasses entries, lazily backed
  Span** owned_ = nullptr;         // likewise
  PageCache page_cache_;
  uint64_t live_ = 0;  // taken since the last flush
  uint32_t max_run_slots_ = 0;
  uint32_t max_run_bytes_ = kMaxRunBytes;
  SoftLimit at_soft_ = SoftLimit::kRefuse;
  uint64_t scan_ = 0;        // the part of live_ that may hold pointers
  uint64_t black_live_ = 0;  // the part of live_ that was taken black
  uint32_t black_gen_ = 0;
  uintptr_t tiny_ = 0;  // current tiny block, 0 if none
  size_t tiny_offset_ = 0;
  ThreadCache* next_free_ = nullptr;
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_THREAD_CACHE_H_
