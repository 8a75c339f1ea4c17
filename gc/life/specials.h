// Specials: the side records of objects, per span and slot, found by the object's address; and which of
// them say what when marking is over.
// Not here: what runs the program's functions (finalizers.h); marking itself (gc/collect).
// I1 Span::specials is null or the block of chains of that span; the block is in the list of blocks.
// I2 When marking is over, Decide() takes all records of dead objects before the marks become
//    allocation bits. So a record's object is allocated, and a span that is freed has none.
// I3 While marking runs, whoever adds a record shades what the record keeps alive (gc/api).
// I4 Markers read chains without a lock while threads change them, for one at idle priority that is
//    preempted would keep a lock: so what is taken out while marking runs keeps its fields and its link
//    until marking is over (Retire).
// Locking: a lock per group of spans for changes of chains and of Span::specials; list_lock_ for the head
// of the list. Both are leaves but for the pools'. The driver alone takes blocks out of the list, and
// walks it without the lock.
// Cost: one lock to add; 40 bytes a record, 8 bytes per slot of a span that has any.
#ifndef TARN_GC_LIFE_SPECIALS_H_
#define TARN_GC_LIFE_SPECIALS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "gc/life/record_pool.h"
#include "gc/life/special.h"
#include "gc/life/weak_table.h"
#include "runtime/base/lock.h"
#include "runtime/heap/heap.h"
#include "runtime/heap/persistent_alloc.h"

namespace tarn::rt {

// What a slot is known by.
struct SlotRef {
  Span* span = nullptr;
  uint32_t index = 0;
};

// Of one cycle: what the deaths mean.
struct Deaths {
  SpecialList calls;        // finalizers and cleanups
  SpecialList guarded;      // for gc_queues
  SpecialList gone;         // for those that are gone: their objects do not come back
  SpecialList destructors;  // for whoever runs finalizers
  SpecialList traced;       // likewise; of objects with a Trace method
  SpecialList destroy_now;  // for the collector's own thread

  // Where a destructor goes that is not to run now.
  SpecialList& ListOf(const Special& s) { return s.type->trace_bytes != 0 ? traced : destructors; }
  bool Empty() const {
    return calls.Empty() && guarded.Empty() && gone.Empty() && destructors.Empty() &&
           traced.Empty();
  }
};

// A weak reference is a pointer to one of these, on the collected heap, without pointers. The one of an
// address while that is weakly known; 0 when the object is dead.
struct WeakHandle {
  std::atomic<uintptr_t> address{0};
};

class Specials {
 public:
  Specials(Heap& heap, PersistentAlloc& memory);
  Specials(const Specials&) = delete;
  Specials& operator=(const Specials&) = delete;

  // --- Threads, inside the runtime ---

  RecordPool& pool() { return pool_; }
  // Of an object that the caller holds. False, and nothing is done, when the system refuses memory (also
  // below).
  bool Add(SlotRef slot, Special* s);
  enum class Added { kYes, kHadOne, kNoMemory };
  // kHadOne, and nothing is done, if the object has a finalizer or guardian at that address. One whose
  // gc_queue is gone gives way: it comes back in `replaced`.
  Added AddFinalizer(SlotRef slot, Special* s, Special*& replaced);
  // Takes out the first record for which pred(const Special&) holds; null if there is none. The slot may
  // be stale. Then Retire it.
  template <class Pred>
  Special* Remove(SlotRef slot, Pred&& pred);
  // f(Special&) for the records of one object, under the lock, until it returns true. Whether it did.
  // The slot may be stale.
  template <class F>
  bool Find(SlotRef slot, F&& f);
  // The record that f accepts, else `fresh`, which is added; null when the system refuses memory. Under one
  // lock.
  template <class F>
  Special* FindOrAdd(SlotRef slot, Special* fresh, F&& f);
  // A record that was in a chain and is in nobody's hands but the caller's. `is_marking`: the thread's
  // barrier is on.
  void Retire(RecordPool::Own& own, Special* s, bool is_marking);

  // An entry of a weak map. kHadOne: the key had one, which has the value of `s` now.
  Added SetEntry(SlotRef slot, Special* s);
  // An entry that is in no chain was one.
  void EndEntry(RecordPool::Own& own, Special* s, bool is_marking);
  WeakTable* NewTable();  // null when the system refuses memory
  void ReleaseTable(WeakTable* t);

  // --- The driver, while marking ---

  // What records keep alive, at the start. Entries of weak maps: if their key is marked already; of
  // others KeyMarked tells.
  void VisitRoots(LifeVisitor& visitor);
  // What objects refer to that are not marked and will be given to the program when they die, if
  // is_wanted(span class). The world is stopped.
  template <class F>
  void VisitUnmarkedContents(LifeVisitor& visitor, F&& is_wanted);
  // Whether KeyMarked is to be called for objects that are marked from now on. relaxed: entries that are
  // added while marking runs shade their values.
  bool HasEphemerons() const { return entries_.load(std::memory_order_relaxed) != 0; }
  // Any marker, for an object that it has just marked.
  void KeyMarked(SlotRef slot, LifeVisitor& visitor);
  bool HasRecords() { return FirstBlock() != nullptr; }
  // Marking is over, and nothing is marked meanwhile. `may_destroy`: destructors may run on the caller's
  // thread. `cycle`: its number.
  void Decide(bool may_destroy, uint64_t cycle, Deaths& deaths);
  // No marker runs any more.
  void RecycleRetired();
  RecordPool::Own& driver_records() { return driver_records_; }

 private:
  static constexpr size_t kGroups = 256;

  // A link is written under the group's lock. release: pairs with the acquire of those who walk the chain
  // without it; the record is initialised.
  using Link = std::atomic<Special*>;
  struct Block {
    Block* next;
    Span* span;
    uint32_t count;
    // Records that keep something alive; relaxed: one that is added meanwhile shades.
    std::atomic<uint32_t> keepers;
    uint32_t slots;
    Link heads[1];  // `slots` of them
  };
  struct alignas(64) Group {
    Lock lock;
  };

  Group& GroupOf(const Span* span) { return groups_[heap_.cage().FirstPage(span) % kGroups]; }
  static Block* BlockOf(const Span* span) {
    // acquire: pairs with the release in EnsureBlock, for those who do not hold the group's lock.
    return static_cast<Block*>(span->specials.load(std::memory_order_acquire));
  }
  // The head of the slot's chain; null if there is none.
  static Link* HeadOf(Block* b, uint32_t slot) {
    return b == nullptr || slot >= b->slots ? nullptr : &b->heads[slot];
  }
  static bool Keeps(const Special& s) { return s.kind != SpecialKind::kDestructor; }
  Block* EnsureBlock(Span* span);
  void Insert(Block* b, uint32_t slot, Special* s);
  void TakeOut(Block* b, Link& link, Special* s);
  Block* FirstBlock();
  void Unlink(Block* b, Block* before);
  bool IsMarked(const Span* span, uint32_t slot) const;
  uintptr_t AddressOf(const Span* span, uint32_t slot) const;
  void VisitRecord(const Special& s, const Block& b, uint32_t slot, LifeVisitor& visitor);
  struct Decision {
    bool may_destroy;
    bool gone_tables;
    uint64_t cycle;
    Deaths& deaths;
  };
  void DecideBlock(Block& b, const Decision& d);
  void DecideDead(Block& b, uint32_t slot, const Decision& d);
  void DecideDeadRecord(Block& b, uint32_t slot, Special* s, bool comes_back, const Decision& d);
  static bool HasReviving(const Block& b, uint32_t slot);
  void DropEntriesOfGoneTables(Block& b, uint32_t slot);
  void ReleaseEntry(RecordPool::Own& own, Special* s);

  Heap& heap_;
  PersistentAlloc& memory_;
  RecordPool pool_;
  Pool<WeakTable> tables_;
  Group groups_[kGroups];
  Lock list_lock_;
  Block* blocks_ ABSL_GUARDED_BY(list_lock_) = nullptr;
  Block* free_[internal::kNumSizeClasses] ABSL_GUARDED_BY(list_lock_) = {};
  Lock retired_lock_;
  Special* retired_ ABSL_GUARDED_BY(retired_lock_) = nullptr;  // linked by `address`: I4
  RecordPool::Own driver_records_;
  std::atomic<uint64_t> entries_{0};      // of weak maps, in chains
  std::atomic<uint32_t> gone_tables_{0};  // some were dropped since the last Decide
};

template <class Pred>
Special* Specials::Remove(SlotRef slot, Pred&& pred) {
  LockHolder hold(GroupOf(slot.span).lock);
  Block* b = BlockOf(slot.span);
  Link* link = HeadOf(b, slot.index);
  if (link == nullptr) return nullptr;
  // relaxed (all): under the lock.
  for (; Special* s = link->load(std::memory_order_relaxed); link = &s->next) {
    if (!pred(static_cast<const Special&>(*s))) continue;
    TakeOut(b, *link, s);
    return s;
  }
  return nullptr;
}

template <class F>
bool Specials::Find(SlotRef slot, F&& f) {
  LockHolder hold(GroupOf(slot.span).lock);
  const Link* link = HeadOf(BlockOf(slot.span), slot.index);
  if (link == nullptr) return false;
  // relaxed (all): under the lock.
  for (Special* s = link->load(std::memory_order_relaxed); s != nullptr; s = s->Next()) {
    if (f(*s)) return true;
  }
  return false;
}

template <class F>
void Specials::VisitUnmarkedContents(LifeVisitor& visitor, F&& is_wanted) {
  for (Block* b = FirstBlock(); b != nullptr; b = b->next) {
    if (b->keepers.load(std::memory_order_relaxed) == 0 || !is_wanted(b->span->span_class))
      continue;
    for (uint32_t slot = 0; slot < b->slots; ++slot) {
      if (!IsMarked(b->span, slot) && HasReviving(*b, slot)) {
        visitor.Contents(AddressOf(b->span, slot));
      }
    }
  }
}

template <class F>
Special* Specials::FindOrAdd(SlotRef slot, Special* fresh, F&& f) {
  LockHolder hold(GroupOf(slot.span).lock);
  Block* b = EnsureBlock(slot.span);
  if (b == nullptr) return nullptr;
  // relaxed (all): under the lock.
  for (Special* s = b->heads[slot.index].load(std::memory_order_relaxed); s != nullptr;
       s = s->Next()) {
    if (f(*s)) return s;
  }
  Insert(b, slot.index, fresh);
  return fresh;
}

}  // namespace tarn::rt

#endif  // TARN_GC_LIFE_SPECIALS_H_
