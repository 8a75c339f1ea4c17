// The handshake signal beside the program's own use of the same signal.
#include "runtime/thread/handshake_signal.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <ctime>

#include "tests/runtime/thread/thread_test_util.h"

namespace tarn::rt {
namespace {

struct UserLog {
  std::atomic<int> calls{0};
  std::atomic<int> code{0};
  std::atomic<int> value{0};
  std::atomic<bool> alarm_blocked{false};
  std::atomic<bool> usr1_blocked{false};
  std::atomic<bool> urg_blocked{false};
};
UserLog user_log;

void UserHandler(int, siginfo_t* info, void*) {
  ++user_log.calls;
  user_log.code = info->si_code;
  if (info->si_code == SI_QUEUE) user_log.value = info->si_value.sival_int;
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  user_log.alarm_blocked = sigismember(&mask, SIGALRM) == 1;
  user_log.usr1_blocked = sigismember(&mask, SIGUSR1) == 1;
  user_log.urg_blocked = sigismember(&mask, SIGURG) == 1;
}

// The program's handler is there before tarn's.
const bool user_handler_set = [] {
  struct sigaction action = {};
  action.sa_sigaction = UserHandler;
  action.sa_flags = SA_SIGINFO;
  sigaddset(&action.sa_mask, SIGUSR1);
  return sigaction(SIGURG, &action, nullptr) == 0;
}();

// Delivery to the own thread is immediate, but TSan waits for one of its interceptors.
void Settle() { SleepMicros(1000); }

class HandshakeSignalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(user_handler_set);
    std::thread([] { EnsureAttached(); }).join();  // installs tarn's handler
    user_log.calls = 0;
  }
};

TEST_F(HandshakeSignalTest, SignalsOfTheProgramReachItsHandlerOnce) {
  raise(SIGURG);
  Settle();
  EXPECT_EQ(user_log.calls, 1);
  EXPECT_EQ(user_log.code, SI_TKILL);
  kill(getpid(), SIGURG);
  Settle();
  EXPECT_EQ(user_log.calls, 2);
  EXPECT_EQ(user_log.code, SI_USER);
  sigval value;
  value.sival_int = 99;
  sigqueue(getpid(), SIGURG, value);
  Settle();
  EXPECT_EQ(user_log.calls, 3);
  EXPECT_EQ(user_log.value, 99);
  std::thread([] {
    EnsureAttached();
    raise(SIGURG);
    Settle();
  }).join();
  EXPECT_EQ(user_log.calls, 4);
}

TEST_F(HandshakeSignalTest, ChainedHandlerRunsWithItsOwnMask) {
  raise(SIGURG);
  Settle();
  ASSERT_EQ(user_log.calls, 1);
  EXPECT_TRUE(user_log.urg_blocked);
  EXPECT_TRUE(user_log.usr1_blocked);
#if !TARN_TSAN  // it runs handlers with everything blocked
  EXPECT_FALSE(user_log.alarm_blocked);
#endif
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGURG), 0);
  EXPECT_EQ(sigismember(&mask, SIGUSR1), 0);
}

TEST_F(HandshakeSignalTest, HandshakesDoNotReachTheProgramsHandler) {
  Team team;
  for (int i = 0; i < 4; ++i) {
    team.Add([](Worker& w) {
      while (!w.stop) RuntimeScope scope;
    });
  }
  ForRounds(1000 / kSlowdown, [](int) { Handshake(CountAnswer, nullptr); });
  team.Join();
  EXPECT_EQ(user_log.calls, 0);
}

// Pending standard signals of one number merge, so some of the program's may be lost, but none is
// made up.
TEST_F(HandshakeSignalTest, SignalsOfTheProgramDuringRounds) {
  constexpr int kRaises = 500;
  Team team;
  for (int i = 0; i < 2; ++i) {
    team.Add([](Worker& w) {
      for (int k = 0; k < kRaises; ++k) {
        raise(SIGURG);
        SleepMicros(10);
      }
      while (!w.stop) SleepMicros(100);
    });
  }
  ForRounds(2000 / kSlowdown, [](int) { Handshake(CountAnswer, nullptr); });
  team.Join();
  EXPECT_LE(user_log.calls, 2 * kRaises);
  EXPECT_GT(user_log.calls, kRaises / 2);
}

TEST_F(HandshakeSignalTest, SignalThatComesAfterDetachIsStillTarns) {
  std::atomic<bool> blocked{false};
  std::thread thread([&] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    ThreadOptions options;
    options.unblock_signal = false;
    ASSERT_TRUE(AttachCurrentThread(options).ok());
    blocked = true;
    Mutator* self = Mutator::Current();
    WaitUntil([&] { return self->state() == Mutator::kPending; });
    sigset_t pending;
    WaitUntil([&] { return sigpending(&pending) == 0 && sigismember(&pending, SIGURG) == 1; });
    Safepoint();
    ASSERT_TRUE(DetachCurrentThread().ok());
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    Settle();
    EXPECT_EQ(user_log.calls, 0);
    raise(SIGURG);
    Settle();
    EXPECT_EQ(user_log.calls, 1);
  });
  WaitUntil([&] { return blocked.load(); });
  Handshake(CountAnswer, nullptr);
  thread.join();
}

TEST_F(HandshakeSignalTest, SignalTakenBySigwaitIsSentAgain) {
  std::atomic<bool> taken{false};
  std::atomic<bool> is_blocked{false};  // from then on the signal waits for sigtimedwait
  Team team;
  ThreadOptions options;
  options.unblock_signal = false;
  team.Add(
      [&](Worker& w) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGURG);
        pthread_sigmask(SIG_BLOCK, &set, nullptr);
        is_blocked = true;
        const timespec wait{60, 0};
        taken = sigtimedwait(&set, nullptr, &wait) == SIGURG;
        pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
        while (!w.stop) {
        }
      },
      options);
  WaitUntil([&] { return is_blocked.load(); });
  Handshake(CountAnswer, nullptr);
  EXPECT_TRUE(taken);
  EXPECT_EQ(team.workers()[0]->answers, 1);
}

TEST_F(HandshakeSignalTest, ReplacedHandlerIsNoticedAndChained) {
  static std::atomic<int> replacement_calls{0};
  struct sigaction action = {};
  action.sa_handler = [](int) { ++replacement_calls; };
  struct sigaction old;
  ASSERT_EQ(sigaction(SIGURG, &action, &old), 0);
  EXPECT_FALSE(IsHandshakeHandlerInstalled());
  Team team;
  Worker& worker = team.Add([](Worker& w) {
    while (!w.stop) {
    }
  });
  Handshake(CountAnswer, nullptr);
  EXPECT_EQ(worker.answers, 1);
  EXPECT_TRUE(IsHandshakeHandlerInstalled());
  team.Join();
  replacement_calls = 0;
  raise(SIGURG);
  Settle();
  EXPECT_EQ(replacement_calls, 1);
}

TEST_F(HandshakeSignalTest, NumberCannotChangeAfterTheFirstAttach) {
  EXPECT_EQ(SetHandshakeSignal(SIGUSR1).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(HandshakeSignal(), SIGURG);
}

}  // namespace
}  // namespace tarn::rt
