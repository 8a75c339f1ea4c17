// For tests in which threads move objects about while collections follow one another: objects that
// notice when they were freed, a list behind which marking comes late, and the collections.
// I1 The fixtures know slots by addresses that no scan takes for pointers (Hidden): they are marked
//    when the list is, not with a stack.
#ifndef TARN_TESTS_GC_PASSED_OBJECTS_H_
#define TARN_TESTS_GC_PASSED_OBJECTS_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "tarn/tarn.h"
#include "tests/gc/gc_test_util.h"
#include "tests/support/polled_mutex.h"

namespace tarn::rt {

// Its sum follows from its id, and so do those of the object that hangs on it.
struct Passed {
  std::atomic<uint64_t> id;
  std::atomic<uint64_t> sum;
  gc_ptr<Passed> more;

  static uint64_t SumOf(uint64_t id) { return TestRng(id).Next(); }
  static Passed* NewOne(uint64_t id) {
    Passed* p = make_gc<Passed>();
    p->id.store(id, std::memory_order_relaxed);
    p->sum.store(SumOf(id), std::memory_order_relaxed);
    return p;
  }
  static Passed* New(uint64_t id) {
    Passed* p = NewOne(id);
    p->more = NewOne(id);
    return p;
  }

  void CheckOne(uint64_t expected) const {
    const uint64_t found = id.load(std::memory_order_relaxed);
    if (found == expected && sum.load(std::memory_order_relaxed) == SumOf(expected)) return;
    std::fprintf(stderr, "object %p: expected id %llu, found %llx\n",
                 static_cast<const void*>(this), static_cast<unsigned long long>(expected),
                 static_cast<unsigned long long>(found));
    std::abort();
  }
  // Ends the process if the object is not whole.
  void Check(uint64_t expected) const {
    CheckOne(expected);
    const Passed* m = more;
    if (m == nullptr) std::abort();
    m->CheckOne(expected);
  }
  void Check() const { Check(id.load(std::memory_order_relaxed)); }
};

// A list that takes a while to mark. Things hang on it at even distances.
class LongList {
 public:
  LongList() {
    OnOtherThread([this] {
      for (size_t i = 0; i < kNodes; ++i) {
        Node* n = make_gc<Node>();
        n->next = head_.get();
        head_ = n;
      }
    });
  }
  // At one of kPlaces depths; the last is the deepest. Any thread.
  template <class T>
  void Hang(size_t depth, T* object) {
    Node* n = head_.get();
    for (size_t i = 0; i < (depth % kPlaces) * (kNodes / kPlaces); ++i) n = n->next;
    Node* more = make_gc<Node>();  // a branch
    more->object = object;
    std::lock_guard<PolledMutex> hold(lock_);  // of two at once, one would be lost, and freed
    more->next = n->side.get();
    n->side = more;
  }
  static constexpr size_t kPlaces = 8;

 private:
  struct Node {
    gc_ptr<Node> next;
    gc_ptr<Node> side;
    gc_ptr<void> object;
  };
  static constexpr size_t kNodes = 200000 / kSlowdown;

  gc_root<Node> head_;
  PolledMutex lock_;
};

// Overwrites what dead frames of the calling thread left on its stack, and waits a little.
[[gnu::noinline]] inline void ForgetAndWait(std::chrono::microseconds time) {
  volatile uintptr_t below[128];
  for (volatile uintptr_t& word : below) word = 0;
  std::this_thread::sleep_for(time);
}

// Collects again and again as long as it lives, on a thread of its own.
class Collections {
 public:
  Collections()
      : thread_([this] {
          while (!stop_.load(std::memory_order_relaxed)) Collect();
        }) {}
  ~Collections() {
    stop_ = true;
    Blocked([this] { thread_.join(); });
  }
  Collections(const Collections&) = delete;
  Collections& operator=(const Collections&) = delete;

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

inline void CollectFor(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) Collect();
}

}  // namespace tarn::rt

#endif  // TARN_TESTS_GC_PASSED_OBJECTS_H_
