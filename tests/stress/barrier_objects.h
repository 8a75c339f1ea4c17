// The heap of barrier_stress: checksummed chains of nodes, hung at different depths of one long
// list, so that marking comes to some of them late.
// I1 A node's sum follows from its sequence number and the seed; edges hold the target's sequence
//    number beside the pointer. Memory that was freed, overwritten or given away does not pass.
// I2 Cells and slots are reachable through the list alone: threads know them by addresses that no
//    conservative scan takes for pointers (Hidden).
// I3 A cell and the chain in it belong to the thread that has locked it; what a thread has taken out
//    of a cell belongs to that thread. Slots have no lock: any thread loads and stores them, and
//    what they hold never changes.
// Not here: what the threads do (barrier_stress.cc).
#ifndef TARN_TESTS_STRESS_BARRIER_OBJECTS_H_
#define TARN_TESTS_STRESS_BARRIER_OBJECTS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tarn/tarn.h"

namespace barrier_stress {

struct Node {
  // Atomic, because nodes in slots are read without a lock.
  std::atomic<uint64_t> seq;
  std::atomic<uint64_t> sum;
  tarn::gc_ptr<Node> edges[2];  // 0: the rest of the chain; 1: one more node
  uint64_t targets[2];
};

// An address, such that the word is no pointer to the heap.
template <class T>
class Hidden {
 public:
  Hidden() = default;
  explicit Hidden(T* p) : word_(~reinterpret_cast<uintptr_t>(p)) {}
  T* get() const { return reinterpret_cast<T*>(~word_); }

 private:
  uintptr_t word_ = ~uintptr_t{0};
};

struct Cell {
  tarn::gc_ptr<Node> to;
  uint64_t target;
  std::atomic<uint32_t> busy;

  // acquire/release: what the last owner did to the chain is visible to the next.
  bool TryLock() { return busy.exchange(1, std::memory_order_acquire) == 0; }
  void Unlock() { busy.store(0, std::memory_order_release); }
};

struct Slot {
  tarn::gc_ptr<Node> to;
  tarn::gc_atomic_ptr<Node> shared;  // by exchange and compare-and-swap; never null
};

// An object with a Trace method that lets other threads store into it while it is constructed. Its
// thread's H2 scans it then, when other threads may still have stores in flight that were begun
// with the barrier off.
class Slow {
 public:
  // One per thread that constructs.
  struct Offer {
    static constexpr uintptr_t kNone = 0, kTaken = 1, kDone = 2;
    std::atomic<uintptr_t> state{kNone};  // or the hidden address of the object
  };
  Slow(Offer& offer, uint64_t micros);
  void Trace(tarn::Tracer& t) const { t.Visit(child); }

  tarn::gc_ptr<Node> child;
  uint64_t target = 0;
};

struct World {
  static constexpr size_t kListNodes = 20000, kCells = 64, kSlots = 8;
  tarn::gc_root<Node> list;
  std::vector<Hidden<Cell>> cells;
  std::vector<Hidden<Slot>> slots;
};

// Not thread-safe. The world is full: every cell and slot holds something.
void MakeWorld(World& world);
void CheckWorld(World& world);

void SetSeed(uint64_t seed);
// Prints what is wrong, where, and the seed; ends the process.
[[noreturn]] void Wrong(const char* what, const Node* at, uint64_t expected_seq);
Node* NewNode();
// A chain of `length` >= 1 nodes that only its first one refers to.
Node* NewChain(size_t length);
void SetEdge(Node* p, size_t i, Node* to);
// `p` is the whole node `seq`.
void Check(const Node* p, uint64_t seq);
// The same for all that hangs on it, at most the first 200 of a chain.
void CheckChain(const Node* p, uint64_t seq);
// Before a node is stored without a lock; returns it. Of a node that was found without a lock.
Node* Publish(Node* p);
uint64_t SeqOf(const Node* p);

}  // namespace barrier_stress

#endif  // TARN_TESTS_STRESS_BARRIER_OBJECTS_H_
