// Specials: the side records of objects, per span and slot, found by the object's address; and which of
// them say what when marking is over.
// Not here: what runs the program's functions (finalizers.h); marking itself (gc/collect).
// I1 Span::specials is null or the block of chains of that span; the block is in the list of blocks.
// I2 When marking is over, Decide() takes all records of dead objects before the marks become
//    allocation bits. So a record's object is allocated, and a span that is freed has none.
// I3 While marking runs, whoever adds a record shades what the record keeps alive (gc/api).
// Locking: a lock per group of spans guards chains and Span::specials; list_lock_ the head of the list.
// Both are leaves but for the pools'. The driver alone takes blocks out of the list, and walks it
// without the lock.
// Cost: one lock to add; 40 bytes a record, 8 bytes per slot of a span that has any.
#ifndef TARN_GC_LIFE_SPECIALS_H_
#define TARN_GC_LIFE_SPECIALS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
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
  SpecialList ready;        // calls the program, or is handed to it
  SpecialList destroy_now;  // destructors for the collector's own thread
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

  // A record in the caller's hands. Aborts when the system refuses memory.
  Special* New(SpecialKind kind, uintptr_t address, uintptr_t data);
  void Recycle(Special* s) { pool_.Delete(s); }

  // Of an object that the caller holds. All inside the runtime.
  void Add(SlotRef slot, Special* s) {
    LockHolder hold(GroupOf(slot.span).lock);
    Link(EnsureBlock(slot.span), slot.index, s);
  }
  // False, and nothing is done, if the object has a finalizer or guardian at that address.
  bool AddFinalizer(SlotRef slot, Special* s);
  // Takes out the first record for which pred(const Special&) holds; null if there is none.
  template <class Pred>
  Special* Remove(SlotRef slot, Pred&& pred) {
    Group& g = GroupOf(slot.span);
    LockHolder hold(g.lock);
    Block* b = BlockOf(slot.span);
    if (b == nullptr) return nullptr;
    for (Special** link = &b->heads[slot.index]; *link != nullptr; link = &(*link)->next) {
      Special* s = *link;
      if (!pred(*s)) continue;
      *link = s->next;
      --b->count;
      return s;
    }
    return nullptr;
  }
  // f(Special&) for the records of one object, under the lock, until it returns true. Whether it did.
  template <class F>
  bool Find(SlotRef slot, F&& f) {
    Group& g = GroupOf(slot.span);
    LockHolder hold(g.lock);
    Block* b = BlockOf(slot.span);
    if (b == nullptr) return false;
    for (Special* s = b->heads[slot.index]; s != nullptr; s = s->next) {
      if (f(*s)) return true;
    }
    return false;
  }
  // The record that f accepts, else `fresh`, which is added. Under one lock.
  template <class F>
  Special* FindOrAdd(SlotRef slot, Special* fresh, F&& f) {
    Group& g = GroupOf(slot.span);
    LockHolder hold(g.lock);
    Block* b = EnsureBlock(slot.span);
    for (Special* s = b->heads[slot.index]; s != nullptr; s = s->next) {
      if (f(*s)) return s;
    }
    Link(b, slot.index, fresh);
    return fresh;
  }

  // An entry of a weak map. False if the key had one, which has the value of `s` now.
  bool SetEntry(SlotRef slot, Special* s);
  // An entry that is in no chain.
  void EndEntry(Special* s);
  WeakTable* NewTable();
  void ReleaseTable(WeakTable* t);

  // --- The driver, while marking ---

  // What records keep alive, at the start. Entries of weak maps: if their key is marked already; of
  // others KeyMarked tells.
  void VisitRoots(LifeVisitor& visitor);
  // Whether KeyMarked is to be called for objects that are marked from now on: there is, or was, a weak
  // map. relaxed: a map that is used for the first time while marking runs shades its values.
  bool HasEphemerons() const { return has_ephemerons_.load(std::memory_order_relaxed) != 0; }
  // Any marker, for an object that it has just marked.
  void KeyMarked(SlotRef slot, LifeVisitor& visitor);
  // Marking is over. `may_destroy`: destructors may run on the caller's thread.
  void Decide(bool may_destroy, Deaths& deaths);

 private:
  static constexpr size_t kGroups = 256;

  struct Block {
    Block* next;
    Span* span;
    uint32_t count;
    uint32_t slots;
    Special* heads[1];  // `slots` of them
  };
  struct alignas(64) Group {
    Lock lock;
  };

  Group& GroupOf(const Span* span) { return groups_[heap_.cage().FirstPage(span) % kGroups]; }
  static Block* BlockOf(const Span* span) {
    // relaxed: under the lock of the span's group.
    return static_cast<Block*>(span->specials.load(std::memory_order_relaxed));
  }
  Block* EnsureBlock(Span* span);
  static void Link(Block* b, uint32_t slot, Special* s) {
    s->next = b->heads[slot];
    b->heads[slot] = s;
    ++b->count;
  }
  Block* FirstBlock();
  void Unlink(Block* b, Block* before);
  bool IsMarked(const Span* span, uint32_t slot) const;
  uintptr_t AddressOf(const Span* span, uint32_t slot) const;
  void VisitRecord(const Special& s, const Block& b, uint32_t slot, LifeVisitor& visitor);
  void DecideBlock(Block& b, bool may_destroy, bool gone_tables, Deaths& deaths);
  void DecideDead(Block& b, uint32_t slot, bool may_destroy, Deaths& deaths);
  void DropEntriesOfGoneTables(Block& b, uint32_t slot);

  Heap& heap_;
  PersistentAlloc& memory_;
  Pool<Special> pool_;
  Pool<WeakTable> tables_;
  Group groups_[kGroups];
  Lock list_lock_;
  Block* blocks_ ABSL_GUARDED_BY(list_lock_) = nullptr;
  Block* free_[internal::kNumSizeClasses] ABSL_GUARDED_BY(list_lock_) = {};
  std::atomic<uint32_t> has_ephemerons_{0};
  std::atomic<uint32_t> gone_tables_{0};  // relaxed: dropped since the last Decide; a hint
};

}  // namespace tarn::rt

#endif  // TARN_GC_LIFE_SPECIALS_H_
