// One handshake with threads in each of the states that they can be in.
#include "runtime/thread/handshake.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <mutex>
#include <type_traits>

#include "runtime/base/clock.h"
#include "runtime/thread/handshake_signal.h"
#include "tests/runtime/thread/thread_test_util.h"
#include "tests/support/polled_mutex.h"

namespace tarn::rt {
namespace {

const int kRounds = 200 / kSlowdown;

void ExpectOneAnswerPerRound(Worker& worker, int rounds) {
  ForRounds(rounds, [&](int i) {
    Handshake(CountAnswer, nullptr);
    ASSERT_EQ(worker.answers, i);
  });
  EXPECT_EQ(worker.wrong_moment, 0);
}

ThreadOptions Cooperative() {
  ThreadOptions options;
  options.cooperative = true;
  return options;
}

TEST(HandshakeTest, WithoutThreadsItReturns) { Handshake(CountAnswer, nullptr); }

TEST(HandshakeTest, AttachedCallerAnswersInTheCall) {
  Worker self;
  std::thread([&] {
    EnsureAttached().gc = reinterpret_cast<MutatorGc*>(&self);
    ExpectOneAnswerPerRound(self, 5);
    {
      RuntimeScope scope;
      Handshake(CountAnswer, nullptr);
    }
    EXPECT_EQ(self.answers, 6);
    {
      BlockedScope scope;
      Handshake(CountAnswer, nullptr);
    }
    EXPECT_EQ(self.answers, 7);
    EXPECT_EQ(internal::t_block.in_runtime, 0u);
  }).join();
}

TEST(HandshakeTest, SpinningThreadAnswersInTheHandler) {
  Team team;
  Worker& worker = team.Add([](Worker& w) {
    while (!w.stop) {
    }
  });
  ExpectOneAnswerPerRound(worker, kRounds);
}

TEST(HandshakeTest, ThreadInNanosleepAnswers) {
  Team team;
  Worker& worker = team.Add([](Worker& w) {
    while (!w.stop) SleepMicros(20'000);
  });
  ExpectOneAnswerPerRound(worker, kRounds);
}

TEST(HandshakeTest, ReadIsRestarted) {
  if (TARN_TSAN) return;  // it keeps the signal back until read() returns
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  std::atomic<ssize_t> result{-100};
  Team team;
  Worker& worker = team.Add([&](Worker&) {
    char c;
    result = read(fds[0], &c, 1);
  });
  ExpectOneAnswerPerRound(worker, kRounds);
  EXPECT_EQ(result, -100);
  ASSERT_EQ(write(fds[1], "x", 1), 1);
  WaitUntil([&] { return result == 1; });
  team.Join();
  close(fds[0]);
  close(fds[1]);
}

TEST(HandshakeTest, BlockedThreadIsAnsweredForWithoutASignal) {
  static std::atomic<pid_t> ran_on;
  Team team;
  Worker& worker = team.Add([](Worker& w) {
    BlockedScope scope;
    while (!w.stop) SleepMicros(20'000);
  });
  WaitUntil([&] { return worker.mutator->state() == Mutator::kBlocked; });
  ExpectOneAnswerPerRound(worker, kRounds);
  Handshake(
      [](Mutator& m, void*) {
        if (WorkerOf(m) != nullptr) ran_on = CurrentThreadId();
      },
      nullptr);
  EXPECT_EQ(ran_on, CurrentThreadId());
}

TEST(HandshakeTest, FunctionNeverRunsInsideTheRuntime) {
  Team team;
  Worker& worker = team.Add([](Worker& w) {
    while (!w.stop) {
      RuntimeScope outer;
      {
        RuntimeScope inner;
        w.in_critical = true;
      }
      for (int i = 0; i < 50; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
      w.in_critical = false;
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
  });
  ExpectOneAnswerPerRound(worker, kRounds * 10);
}

TEST(HandshakeTest, LongSlowPathAnswersAtItsExit) {
  std::atomic<bool> inside{false};
  std::atomic<bool> leave{false};
  Team team;
  Worker& worker = team.Add([&](Worker& w) {
    {
      RuntimeScope scope;
      w.in_critical = true;
      inside = true;
      while (!leave) SleepMicros(100);
      w.in_critical = false;
    }
    while (!w.stop) SleepMicros(100);
  });
  WaitUntil([&] { return inside.load(); });
  std::atomic<bool> done{false};
  std::thread asker([&] {
    Handshake(CountAnswer, nullptr);
    done = true;
  });
  SleepMicros(20'000);
  EXPECT_FALSE(done);
  leave = true;
  asker.join();
  EXPECT_EQ(worker.answers, 1);
  EXPECT_EQ(worker.wrong_moment, 0);
}

TEST(HandshakeTest, CooperativeThreadAnswersOnlyAtItsSafepoints) {
  std::atomic<bool> may_poll{false};
  Team team;
  Worker& worker = team.Add(
      [&](Worker& w) {
        while (!w.stop) {
          if (may_poll) Safepoint();
        }
      },
      Cooperative());
  std::atomic<bool> done{false};
  std::thread asker([&] {
    Handshake(CountAnswer, nullptr);
    done = true;
  });
  SleepMicros(30'000);
  EXPECT_FALSE(done);
  may_poll = true;
  asker.join();
  EXPECT_EQ(worker.answers, 1);
  const int rounds = ForRounds(kRounds, [](int) { Handshake(CountAnswer, nullptr); });
  EXPECT_EQ(worker.answers, rounds + 1);
}

TEST(HandshakeTest, CooperativeThreadAnswersAtSlowPathExits) {
  Team team;
  Worker& worker = team.Add(
      [](Worker& w) {
        while (!w.stop) {
          RuntimeScope scope;
        }
      },
      Cooperative());
  ExpectOneAnswerPerRound(worker, kRounds);
}

// Stores are no safepoint: what such a thread holds between two safepoints stays as it is.
TEST(HandshakeTest, CooperativeThreadDoesNotAnswerAtTheEndOfABarrier) {
  std::atomic<bool> may_poll{false};
  Team team;
  Worker& worker = team.Add(
      [&](Worker& w) {
        while (!w.stop) {
          { BarrierScope scope; }
          if (may_poll) Safepoint();
        }
      },
      Cooperative());
  std::atomic<bool> done{false};
  std::thread asker([&] {
    Handshake(CountAnswer, nullptr);
    done = true;
  });
  SleepMicros(30'000);
  EXPECT_FALSE(done);
  may_poll = true;
  asker.join();
  EXPECT_EQ(worker.answers, 1);
}

TEST(HandshakeTest, OtherThreadsAnswerAtTheEndOfABarrier) {
  Team team;
  Worker& worker = team.Add([](Worker& w) {
    while (!w.stop) {
      BarrierScope scope;
      SleepMicros(50);
    }
  });
  ExpectOneAnswerPerRound(worker, 100);
}

TEST(HandshakeTest, ThreadWithTheSignalBlockedAnswersAtItsNextPoll) {
  std::atomic<bool> may_poll{false};
  std::atomic<bool> is_blocked{false};  // the mask is set after the attach
  Team team;
  ThreadOptions options;
  options.unblock_signal = false;
  Worker& worker = team.Add(
      [&](Worker& w) {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, nullptr);
        is_blocked = true;
        while (!w.stop) {
          if (may_poll) Safepoint();
        }
      },
      options);
  WaitUntil([&] { return is_blocked.load(); });
  std::atomic<bool> done{false};
  std::thread asker([&] {
    Handshake(CountAnswer, nullptr);
    done = true;
  });
  SleepMicros(50'000);
  EXPECT_FALSE(done);
  may_poll = true;
  asker.join();
  ExpectOneAnswerPerRound(*(worker.answers = 0, &worker), kRounds);
}

TEST(HandshakeTest, AttachUnblocksTheSignal) {
  std::thread([] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    Team team;  // its threads inherit the mask
    Worker& worker = team.Add([](Worker& w) {
      while (!w.stop) {
      }
    });
    ExpectOneAnswerPerRound(worker, 20);
  }).join();
}

TEST(HandshakeTest, ThreadThatHoldsAUserMutexAnswers) {
  // ThreadSanitizer delivers no signal to a waiter of std::mutex.
  using UserMutex = std::conditional_t<TARN_TSAN != 0, PolledMutex, std::mutex>;
  UserMutex mutex;
  Team team;
  for (int i = 0; i < 4; ++i) {
    team.Add([&](Worker& w) {
      while (!w.stop) {
        std::lock_guard<UserMutex> lock(mutex);
        SleepMicros(50);
      }
    });
  }
  const int rounds = ForRounds(kRounds, [](int) { Handshake(CountAnswer, nullptr); });
  for (auto& worker : team.workers()) EXPECT_EQ(worker->answers, rounds);
}

TEST(HandshakeTest, ErrnoSurvivesTheHandler) {
  std::atomic<bool> wrong{false};
  Team team;
  Worker& worker = team.Add([&](Worker& w) {
    while (!w.stop) {
      errno = 4711;
      for (int i = 0; i < 100 && !w.stop; ++i) {
        if (errno != 4711) wrong = true;
      }
    }
  });
  const int rounds = ForRounds(kRounds, [](int) {
    Handshake(
        [](Mutator& m, void*) {
          CountAnswer(m, nullptr);
          errno = 1;
        },
        nullptr);
  });
  EXPECT_EQ(worker.answers, rounds);
  EXPECT_FALSE(wrong);
}

// What the asker wrote before, plainly, is what the function sees, and the other way round.
TEST(HandshakeTest, RoundsPublishPlainDataBothWays) {
  struct Exchange {
    int from_asker = 0;
    int seen[3] = {};
  } exchange;
  Team team;
  team.Add([](Worker& w) {
    while (!w.stop) {
    }
  });
  team.Add([](Worker& w) {
    while (!w.stop) RunBlocked([] { SleepMicros(10); });
  });
  team.Add(
      [](Worker& w) {
        while (!w.stop) Safepoint();
      },
      Cooperative());
  for (int i = 0; i < 3; ++i) team.workers()[i]->answers = i;  // used as an index here
  ForRounds(kRounds, [&](int i) {
    exchange.from_asker = i;
    Handshake(
        [](Mutator& m, void* arg) {
          auto* e = static_cast<Exchange*>(arg);
          if (Worker* worker = WorkerOf(m)) e->seen[worker->answers] = e->from_asker;
        },
        &exchange);
    for (int seen : exchange.seen) ASSERT_EQ(seen, i);
  });
}

void RunAskers(int askers, bool are_attached) {
  Team team;
  for (int i = 0; i < 3; ++i) {
    team.Add([](Worker& w) {
      while (!w.stop) {
      }
    });
  }
  std::atomic<int> turns{0};
  std::vector<std::thread> threads;
  std::vector<Worker> own(static_cast<size_t>(askers));
  std::atomic<int> running{askers};
  for (int a = 0; a < askers; ++a) {
    threads.emplace_back([&, a] {
      if (are_attached) EnsureAttached().gc = reinterpret_cast<MutatorGc*>(&own[a]);
      ForRounds(kRounds, [&](int) {
        Handshake(CountAnswer, nullptr);
        ++turns;
      });
      --running;
      while (running != 0) SleepMicros(50);  // so that each is asked in every round
    });
  }
  for (auto& thread : threads) thread.join();
  for (auto& worker : team.workers()) EXPECT_EQ(worker->answers, turns);
  if (!are_attached) return;
  for (Worker& worker : own) EXPECT_GE(worker.answers, 3);
}

TEST(HandshakeTest, TwoAskersTakeTurns) { RunAskers(2, false); }
TEST(HandshakeTest, FourAttachedAskersAnswerEachOther) { RunAskers(4, true); }

TEST(HandshakeTest, ThreadsStartAndEndDuringRounds) {
  std::atomic<bool> stop{false};
  std::atomic<int> lives{0};
  std::vector<std::thread> churners;
  for (int i = 0; i < 4; ++i) {
    churners.emplace_back([&, i] {
      while (!stop) {
        std::thread([&, i] {
          EnsureAttached();
          for (int k = 0; k < 100 * i; ++k) std::atomic_signal_fence(std::memory_order_seq_cst);
          if (i % 2 == 0) static_cast<void>(DetachCurrentThread());
        }).join();
        ++lives;
      }
    });
  }
  int rounds = 0;
  while (lives < 2000 / kSlowdown * TestScale()) {
    Handshake(CountAnswer, nullptr);
    ++rounds;
  }
  stop = true;
  for (auto& churner : churners) churner.join();
  EXPECT_GT(rounds, 0);
}

// A thread either is in the round's list, or its hook runs later and sees the phase set before.
TEST(HandshakeTest, NewThreadsSeeTheRoundOrThePhase) {
  static std::atomic<int> phase{0};
  static std::atomic<bool> missed{false};
  SetThreadHooks({[](Mutator& m) {
                    m.cache = reinterpret_cast<ThreadCache*>(
                        static_cast<uintptr_t>(phase.load(std::memory_order_relaxed)));
                  },
                  nullptr});
  std::atomic<bool> stop{false};
  std::atomic<int> lives{0};
  std::vector<std::thread> churners;
  for (int i = 0; i < 3; ++i) {
    churners.emplace_back([&] {
      while (!stop) {
        std::thread([] { EnsureAttached(); }).join();
        ++lives;
      }
    });
  }
  for (int i = 1; i <= kRounds || lives < kRounds; ++i) {
    phase.store(i, std::memory_order_relaxed);
    Handshake([](Mutator& m, void* arg) { m.cache = static_cast<ThreadCache*>(arg); },
              reinterpret_cast<void*>(static_cast<uintptr_t>(i)));
    ThreadRegistry::Get().ForEach([&](Mutator& m) {
      if (reinterpret_cast<uintptr_t>(m.cache) != static_cast<uintptr_t>(i)) missed = true;
    });
  }
  stop = true;
  for (auto& churner : churners) churner.join();
  EXPECT_FALSE(missed);
}

// A thread enters and leaves blocked scopes as fast as it can while it is asked.
TEST(HandshakeTest, LeavingABlockedScopeWaitsForTheClaim) {
  Team team;
  Worker& worker = team.Add([](Worker& w) {
    while (!w.stop) {
      RunBlocked([] {
        const int64_t start = MonotonicNanos();
        while (MonotonicNanos() - start < 2000) {  // long enough to be found here
        }
      });
      w.in_critical = true;  // plain: a claim that outlives the scope is a race on it
      w.in_critical = false;
      // Within the scope's body only the asker may run the function; out of it, only this thread.
    }
  });
  static std::atomic<int> on_behalf{0};
  const int rounds = ForRounds(kRounds * 10, [](int) {
    Handshake(
        [](Mutator& m, void*) {
          if (WorkerOf(m) == nullptr) return;
          ++WorkerOf(m)->answers;
          if (Mutator::Current() != &m) {
            ++on_behalf;
            if (WorkerOf(m)->in_critical) ++WorkerOf(m)->wrong_moment;
          }
        },
        nullptr);
  });
  EXPECT_EQ(worker.answers, rounds);
  EXPECT_EQ(worker.wrong_moment, 0);
  EXPECT_GT(on_behalf, 0);
}

TEST(HandshakeTest, AThreadInsideTheRuntimeCanWaitBlocked) {
  std::atomic<bool> leave{false};
  Team team;
  Worker& worker = team.Add([&](Worker& w) {
    {
      RuntimeScope scope;
      RuntimeScope nested;
      RunBlocked([&] {
        while (!leave) SleepMicros(100);
      });
      EXPECT_EQ(internal::t_block.in_runtime, 2u);
    }
    while (!w.stop) SleepMicros(100);
  });
  WaitUntil([&] { return worker.mutator->state() == Mutator::kBlocked; });
  ExpectOneAnswerPerRound(worker, 10);
  leave = true;
}

}  // namespace
}  // namespace tarn::rt
