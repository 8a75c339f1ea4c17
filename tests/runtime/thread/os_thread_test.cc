// runtime/os/os_thread_linux.
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/os/os_thread_linux.h"
#include "tests/runtime/thread/thread_test_util.h"

namespace tarn::rt {
namespace {

uintptr_t Here() { return reinterpret_cast<uintptr_t>(__builtin_frame_address(0)); }

TEST(OsThreadTest, StackBoundsContainTheFramesOfTheMainThreadAndOfOthers) {
  const StackBounds main_stack = NativeStackBounds();
  EXPECT_TRUE(main_stack.Contains(Here()));
  EXPECT_FALSE(main_stack.Contains(reinterpret_cast<uintptr_t>(&environ)));
  std::thread([&] {
    const StackBounds stack = NativeStackBounds();
    EXPECT_TRUE(stack.Contains(Here()));
    EXPECT_FALSE(main_stack.Contains(Here()));
  }).join();
}

TEST(OsThreadTest, SignalToAThreadThatEndedIsReported) {
  pid_t tid = 0;
  std::thread([&] { tid = CurrentThreadId(); }).join();
  // The id may be visible for a moment after the join.
  WaitUntil([&] { return !IsThreadAlive(tid); });
  EXPECT_EQ(SendThreadSignal(tid, SIGURG, nullptr), SignalResult::kNoThread);
  EXPECT_TRUE(IsThreadAlive(CurrentThreadId()));
  EXPECT_EQ(SendThreadSignal(CurrentThreadId(), SIGURG, nullptr), SignalResult::kSent);
}

TEST(OsThreadTest, ErrnoSurvivesAFailingCall) {
  errno = 77;
  SendThreadSignal(-5, SIGURG, nullptr);
  IsThreadAlive(-5);
  EXPECT_EQ(errno, 77);
}

TEST(OsThreadTest, AlternateStackIsSeenOnlyWhileInUse) {
  static StackBounds seen;
  std::thread([] {
    std::vector<char> memory(64 << 10);
    stack_t stack = {};
    stack.ss_sp = memory.data();
    stack.ss_size = memory.size();
    ASSERT_EQ(sigaltstack(&stack, nullptr), 0);
    EXPECT_EQ(ActiveAlternateStack().high, 0u);
    struct sigaction action = {};
    action.sa_flags = SA_ONSTACK;
    action.sa_handler = [](int) { seen = ActiveAlternateStack(); };
    sigaction(SIGUSR2, &action, nullptr);
    raise(SIGUSR2);
#if !TARN_TSAN  // it may call the handler later, on the normal stack
    EXPECT_EQ(seen.low, reinterpret_cast<uintptr_t>(memory.data()));
    EXPECT_EQ(seen.high, seen.low + memory.size());
#endif
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, nullptr);
    signal(SIGUSR2, SIG_DFL);
  }).join();
}

TEST(OsThreadTest, SpawnedThreadHasItsNameAndNoSignals) {
  struct Seen {
    std::atomic<bool> done{false};
    char name[kThreadNameBytes] = {};
    sigset_t mask;
  } seen;
  ASSERT_EQ(SpawnRuntimeThread(
                "tarn-helper-with-a-long-name",
                [](void* arg) {
                  auto* s = static_cast<Seen*>(arg);
                  GetThreadName(s->name);
                  pthread_sigmask(SIG_SETMASK, nullptr, &s->mask);
                  s->done = true;
                },
                &seen),
            0);
  WaitUntil([&] { return seen.done.load(); });
  EXPECT_STREQ(seen.name, "tarn-helper-wit");
  for (const int signo : {SIGURG, SIGINT, SIGTERM, SIGALRM, SIGPROF, SIGUSR1}) {
    EXPECT_EQ(sigismember(&seen.mask, signo), 1) << signo;
  }
  sigset_t own;
  pthread_sigmask(SIG_SETMASK, nullptr, &own);
  EXPECT_EQ(sigismember(&own, SIGINT), 0);  // the spawner's mask is as before
}

// While thread starts are closed every thread is where it was told to begin: it has its own name, and
// none comes to be.
TEST(OsThreadTest, NoThreadIsOnItsWayWhileStartsAreClosed) {
  std::atomic<bool> stop{false};
  std::atomic<int> spawned{0};
  std::atomic<int> ended{0};
  std::thread spawner([&] {
    while (!stop.load()) {
      ASSERT_EQ(SpawnRuntimeThread(
                    "tarn-brief", [](void* n) { ++*static_cast<std::atomic<int>*>(n); }, &ended),
                0);
      ++spawned;
      while (spawned - ended > 100) std::this_thread::yield();
    }
  });
  for (int round = 0; round < 300; ++round) {
    CloseThreadStarts();
    const int before = spawned.load();
    // A call that was over when the gate closed may not have been counted yet.
    WaitUntil([&] { return ended.load() >= before; });
    for (int i = 0; i < 10; ++i) std::this_thread::yield();
    EXPECT_LE(ended.load(), before + 1);
    EXPECT_LE(spawned.load(), before + 1);
    OpenThreadStarts();
    const int now = spawned.load();
    WaitUntil([&] { return spawned.load() > now + 2; });
  }
  stop = true;
  spawner.join();
  WaitUntil([&] { return ended.load() == spawned.load(); });
}

// A thread that the program has pinned may be the first to need a collection.
TEST(OsThreadTest, SpawnedThreadHasTheCpusAndThePriorityOfTheMainThread) {
  struct Seen {
    std::atomic<bool> done{false};
    cpu_set_t cpus;
    int nice = -1;
  } seen;
  cpu_set_t wanted;
  ASSERT_EQ(sched_getaffinity(getpid(), sizeof(wanted), &wanted), 0);
  const int wanted_nice = getpriority(PRIO_PROCESS, static_cast<id_t>(getpid()));
  std::thread([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
      if (CPU_ISSET(cpu, &wanted)) CPU_SET(cpu, &one);
    }
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    ASSERT_EQ(SpawnRuntimeThread(
                  "tarn-test",
                  [](void* arg) {
                    auto* s = static_cast<Seen*>(arg);
                    sched_getaffinity(0, sizeof(s->cpus), &s->cpus);
                    s->nice = getpriority(PRIO_PROCESS, static_cast<id_t>(CurrentThreadId()));
                    s->done = true;
                  },
                  &seen),
              0);
  }).join();
  WaitUntil([&] { return seen.done.load(); });
  EXPECT_TRUE(CPU_EQUAL(&seen.cpus, &wanted));
  EXPECT_EQ(seen.nice, wanted_nice);
}

TEST(OsThreadTest, UnblockSaysWhetherTheSignalWasBlocked) {
  std::thread([] {
    EXPECT_FALSE(UnblockSignal(SIGUSR1));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    EXPECT_TRUE(UnblockSignal(SIGUSR1));
    EXPECT_FALSE(UnblockSignal(SIGUSR1));
  }).join();
}

}  // namespace
}  // namespace tarn::rt
