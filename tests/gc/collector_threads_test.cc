// The collector's own threads: none before they are needed, named, deaf to signals, new ones after fork.
#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "runtime/os/os_thread_linux.h"
#include "tests/gc/gc_test_util.h"

namespace tarn {
namespace {

// By name: the masks of blocked signals of the threads whose names begin with "tarn-".
std::multimap<std::string, uint64_t> CollectorThreads() {
  std::multimap<std::string, uint64_t> found;
  DIR* tasks = opendir("/proc/self/task");
  while (const dirent* entry = readdir(tasks)) {
    const std::string dir = std::string("/proc/self/task/") + entry->d_name;
    std::string name, word;
    std::getline(std::ifstream(dir + "/comm"), name);
    if (name.rfind("tarn-", 0) != 0) continue;
    std::ifstream status(dir + "/status");
    uint64_t mask = 0;
    while (status >> word) {
      if (word == "SigBlk:" && status >> std::hex >> mask) break;
    }
    found.emplace(name, mask);
  }
  closedir(tasks);
  return found;
}

// Two threads that keep both kinds of markers busy for a while.
void CollectMuch() {
  gc_root<gc_ptr<int>> root = make_gc<gc_ptr<int>[]>(100'000 / rt::kSlowdown);
  for (size_t i = 0; i < 100'000 / rt::kSlowdown; ++i) root.get()[i] = make_gc<int>(1);
  for (int i = 0; i < 3; ++i) Collect();
}

// A thread has the name of the one that starts it until it has run.
std::multimap<std::string, uint64_t> NamedThreads() {
  auto threads = CollectorThreads();
  for (int i = 0; i < 10'000 && threads.count("tarn-gc") > 1; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    threads = CollectorThreads();
  }
  return threads;
}

void ExpectThreads() {
  const auto threads = NamedThreads();
  EXPECT_EQ(1u, threads.count("tarn-gc"));
  if (rt::CanLeaveIdlePriority() && rt::Instance::Get().collector().options().idle_workers) {
    EXPECT_LE(1u, threads.count("tarn-mark"));
  }
  for (const auto& [name, mask] : threads) {
    for (const int signo : {SIGURG, SIGINT, SIGTERM, SIGALRM, SIGPROF, SIGUSR1, SIGCHLD}) {
      EXPECT_TRUE((mask >> (signo - 1)) & 1) << name << ", signal " << signo;
    }
  }
}

// One process, in this order.
TEST(CollectorThreadsTest, StartWithTheFirstCycleAndAgainAfterFork) {
  EXPECT_EQ(0u, CollectorThreads().size());
  make_gc<int>(1);
  SetGcPercent(100);
  EXPECT_EQ(0u, CollectorThreads().size()) << "no cycle was needed yet";
  CollectMuch();
  ExpectThreads();
  if (TARN_TSAN) GTEST_SKIP() << "no threads after fork under ThreadSanitizer";
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    alarm(300);
    EXPECT_EQ(0u, CollectorThreads().size());
    CollectMuch();
    ExpectThreads();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(pid, waitpid(pid, &status, 0));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  ExpectThreads();
}

// GODEBUG=gcidle=0 is in force when ctest runs this one.
TEST(CollectorThreadsTest, NoIdleMarkersIfTheOperatorSaysSo) {
  const char* godebug = std::getenv("GODEBUG");
  if (godebug == nullptr || std::string(godebug).find("gcidle=0") == std::string::npos) {
    GTEST_SKIP() << "needs GODEBUG=gcidle=0";
  }
  CollectMuch();
  if (rt::Instance::Get().collector().options().procs < 4) {
    EXPECT_EQ(0u, CollectorThreads().count("tarn-mark"));
  }
}

// Who switches collection off finds none running afterwards.
TEST(SetGcPercentTest, OffWaitsForTheCycleThatRuns) {
  gc_root<gc_ptr<int>> root = make_gc<gc_ptr<int>[]>(1'000'000 / rt::kSlowdown);
  for (size_t i = 0; i < 1'000'000 / rt::kSlowdown; ++i) root.get()[i] = make_gc<int>(1);
  const rt::Collector& heap_collector = rt::Instance::Get().collector();
  int seen = 0;
  for (int i = 0; i < 200 && seen < 3; ++i) {
    SetGcPercent(100);
    std::atomic<bool> done{false};
    std::thread collector([&] {
      Collect();
      done = true;
    });
    while (!done && heap_collector.phase().Get() != rt::Phase::kMark) std::this_thread::yield();
    const bool marking = !done;
    EXPECT_EQ(100, SetGcPercent(-1));
    // No other cycle was asked for, and none can be due.
    if (marking) {
      ++seen;
      EXPECT_EQ(rt::Phase::kOff, heap_collector.phase().Get());
    }
    collector.join();
  }
  EXPECT_EQ(3, seen);
  SetGcPercent(100);
}

}  // namespace
}  // namespace tarn
