// Looks for a word in the root ranges of a thread, through a handshake.
#ifndef TARN_TESTS_RUNTIME_THREAD_STACK_PROBE_H_
#define TARN_TESTS_RUNTIME_THREAD_STACK_PROBE_H_

#include <atomic>
#include <cstdint>

#include "tests/runtime/thread/thread_test_util.h"

namespace tarn::rt {

// A word that no other part of the process contains. Only its complement is ever stored.
inline uint64_t NewComplement() {
  static std::atomic<uint64_t> next{0x5a17'3c00'9d21'0001};
  return ~(next += 0x10001);
}

struct Probe {
  Mutator* target;
  uint64_t complement;
  std::atomic<int> found{0};
  std::atomic<pid_t> ran_on{0};
};

TARN_NO_SANITIZE_STACK inline int CountWord(const uintptr_t* begin, const uintptr_t* end,
                                            uint64_t complement) {
  int count = 0;
  for (const uintptr_t* p = begin; p < end; ++p) count += (~*p == complement) ? 1 : 0;
  return count;
}

inline void RunProbe(Mutator& m, void* arg) {
  auto* probe = static_cast<Probe*>(arg);
  if (&m != probe->target) return;
  int found = 0;
  m.ForEachRootRange([&](const uintptr_t* begin, const uintptr_t* end) {
    found += CountWord(begin, end, probe->complement);
  });
  probe->found = found;
  probe->ran_on = CurrentThreadId();
}

// How often the word is found in the roots of `target` now.
inline int FindWord(Mutator* target, uint64_t complement) {
  Probe probe{target, complement};
  Handshake(RunProbe, &probe);
  EXPECT_NE(probe.ran_on, 0) << "the thread was not asked";
  return probe.found;
}

}  // namespace tarn::rt

#endif  // TARN_TESTS_RUNTIME_THREAD_STACK_PROBE_H_
