// Shared by the tests of the collector: threads whose stacks leave nothing behind, hidden pointers,
// and the question whether an object is still allocated.
// I1 A test that says "this is freed" makes and drops the object on a thread of its own
// (OnOtherThread) and keeps only a Hidden address: the native stack of the test itself is scanned
// conservatively and may hold stale words.
#ifndef TARN_TESTS_GC_GC_TEST_UTIL_H_
#define TARN_TESTS_GC_GC_TEST_UTIL_H_

#include <cstdint>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "gc/api/instance.h"
#include "gc/collect/object_ref.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/sanitizer.h"
#include "tarn/tarn.h"

namespace tarn::rt {

// Sanitized builds run about ten times slower.
constexpr size_t kSlowdown = TARN_ASAN || TARN_TSAN ? 10 : 1;

// An address that no scan takes for a pointer.
class Hidden {
 public:
  Hidden() = default;
  explicit Hidden(const void* p) : bits_(~reinterpret_cast<uintptr_t>(p)) {}
  uintptr_t address() const { return ~bits_; }
  template <class T>
  T* Reveal() const {
    return reinterpret_cast<T*>(address());
  }

 private:
  uintptr_t bits_ = ~uintptr_t{0};
};

// Runs f() on a thread that has ended when the call returns.
template <class F>
void OnOtherThread(F&& f) {
  std::thread(std::forward<F>(f)).join();
}

// Whether the slot at the address is allocated. After Collect(), which sweeps everything, this
// means: was reachable.
inline bool IsAllocated(Hidden h) {
  bool found = false;
  OnOtherThread([&] {
    RuntimeScope scope;
    found = static_cast<bool>(FindObject(Instance::Get().heap(), h.address()));
  });
  return found;
}

inline size_t CountAllocated(const std::vector<Hidden>& all) {
  size_t n = 0;
  OnOtherThread([&] {
    RuntimeScope scope;
    for (Hidden h : all) n += FindObject(Instance::Get().heap(), h.address()) ? 1 : 0;
  });
  return n;
}

// splitmix64
class TestRng {
 public:
  explicit TestRng(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t n) { return Next() % n; }

 private:
  uint64_t state_;
};

}  // namespace tarn::rt

#endif  // TARN_TESTS_GC_GC_TEST_UTIL_H_
