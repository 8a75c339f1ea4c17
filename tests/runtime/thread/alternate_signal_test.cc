// A real-time handshake signal whose handler runs on alternate signal stacks.
#include <pthread.h>
#include <signal.h>

#include "runtime/thread/handshake_signal.h"
#include "runtime/thread/stop_world.h"
#include "tests/runtime/thread/hold_value.h"
#include "tests/runtime/thread/stack_probe.h"
#include "tests/runtime/thread/thread_test_util.h"

namespace tarn::rt {
namespace {

const int kSignal = SIGRTMIN + 3;

struct SetupResults {
  absl::StatusCode kill = SetHandshakeSignal(SIGKILL).code();
  absl::StatusCode fault = SetHandshakeSignal(SIGSEGV).code();
  absl::StatusCode zero = SetHandshakeSignal(0).code();
  absl::StatusCode reserved = SetHandshakeSignal(32).code();
  absl::StatusCode good = SetHandshakeSignal(kSignal, SignalStack::kAlternate).code();
};
const SetupResults setup;

TEST(AlternateSignalTest, OnlySuitableNumbersAreTaken) {
  EXPECT_EQ(setup.kill, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(setup.fault, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(setup.zero, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(setup.reserved, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(setup.good, absl::StatusCode::kOk);
  EXPECT_EQ(HandshakeSignal(), kSignal);
}

struct AlternateStack {
  std::vector<char> memory = std::vector<char>(256 << 10);
  void Use() {
    stack_t stack = {};
    stack.ss_sp = memory.data();
    stack.ss_size = memory.size();
    ASSERT_EQ(sigaltstack(&stack, nullptr), 0);
  }
  void Leave() {
    stack_t stack = {};
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, nullptr);
  }
};

TEST(AlternateSignalTest, WordIsFoundBelowTheAlternateStack) {
  if (TARN_TSAN) return;  // a thread that spins in assembly never answers there
  for (const HoldFn fn : {tarn_test_hold_rax, tarn_test_hold_rbx, tarn_test_hold_xmm7,
                          tarn_test_hold_red_zone_end, tarn_test_hold_stack}) {
    const uint64_t complement = NewComplement();
    uint32_t started = 0;
    uint32_t stop = 0;
    AlternateStack stack;
    Team team;
    Worker& worker = team.Add([&](Worker&) {
      stack.Use();
      fn(&complement, &started, &stop);
      stack.Leave();
    });
    WaitUntil([&] { return __atomic_load_n(&started, __ATOMIC_ACQUIRE) != 0; });
    for (int i = 0; i < 20; ++i) {
      EXPECT_GE(FindWord(worker.mutator, complement), 1);
      EXPECT_EQ(FindWord(worker.mutator, NewComplement()), 0);
    }
    {
      StopTheWorld stopped;
      EXPECT_GE(FindWord(worker.mutator, complement), 1);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
  }
}

TEST(AlternateSignalTest, ThreadsWithAndWithoutAlternateStacksAnswer) {
  Team team;
  for (int i = 0; i < 6; ++i) {
    team.Add([i](Worker& w) {
      AlternateStack stack;
      if (i % 2 == 0) stack.Use();
      while (!w.stop) SleepMicros(i < 3 ? 10 : 1000);
      if (i % 2 == 0) stack.Leave();
    });
  }
  const int rounds = ForRounds(500 / kSlowdown, [](int) { Handshake(CountAnswer, nullptr); });
  for (auto& worker : team.workers()) EXPECT_EQ(worker->answers, rounds);
}

}  // namespace
}  // namespace tarn::rt
