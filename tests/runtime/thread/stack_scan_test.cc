// A word that lives in one place only is found there: in each kind of register, in the red zone, on
// the stack below an alternate signal stack, on fibers; and not found where it is not.
#include <cpuid.h>
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

#include "runtime/thread/fiber.h"
#include "runtime/thread/stop_world.h"
#include "tests/runtime/thread/hold_value.h"
#include "tests/runtime/thread/stack_probe.h"
#include "tests/runtime/thread/thread_test_util.h"

namespace tarn::rt {
namespace {

// TSan delivers a signal only when the thread calls one of its interceptors, so a thread that spins
// in assembly never answers: these cases are left to the other builds.
constexpr bool kHasSignalsAnywhere = !TARN_TSAN;

struct Hold {
  uint64_t complement = NewComplement();
  uint32_t started = 0;
  uint32_t stop = 0;

  void WaitStarted() {
    WaitUntil([this] { return __atomic_load_n(&started, __ATOMIC_ACQUIRE) != 0; });
  }
  void Stop() { __atomic_store_n(&stop, 1, __ATOMIC_RELEASE); }
};

struct NamedHold {
  const char* name;
  HoldFn fn;
};
void PrintTo(const NamedHold& hold, std::ostream* os) { *os << hold.name; }

class InterruptedTest : public ::testing::TestWithParam<NamedHold> {};

TEST_P(InterruptedTest, WordIsFoundWhileTheThreadSpins) {
  if (!kHasSignalsAnywhere) return;
  __builtin_cpu_init();
  if (GetParam().fn == tarn_test_hold_ymm3_high && !__builtin_cpu_supports("avx2")) return;
  Hold hold;
  Team team;
  Worker& worker =
      team.Add([&](Worker&) { GetParam().fn(&hold.complement, &hold.started, &hold.stop); });
  hold.WaitStarted();
  for (int i = 0; i < 20; ++i) {
    EXPECT_GE(FindWord(worker.mutator, hold.complement), 1);
    EXPECT_EQ(FindWord(worker.mutator, NewComplement()), 0);
  }
  {
    StopTheWorld stop;  // and while it is parked
    EXPECT_GE(FindWord(worker.mutator, hold.complement), 1);
  }
  hold.Stop();
}

TEST_P(InterruptedTest, WordIsFoundUnderAnAlternateStack) {
  if (!kHasSignalsAnywhere) return;
  __builtin_cpu_init();
  if (GetParam().fn == tarn_test_hold_ymm3_high && !__builtin_cpu_supports("avx2")) return;
  static std::atomic<bool> in_handler;
  static std::atomic<bool> leave_handler;
  in_handler = false;
  leave_handler = false;
  struct sigaction action = {};
  action.sa_flags = SA_ONSTACK;
  action.sa_handler = [](int signo) {
    if (signo == SIGUSR2) {
      raise(SIGUSR1);  // a second frame on the same alternate stack
      return;
    }
    in_handler = true;
    while (!leave_handler) {
    }
  };
  sigaction(SIGUSR1, &action, nullptr);
  sigaction(SIGUSR2, &action, nullptr);
  Hold hold;
  std::vector<char> alternate(256 << 10);
  Team team;
  Worker& worker = team.Add([&](Worker&) {
    stack_t stack = {};
    stack.ss_sp = alternate.data();
    stack.ss_size = alternate.size();
    ASSERT_EQ(sigaltstack(&stack, nullptr), 0);
    GetParam().fn(&hold.complement, &hold.started, &hold.stop);
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, nullptr);
  });
  hold.WaitStarted();
  pthread_kill(worker.thread.native_handle(), SIGUSR2);
  WaitUntil([&] { return in_handler.load(); });
  for (int i = 0; i < 5; ++i) {
    EXPECT_GE(FindWord(worker.mutator, hold.complement), 1);
    EXPECT_EQ(FindWord(worker.mutator, NewComplement()), 0);
  }
  leave_handler = true;
  hold.Stop();
  team.Join();
  signal(SIGUSR1, SIG_DFL);
  signal(SIGUSR2, SIG_DFL);
}

INSTANTIATE_TEST_SUITE_P(
    Places, InterruptedTest,
    ::testing::Values(NamedHold{"rax", tarn_test_hold_rax}, NamedHold{"rbx", tarn_test_hold_rbx},
                      NamedHold{"rbp", tarn_test_hold_rbp}, NamedHold{"r8", tarn_test_hold_r8},
                      NamedHold{"r12", tarn_test_hold_r12}, NamedHold{"r15", tarn_test_hold_r15},
                      NamedHold{"xmm7", tarn_test_hold_xmm7},
                      NamedHold{"xmm15", tarn_test_hold_xmm15},
                      NamedHold{"ymm3_high", tarn_test_hold_ymm3_high},
                      NamedHold{"red_zone", tarn_test_hold_red_zone},
                      NamedHold{"red_zone_end", tarn_test_hold_red_zone_end},
                      NamedHold{"stack", tarn_test_hold_stack}),
    [](const auto& param_info) { return param_info.param.name; });

TEST(StackScanTest, WordThatIsNowhereIsNotFound) {
  if (!kHasSignalsAnywhere) return;
  Hold hold;
  Team team;
  Worker& worker = team.Add(
      [&](Worker&) { tarn_test_hold_nowhere(&hold.complement, &hold.started, &hold.stop); });
  hold.WaitStarted();
  EXPECT_EQ(FindWord(worker.mutator, hold.complement), 0);
  hold.Stop();
}

struct NamedCall {
  const char* name;
  HoldCallFn fn;
  bool holds;
};
void PrintTo(const NamedCall& call, std::ostream* os) { *os << call.name; }

class CallTest : public ::testing::TestWithParam<NamedCall> {
 protected:
  // Runs `wait` in a thread, called with the word in the register of this case, and looks for the
  // word.
  void Check(void (*wait)(void*), const ThreadOptions& options, Mutator::State state) {
    Hold hold;
    Team team;
    Worker& worker =
        team.Add([&](Worker&) { GetParam().fn(&hold.complement, wait, &hold); }, options);
    hold.WaitStarted();
    WaitUntil([&] { return worker.mutator->state() == state; });
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(FindWord(worker.mutator, hold.complement) >= 1, GetParam().holds);
    }
    hold.Stop();
  }
};

void SpinUntilStop(Hold* hold) {
  __atomic_store_n(&hold->started, 1, __ATOMIC_RELEASE);
  while (__atomic_load_n(&hold->stop, __ATOMIC_ACQUIRE) == 0) SleepMicros(50);
}

TEST_P(CallTest, WordIsFoundAtASafepoint) {
  ThreadOptions options;
  options.cooperative = true;
  Check(
      [](void* arg) {
        auto* hold = static_cast<Hold*>(arg);
        __atomic_store_n(&hold->started, 1, __ATOMIC_RELEASE);
        while (__atomic_load_n(&hold->stop, __ATOMIC_ACQUIRE) == 0) Safepoint();
      },
      options, Mutator::kRunning);
}

TEST_P(CallTest, WordIsFoundAtTheExitOfASlowPath) {
  ThreadOptions options;
  options.cooperative = true;
  Check(
      [](void* arg) {
        auto* hold = static_cast<Hold*>(arg);
        __atomic_store_n(&hold->started, 1, __ATOMIC_RELEASE);
        while (__atomic_load_n(&hold->stop, __ATOMIC_ACQUIRE) == 0) {
          RuntimeScope scope;
        }
      },
      options, Mutator::kRunning);
}

TEST_P(CallTest, WordIsFoundInABlockedScope) {
  Check(
      [](void* arg) {
        BlockedScope scope;
        SpinUntilStop(static_cast<Hold*>(arg));
      },
      {}, Mutator::kBlocked);
}

TEST_P(CallTest, WordIsFoundInABlockedCallInsideTheRuntime) {
  Check(
      [](void* arg) {
        RuntimeScope scope;
        RunBlocked([&] { SpinUntilStop(static_cast<Hold*>(arg)); });
      },
      {}, Mutator::kBlocked);
}

// Also TSan's delayed signals, which come inside the sleep.
TEST_P(CallTest, WordIsFoundWhileTheThreadSleeps) {
  Check([](void* arg) { SpinUntilStop(static_cast<Hold*>(arg)); }, {}, Mutator::kRunning);
}

// The asker's own registers, in a round and during a stop.
TEST_P(CallTest, WordOfTheAskerIsFound) {
  static bool found_in_round;
  static bool found_in_stop;
  uint64_t complement = NewComplement();
  std::thread([&] {
    EnsureAttached();
    GetParam().fn(
        &complement,
        [](void* arg) {
          Mutator* self = Mutator::Current();
          const uint64_t wanted = *static_cast<uint64_t*>(arg);
          found_in_round = FindWord(self, wanted) >= 1;
          StopTheWorld stop;
          Probe probe{self, wanted};
          RunProbe(*self, &probe);
          found_in_stop = probe.found >= 1;
        },
        &complement);
  }).join();
  EXPECT_EQ(found_in_round, GetParam().holds);
  EXPECT_EQ(found_in_stop, GetParam().holds);
}

INSTANTIATE_TEST_SUITE_P(Places, CallTest,
                         ::testing::Values(NamedCall{"nothing", tarn_test_call_with_nothing, false},
                                           NamedCall{"rbx", tarn_test_call_with_rbx, true},
                                           NamedCall{"rbp", tarn_test_call_with_rbp, true},
                                           NamedCall{"r12", tarn_test_call_with_r12, true},
                                           NamedCall{"r13", tarn_test_call_with_r13, true},
                                           NamedCall{"r14", tarn_test_call_with_r14, true},
                                           NamedCall{"r15", tarn_test_call_with_r15, true},
                                           NamedCall{"stack", tarn_test_call_with_stack, true}),
                         [](const auto& param_info) { return param_info.param.name; });

TEST(StackScanTest, WordOnTheAlternateStackItselfIsFound) {
  if (!kHasSignalsAnywhere) return;
  static Hold* hold;
  Hold local;
  hold = &local;
  struct sigaction action = {};
  action.sa_flags = SA_ONSTACK;
  action.sa_handler = [](int) {
    tarn_test_hold_stack(&hold->complement, &hold->started, &hold->stop);
  };
  sigaction(SIGUSR2, &action, nullptr);
  std::vector<char> alternate(256 << 10);
  Team team;
  Worker& worker = team.Add([&](Worker&) {
    stack_t stack = {};
    stack.ss_sp = alternate.data();
    stack.ss_size = alternate.size();
    ASSERT_EQ(sigaltstack(&stack, nullptr), 0);
    raise(SIGUSR2);
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, nullptr);
  });
  local.WaitStarted();
  EXPECT_GE(FindWord(worker.mutator, local.complement), 1);
  EXPECT_EQ(FindWord(worker.mutator, NewComplement()), 0);
  local.Stop();
  team.Join();
  signal(SIGUSR2, SIG_DFL);
}

TEST(StackScanTest, PreciseRootsLeaveTheNativeStackOut) {
  ThreadOptions options;
  options.precise_roots = true;
  Hold hold;
  Team team;
  Worker& worker = team.Add(
      [&](Worker&) {
        tarn_test_call_with_stack(
            &hold.complement,
            [](void* arg) {
              BlockedScope scope;
              SpinUntilStop(static_cast<Hold*>(arg));
            },
            &hold);
      },
      options);
  hold.WaitStarted();
  EXPECT_EQ(FindWord(worker.mutator, hold.complement), 0);
  hold.Stop();
}

// The value of a C++ local, whatever frame the sanitizer keeps it in.
TEST(StackScanTest, AddressTakenLocalIsFound) {
  Hold hold;
  Team team;
  Worker& worker = team.Add([&](Worker&) {
    uint64_t local[4] = {1, 2, ~hold.complement, 4};
    asm volatile("" : : "r"(local) : "memory");
    SpinUntilStop(&hold);
    asm volatile("" : : "r"(local) : "memory");
  });
  hold.WaitStarted();
  EXPECT_GE(FindWord(worker.mutator, hold.complement), 1);
  hold.Stop();
}

// A thread with one fiber, switched with swapcontext.
struct FiberWorld {
  ucontext_t native;
  ucontext_t fiber;
  FiberStack stack;
  Hold on_native;
  Hold on_fiber;
  std::atomic<int> step{0};
};
FiberWorld* fiber_world;

void SwitchToFiber(void*) { swapcontext(&fiber_world->native, &fiber_world->fiber); }
void SwitchToNative(void*) { swapcontext(&fiber_world->fiber, &fiber_world->native); }

void WaitForStep(int step) {
  fiber_world->step = step;
  WaitUntil([&] { return fiber_world->step > step; });
}

void FiberEntry() {
  FiberStarted();
  tarn_test_call_with_rbx(
      &fiber_world->on_fiber.complement,
      [](void*) {
        WaitForStep(1);                                 // runs on the fiber
        SwitchFiber(nullptr, SwitchToNative, nullptr);  // suspended while the native stack runs
      },
      nullptr);
  FinishFiber(nullptr, SwitchToNative, nullptr);
}

TEST(FiberTest, WordsOnRunningAndSuspendedStacksAreFound) {
  if (TARN_TSAN) return;  // it must be told of every switch
  FiberWorld world;
  fiber_world = &world;
  std::vector<char> memory(512 << 10);
  Team team;
  Worker& worker = team.Add([&](Worker&) {
    const auto low = reinterpret_cast<uintptr_t>(memory.data());
    world.stack.bounds = {low, low + memory.size()};
    RegisterFiber(world.stack);
    getcontext(&world.fiber);
    world.fiber.uc_stack.ss_sp = memory.data();
    world.fiber.uc_stack.ss_size = memory.size();
    makecontext(&world.fiber, FiberEntry, 0);
    tarn_test_call_with_r12(
        &world.on_native.complement,
        [](void*) {
          SwitchFiber(&fiber_world->stack, SwitchToFiber, nullptr);
          WaitForStep(3);
          SwitchFiber(&fiber_world->stack, SwitchToFiber, nullptr);  // it finishes
        },
        nullptr);
    EXPECT_EQ(internal::t_block.in_runtime, 0u);
    WaitForStep(5);
    UnregisterFiber(world.stack);
  });
  const auto found = [&](const Hold& hold) {
    return FindWord(worker.mutator, hold.complement) >= 1;
  };
  WaitUntil([&] { return world.step == 1; });  // on the fiber
  EXPECT_TRUE(found(world.on_native));
  EXPECT_TRUE(found(world.on_fiber));
  world.step = 2;
  WaitUntil([&] { return world.step == 3; });  // on the native stack, the fiber is suspended
  EXPECT_TRUE(found(world.on_native));
  EXPECT_TRUE(found(world.on_fiber));
  world.step = 4;
  WaitUntil([&] { return world.step == 5; });  // the fiber has ended
  EXPECT_FALSE(found(world.on_fiber));
  world.step = 6;
}

}  // namespace
}  // namespace tarn::rt
