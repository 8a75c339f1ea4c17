// Stopping the world: mutual exclusion, contexts, attach and leave during a stop.
#include "runtime/thread/stop_world.h"

#include "runtime/thread/fork_gate.h"
#include "tests/runtime/thread/thread_test_util.h"

namespace tarn::rt {
namespace {

const int kStops = 200 / kSlowdown;

// Plain on purpose: only the stop protects them.
int shared_counter = 0;
bool is_stopped = false;

void Mutate(Worker& w) {
  RuntimeScope scope;
  if (is_stopped) ++w.wrong_moment;
  ++w.answers;
  ++w.answers;
}

// During a stop: every worker's count is even and stands still.
void CheckStill(Team& team) {
  int before = 0;
  int after = 0;
  for (auto& worker : team.workers()) {
    EXPECT_EQ(worker->answers % 2, 0);
    before += worker->answers;
  }
  SleepMicros(50);
  for (auto& worker : team.workers()) after += worker->answers;
  EXPECT_EQ(before, after);
}

TEST(StopTheWorldTest, ExcludesMutatorsAndOtherStoppers) {
  Team team;
  for (int i = 0; i < 3; ++i) {
    team.Add([](Worker& w) {
      while (!w.stop) Mutate(w);
    });
  }
  team.Add([](Worker& w) {
    while (!w.stop) {
      RunBlocked([] { SleepMicros(10); });
      Mutate(w);
    }
  });
  ThreadOptions cooperative;
  cooperative.cooperative = true;
  team.Add(
      [](Worker& w) {
        while (!w.stop) {
          Safepoint();
          Mutate(w);
        }
      },
      cooperative);
  const int before = shared_counter;
  std::atomic<int> stops{0};
  std::vector<std::thread> stoppers;
  for (int s = 0; s < 2; ++s) {
    stoppers.emplace_back([&] {
      stops += ForRounds(kStops, [&](int) {
        StopTheWorld stop;
        is_stopped = true;
        ++shared_counter;
        CheckStill(team);
        is_stopped = false;
      });
    });
  }
  for (auto& stopper : stoppers) stopper.join();
  team.Join();
  EXPECT_EQ(shared_counter, before + stops);
  for (auto& worker : team.workers()) {
    EXPECT_EQ(worker->wrong_moment, 0);
    EXPECT_GT(worker->answers, 0);
  }
}

TEST(StopTheWorldTest, AttachedStoppersExcludeEachOther) {
  std::vector<std::thread> stoppers;
  const int before = shared_counter;
  std::atomic<int> stops{0};
  for (int s = 0; s < 4; ++s) {
    stoppers.emplace_back([&] {
      EnsureAttached();
      stops += ForRounds(kStops, [](int) {
        StopTheWorld stop;
        ++shared_counter;
      });
    });
  }
  for (auto& stopper : stoppers) stopper.join();
  EXPECT_EQ(shared_counter, before + stops);
}

TEST(StopTheWorldTest, FunctionRunsOnceForEveryThreadIncludingTheStopper) {
  Team team;
  team.Add([](Worker& w) {
    while (!w.stop) {
    }
  });
  team.Add([](Worker& w) {
    BlockedScope scope;
    while (!w.stop) SleepMicros(1000);
  });
  Worker self;
  std::thread([&] {
    EnsureAttached().gc = reinterpret_cast<MutatorGc*>(&self);
    for (int i = 1; i <= 20; ++i) {
      StopTheWorld stop(CountAnswer);
      for (auto& worker : team.workers()) EXPECT_EQ(worker->answers, i);
      EXPECT_EQ(self.answers, i);
    }
  }).join();
}

TEST(StopTheWorldTest, StopperCanAskWhileStopped) {
  Team team;
  for (int i = 0; i < 2; ++i) {
    team.Add([](Worker& w) {
      while (!w.stop) {
      }
    });
  }
  team.Add([](Worker& w) {
    while (!w.stop) RunBlocked([] { SleepMicros(100); });
  });
  for (int i = 1; i <= 20; ++i) {
    StopTheWorld stop;
    Handshake(CountAnswer, nullptr);
    Handshake(CountAnswer, nullptr);
    for (auto& worker : team.workers()) ASSERT_EQ(worker->answers, 2 * i);
    ThreadRegistry::Get().ForEach([](Mutator& m) {
      size_t words = 0;
      m.ForEachRootRange([&](const uintptr_t* begin, const uintptr_t* end) {
        words += static_cast<size_t>(end - begin);
      });
      EXPECT_GT(words, internal::kCapturedRegisters);
    });
  }
}

TEST(StopTheWorldTest, AttachingThreadWaitsForTheResume) {
  std::atomic<bool> attached{false};
  std::thread newcomer;
  {
    StopTheWorld stop;
    newcomer = std::thread([&] {
      EnsureAttached();
      attached = true;
    });
    SleepMicros(30'000);
    EXPECT_FALSE(attached);
  }
  newcomer.join();
  EXPECT_TRUE(attached);
}

TEST(StopTheWorldTest, StopperThatIsNotAttachedCannotAttach) {
  std::thread([] {
    StopTheWorld stop;
    EXPECT_EQ(AttachCurrentThread().code(), absl::StatusCode::kFailedPrecondition);
  }).join();
}

TEST(StopTheWorldTest, BlockedThreadCannotLeaveBeforeTheResume) {
  std::atomic<bool> leave{false};
  std::atomic<bool> left{false};
  Team team;
  Worker& worker = team.Add([&](Worker& w) {
    RunBlocked([&] {
      while (!leave) SleepMicros(100);
    });
    left = true;
    while (!w.stop) SleepMicros(100);
  });
  WaitUntil([&] { return worker.mutator->state() == Mutator::kBlocked; });
  {
    StopTheWorld stop;
    leave = true;
    WaitUntil([&] { return worker.mutator->state() == Mutator::kClaimedWaited; });
    EXPECT_FALSE(left);
  }
  WaitUntil([&] { return left.load(); });
}

TEST(StopTheWorldTest, WorldIsStoppedWhileThreadsComeAndGo) {
  std::atomic<bool> stop_all{false};
  std::atomic<int> lives{0};
  std::vector<std::thread> churners;
  for (int i = 0; i < 3; ++i) {
    churners.emplace_back([&] {
      while (!stop_all) {
        std::thread([] {
          EnsureAttached();
          RuntimeScope scope;
          if (is_stopped) std::abort();
        }).join();
        ++lives;
      }
    });
  }
  while (lives < 1000 / kSlowdown * TestScale()) {
    StopTheWorld stop;
    is_stopped = true;
    const size_t count = ThreadRegistry::Get().count();
    SleepMicros(20);
    EXPECT_EQ(ThreadRegistry::Get().count(), count);
    is_stopped = false;
  }
  stop_all = true;
  for (auto& churner : churners) churner.join();
}

TEST(ForkGateTest, ClosedGateKeepsThreadsOutOfTheRuntime) {
  std::atomic<int> inside{0};
  std::atomic<bool> leave{false};
  Team team;
  team.Add([&](Worker& w) {  // enters from outside
    while (!w.stop) {
      RuntimeScope scope;
      ++inside;
      SleepMicros(10);
      --inside;
    }
  });
  Worker& blocked = team.Add([&](Worker& w) {  // waits inside the runtime
    while (!w.stop) {
      RuntimeScope scope;
      ++inside;
      --inside;
      RunBlocked([&] {
        while (!leave && !w.stop) SleepMicros(10);
      });
      ++inside;
      SleepMicros(10);
      --inside;
    }
  });
  ForRounds(kStops, [&](int) {
    leave = false;
    WaitUntil([&] { return blocked.mutator->state() == Mutator::kBlocked; });
    CloseForkGate();
    leave = true;
    for (int k = 0; k < 3; ++k) {
      SleepMicros(50);
      ASSERT_EQ(inside, 0);
      ASSERT_EQ(ThreadRegistry::Get().count(), 2u);
    }
    Handshake(CountAnswer, nullptr);  // rounds go on meanwhile
    OpenForkGate();
    leave = true;
    WaitUntil([&] { return inside != 0 || blocked.mutator->state() == Mutator::kRunning; });
  });
}

using StopTheWorldDeathTest = ::testing::Test;
TEST(StopTheWorldDeathTest, StoppingTwiceIsFatal) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        StopTheWorld once;
        StopTheWorld twice;
      },
      "already stopped by this thread");
}

}  // namespace
}  // namespace tarn::rt
