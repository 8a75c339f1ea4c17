// The write barrier: every store of a pointer into memory that other code may scan goes through
// here.
//
// A store publishes a hazard (slot and value) in the thread's block, then tests the flag, then
// stores. A thread that is interrupted between test and store may later store without a barrier;
// the collector shades the hazards when it turns barriers on, which makes that harmless. Hazards
// are never cleared. I1 Order: both hazards, the flag, (slow path: read and shade the old value,
// shade the new), the store.
//    Only compiler fences are needed: the hazards are read by the same thread (in a handshake), or
//    by another while this one is blocked.
// Cost with marking off: two stores, one load, one branch.
#ifndef TARN_INTERNAL_BARRIER_H_
#define TARN_INTERNAL_BARRIER_H_

#include <atomic>
#include <cstdint>

#include "tarn/internal/mutator_block.h"

namespace tarn::internal {

// Shades the old contents of the slot and the new value (both decoded already); attaches the thread
// first if it is not. May block while it attaches; never collects.
void BarrierSlow(std::atomic<uintptr_t>* slot, uintptr_t old_pointer, uintptr_t new_pointer);
// Shades only the new value: the object that holds the slot is not visible to other threads.
void InitBarrierSlow(uintptr_t new_pointer);

struct RawDecode {
  static constexpr uintptr_t Pointer(uintptr_t word) { return word; }
};

template <class Decode = RawDecode>
inline void StoreWord(std::atomic<uintptr_t>* slot, uintptr_t word) {
  MutatorBlock& b = t_block;
  // relaxed: read in a handshake of this thread (same thread, or while it is blocked).
  b.hazard_slot.store(reinterpret_cast<uintptr_t>(slot), std::memory_order_relaxed);
  b.hazard_value.store(Decode::Pointer(word), std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // I1, against the compiler
  if (b.barrier_on.load(std::memory_order_relaxed) != 0) [[unlikely]] {
    BarrierSlow(slot, Decode::Pointer(slot->load(std::memory_order_relaxed)),
                Decode::Pointer(word));
  }
  std::atomic_signal_fence(std::memory_order_seq_cst);
  // relaxed: gc_ptr is no synchronisation primitive; the collector tolerates either value.
  slot->store(word, std::memory_order_relaxed);
}

// A store into an object that no other thread can see yet. No hazards: until the object is
// published, this thread's stack keeps object and value alive.
template <class Decode = RawDecode>
inline void InitWord(std::atomic<uintptr_t>* slot, uintptr_t word) {
  if (t_block.barrier_on.load(std::memory_order_relaxed) != 0) [[unlikely]] {
    InitBarrierSlow(Decode::Pointer(word));
  }
  slot->store(word, std::memory_order_relaxed);  // relaxed: not visible to others
}

}  // namespace tarn::internal

#endif  // TARN_INTERNAL_BARRIER_H_
