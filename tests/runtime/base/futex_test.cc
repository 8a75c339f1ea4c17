// Waiting on a word: what returns at once, what sleeps, and who is woken.
#include "runtime/base/futex.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

#include "runtime/base/clock.h"

namespace tarn::rt {
namespace {

constexpr int64_t kMilli = 1000000;

TEST(FutexTest, WaitReturnsAtOnceWhenTheWordDiffers) {
  std::atomic<uint32_t> word{1};
  FutexWait(word, 0);  // for ever, were the word 0
  SUCCEED();
}

TEST(FutexTest, WaitEndsAfterItsTimeout) {
  std::atomic<uint32_t> word{0};
  const int64_t start = MonotonicNanos();
  // Signals may end a wait early.
  while (MonotonicNanos() < start + 20 * kMilli)
    FutexWait(word, 0, start + 20 * kMilli - MonotonicNanos() + kMilli);
  EXPECT_GE(MonotonicNanos() - start, 20 * kMilli);
  EXPECT_LT(MonotonicNanos() - start, 20000 * kMilli);
}

TEST(FutexTest, ErrnoIsPreserved) {
  std::atomic<uint32_t> word{1};
  errno = EXDEV;
  FutexWait(word, 0);     // EAGAIN inside
  FutexWait(word, 1, 1);  // ETIMEDOUT inside
  FutexWake(word, 1);
  EXPECT_EQ(errno, EXDEV);
}

TEST(FutexTest, EveryWaiterSeesTheWordChange) {
  constexpr int kWaiters = 4;
  std::atomic<uint32_t> word{0};
  std::atomic<int> woken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kWaiters; ++i) {
    threads.emplace_back([&] {
      while (word.load() == 0) FutexWait(word, 0);
      woken.fetch_add(1);
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // most of them sleep by now
  EXPECT_EQ(woken.load(), 0);
  word.store(1);
  FutexWake(word, kWaiters);
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(woken.load(), kWaiters);
}

// A word that two threads pass to and fro: each wake-up that is lost hangs the test.
TEST(FutexTest, PingPongLosesNoWakeUp) {
  constexpr uint32_t kRounds = 2000;
  std::atomic<uint32_t> word{0};
  const auto play = [&](uint32_t mine) {
    for (uint32_t i = mine; i < kRounds; i += 2) {
      for (uint32_t have = word.load(); have != i; have = word.load()) FutexWait(word, have);
      word.store(i + 1);
      FutexWake(word, 1);
    }
  };
  std::thread other(play, 1);
  play(0);
  other.join();
  EXPECT_EQ(word.load(), kRounds);
}

}  // namespace
}  // namespace tarn::rt
