// Hundreds of threads in every state at once, while rounds and stops are asked from several
// threads. Every stable thread must have answered each round exactly once, checked after each
// round.
#include <unistd.h>

#include <mutex>
#include <stdexcept>
#include <type_traits>

#include "runtime/thread/stop_world.h"
#include "tests/runtime/thread/thread_test_util.h"
#include "tests/support/polled_mutex.h"

namespace tarn::rt {
namespace {

// Of each test; TARN_TEST_SCALE makes them longer. With TARN_TEST_FULL the clock says nothing: all ten
// thousand rounds are asked for.
constexpr int kSeconds = 20;
constexpr int kRounds = 10'000;
bool IsFull() { return std::getenv("TARN_TEST_FULL") != nullptr; }
int Seconds() { return IsFull() ? 24 * 3600 : kSeconds; }

// A holder may be stopped. TSan keeps signals back from those who wait for a std::mutex.
using SharedMutex = std::conditional_t<TARN_TSAN != 0, PolledMutex, std::mutex>;

struct Shared {
  SharedMutex mutex;
  int pipe_fds[2] = {-1, -1};
  bool is_stopped = false;  // plain: protected by the stop alone
  std::atomic<bool> churn{true};
};

void SlowPath(Worker& w, Shared& shared) {
  RuntimeScope scope;
  w.in_critical = true;
  if (shared.is_stopped) ++w.wrong_moment;
  w.in_critical = false;
}

void Spin(Worker& w, Shared&) {
  while (!w.stop) {
    for (int i = 0; i < 1000; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
  }
}
void Allocate(Worker& w, Shared& shared) {
  while (!w.stop) {
    for (int i = 0; i < 100; ++i) SlowPath(w, shared);
    SleepMicros(2000);
  }
}
void HoldMutex(Worker& w, Shared& shared) {
  while (!w.stop) {
    {
      std::lock_guard<SharedMutex> lock(shared.mutex);
      SlowPath(w, shared);
    }
    SleepMicros(5000);
  }
}
void Nanosleep(Worker& w, Shared& shared) {
  while (!w.stop) {
    SleepMicros(20'000);
    SlowPath(w, shared);
  }
}
[[maybe_unused]] void Read(Worker& w, Shared& shared) {
  char c;
  while (!w.stop) {
    if (read(shared.pipe_fds[0], &c, 1) != 1) ++w.wrong_moment;
    SlowPath(w, shared);
  }
}
void BlockedRead(Worker& w, Shared& shared) {
  while (!w.stop) {
    char c;
    ssize_t n = 0;
    RunBlocked([&] { n = read(shared.pipe_fds[0], &c, 1); });
    if (n != 1) ++w.wrong_moment;
    SlowPath(w, shared);
  }
}
void Throw(Worker& w, Shared& shared) {
  while (!w.stop) {
    try {
      SlowPath(w, shared);
      throw std::runtime_error("thrown in a stress test");
    } catch (const std::runtime_error& error) {
      if (error.what()[0] != 't') ++w.wrong_moment;
    }
    SleepMicros(3000);
  }
}
void Poll(Worker& w, Shared& shared) {
  while (!w.stop) {
    Safepoint();
    for (int i = 0; i < 100; ++i) SlowPath(w, shared);
    RunBlocked([] { SleepMicros(2000); });
  }
}
void SleepBlocked(Worker& w, Shared& shared) {
  while (!w.stop) {
    {
      BlockedScope scope;
      SleepMicros(5000);
    }
    SlowPath(w, shared);
  }
}

using Job = void (*)(Worker&, Shared&);
struct Kind {
  Job job;
  bool is_cooperative;
  int weight;  // of 100
};
// TSan keeps signals back until read() returns, so there it is always a blocked call.
constexpr Job kPlainRead = TARN_TSAN ? BlockedRead : Read;
constexpr Kind kKinds[] = {
    {Spin, false, 2},       {Allocate, false, 15},   {HoldMutex, false, 10},
    {Nanosleep, false, 15}, {kPlainRead, false, 15}, {BlockedRead, false, 15},
    {Throw, false, 10},     {Poll, true, 10},        {SleepBlocked, true, 8}};

void AddWorkers(Team& team, Shared& shared, int count, TestRng& rng) {
  for (int i = 0; i < count; ++i) {
    int pick = static_cast<int>(rng.Below(100));
    const Kind* kind = kKinds;
    while (pick >= kind->weight) pick -= (kind++)->weight;
    ThreadOptions options;
    options.cooperative = kind->is_cooperative;
    team.Add([job = kind->job, &shared](Worker& w) { job(w, shared); }, options);
  }
}

std::thread StartChurner(Shared& shared, uint64_t seed) {
  return std::thread([&shared, seed] {
    TestRng rng(seed);
    while (shared.churn) {
      std::vector<std::thread> batch;
      const uint64_t size = 1 + rng.Below(4);
      for (uint64_t i = 0; i < size; ++i) {
        batch.emplace_back([&shared, detach = rng.Below(2) == 0, pause = rng.Below(50)] {
          EnsureAttached();
          Worker none;
          SlowPath(none, shared);
          SleepMicros(static_cast<int64_t>(pause));
          if (none.wrong_moment != 0) std::abort();
          if (detach) static_cast<void>(DetachCurrentThread());
        });
      }
      for (auto& thread : batch) thread.join();
      SleepMicros(500);
    }
  });
}

void FeedPipe(Shared& shared, TestRng& rng) {
  static constexpr char kBytes[64] = {};
  const ssize_t n = write(shared.pipe_fds[1], kBytes, rng.Below(8));
  EXPECT_GE(n, 0);
}

struct Asked {
  std::atomic<int> rounds{0};
  std::atomic<int> stops{0};
};

void Ask(Shared& shared, Asked& asked, TestRng rng, int limit) {
  const auto ask_once = [&](int) {
    if (rng.Below(5) == 0) {
      StopTheWorld stop(CountAnswer);
      shared.is_stopped = true;
      ++asked.stops;
      ++asked.rounds;
      shared.is_stopped = false;
    } else {
      Handshake(CountAnswer, nullptr);
      ++asked.rounds;
    }
    FeedPipe(shared, rng);
  };
  ForRounds(limit, ask_once, Seconds());
}

TEST(HandshakeStressTest, EveryThreadAnswersEveryRoundOnce) {
  TestRng rng(TestSeed());
  Shared shared;
  ASSERT_EQ(pipe(shared.pipe_fds), 0);
  Team team;
  AddWorkers(team, shared, kSlowdown == 1 ? 200 : 60, rng);
  std::vector<std::thread> churners;
  for (int i = 0; i < 2; ++i) churners.push_back(StartChurner(shared, rng.Next()));
  Asked asked;
  std::vector<std::thread> askers;
  const int limit = kRounds / 2 / (IsFull() ? 1 : kSlowdown);  // each
  for (int i = 0; i < 2; ++i) {
    askers.emplace_back([&, i, seed = rng.Next()] {
      if (i == 1) EnsureAttached();
      Ask(shared, asked, TestRng(seed), limit);
    });
  }
  for (auto& asker : askers) asker.join();
  std::vector<int> answers;
  for (auto& worker : team.workers()) answers.push_back(worker->answers);
  shared.churn = false;
  for (auto& churner : churners) churner.join();
  team.Stop();
  std::thread feeder([&] {  // until the readers have seen that they should stop
    static constexpr char kBytes[512] = {};
    EXPECT_GT(write(shared.pipe_fds[1], kBytes, sizeof(kBytes)), 0);
  });
  feeder.join();
  team.Join();
  std::printf("%d rounds, %d of them stops\n", asked.rounds.load(), asked.stops.load());
  EXPECT_GT(asked.stops, 0);
  EXPECT_GE(asked.rounds, IsFull() ? kRounds : 100);
  for (int count : answers) EXPECT_EQ(count, asked.rounds);
  for (auto& worker : team.workers()) EXPECT_EQ(worker->wrong_moment, 0);
  close(shared.pipe_fds[0]);
  close(shared.pipe_fds[1]);
}

// The same with few threads and one asker, so that rounds follow each other quickly.
TEST(HandshakeStressTest, RoundsInQuickSuccession) {
  TestRng rng(TestSeed());
  Shared shared;
  ASSERT_EQ(pipe(shared.pipe_fds), 0);
  Team team;
  for (const Job job : {Allocate, Poll, SleepBlocked, Throw}) {
    ThreadOptions options;
    options.cooperative = rng.Below(2) == 0;
    team.Add([job, &shared](Worker& w) { job(w, shared); }, options);
  }
  team.Add([&shared](Worker& w) {
    while (!w.stop) SlowPath(w, shared);
  });
  team.Add([&shared](Worker& w) {
    while (!w.stop) {
      RunBlocked([] {});
      SlowPath(w, shared);
    }
  });
  const auto ask_once = [&](int i) {
    if (rng.Below(5) == 0) {
      StopTheWorld stop(CountAnswer);
      shared.is_stopped = true;
      shared.is_stopped = false;
    } else {
      Handshake(CountAnswer, nullptr);
    }
    for (auto& worker : team.workers()) ASSERT_EQ(worker->answers, i);
  };
  const int rounds = ForRounds(kRounds / kSlowdown, ask_once, Seconds());
  std::printf("%d rounds\n", rounds);
  EXPECT_GE(rounds, 100);
  team.Join();
  for (auto& worker : team.workers()) EXPECT_EQ(worker->wrong_moment, 0);
  close(shared.pipe_fds[0]);
  close(shared.pipe_fds[1]);
}

}  // namespace
}  // namespace tarn::rt
