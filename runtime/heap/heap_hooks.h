// HeapHooks: the only calls upward from the heap. Filled once by gc/api before the first
// allocation; tests fill in fakes or leave the defaults, which do nothing.
#ifndef TARN_RUNTIME_HEAP_HEAP_HOOKS_H_
#define TARN_RUNTIME_HEAP_HEAP_HOOKS_H_

#include <cstddef>
#include <cstdint>

namespace tarn::rt {

struct Span;

struct HeapHooks {
  // A slot of a swept span died; called for each when not null (clobberfree). `p` is the slot.
  void (*object_freed)(void* arg, uintptr_t p, size_t bytes) = nullptr;
  void* arg = nullptr;
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_HEAP_HOOKS_H_
