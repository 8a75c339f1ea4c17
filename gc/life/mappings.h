// Mappings: the records of mappings that the collector owns, and their end.
// A mapping is one object: a span of its own whose pages are lent (runtime/heap/page_heap_lent.cc). It dies
// like any object: when marking is over and it is not marked. Then nobody can reach it any more, neither a
// finalizer (what those see is marked by then) nor a weak reference (those are cleared), so the driver
// unmaps it, and the sweep that follows finds an ordinary dead span.
// Not here: making one and what the program does with it (gc/api/gc_mmap.cc); when a cycle begins for want
// of one (gc/collect/cycle_mappings.cc).
// I1 A record is in the list from right after its span is published, in the same stay in the runtime, until
//    the driver finds it dead. So while the driver looks, the span of a new one is marked already.
// I2 Span::mapping of a lent span that is published is its record; for nobody looks before.
// I3 bytes are mapped by the program's leave while `state` is kMapped or kBusy, and inaccessible in
//    kUnmapped. The driver alone moves the memory back to the heap.
// I4 charged_ is the sum of all Mapping::charged, and external_bytes contains it.
// I5 Who takes a record for an address that nothing may hold (Find) gets none that was, or is about
//    to be, found dead: by the rules of weak_gate.h, and by the marks once the dead are decided.
// Locking: lock_ guards the list's head, links, Span::mapping and charges; nothing is locked inside
// it but the pool's lock. The driver alone takes records out, and walks the list without the lock.
// Cost: a record of 144 bytes; a walk over all records in each cycle, by the driver, and two
// milliseconds at most of looking at page tables.
#ifndef TARN_GC_LIFE_MAPPINGS_H_
#define TARN_GC_LIFE_MAPPINGS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "runtime/base/lock.h"
#include "runtime/heap/heap.h"
#include "runtime/heap/persistent_alloc.h"
#include "runtime/os/resident_linux.h"
#include "tarn/gc_mmap.h"

namespace tarn::rt {

// Which pages of a mapping are memory that the system cannot take back by itself.
enum class HeldMemory : uint8_t {
  kNone,       // a shared file on disk
  kAnonymous,  // private: what was changed
  kAll,        // memfd, tmpfs, hugetlb; shared anonymous memory
};

struct Mapping {
  //   kMapped <-> kBusy                     the thread that moves it there
  //   kMapped <-> kClosing -> kUnmapped     likewise
  // kBusy: its protection is being changed. kClosing: it is being unmapped. Held by blocked threads
  // only.
  enum State : uint32_t { kMapped, kBusy, kClosing, kUnmapped };
  static constexpr size_t kSiteBytes = 56;

  Mapping* next = nullptr;
  Mapping* prev = nullptr;
  Span* span = nullptr;
  uintptr_t base = 0;  // what is mapped: [base, base + bytes), whole pages of the system
  size_t bytes = 0;
  size_t delta = 0;  // what was asked for: [base + delta, base + delta + length)
  size_t length = 0;
  int64_t offset = 0;
  size_t charged = 0;                    // what external_bytes contains for it
  std::atomic<uint32_t> state{kMapped};  // futex
  MappingAccounting accounting = MappingAccounting::kResident;
  HeldMemory held = HeldMemory::kNone;
  bool is_anonymous = false;
  bool is_torn = false;                // the child of fork() found a part gone; written there only
  std::atomic<bool> may_write{false};  // relaxed: late by one cycle
  uint32_t site_line = 0;
  // A copy of the end of the name: the literal may be in a library that is unloaded.
  char site_file[kSiteBytes] = {};

  // Whether its pages count as soon as they are touched, but are not seen before a cycle has
  // looked.
  bool IsUnseenMemory() const { return IsUnseenMemory(accounting, held, is_anonymous); }
  static bool IsUnseenMemory(MappingAccounting accounting, HeldMemory held, bool is_anonymous) {
    return accounting == MappingAccounting::kResident && (is_anonymous || held == HeldMemory::kAll);
  }
};

static_assert(sizeof(Mapping) == 144);

class Mappings {
 public:
  Mappings(Heap& heap, PersistentAlloc& memory) : heap_(heap), pool_(memory) {}
  Mappings(const Mappings&) = delete;
  Mappings& operator=(const Mappings&) = delete;

  // --- Threads, inside the runtime ---

  // Null when the system refuses memory.
  Mapping* New() { return pool_.New(); }
  void Recycle(Mapping* m) { pool_.Delete(m); }
  // The span has been published in the same stay in the runtime (I1). What it is charged with is
  // among the external bytes already.
  void Add(Mapping* m);
  // The record of the mapping that `p` points into, if it is the object of `span`; else null.
  Mapping* Find(const Span* span, uintptr_t p);
  // Whether marks tell who is alive: the dead have been decided. Ordered by the gate of
  // weak_gate.h. For who has the barrier on.
  bool IsDecided() const { return is_decided_.load(std::memory_order_relaxed); }
  bool IsMarked(const Span* span) const;
  // f(const Mapping&) for all, under the lock.
  template <class F>
  void ForEach(F&& f) {
    LockHolder hold(lock_);
    for (const Mapping* m = head_; m != nullptr; m = m->next) f(*m);
  }
  // What changes when one is unmapped early: its state says so already, and its owner keeps it.
  void NoteUnmapped(Mapping& m);
  MappingStats Stats() const;

  // Whether as many were made since the last cycle that another one should begin, or be waited for.
  // `room` is what the heap may yet grow by.
  enum class Pressure { kNone, kCollect, kWait };
  Pressure PressureFor(size_t bytes, bool is_unseen_memory, uint64_t room) const;

  // --- The driver ---

  // From the decision about the dead until the next generation.
  void SetDecided(bool decided) { is_decided_.store(decided, std::memory_order_relaxed); }
  // Marking is over for good. Unmaps the dead, and looks at the memory of the others: as many as
  // the time allows, each in its turn.
  void EndDead();

  // The child of fork() has one thread: nobody is busy with a mapping. Those that the child did not
  // get are unmapped there.
  void ChildAfterFork();

 private:
  // From now on it counts as `bytes` among the heap's external bytes; as none if it is unmapped.
  void Charge(Mapping& m, size_t bytes) ABSL_LOCKS_EXCLUDED(lock_);
  void ChargeLocked(Mapping& m, size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void End(Mapping* m);
  void Measure(Mapping& m, const PageMap& pages);
  void MeasureInTurn();
  void SettleInChild(Mapping& m);
  Mapping* First();

  Heap& heap_;
  Pool<Mapping> pool_;
  Lock lock_;
  Mapping* head_ ABSL_GUARDED_BY(lock_) = nullptr;
  Mapping* turn_ = nullptr;  // whose memory is looked at next; null: the first one's. The driver's
  std::atomic<bool> is_decided_{false};  // relaxed: see IsDecided
  // relaxed (all): numbers.
  std::atomic<uint64_t> num_active_{0};
  std::atomic<uint64_t> bytes_active_{0};
  std::atomic<uint64_t> charged_{0};
  std::atomic<uint64_t> num_unmapped_{0};
  std::atomic<uint64_t> made_{0};
  std::atomic<uint64_t> died_{0};
  std::atomic<uint64_t> lost_{0};
  std::atomic<uint64_t> made_bytes_{0};
  std::atomic<uint64_t> made_unseen_{0};  // bytes of those that are IsUnseenMemory
  // When the last cycle looked.
  std::atomic<uint64_t> survivors_{0};
  std::atomic<uint64_t> made_seen_{0};
  std::atomic<uint64_t> made_bytes_seen_{0};
  std::atomic<uint64_t> made_unseen_seen_{0};
};

}  // namespace tarn::rt

#endif  // TARN_GC_LIFE_MAPPINGS_H_
