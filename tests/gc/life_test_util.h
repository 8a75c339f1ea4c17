// Shared by the tests of what happens to dead objects: objects made and dropped on threads that end, and
// a fixture in which nothing runs by itself.
#ifndef TARN_TESTS_GC_LIFE_TEST_UTIL_H_
#define TARN_TESTS_GC_LIFE_TEST_UTIL_H_

#include <chrono>
#include <thread>

#include "gtest/gtest.h"
#include "tarn/tarn.h"
#include "tests/gc/gc_test_util.h"

namespace tarn::rt {

struct LifeNode {
  int value = 0;
  gc_ptr<LifeNode> next;
  gc_ptr<LifeNode> other;
};

// Makes a node on a thread that ends, and hands it to `use` there.
template <class F>
Hidden MakeLifeNode(F&& use) {
  Hidden h;
  OnOtherThread([&] {
    LifeNode* n = make_gc<LifeNode>();
    h = Hidden(n);
    use(n);
  });
  return h;
}

// On a thread that ends: what a finalizer had in its hands is on no stack afterwards.
inline size_t RunAllReady() {
  size_t n = 0;
  OnOtherThread([&] { n = RunFinalizers(); });
  return n;
}

// True when `done` is. The time is long because the machine may be busy with other things.
template <class F>
bool Eventually(F&& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// Only RunFinalizers runs anything.
class EmbedderRunsFinalizers : public testing::Test {
 protected:
  void SetUp() override {
    UseFinalizerThread(false);
    for (int i = 0; i < 3; ++i) {  // what earlier tests left
      Collect();
      RunAllReady();
    }
  }
};

}  // namespace tarn::rt

#endif  // TARN_TESTS_GC_LIFE_TEST_UTIL_H_
