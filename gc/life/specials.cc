#include "gc/life/specials.h"

#include "runtime/base/check.h"

namespace tarn::rt {

Specials::Specials(Heap& heap, PersistentAlloc& memory)
    : heap_(heap), memory_(memory), pool_(memory), tables_(memory) {}

Special* Specials::New(SpecialKind kind, uintptr_t address, uintptr_t data) {
  Special* s = pool_.New();
  if (s == nullptr) Fatal("out of memory for records of objects");
  s->kind = kind;
  s->address = address;
  s->data = data;
  return s;
}

Specials::Block* Specials::EnsureBlock(Span* span) {
  if (Block* b = BlockOf(span)) return b;
  const uint32_t slots = span->nelems;
  const uint8_t size_class = heap_.classes().Info(span->span_class).size_class;
  LockHolder hold(list_lock_);
  Block* b = free_[size_class];
  if (b != nullptr) {
    free_[size_class] = b->next;
  } else {
    b = static_cast<Block*>(memory_.Allocate(sizeof(Block) + (slots - 1) * sizeof(Special*)));
    if (b == nullptr) Fatal("out of memory for records of objects");
  }
  b->span = span;
  b->slots = slots;
  b->next = blocks_;
  blocks_ = b;
  span->specials.store(b, std::memory_order_relaxed);  // relaxed: under the lock of the group
  return b;
}

// All heads are null again.
void Specials::Unlink(Block* b, Block* before) {
  b->span->specials.store(nullptr, std::memory_order_relaxed);  // relaxed: as above
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

bool Specials::SetEntry(SlotRef slot, Special* s) {
  return FindOrAdd(slot, s, [&](Special& other) {
           if (other.kind != SpecialKind::kEphemeron || other.table != s->table ||
               other.address != s->address) {
             return false;
           }
           other.data = s->data;
           return true;
         }) == s;
}

bool Specials::AddFinalizer(SlotRef slot, Special* s) {
  return FindOrAdd(slot, s, [&](const Special& other) {
           return (other.kind == SpecialKind::kFinalizer || other.kind == SpecialKind::kGuardian) &&
                  other.address == s->address;
         }) == s;
}

WeakTable* Specials::NewTable() {
  WeakTable* t = tables_.New();
  if (t == nullptr) Fatal("out of memory for weak maps");
  has_ephemerons_.store(1, std::memory_order_relaxed);  // relaxed: see HasEphemerons
  return t;
}

void Specials::ReleaseTable(WeakTable* t) {
  t->is_gone.store(1, std::memory_order_relaxed);
  gone_tables_.store(1, std::memory_order_relaxed);
  // acq_rel: pairs with itself; whoever drops the last reference sees the end of all others.
  if (t->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) tables_.Delete(t);
}

void Specials::EndEntry(Special* s) {
  WeakTable* t = s->table;
  t->size.fetch_sub(1, std::memory_order_relaxed);
  // acq_rel: as above.
  if (t->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) tables_.Delete(t);
  Recycle(s);
}

bool Specials::IsMarked(const Span* span, uint32_t slot) const {
  const std::atomic<uint64_t>* marks =
      heap_.cage().Bits(Heap::MarkTable(heap_.sweepgen()), heap_.cage().FirstPage(span));
  // relaxed: a bit that is set stays so; where one that is clear matters, marking is over.
  return (marks[slot / 64].load(std::memory_order_relaxed) >> (slot % 64)) & 1;
}

uintptr_t Specials::AddressOf(const Span* span, uint32_t slot) const {
  return heap_.cage().BaseOf(span) + size_t{slot} * span->elem_bytes32;
}

// --- Marking ---

void Specials::VisitRecord(const Special& s, const Block& b, uint32_t slot, LifeVisitor& visitor) {
  switch (s.kind) {
    case SpecialKind::kFinalizer:
    case SpecialKind::kGuardian:
      if (heap_.classes().Info(b.span->span_class).noscan == 0) {
        visitor.Contents(AddressOf(b.span, slot));
      }
      break;
    case SpecialKind::kWeak:
      visitor.Object(s.data);
      break;
    case SpecialKind::kEphemeron:
      // relaxed: the values of a map that goes now may live on for one more cycle.
      if (s.table->is_gone.load(std::memory_order_relaxed) == 0 && IsMarked(b.span, slot)) {
        visitor.Object(s.data);
      }
      break;
    case SpecialKind::kCleanup:
    case SpecialKind::kDestructor:
      break;
  }
  if (s.has_function()) visitor.Words(s.words(), s.words() + s.word_count());
}

void Specials::VisitRoots(LifeVisitor& visitor) {
  for (Block* b = FirstBlock(); b != nullptr; b = b->next) {
    LockHolder hold(GroupOf(b->span).lock);
    if (b->count == 0) continue;
    for (uint32_t slot = 0; slot < b->slots; ++slot) {
      for (const Special* s = b->heads[slot]; s != nullptr; s = s->next) {
        VisitRecord(*s, *b, slot, visitor);
      }
    }
  }
}

void Specials::KeyMarked(SlotRef slot, LifeVisitor& visitor) {
  // relaxed: a block that is put here meanwhile holds records whose values are shaded (I3).
  if (slot.span->specials.load(std::memory_order_relaxed) == nullptr) return;
  Find(slot, [&](const Special& s) {
    if (s.kind == SpecialKind::kEphemeron &&
        s.table->is_gone.load(std::memory_order_relaxed) == 0) {
      visitor.Object(s.data);
    }
    return false;
  });
}

// --- The end of marking ---

void Specials::Decide(bool may_destroy, Deaths& deaths) {
  // relaxed: what is dropped from now on goes at the next collection.
  const bool gone_tables = gone_tables_.exchange(0, std::memory_order_relaxed) != 0;
  Block* before = nullptr;
  for (Block* b = FirstBlock(); b != nullptr;) {
    Block* next = b->next;
    LockHolder hold(GroupOf(b->span).lock);
    DecideBlock(*b, may_destroy, gone_tables, deaths);
    if (b->count == 0) {
      Unlink(b, before);
    } else {
      before = b;
    }
    b = next;
  }
}

void Specials::DecideBlock(Block& b, bool may_destroy, bool gone_tables, Deaths& deaths) {
  for (uint32_t slot = 0; slot < b.slots && b.count != 0; ++slot) {
    if (b.heads[slot] == nullptr) continue;
    if (!IsMarked(b.span, slot)) {
      DecideDead(b, slot, may_destroy, deaths);
    } else if (gone_tables) {
      DropEntriesOfGoneTables(b, slot);
    }
  }
}

void Specials::DropEntriesOfGoneTables(Block& b, uint32_t slot) {
  for (Special** link = &b.heads[slot]; *link != nullptr;) {
    Special* s = *link;
    // relaxed: as above.
    if (s->kind == SpecialKind::kEphemeron && s->table->is_gone.load(std::memory_order_relaxed)) {
      *link = s->next;
      --b.count;
      EndEntry(s);
    } else {
      link = &s->next;
    }
  }
}

// Records leave in the order in which they came. With a finalizer, cleanups and destructors stay for
// the next death.
void Specials::DecideDead(Block& b, uint32_t slot, bool may_destroy, Deaths& deaths) {
  Special* in_order = nullptr;
  bool comes_back = false;
  while (Special* s = b.heads[slot]) {
    b.heads[slot] = s->next;
    --b.count;
    s->next = in_order;
    in_order = s;
    comes_back |= s->kind == SpecialKind::kFinalizer || s->kind == SpecialKind::kGuardian;
  }
  while (Special* s = in_order) {
    in_order = s->next;
    switch (s->kind) {
      case SpecialKind::kFinalizer:
      case SpecialKind::kGuardian:
        deaths.ready.Append(s);
        break;
      case SpecialKind::kCleanup:
        comes_back ? Link(&b, slot, s) : deaths.ready.Append(s);
        break;
      case SpecialKind::kDestructor:
        if (comes_back) {
          Link(&b, slot, s);
        } else {
          (may_destroy && s->type->at_sweep ? deaths.destroy_now : deaths.ready).Append(s);
        }
        break;
      case SpecialKind::kWeak:
        // relaxed: the gate's release publishes it (weak_gate.h, I1).
        reinterpret_cast<WeakHandle*>(s->data)->address.store(0, std::memory_order_relaxed);
        Recycle(s);
        break;
      case SpecialKind::kEphemeron:
        EndEntry(s);
        break;
    }
  }
}

}  // namespace tarn::rt
