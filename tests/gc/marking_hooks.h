// Shared by tests that need something to happen at one point of a collection: while marking runs,
// or when deaths have been decided. Both make a thread of the collector wait inside a function of
// the program (a Trace method, a destructor at the sweep), which only a test may do. Every wait has
// an end. Not with the world stopped, nor where allocations collect (GODEBUG=gcstoptheworld,
// gcstress): see HooksWork.
#ifndef TARN_TESTS_GC_MARKING_HOOKS_H_
#define TARN_TESTS_GC_MARKING_HOOKS_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>

#include "gc/api/instance.h"
#include "gc/collect/object_ref.h"
#include "gtest/gtest.h"
#include "runtime/thread/runtime_scope.h"
#include "tarn/tarn.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/life_test_util.h"

namespace tarn::rt {

inline bool HooksWork() {
  const Settings& settings = Instance::Get().settings();
  return settings.stop_the_world == 0 && settings.gc_stress == 0;
}

// Whether the object is marked in the cycle that runs. Inside a hook.
inline bool IsMarkedNow(Hidden h) {
  RuntimeScope scope;
  const Heap& heap = Instance::Get().heap();
  const ObjectRef r = FindObject(heap, h.address());
  if (!r) return false;
  const uint64_t word =
      heap.cage().Bits(Heap::MarkTable(heap.sweepgen()), r.first_page)[r.index / 64].load();
  return (word >> (r.index % 64)) & 1;
}

// Waits without system calls that attach the thread or touch the heap; false if it took too long.
template <class F>
bool SpinUntil(F&& done, std::chrono::milliseconds most) {
  const auto end = std::chrono::steady_clock::now() + most;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

// Like OnOtherThread, and whoever gets the memory of its stack next finds none of its words there:
// they lie deeper than its own.
template <class F>
void OnDeepStack(F&& f) {
  OnOtherThread([&] {
    volatile char deep[64 << 10];
    deep[0] = 0;
    f();
    deep[sizeof(deep) - 1] = 0;
  });
}

// A thread of the collector arrives, and waits until it is let go.
class Gate {
 public:
  void Arm() { stage_ = kArmed; }
  // The collector's thread. `most`: what it waits at most.
  void Pass(std::chrono::milliseconds most) {
    int expected = kArmed;
    if (!stage_.compare_exchange_strong(expected, kReached)) return;
    SpinUntil([this] { return stage_ == kOpen; }, most);
  }
  bool WaitUntilReached() {
    return Eventually([this] { return stage_ != kArmed; });
  }
  void Open() { stage_ = kOpen; }

 private:
  enum { kOpen, kArmed, kReached };
  std::atomic<int> stage_{kOpen};
};

// Everything that only `behind` leads to is marked after the gate was passed.
struct MarkingStop {
  gc_ptr<char> behind;

  void Trace(Tracer& t) const {
    gate.Pass(std::chrono::seconds(60));
    t.Visit(behind);
  }
  static inline Gate gate;
};

// Runs f() on a thread of its own while a collection marks: all stacks have been scanned, and
// nothing has been marked that is reachable through `behind` alone (which this function owns from
// then on). Returns when the collection is over. f may allocate, not collect.
template <class F>
void DuringMarking(gc_root<char>& behind, F&& f) {
  gc_root<MarkingStop> stop;
  OnOtherThread([&] {
    stop = make_gc<MarkingStop>();
    stop->behind = behind.get();
  });
  behind = nullptr;
  MarkingStop::gate.Arm();
  std::thread collector([] { Collect(); });
  EXPECT_TRUE(MarkingStop::gate.WaitUntilReached());
  OnOtherThread(std::forward<F>(f));
  MarkingStop::gate.Open();
  Blocked([&] { collector.join(); });
}
template <class F>
void DuringMarking(F&& f) {
  gc_root<char> nothing;
  DuringMarking(nothing, std::forward<F>(f));
}

// Its destructor runs when deaths have been decided and nothing is revived yet.
struct DecidedStop {
  static constexpr auto tarn_destroy = Destroy::kAtSweep;
  uint64_t words[4] = {};  // a slot of its own
  ~DecidedStop() { gate.Pass(std::chrono::seconds(5)); }
  static inline Gate gate;
};

// Runs f() on a thread of its own when deaths have been decided: what comes back to life is not
// marked yet, and all barriers are on. Returns when the collection is over. f is quick, and does
// not collect.
template <class F>
void WhenDecided(F&& f) {
  OnDeepStack([] { make_gc<DecidedStop>(); });
  DecidedStop::gate.Arm();
  std::thread collector([] { Collect(); });
  EXPECT_TRUE(DecidedStop::gate.WaitUntilReached());
  OnOtherThread(std::forward<F>(f));
  DecidedStop::gate.Open();
  Blocked([&] { collector.join(); });
}

}  // namespace tarn::rt

#endif  // TARN_TESTS_GC_MARKING_HOOKS_H_
