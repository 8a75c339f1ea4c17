// A thread that attaches while marking runs: what is scanned then.
// Not here: barrier and colour of such a thread (tests/model, tests/stress/mutants.sh).
#include <atomic>
#include <thread>

#include "gtest/gtest.h"
#include "runtime/heap/thread_cache.h"
#include "runtime/thread/handshake.h"
#include "tests/gc/answer_once.h"
#include "tests/gc/gc_test_util.h"

namespace tarn::rt {
namespace {

struct Node {
  gc_ptr<Node> next;
};

// Runs one cycle, with a cooperative thread that answers it. When all stacks have been scanned and marking
// is not over, another thread attaches with the address of `object` on its stack.
void CollectWithLateThread(Hidden object) {
  std::atomic<bool> is_ready{false}, may_attach{false}, is_attached{false}, is_over{false};
  std::thread cooperative([&] {
    tarn::ThreadOptions options;
    options.cooperative = true;
    ThreadScope scope(options);
    is_ready = true;
    const Mutator& self = *Mutator::Current();
    while (self.cache->black_gen() == 0) AnswerOnce();  // until H2
    while (!IsAsked()) std::this_thread::yield();       // F
    may_attach = true;
    while (!is_attached) std::this_thread::yield();
    while (!is_over) Safepoint();
  });
  std::thread late([&] {
    while (!may_attach) std::this_thread::yield();
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
}

// What such a thread holds is marked for the sake of others. A dead object that a stale word leads to
// could be marked when marking is about to end, and what it leads to would be freed.
TEST(AttachTest, StacksOfThreadsThatComeAfterTheScanOfStacksAreNotScanned) {
  SetGcPercent(-1);
  SetGiveUpSlice(false);  // else the cooperative thread may sleep as a blocked one, and lose count
  Hidden dead;
  gc_root<Node> alive;
  OnOtherThread([&] {
    dead = Hidden(make_gc<Node>());
    alive = make_gc<Node>();
  });
  CollectWithLateThread(dead);
  EXPECT_FALSE(IsAllocated(dead));
  const Hidden held(alive.get());
  CollectWithLateThread(held);
  EXPECT_TRUE(IsAllocated(held));
}

}  // namespace
}  // namespace tarn::rt
