// The inline fast paths as functions of their own, for their disassembly. Each is what a program
// writes; fast_paths.golden says how many instructions it takes.
#include "tarn/tarn.h"

namespace {
struct Pair {
  tarn::gc_ptr<Pair> left, right;
};
struct Numbers {
  uint64_t a, b, c, d;
};
static_assert(sizeof(Pair) == 16);
}  // namespace

extern "C" {

// 16 bytes with pointers.
void* tarn_golden_alloc16() { return tarn::make_gc<Pair>(); }
// 32 bytes without.
void* tarn_golden_alloc32_noscan() { return tarn::make_gc<Numbers>(); }
// An array whose length is known at run time only.
void* tarn_golden_alloc_array(size_t n) { return tarn::make_gc<tarn::gc_ptr<Pair>[]>(n); }
void tarn_golden_store(tarn::gc_ptr<Pair>* slot, Pair* p) { *slot = p; }
void tarn_golden_store_null(tarn::gc_ptr<Pair>* slot) { *slot = nullptr; }
void* tarn_golden_load(tarn::gc_ptr<Pair>* slot) { return slot->get(); }
void tarn_golden_safepoint() { tarn::Safepoint(); }
}

int main() {
  tarn::gc_ptr<Pair> slot;
  tarn_golden_store(&slot, static_cast<Pair*>(tarn_golden_alloc16()));
  tarn_golden_store_null(&slot);
  tarn_golden_safepoint();
  return tarn_golden_load(&slot) == nullptr && tarn_golden_alloc32_noscan() != nullptr &&
                 tarn_golden_alloc_array(3) != nullptr
             ? 0
             : 1;
}
