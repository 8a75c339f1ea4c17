// A thread that attaches while marking runs: what is scanned then.
// Not here: barrier and colour of such a thread (tests/model, tests/stress/mutants.sh).
#include <atomic>
#include <thread>

#include "gtest/gtest.h"
#include "runtime/heap/thread_cache.h"
#include "runtime/thread/handshake.h"
#include "tests/gc/gc_test_util.h"

namespace tarn::rt {
namespace {

struct Node {
  gc_ptr<Node> next;
};

// Runs one cycle, with a cooperative thread that answers it. When all stacks have been scanned and marking
// is not over, another thread attaches with the address of `object` on its stack. False if the cooperative
// thread has answered two requests in one go, so that it did not come to that.
bool CollectWithLateThread(Hidden object) {
  std::atomic<bool> is_ready{false}, may_attach{false}, is_attached{false}, is_over{false};
  std::thread cooperative([&] {
    tarn::ThreadOptions options;
    options.cooperative = true;
    ThreadScope scope(options);
    is_ready = true;
    const Mutator& self = *Mutator::Current();
    while (self.cache->black_gen() == 0 && !is_over) Safepoint();                     // until H2
    while (self.state() != Mutator::kPending && !is_over) std::this_thread::yield();  // F
    may_attach = !is_over;
    while (!is_attached && !is_over) std::this_thread::yield();
    while (!is_over) Safepoint();
  });
  std::thread late([&] {
    while (!may_attach && !is_over) std::this_thread::yield();
    if (is_over) return;
    [[maybe_unused]] volatile uintptr_t word = object.address();
    ThreadScope scope;
    is_attached = true;
    while (!is_over) std::this_thread::yield();
    word = 0;
  });
  while (!is_ready) std::this_thread::yield();
  Collect();
  is_over = true;
  cooperative.join();
  late.join();
  return is_attached;
}

// What such a thread holds is marked for the sake of others. A dead object that a stale word leads to
// could be marked when marking is about to end, and what it leads to would be freed.
TEST(AttachTest, StacksOfThreadsThatComeAfterTheScanOfStacksAreNotScanned) {
  constexpr int kListLength = 50'000;  // keeps marking busy between H2 and F
  constexpr int kMaxTries = 200;
  SetGcPercent(-1);
  SetGiveUpSlice(false);  // else the cooperative thread may sleep as a blocked one, and lose count
  gc_root<Node> list, alive;
  OnOtherThread([&] {
    alive = make_gc<Node>();
    for (int i = 0; i < kListLength; ++i) {
      gc_ptr<Node> node = make_gc<Node>();
      node->next = list.get();
      list = node;
    }
  });
  bool was_in_time = false;
  for (int i = 0; i < kMaxTries && !was_in_time; ++i) {
    Hidden dead;
    OnOtherThread([&] { dead = Hidden(make_gc<Node>()); });
    was_in_time = CollectWithLateThread(dead);
    EXPECT_FALSE(IsAllocated(dead));
  }
  EXPECT_TRUE(was_in_time);
  const Hidden held(alive.get());
  CollectWithLateThread(held);
  EXPECT_TRUE(IsAllocated(held));
}

}  // namespace
}  // namespace tarn::rt
