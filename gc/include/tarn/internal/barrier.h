// The write barrier: every store of a pointer into memory that other code may scan goes through
// here.
//
// A store publishes a hazard (slot and value) in the thread's block, then tests the flag, then
// stores. A thread that is interrupted between test and store may later store without a barrier;
// the collector shades the hazards when it turns barriers on, which makes that harmless. Hazards
// are never cleared.
// I1 Order: both hazards, the flag, (slow path: read and shade the old value, shade the new), the
//    store. Only compiler fences are needed: the hazards are read by the same thread (in a
//    handshake), or by another while this one is blocked. Cost with marking off: two stores, one
//    load, one branch.
#ifndef TARN_INTERNAL_BARRIER_H_
#define TARN_INTERNAL_BARRIER_H_

#include <atomic>
#include <cstdint>

#include "tarn/internal/layout_spec.h"
#include "tarn/internal/mutator_block.h"

namespace tarn::internal {

// The store with the barrier on: shades what the slot holds and the new value, then stores.
// Attaches the thread first if it is not. Never collects. `codec` decodes the slot's words.
void StoreWordSlow(std::atomic<uintptr_t>* slot, uintptr_t word);
void StoreCodedWordSlow(std::atomic<uintptr_t>* slot, uintptr_t word, const WordCodec& codec);
// Shades only the new value: the object that holds the slot is not visible to other threads.
void ShadeInitialSlow(uintptr_t pointer);

// How a slot's words become pointers.
struct RawDecode {
  static constexpr uintptr_t Pointer(uintptr_t word) { return word; }
  static void StoreSlow(std::atomic<uintptr_t>* slot, uintptr_t word) { StoreWordSlow(slot, word); }
};
template <class Codec>
struct CodecDecode {
  static constexpr uintptr_t Pointer(uintptr_t word) { return Codec::codec.Decode(word); }
  static void StoreSlow(std::atomic<uintptr_t>* slot, uintptr_t word) {
    StoreCodedWordSlow(slot, word, Codec::codec);
  }
};

template <class Decode = RawDecode>
inline void StoreWord(std::atomic<uintptr_t>* slot, uintptr_t word) {
  MutatorBlock& b = t_block;
  // relaxed: read in a handshake of this thread (same thread, or while it is blocked).
  b.hazard_slot.store(reinterpret_cast<uintptr_t>(slot), std::memory_order_relaxed);
  b.hazard_value.store(Decode::Pointer(word), std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // I1, against the compiler
  if (b.barrier_on.load(std::memory_order_relaxed) != 0) [[unlikely]] {
    return Decode::StoreSlow(slot, word);
  }
  std::atomic_signal_fence(std::memory_order_seq_cst);
  // relaxed: gc_ptr is no synchronisation primitive; the collector tolerates either value.
  slot->store(word, std::memory_order_relaxed);
}

// For a store into an object that no other thread can see yet: shades the value if need be and
// returns the word to be stored. No hazards: until the object is published, this thread's stack
// keeps object and value alive.
template <class Decode = RawDecode>
inline uintptr_t ShadeInitial(uintptr_t word) {
  if (t_block.barrier_on.load(std::memory_order_relaxed) != 0) [[unlikely]] {
    ShadeInitialSlow(Decode::Pointer(word));
  }
  return word;
}

}  // namespace tarn::internal

#endif  // TARN_INTERNAL_BARRIER_H_
