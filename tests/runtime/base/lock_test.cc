// The runtime's lock: exclusion under threads, no lost wake-up, and order of what it guards.
#include "runtime/base/lock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace tarn::rt {
namespace {

struct Guarded {
  Lock lock;
  uint64_t count ABSL_GUARDED_BY(lock) = 0;
  uint64_t twice ABSL_GUARDED_BY(lock) = 0;
};

TEST(LockTest, HeldFromAcquireToRelease) {
  Lock lock;
  EXPECT_FALSE(lock.IsHeld());
  lock.Acquire();
  EXPECT_TRUE(lock.IsHeld());
  lock.Release();
  EXPECT_FALSE(lock.IsHeld());
  {
    LockHolder hold(lock);
    EXPECT_TRUE(lock.IsHeld());
  }
  EXPECT_FALSE(lock.IsHeld());
}

TEST(LockTest, TryAcquireFailsExactlyWhileHeld) {
  Lock lock;
  const auto try_elsewhere = [&lock] {
    bool got = false;
    std::thread([&] {
      if (lock.TryAcquire()) {
        got = true;
        lock.Release();
      }
    }).join();
    return got;
  };
  EXPECT_TRUE(try_elsewhere());
  {
    LockHolder hold(lock);
    EXPECT_FALSE(try_elsewhere());
  }
  EXPECT_TRUE(try_elsewhere());
}

TEST(LockTest, IncrementsUnderTheLockAreNotLost) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 20000;
  Guarded g;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int r = 0; r < kRounds; ++r) {
        LockHolder hold(g.lock);
        ++g.count;
        g.twice += 2;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  LockHolder hold(g.lock);
  EXPECT_EQ(g.count, uint64_t{kThreads} * kRounds);
  EXPECT_EQ(g.twice, 2 * g.count);
}

// Sections longer than the spinning before a sleep: every release has sleepers to wake, and a
// wake-up that is lost hangs the test.
TEST(LockTest, SleepersAreWokenOneAfterAnother) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 20;
  Guarded g;
  std::atomic<int> inside{0};
  std::atomic<int> overlaps{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int r = 0; r < kRounds; ++r) {
        LockHolder hold(g.lock);
        if (inside.fetch_add(1) != 0) overlaps.fetch_add(1);
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        ++g.count;
        inside.fetch_sub(1);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(overlaps.load(), 0);
  LockHolder hold(g.lock);
  EXPECT_EQ(g.count, uint64_t{kThreads} * kRounds);
  EXPECT_TRUE(g.lock.IsHeld());
}

TEST(LockTest, TryAcquireMixesWithSleepers) {
  constexpr int kThreads = 4;
  constexpr uint64_t kPerThread = 2000;
  Guarded g;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (uint64_t done = 0; done < kPerThread;) {
        if (i % 2 == 0) {
          g.lock.Acquire();
        } else if (!g.lock.TryAcquire()) {
          std::this_thread::yield();
          continue;
        }
        ++g.count;
        ++done;
        g.lock.Release();
      }
    });
  }
  for (std::thread& t : threads) t.join();
  LockHolder hold(g.lock);
  EXPECT_EQ(g.count, kThreads * kPerThread);
}

}  // namespace
}  // namespace tarn::rt
