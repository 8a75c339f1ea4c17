#include "tests/stress/life_raw_objects.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace stress {

RawCounters g_raw;

namespace {

enum State : uint32_t { kLive = 0x44, kFinalized = 0x55, kDestroyed = 0x66 };

[[noreturn]] void Fail(const char* what, uint64_t id, uint64_t found) {
  std::fprintf(stderr, "life_stress: raw: %s: object %" PRIu64 ", found %" PRIx64 "\n", what, id,
               found);
  std::abort();
}

uint64_t SumOf(uint64_t id) { return Rng(id ^ 0x7a97).Next(); }

struct RawLink {
  uint64_t id = 0, sum = 0;
  RawLink* next = nullptr;
};

// What was freed by mistake is soon something else.
void MakeGarbage(size_t n) {
  for (size_t i = 0; i < n; ++i) tarn::make_gc<RawLink>();
}

// Takes the list out first: from then on only this stack leads to it.
uint64_t TakeApart(RawLink*& list, uint64_t id) {
  RawLink* l = list;
  list = nullptr;
  uint64_t n = 0;
  while (l != nullptr) {
    if (id % 4 == 0) MakeGarbage(3);
    if (id % 64 == 1) std::this_thread::yield();
    if (l->id != id || l->sum != SumOf(id)) Fail("link that was lost", id, l->id);
    RawLink* next = l->next;
    l->next = nullptr;
    l = next;
    ++n;
  }
  g_raw.links += n;
  return n;
}

}  // namespace

// `child` and `list` belong to this object alone; a tree of them to one thread, until it is dead.
struct RawThing {
  uint64_t id;
  uint64_t sum;
  std::atomic<uint32_t> state{kLive};
  uint32_t has_finalizer = 0;
  uint64_t length = 0;
  RawThing* child = nullptr;
  RawLink* list = nullptr;

  explicit RawThing(uint64_t n) : id(n), sum(SumOf(n)) { ++g_raw.made; }
  RawThing(const RawThing&) = delete;
  RawThing& operator=(const RawThing&) = delete;
  // The child may have been destroyed before, and is readable.
  ~RawThing() {
    Check("destroyed twice or overwritten");
    if (has_finalizer != 0) Fail("destroyed before its finalizer", id, state);
    if (const RawThing* c = child) {
      const uint32_t s = c->state;
      if (c->sum != SumOf(c->id) || (s != kLive && s != kFinalized && s != kDestroyed)) {
        Fail("child of a dead object", id, s);
      }
    }
    if (TakeApart(list, id) != length) Fail("links are missing", id, length);
    state = kDestroyed;
    ++g_raw.destroyed;
  }
  void Check(const char* what) const {
    const uint32_t s = state;
    if (sum != SumOf(id) || (s != kLive && s != kFinalized)) Fail(what, id, s);
  }
  // What it refers to is alive: neither finalized nor destroyed.
  void CheckDying(const char* what) const {
    Check(what);
    if (state != kLive) Fail("twice", id, state);
    for (const RawThing* c = child; c != nullptr; c = c->child) {
      c->Check("reached from a dead object");
      if (c->state != kLive) Fail("died after what it refers to", id, c->state);
    }
  }
};

namespace {

void Finalize(RawThing* t) {
  t->CheckDying("finalized");
  if (t->has_finalizer == 0) Fail("finalized twice", t->id, t->state);
  if (t->id % 2 == 0) {  // else the destructor does it
    if (TakeApart(t->list, t->id) != t->length) Fail("links are missing", t->id, t->length);
    t->length = 0;
  }
  t->has_finalizer = 0;
  t->state = kFinalized;
  ++g_raw.finalized;
}

}  // namespace

RawWorker::RawWorker(uint64_t seed) : rng_(seed) { table_ = tarn::make_gc<RawTable>(); }

RawThing* RawWorker::Make(int depth) {
  static std::atomic<uint64_t> next{1};
  auto* t = tarn::make_gc<RawThing>(next++);
  t->length = rng_.Below(6);
  for (uint64_t i = 0; i < t->length; ++i) {
    auto* l = tarn::make_gc<RawLink>();
    l->id = t->id;
    l->sum = t->sum;
    l->next = t->list;
    t->list = l;
  }
  if (depth > 1) t->child = Make(depth - 1);
  const uint64_t what = rng_.Below(4);
  if (what == 0) {
    if (!queue_.Register(t).ok()) Fail("not registered", t->id, 0);
    ++g_raw.registered;
  } else if (what < 3) {
    t->has_finalizer = 1;
    if (!tarn::SetFinalizer(t, &Finalize).ok()) Fail("no finalizer", t->id, 0);
    ++g_raw.finalizers;
  }
  return t;
}

// A subtree goes from one tree to another, and the tree that gave it, or the one that has it now,
// or both are dropped: what was found through one table is known to another object only, or to
// none.
void RawWorker::Move() {
  RawThing*& a = table_->slots[rng_.Below(RawTable::kSlots)];
  RawThing*& b = table_->slots[rng_.Below(RawTable::kSlots)];
  if (a == nullptr || b == nullptr || a == b) return;
  a->Check("in a table");
  b->Check("in a table");
  std::swap(a->child, b->child);
  ++g_raw.moved;
  if (rng_.OneIn(3)) a = nullptr;
  if (rng_.OneIn(3)) b = nullptr;
}

void RawWorker::Step() {
  const uint64_t what = rng_.Below(16);
  if (what < 6) {
    RawThing* t = Make(1 + static_cast<int>(rng_.Below(3)));
    table_->slots[rng_.Below(RawTable::kSlots)] = t;
  } else if (what < 14) {
    Move();
  } else if (what == 14 && rng_.OneIn(64)) {
    // All of them through another table, without a barrier.
    auto* fresh = tarn::make_gc<RawTable>();
    for (size_t i = 0; i < RawTable::kSlots; ++i) {
      fresh->slots[i] = table_->slots[i];
      table_->slots[i] = nullptr;
    }
    table_ = fresh;
  } else {
    for (RawThing* t; (t = queue_.Poll()) != nullptr; ++g_raw.polled) {
      t->CheckDying("polled");
      t->state = kFinalized;
    }
  }
}

}  // namespace stress
