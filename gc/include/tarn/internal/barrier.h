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
// I2 An exchange is a store whose slow path shades what came out, a compare-and-swap one whose slow
//    path shades what it expects, found or not: the thread holds that value anyway.
// I3 A copy of many words publishes no hazards: handshakes are deferred from its flag test to its
//    last store (bulk_barrier.h).
#ifndef TARN_INTERNAL_BARRIER_H_
#define TARN_INTERNAL_BARRIER_H_

#include <atomic>
#include <cstdint>

#include "tarn/internal/layout_spec.h"
#include "tarn/internal/mutator_block.h"

namespace tarn::internal {

// The store with the barrier on: shades what the slot holds and the new value, then stores.
// Attaches the thread first if it is not. Never collects. `codec` decodes the slot's words.
void StoreWordSlow(std::atomic<uintptr_t>* slot, uintptr_t word) noexcept;
void StoreCodedWordSlow(std::atomic<uintptr_t>* slot, uintptr_t word,
                        const WordCodec& codec) noexcept;
// Exchange and compare-and-swap with the barrier on, both seq_cst. Return what the slot held; the
// compare-and-swap succeeded if that is `expected`, and does not fail spuriously.
uintptr_t ExchangeWordSlow(std::atomic<uintptr_t>* slot, uintptr_t word,
                           const WordCodec& codec) noexcept;
uintptr_t CompareExchangeWordSlow(std::atomic<uintptr_t>* slot, uintptr_t expected,
                                  uintptr_t desired, const WordCodec& codec) noexcept;
// Shades `word`, and what `slot` holds if it is in the heap; stores nothing.
void ShadeInitialSlow(uintptr_t slot, uintptr_t word, const WordCodec& codec) noexcept;

// How a slot's words become pointers.
struct RawDecode {
  static constexpr WordCodec kCodec{};
  static constexpr uintptr_t Pointer(uintptr_t word) { return word; }
  static void StoreSlow(std::atomic<uintptr_t>* slot, uintptr_t word) { StoreWordSlow(slot, word); }
};
template <class Codec>
struct CodecDecode {
  static constexpr WordCodec kCodec = Codec::codec;
  static constexpr uintptr_t Pointer(uintptr_t word) { return Codec::codec.Decode(word); }
  static void StoreSlow(std::atomic<uintptr_t>* slot, uintptr_t word) {
    StoreCodedWordSlow(slot, word, Codec::codec);
  }
};

// The first steps of I1: publishes the store of `word` to `slot`; true if the barrier is on.
template <class Decode>
[[gnu::always_inline]] inline bool BeginStore(const std::atomic<uintptr_t>* slot, uintptr_t word) {
  MutatorBlock& b = t_block;
  // relaxed: read in a handshake of this thread (same thread, or while it is blocked).
  b.hazard_slot.store(reinterpret_cast<uintptr_t>(slot), std::memory_order_relaxed);
  b.hazard_value.store(Decode::Pointer(word), std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);  // I1, against the compiler
  const bool on = b.barrier_on.load(std::memory_order_relaxed) != 0;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  return on;
}

template <class Decode = RawDecode>
inline void StoreWord(std::atomic<uintptr_t>* slot, uintptr_t word) {
  if (BeginStore<Decode>(slot, word)) [[unlikely]] {
    return Decode::StoreSlow(slot, word);
  }
  // relaxed: gc_ptr is no synchronisation primitive; the collector tolerates either value.
  slot->store(word, std::memory_order_relaxed);
}

// For slots that threads share. With the barrier on they are seq_cst whatever the order.
template <class Decode = RawDecode>
inline void AtomicStoreWord(std::atomic<uintptr_t>* slot, uintptr_t word, std::memory_order order) {
  if (BeginStore<Decode>(slot, word)) [[unlikely]] {
    ExchangeWordSlow(slot, word, Decode::kCodec);
    return;
  }
  slot->store(word, order);
}

template <class Decode = RawDecode>
inline uintptr_t ExchangeWord(std::atomic<uintptr_t>* slot, uintptr_t word,
                              std::memory_order order) {
  if (BeginStore<Decode>(slot, word)) [[unlikely]] {
    return ExchangeWordSlow(slot, word, Decode::kCodec);
  }
  return slot->exchange(word, order);
}

// As std::atomic's; `expected` becomes what was found if that is something else.
template <class Decode, bool kWeak>
inline bool CompareExchangeWord(std::atomic<uintptr_t>* slot, uintptr_t& expected,
                                uintptr_t desired, std::memory_order success_order,
                                std::memory_order failure_order) {
  if (BeginStore<Decode>(slot, desired)) [[unlikely]] {
    const uintptr_t found = CompareExchangeWordSlow(slot, expected, desired, Decode::kCodec);
    const bool done = found == expected;
    expected = found;
    return done;
  }
  if constexpr (kWeak) {
    return slot->compare_exchange_weak(expected, desired, success_order, failure_order);
  } else {
    return slot->compare_exchange_strong(expected, desired, success_order, failure_order);
  }
}

// seq_cst: as std::atomic; pairs with the program's own operations.
inline constexpr std::memory_order kDefaultOrder = std::memory_order_seq_cst;

// The failure order of a compare-and-swap that was given one order: without its release.
constexpr std::memory_order FailureOrder(std::memory_order order) {
  // acquire: what the caller asked for, or the acquire half of it; release: not for a load.
  return order == std::memory_order_acq_rel   ? std::memory_order_acquire
         : order == std::memory_order_release ? std::memory_order_relaxed
                                              : order;
}

// For the construction of a slot that no other thread looks at meanwhile: shades the value if need be
// and returns the word to be stored. No hazards: until the object is published, this thread's stack
// keeps object and value alive. The slot may be one of a container that constructs where it has
// destroyed before: what it held is shaded, too, and if the barrier comes on after the test, the
// thread's own stack still shows whatever it took out.
template <class Decode = RawDecode>
inline uintptr_t ShadeInitial(void* slot, uintptr_t word) {
  if (t_block.barrier_on.load(std::memory_order_relaxed) != 0) [[unlikely]] {
    ShadeInitialSlow(reinterpret_cast<uintptr_t>(slot), word, Decode::kCodec);
  }
  return word;
}

}  // namespace tarn::internal

#endif  // TARN_INTERNAL_BARRIER_H_
