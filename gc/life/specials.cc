#include "gc/life/specials.h"

#include "gc/life/guardian.h"
#include "runtime/base/check.h"

namespace tarn::rt {
namespace {

bool IsGone(const WeakTable& t) {
  // relaxed: the values of a map that goes now may live on for one more cycle.
  return t.is_gone.load(std::memory_order_relaxed) != 0;
}

bool IsGone(const Guardian& g) { return g.is_gone.load(std::memory_order_relaxed) != 0; }

// It gives its object back to the program.
bool Revives(const Special& s) {
  return s.kind == SpecialKind::kFinalizer ||
         (s.kind == SpecialKind::kGuardian && !IsGone(*s.guardian));
}

}  // namespace

Specials::Specials(Heap& heap, PersistentAlloc& memory)
    : heap_(heap), memory_(memory), pool_(memory), tables_(memory) {}

// --- Chains ---

Specials::Block* Specials::EnsureBlock(Span* span) {
  if (Block* b = BlockOf(span)) return b;
  const uint32_t slots = span->nelems;
  const uint8_t size_class = heap_.classes().Info(span->span_class).size_class;
  LockHolder hold(list_lock_);
  Block* b = free_[size_class];
  if (b != nullptr) {
    free_[size_class] = b->next;
  } else {
    b = static_cast<Block*>(memory_.Allocate(sizeof(Block) + (slots - 1) * sizeof(Link)));
    if (b == nullptr) return nullptr;
  }
  b->span = span;
  b->slots = slots;
  b->next = blocks_;
  blocks_ = b;
  // release: pairs with the acquire in BlockOf.
  span->specials.store(b, std::memory_order_release);
  return b;
}

// All heads are null again.
void Specials::Unlink(Block* b, Block* before) {
  b->span->specials.store(nullptr, std::memory_order_relaxed);  // relaxed: no marker runs
  const uint8_t size_class = heap_.classes().Info(b->span->span_class).size_class;
  LockHolder hold(list_lock_);
  if (before == nullptr && blocks_ != b) {  // others have come in front
    before = blocks_;
    while (before->next != b) before = before->next;
  }
  (before == nullptr ? blocks_ : before->next) = b->next;
  b->next = free_[size_class];
  free_[size_class] = b;
}

Specials::Block* Specials::FirstBlock() {
  LockHolder hold(list_lock_);
  return blocks_;
}

void Specials::Insert(Block* b, uint32_t slot, Special* s) {
  Link& head = b->heads[slot];
  s->next.store(head.load(std::memory_order_relaxed), std::memory_order_relaxed);
  head.store(s, std::memory_order_release);  // release: see Link
  ++b->count;
  if (Keeps(*s)) b->keepers.fetch_add(1, std::memory_order_relaxed);
  if (s->kind == SpecialKind::kEphemeron) entries_.fetch_add(1, std::memory_order_relaxed);
}

// `link` leads to `s`.
void Specials::TakeOut(Block* b, Link& link, Special* s) {
  link.store(s->Next(), std::memory_order_release);  // release: see Link
  --b->count;
  if (Keeps(*s)) b->keepers.fetch_sub(1, std::memory_order_relaxed);
  if (s->kind == SpecialKind::kEphemeron) entries_.fetch_sub(1, std::memory_order_relaxed);
}

bool Specials::Add(SlotRef slot, Special* s) {
  LockHolder hold(GroupOf(slot.span).lock);
  Block* b = EnsureBlock(slot.span);
  if (b == nullptr) return false;
  Insert(b, slot.index, s);
  return true;
}

Specials::Added Specials::AddFinalizer(SlotRef slot, Special* s, Special*& replaced) {
  LockHolder hold(GroupOf(slot.span).lock);
  Block* b = EnsureBlock(slot.span);
  if (b == nullptr) return Added::kNoMemory;
  // relaxed (all): under the lock.
  for (Link* link = &b->heads[slot.index]; Special* other = link->load(std::memory_order_relaxed);
       link = &other->next) {
    if (!other->comes_alone() || other->address != s->address) continue;
    if (Revives(*other)) return Added::kHadOne;
    TakeOut(b, *link, other);
    replaced = other;
    break;
  }
  Insert(b, slot.index, s);
  return Added::kYes;
}

Specials::Added Specials::SetEntry(SlotRef slot, Special* s) {
  const Special* entry = FindOrAdd(slot, s, [&](Special& other) {
    if (other.kind != SpecialKind::kEphemeron || other.table != s->table ||
        other.address != s->address) {
      return false;
    }
    other.data.store(s->word(), std::memory_order_relaxed);  // relaxed: see Special::data
    return true;
  });
  if (entry == nullptr) return Added::kNoMemory;
  return entry == s ? Added::kYes : Added::kHadOne;
}

// --- The end of records and tables ---

WeakTable* Specials::NewTable() { return tables_.New(); }

void Specials::ReleaseTable(WeakTable* t) {
  t->is_gone.store(1, std::memory_order_relaxed);  // relaxed: the release below publishes it
  // release: pairs with the acquire in Decide, which then sees which table is gone.
  gone_tables_.store(1, std::memory_order_release);
  // acq_rel: pairs with itself; whoever drops the last reference sees the end of all others.
  if (t->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) tables_.Delete(t);
}

void Specials::ReleaseEntry(RecordPool::Own& own, Special* s) {
  WeakTable* t = s->table;
  // acq_rel: as above.
  if (t->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) tables_.Delete(t);
  pool_.Delete(own, s);
}

void Specials::EndEntry(RecordPool::Own& own, Special* s, bool is_marking) {
  s->table->size.fetch_sub(1, std::memory_order_relaxed);  // relaxed: a number
  Retire(own, s, is_marking);
}

void Specials::Retire(RecordPool::Own& own, Special* s, bool is_marking) {
  if (is_marking) {
    LockHolder hold(retired_lock_);
    s->address = reinterpret_cast<uintptr_t>(retired_);
    retired_ = s;
  } else if (s->kind == SpecialKind::kEphemeron) {
    ReleaseEntry(own, s);
  } else {
    pool_.Delete(own, s);
  }
}

void Specials::RecycleRetired() {
  Special* s;
  {
    LockHolder hold(retired_lock_);
    s = retired_;
    retired_ = nullptr;
  }
  while (s != nullptr) {
    auto* next = reinterpret_cast<Special*>(s->address);
    Retire(driver_records_, s, /*is_marking=*/false);
    s = next;
  }
}

// --- Marking ---

bool Specials::IsMarked(const Span* span, uint32_t slot) const {
  const std::atomic<uint64_t>* marks =
      heap_.cage().Bits(Heap::MarkTable(heap_.sweepgen()), heap_.cage().FirstPage(span));
  // relaxed: a bit that is set stays so; where one that is clear matters, marking is over.
  return (marks[slot / 64].load(std::memory_order_relaxed) >> (slot % 64)) & 1;
}

uintptr_t Specials::AddressOf(const Span* span, uint32_t slot) const {
  return heap_.cage().BaseOf(span) + size_t{slot} * span->elem_bytes32;
}

void Specials::VisitRecord(const Special& s, const Block& b, uint32_t slot, LifeVisitor& visitor) {
  switch (s.kind) {
    case SpecialKind::kFinalizer:
    case SpecialKind::kGuardian:
      if (Revives(s) && heap_.classes().Info(b.span->span_class).noscan == 0) {
        visitor.Contents(AddressOf(b.span, slot));
      }
      break;
    case SpecialKind::kWeak:
      visitor.Object(s.word());
      break;
    case SpecialKind::kEphemeron:
      if (!IsGone(*s.table) && IsMarked(b.span, slot)) visitor.Object(s.word());
      break;
    case SpecialKind::kCleanup:
    case SpecialKind::kDestructor:
      break;
  }
  if (s.has_function()) s.ForEachWord([&](uintptr_t word) { visitor.Word(word); });
}

void Specials::VisitRoots(LifeVisitor& visitor) {
  for (Block* b = FirstBlock(); b != nullptr; b = b->next) {
    if (b->keepers.load(std::memory_order_relaxed) == 0) continue;
    LockHolder hold(
        GroupOf(b->span).lock);  // boxes of functions end when their record is taken out
    for (uint32_t slot = 0; slot < b->slots; ++slot) {
      // relaxed: under the lock.
      for (const Special* s = b->heads[slot].load(std::memory_order_relaxed); s != nullptr;
           s = s->Next()) {
        VisitRecord(*s, *b, slot, visitor);
      }
    }
  }
}

bool Specials::HasReviving(const Block& b, uint32_t slot) {
  // relaxed: the world is stopped.
  for (const Special* s = b.heads[slot].load(std::memory_order_relaxed); s != nullptr;
       s = s->Next()) {
    if (Revives(*s)) return true;
  }
  return false;
}

void Specials::KeyMarked(SlotRef slot, LifeVisitor& visitor) {
  // A block or record that comes meanwhile holds values that are shaded (I3).
  const Link* link = HeadOf(BlockOf(slot.span), slot.index);
  if (link == nullptr) return;
  // acquire: see Link.
  for (const Special* s = link->load(std::memory_order_acquire); s != nullptr;
       s = s->next.load(std::memory_order_acquire)) {
    if (s->kind == SpecialKind::kEphemeron && !IsGone(*s->table)) visitor.Object(s->word());
  }
}

// --- The end of marking ---

void Specials::Decide(bool may_destroy, uint64_t cycle, Deaths& deaths) {
  // acquire: pairs with the release in ReleaseTable. What is dropped from now on goes at the next
  // collection.
  const bool gone_tables = gone_tables_.exchange(0, std::memory_order_acquire) != 0;
  const Decision decision{may_destroy, gone_tables, cycle, deaths};
  Block* before = nullptr;
  for (Block* b = FirstBlock(); b != nullptr;) {
    Block* next = b->next;
    LockHolder hold(GroupOf(b->span).lock);
    DecideBlock(*b, decision);
    if (b->count == 0) {
      Unlink(b, before);
    } else {
      before = b;
    }
    b = next;
  }
}

void Specials::DecideBlock(Block& b, const Decision& d) {
  for (uint32_t slot = 0; slot < b.slots && b.count != 0; ++slot) {
    if (b.heads[slot].load(std::memory_order_relaxed) == nullptr)
      continue;  // relaxed: under the lock
    if (!IsMarked(b.span, slot)) {
      DecideDead(b, slot, d);
    } else if (d.gone_tables) {
      DropEntriesOfGoneTables(b, slot);
    }
  }
}

void Specials::DropEntriesOfGoneTables(Block& b, uint32_t slot) {
  // relaxed (all): under the lock.
  for (Link* link = &b.heads[slot]; Special* s = link->load(std::memory_order_relaxed);) {
    if (s->kind == SpecialKind::kEphemeron && IsGone(*s->table)) {
      TakeOut(&b, *link, s);
      EndEntry(driver_records_, s, /*is_marking=*/false);
    } else {
      link = &s->next;
    }
  }
}

// Records leave in the order in which they came. With a finalizer, cleanups and destructors stay for
// the next death.
void Specials::DecideDead(Block& b, uint32_t slot, const Decision& d) {
  Special* in_order = nullptr;
  bool comes_back = false;
  // relaxed (all): under the lock.
  while (Special* s = b.heads[slot].load(std::memory_order_relaxed)) {
    TakeOut(&b, b.heads[slot], s);
    s->next.store(in_order, std::memory_order_relaxed);
    in_order = s;
    comes_back |= Revives(*s);
  }
  while (Special* s = in_order) {
    in_order = s->Next();
    DecideDeadRecord(b, slot, s, comes_back, d);
  }
}

void Specials::DecideDeadRecord(Block& b, uint32_t slot, Special* s, bool comes_back,
                                const Decision& d) {
  switch (s->kind) {
    case SpecialKind::kFinalizer:
      s->id = d.cycle;
      return d.deaths.calls.Append(s);
    case SpecialKind::kGuardian:
      return (comes_back ? d.deaths.guarded : d.deaths.gone).Append(s);
    case SpecialKind::kCleanup:
      if (comes_back) return Insert(&b, slot, s);
      s->id = d.cycle;
      return d.deaths.calls.Append(s);
    case SpecialKind::kDestructor:
      if (comes_back) return Insert(&b, slot, s);
      s->id = d.cycle;
      if (d.may_destroy && s->type->at_sweep) return d.deaths.destroy_now.Append(s);
      return d.deaths.ListOf(*s).Append(s);
    case SpecialKind::kWeak:
      // relaxed: the gate's release publishes it (weak_gate.h, I1).
      reinterpret_cast<WeakHandle*>(s->word())->address.store(0, std::memory_order_relaxed);
      return pool_.Delete(driver_records_, s);
    case SpecialKind::kEphemeron:
      return EndEntry(driver_records_, s, /*is_marking=*/false);
  }
}

}  // namespace tarn::rt
