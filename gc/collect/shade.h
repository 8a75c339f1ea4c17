// Shading: a pointer that a barrier or a handshake saw becomes grey.
// I1 Only markers set mark bits of white objects (and mark and scan go together there); shading
//    tests the bit and enqueues, with handshakes deferred from the test to the enqueue.
// I2 Whoever shades something new says so in MutatorGc::shaded, for the F rounds.
// Locking: none; the sink belongs to the thread. Cost: three loads for an object already marked.
#ifndef TARN_GC_COLLECT_SHADE_H_
#define TARN_GC_COLLECT_SHADE_H_

#include <cstdint>

#include "gc/collect/mutator_gc.h"
#include "gc/types/layout_table.h"
#include "runtime/heap/heap.h"

namespace tarn::rt {

// `p` is any word. Inside the runtime or a handshake of the thread that owns `gc`.
void Shade(const Heap& heap, MutatorGc& gc, uintptr_t p);
// The same for a word that may hold a value of any codec, as a scan of the stack takes it.
void ShadeAny(const Heap& heap, MutatorGc& gc, uintptr_t word);

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_SHADE_H_
