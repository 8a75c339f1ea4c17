#include "tests/stress/barrier_objects.h"

#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "tests/stress/stress_rng.h"

namespace barrier_stress {
namespace {

uint64_t g_seed;
std::atomic<uint64_t> g_seq{0};
// Read-modify-writes between the making of a node and its store without a lock; whoever reads it
// after loading the node sees the node whole.
std::atomic<uint64_t> g_published{0};

uint64_t SumOf(uint64_t seq) { return stress::Mix(seq ^ g_seed) + 1; }

}  // namespace

void SetSeed(uint64_t seed) { g_seed = seed; }

void Wrong(const char* what, const Node* at, uint64_t expected_seq) {
  std::fprintf(stderr,
               "barrier_stress: seed %" PRIu64 ": %s at %p: expected node %" PRIu64
               ", found seq %" PRIx64 " sum %" PRIx64 "\n",
               g_seed, what, static_cast<const void*>(at), expected_seq, at->seq.load(),
               at->sum.load());
  std::abort();
}

Node* NewNode() {
  Node* p = tarn::make_gc<Node>();
  const uint64_t seq = g_seq.fetch_add(1, std::memory_order_relaxed) + 1;
  p->seq.store(seq, std::memory_order_relaxed);
  p->sum.store(SumOf(seq), std::memory_order_relaxed);
  return p;
}

Node* NewChain(size_t length) {
  Node* first = NewNode();
  for (Node* p = first; length > 1; --length) {
    Node* next = NewNode();
    SetEdge(p, 0, next);
    p = next;
  }
  return first;
}

void SetEdge(Node* p, size_t i, Node* to) {
  p->targets[i] = to == nullptr ? 0 : to->seq.load(std::memory_order_relaxed);
  p->edges[i] = to;
}

void Check(const Node* p, uint64_t seq) {
  const uint64_t found = p->seq.load(std::memory_order_relaxed);
  if (found != seq || p->sum.load(std::memory_order_relaxed) != SumOf(seq)) {
    Wrong("wrong node", p, seq);
  }
}

void CheckChain(const Node* p, uint64_t seq) {
  for (int i = 0; i < 200; ++i) {
    Check(p, seq);
    const Node* side = p->edges[1];
    const Node* next = p->edges[0];
    const uint64_t side_seq = p->targets[1];
    const uint64_t next_seq = p->targets[0];
    Check(p, seq);
    if (side != nullptr) Check(side, side_seq);
    if (next == nullptr) return;
    p = next;
    seq = next_seq;
  }
}

Node* Publish(Node* p) {
  g_published.fetch_add(1, std::memory_order_acq_rel);  // acq_rel: see g_published
  return p;
}

uint64_t SeqOf(const Node* p) {
  g_published.load(std::memory_order_acquire);  // acquire: see g_published
  const uint64_t seq = p->seq.load(std::memory_order_relaxed);
  Check(p, seq);
  return seq;
}

Slow::Slow(Offer& offer, uint64_t micros) {
  const uintptr_t address = ~reinterpret_cast<uintptr_t>(this);
  // release: the taker sees the object cleared.
  offer.state.store(address, std::memory_order_release);
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(micros);
  for (;;) {
    // acquire: pairs with the taker's release.
    const uintptr_t state = offer.state.load(std::memory_order_acquire);
    if (state == Offer::kDone) break;
    if (state == address && std::chrono::steady_clock::now() > end) {
      uintptr_t expected = address;
      // acquire: as above, if somebody was faster.
      if (offer.state.compare_exchange_strong(expected, Offer::kNone, std::memory_order_acquire)) {
        return;
      }
    }
    tarn::Safepoint();
    usleep(50);
  }
  offer.state.store(Offer::kNone, std::memory_order_relaxed);  // relaxed: nothing is published
}

void MakeWorld(World& world) {
  Node* last = NewNode();
  world.list = last;
  const auto hang = [&](auto* object) {
    // A node beside the list leads to it: an edge of a node holds nodes, so it is cast.
    last->edges[1] = reinterpret_cast<Node*>(object);
  };
  // Cells at all depths, slots at the end only.
  const size_t stride = World::kListNodes / World::kCells;
  for (size_t i = 1; i < World::kListNodes; ++i) {
    Node* next = NewNode();
    last->edges[0] = next;
    last->targets[0] = next->seq;
    last = next;
    if (i % stride == stride - 1 && world.cells.size() < World::kCells) {
      Cell* cell = tarn::make_gc<Cell>();
      hang(cell);
      world.cells.push_back(Hidden<Cell>(cell));
      Node* p = NewChain(3);
      cell->to = p;
      cell->target = p->seq;
    }
  }
  for (size_t i = 0; i < World::kSlots; ++i) {
    Node* next = NewNode();
    last->edges[0] = next;
    last->targets[0] = next->seq;
    last = next;
    Slot* slot = tarn::make_gc<Slot>();
    hang(slot);
    world.slots.push_back(Hidden<Slot>(slot));
    slot->to = Publish(NewNode());
    slot->shared = Publish(NewNode());
  }
}

void CheckWorld(World& world) {
  const Node* p = world.list;
  uint64_t seq = p->seq;
  for (; p != nullptr; seq = p->targets[0], p = p->edges[0]) Check(p, seq);
  for (const Hidden<Cell>& cell : world.cells) {
    if (cell.get()->to) CheckChain(cell.get()->to, cell.get()->target);
  }
  for (const Hidden<Slot>& slot : world.slots) {
    if (slot.get()->to) SeqOf(slot.get()->to);
    SeqOf(slot.get()->shared.load());
  }
}

}  // namespace barrier_stress
