// Out-of-line parts of the write barrier.
#include "tarn/internal/barrier.h"

#include "gc/api/instance.h"
#include "gc/collect/mutator_gc.h"
#include "gc/collect/shade.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/thread_registry.h"

namespace tarn::internal {
namespace {

void Shade(rt::Mutator& m, uintptr_t p) {
  if (m.gc != nullptr) rt::Shade(rt::Instance::Get().heap(), *m.gc, p);
}

// Inside the runtime, so that no handshake comes between the flag and the store.
void StoreShaded(std::atomic<uintptr_t>* slot, uintptr_t word, const WordCodec& codec) {
  rt::Instance::Get();
  rt::Mutator& m = rt::EnsureAttached();
  rt::BarrierScope scope;
  // relaxed: set in a handshake of this thread; the attach may just have cleared it.
  if (t_block.barrier_on.load(std::memory_order_relaxed) != 0) {
    Shade(m, codec.Decode(slot->load(std::memory_order_relaxed)));
    Shade(m, codec.Decode(word));
  }
  slot->store(word, std::memory_order_relaxed);  // relaxed: as the inline store
}

}  // namespace

uintptr_t ExchangeWordSlow(std::atomic<uintptr_t>* slot, uintptr_t word,
                           const WordCodec& codec) noexcept {
  rt::Instance::Get();
  rt::Mutator& m = rt::EnsureAttached();
  rt::BarrierScope scope;
  // relaxed: as above. The flag stays as it is until the scope ends.
  const bool on = t_block.barrier_on.load(std::memory_order_relaxed) != 0;
  if (on) Shade(m, codec.Decode(word));
  // seq_cst: the strongest that the caller may have asked for; pairs with the program's loads.
  const uintptr_t old = slot->exchange(word, std::memory_order_seq_cst);
  if (on) Shade(m, codec.Decode(old));
  return old;
}

uintptr_t CompareExchangeWordSlow(std::atomic<uintptr_t>* slot, uintptr_t expected,
                                  uintptr_t desired, const WordCodec& codec) noexcept {
  rt::Instance::Get();
  rt::Mutator& m = rt::EnsureAttached();
  rt::BarrierScope scope;
  // relaxed: as above.
  if (t_block.barrier_on.load(std::memory_order_relaxed) != 0) {
    Shade(m, codec.Decode(expected));
    Shade(m, codec.Decode(desired));
  }
  // seq_cst: the strongest that the caller may have asked for; pairs with the program's loads.
  slot->compare_exchange_strong(expected, desired, std::memory_order_seq_cst);
  return expected;
}

void StoreWordSlow(std::atomic<uintptr_t>* slot, uintptr_t word) noexcept {
  StoreShaded(slot, word, WordCodec{});
}

void StoreCodedWordSlow(std::atomic<uintptr_t>* slot, uintptr_t word,
                        const WordCodec& codec) noexcept {
  StoreShaded(slot, word, codec);
}

void ShadeInitialSlow(uintptr_t slot, uintptr_t word, const WordCodec& codec) noexcept {
  const rt::Heap& heap = rt::Instance::Get().heap();
  rt::Mutator& m = rt::EnsureAttached();
  rt::BarrierScope scope;
  // relaxed: as above.
  if (t_block.barrier_on.load(std::memory_order_relaxed) == 0) return;
  Shade(m, codec.Decode(word));
  // Outside the heap the memory may hold anything; inside it holds zero or an earlier value.
  if (!heap.cage().Contains(slot)) return;
  // relaxed: the thread's own slot.
  Shade(m,
        codec.Decode(__atomic_load_n(reinterpret_cast<const uintptr_t*>(slot), __ATOMIC_RELAXED)));
}

}  // namespace tarn::internal
