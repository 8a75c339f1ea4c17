// gc_atomic_ptr<T>: a traced pointer that threads share without a lock; gc_atomic_word<Codec>: the
// same for an interpreter's tagged values.
//
//   struct Stack { tarn::gc_atomic_ptr<Node> top; };
//   ...
//   Node* old = stack->top.load();
//   do { node->next = old; } while (!stack->top.compare_exchange_weak(old, node));
//
// One word, with the operations, orders and defaults of std::atomic<T*> (but no arithmetic and no
// waiting); null by default; constructing is not atomic. Like gc_ptr it belongs into heap objects:
// a global one is no root. What a thread has loaded stays alive as long as it is on its stack, so
// an address that a compare-and-swap expects is not given to another object meanwhile.
// Thread-safety: any thread, as std::atomic. Publishes what was written to the object before, by
// the usual rules of release and acquire.
// May collect: never. Blocks: never (the first store of a thread attaches it).
// Cost: two stores, one load and one branch beside the operation itself; loads cost nothing more.
#ifndef TARN_GC_ATOMIC_PTR_H_
#define TARN_GC_ATOMIC_PTR_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tarn/gc_ptr.h"
#include "tarn/gc_word.h"
#include "tarn/internal/barrier.h"

namespace tarn {

template <class T>
class gc_atomic_ptr {
 public:
  using value_type = T*;
  static constexpr bool is_always_lock_free = std::atomic<uintptr_t>::is_always_lock_free;

  constexpr gc_atomic_ptr() noexcept : word_(0) {}
  constexpr gc_atomic_ptr(std::nullptr_t) noexcept : word_(0) {}  // NOLINT: as std::atomic
  gc_atomic_ptr(T* p) noexcept : word_(internal::ShadeInitial(this, Bits(p))) {}  // NOLINT
  gc_atomic_ptr(const gc_atomic_ptr&) = delete;
  gc_atomic_ptr& operator=(const gc_atomic_ptr&) = delete;
  ~gc_atomic_ptr() = default;

  T* operator=(T* p) noexcept {
    store(p);
    return p;
  }
  operator T*() const noexcept { return load(); }  // NOLINT: as std::atomic

  bool is_lock_free() const noexcept { return is_always_lock_free; }

  T* load(std::memory_order order = internal::kDefaultOrder) const noexcept {
    return Pointer(word_.load(order));
  }
  void store(T* p, std::memory_order order = internal::kDefaultOrder) noexcept {
    internal::AtomicStoreWord(&word_, Bits(p), order);
  }
  T* exchange(T* p, std::memory_order order = internal::kDefaultOrder) noexcept {
    return Pointer(internal::ExchangeWord(&word_, Bits(p), order));
  }

  // True if the slot held `expected`, and holds `desired` now; else `expected` is what it holds.
  bool compare_exchange_weak(T*& expected, T* desired, std::memory_order success_order,
                             std::memory_order failure_order) noexcept {
    return CompareExchange<true>(expected, desired, success_order, failure_order);
  }
  bool compare_exchange_strong(T*& expected, T* desired, std::memory_order success_order,
                               std::memory_order failure_order) noexcept {
    return CompareExchange<false>(expected, desired, success_order, failure_order);
  }
  bool compare_exchange_weak(T*& expected, T* desired,
                             std::memory_order order = internal::kDefaultOrder) noexcept {
    return CompareExchange<true>(expected, desired, order, internal::FailureOrder(order));
  }
  bool compare_exchange_strong(T*& expected, T* desired,
                               std::memory_order order = internal::kDefaultOrder) noexcept {
    return CompareExchange<false>(expected, desired, order, internal::FailureOrder(order));
  }

 private:
  static uintptr_t Bits(T* p) noexcept { return reinterpret_cast<uintptr_t>(p); }
  static T* Pointer(uintptr_t word) noexcept { return reinterpret_cast<T*>(word); }
  template <bool kWeak>
  bool CompareExchange(T*& expected, T* desired, std::memory_order success_order,
                       std::memory_order failure_order) noexcept {
    uintptr_t word = Bits(expected);
    const bool done = internal::CompareExchangeWord<internal::RawDecode, kWeak>(
        &word_, word, Bits(desired), success_order, failure_order);
    if (!done) expected = Pointer(word);
    return done;
  }

  std::atomic<uintptr_t> word_;
};

static_assert(sizeof(gc_atomic_ptr<int>) == sizeof(int*));

// As gc_atomic_ptr, for the words of gc_word<Codec>.
template <class Codec>
class gc_atomic_word {
 public:
  using codec_type = Codec;
  using value_type = uintptr_t;

  constexpr gc_atomic_word() noexcept : word_(0) {}
  explicit gc_atomic_word(uintptr_t word) noexcept
      : word_(internal::ShadeInitial<Decode>(this, word)) {
    Use::Note();
  }
  gc_atomic_word(const gc_atomic_word&) = delete;
  gc_atomic_word& operator=(const gc_atomic_word&) = delete;
  ~gc_atomic_word() = default;

  uintptr_t load(std::memory_order order = internal::kDefaultOrder) const noexcept {
    return word_.load(order);
  }
  void store(uintptr_t word, std::memory_order order = internal::kDefaultOrder) noexcept {
    Use::Note();
    internal::AtomicStoreWord<Decode>(&word_, word, order);
  }
  uintptr_t exchange(uintptr_t word, std::memory_order order = internal::kDefaultOrder) noexcept {
    Use::Note();
    return internal::ExchangeWord<Decode>(&word_, word, order);
  }
  bool compare_exchange_weak(uintptr_t& expected, uintptr_t desired,
                             std::memory_order success_order,
                             std::memory_order failure_order) noexcept {
    Use::Note();
    return internal::CompareExchangeWord<Decode, true>(&word_, expected, desired, success_order,
                                                       failure_order);
  }
  bool compare_exchange_strong(uintptr_t& expected, uintptr_t desired,
                               std::memory_order success_order,
                               std::memory_order failure_order) noexcept {
    Use::Note();
    return internal::CompareExchangeWord<Decode, false>(&word_, expected, desired, success_order,
                                                        failure_order);
  }
  bool compare_exchange_weak(uintptr_t& expected, uintptr_t desired,
                             std::memory_order order = internal::kDefaultOrder) noexcept {
    return compare_exchange_weak(expected, desired, order, internal::FailureOrder(order));
  }
  bool compare_exchange_strong(uintptr_t& expected, uintptr_t desired,
                               std::memory_order order = internal::kDefaultOrder) noexcept {
    return compare_exchange_strong(expected, desired, order, internal::FailureOrder(order));
  }

 private:
  using Decode = internal::CodecDecode<Codec>;
  using Use = internal::CodecUse<Codec>;

  std::atomic<uintptr_t> word_;
};

}  // namespace tarn

#endif  // TARN_GC_ATOMIC_PTR_H_
