// fork(): the child allocates and collects on what the parent's threads left.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/gc/gc_test_util.h"

namespace tarn {
namespace {

using rt::kSlowdown;

struct Node {
  uint64_t value = 0;
  gc_ptr<Node> next;
};

// ThreadSanitizer has no threads in the child of a process with threads.
#define TARN_SKIP_UNDER_TSAN() \
  if (TARN_TSAN) GTEST_SKIP() << "no threads after fork under ThreadSanitizer"

// Runs `body` in a forked child; it returns 0 for success. A hanging child is killed by SIGALRM.
template <class F>
void InChild(F&& body) {
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    alarm(300);
    _exit(body());
  }
  int status = 0;
  ASSERT_EQ(pid, waitpid(pid, &status, 0));
  EXPECT_FALSE(WIFSIGNALED(status)) << "signal " << WTERMSIG(status);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
}

Node* List(size_t length) {
  Node* list = nullptr;
  for (size_t i = 0; i < length; ++i) list = make_gc<Node>(i, list);
  return list;
}

bool IsList(Node* list, size_t length) {
  for (size_t i = length; i-- > 0; list = list->next) {
    if (list == nullptr || list->value != i) return false;
  }
  return list == nullptr;
}

int UseHeap(const gc_root<Node>& root, size_t length) {
  for (int round = 0; round < 6; ++round) {
    for (size_t i = 0; i < 20000 / kSlowdown; ++i) make_gc<Node[]>(i % 50);
    Collect();
    VerifyHeapForDebugging();
    if (!IsList(root, length)) return 10 + round;
  }
  return 0;
}

TEST(ForkTest, ChildAllocatesAndCollects) {
  TARN_SKIP_UNDER_TSAN();
  gc_root<Node> root = List(1000);
  InChild([&] { return UseHeap(root, 1000); });
  EXPECT_EQ(0, UseHeap(root, 1000));
}

TEST(ForkTest, ChildOfAProcessWithoutCollectionsStartsItsOwn) {
  TARN_SKIP_UNDER_TSAN();
  InChild([] {
    gc_root<Node> root = List(1000);
    return UseHeap(root, 1000);
  });
}

TEST(ForkTest, GrandchildWorks) {
  TARN_SKIP_UNDER_TSAN();
  gc_root<Node> root = List(1000);
  InChild([&] {
    InChild([&] { return UseHeap(root, 1000); });
    return testing::Test::HasFailure() ? 1 : UseHeap(root, 1000);
  });
}

// Other threads own spans with live objects, have marked runs half full, allocate and collect while
// the process forks.
TEST(ForkTest, ChildKeepsWhatVanishedThreadsAllocated) {
  TARN_SKIP_UNDER_TSAN();
  std::atomic<bool> stop{false};
  std::vector<gc_root<Node>> roots(6);
  std::vector<std::thread> threads;
  std::atomic<int> ready{0};
  for (size_t t = 0; t < roots.size(); ++t) {
    threads.emplace_back([&, t] {
      // Every other object of the thread's spans is live.
      Node* list = nullptr;
      for (size_t i = 0; i < 3001; ++i) {
        list = make_gc<Node>(i, list);
        make_gc<Node>();
      }
      roots[t] = list;
      ++ready;
      while (!stop.load()) {
        for (int i = 0; i < 1000; ++i) make_gc<Node[]>(static_cast<size_t>(i % 20));
        if (t == 0) Collect();
      }
    });
  }
  while (ready.load() != static_cast<int>(roots.size())) std::this_thread::yield();
  for (int i = 0; i < 5; ++i) {
    InChild([&] {
      for (gc_root<Node>& root : roots) {
        if (const int error = UseHeap(root, 3001)) return error;
      }
      // New threads in the child.
      int error = 0;
      rt::OnOtherThread([&] { error = UseHeap(roots[1], 3001); });
      return error;
    });
  }
  stop = true;
  for (std::thread& t : threads) t.join();
  for (gc_root<Node>& root : roots) EXPECT_EQ(0, UseHeap(root, 3001));
}

// Cycles that follow one another leave the process time to fork.
TEST(ForkTest, ForksBetweenCyclesThatFollowOneAnother) {
  TARN_SKIP_UNDER_TSAN();
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      while (!stop.load()) Collect();
    });
  }
  for (int i = 0; i < 20; ++i) InChild([] { return 0; });
  stop = true;
  for (std::thread& t : threads) t.join();
}

struct CopyRoots {
  gc_ptr<Node>* from;
  gc_ptr<Node>* to;
  static void Report(RootVisitor& visitor, void* arg) {
    visitor.Pointer(static_cast<CopyRoots*>(arg)->from);
    visitor.Pointer(static_cast<CopyRoots*>(arg)->to);
  }
};

// A copy waits while the process forks, but is no safepoint: nobody may answer for the thread, which
// holds an object that is in none of its roots. (With clobberfree that object shows being freed.)
TEST(ForkTest, CopiesOfPreciseThreadsAreNoSafepoint) {
  TARN_SKIP_UNDER_TSAN();
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::thread collector([&] {
    while (!stop.load()) Collect();
  });
  std::thread copier([&] {
    ThreadOptions options;
    options.cooperative = true;
    options.precise_roots = true;
    ThreadScope scope(options);
    CopyRoots roots{};
    AddThreadRoots(&CopyRoots::Report, &roots);
    roots.from = make_gc<gc_ptr<Node>[]>(30);
    roots.to = make_gc<gc_ptr<Node>[]>(30);
    while (!stop.load()) {
      Safepoint();
      Node* n = make_gc<Node>(uint64_t{42}, nullptr);
      for (int i = 0; i < 1000; ++i) gc_copy(roots.to, roots.from, 30);
      wrong += n->value != 42;
    }
    RemoveThreadRoots(&CopyRoots::Report, &roots);
  });
  for (int i = 0; i < 20; ++i) InChild([] { return 0; });
  stop = true;
  copier.join();
  collector.join();
  EXPECT_EQ(0, wrong);
}

// What only a vanished thread's stack held is free in the child.
TEST(ForkTest, ObjectsOfVanishedStacksAreCollectedInTheChild) {
  TARN_SKIP_UNDER_TSAN();
  std::atomic<bool> stop{false}, ready{false};
  rt::Hidden h;
  std::thread holder([&] {
    Node* n = List(10);
    h = rt::Hidden(n);
    ready = true;
    while (!stop.load()) std::this_thread::yield();
    KeepAlive(n);
  });
  while (!ready.load()) std::this_thread::yield();
  Collect();
  EXPECT_TRUE(rt::IsAllocated(h));
  InChild([&] {
    Collect();
    return rt::IsAllocated(h) ? 1 : 0;
  });
  stop = true;
  holder.join();
}

// Finalizers are ready, one is running, and others become ready, when the process forks.
TEST(ForkTest, FinalizersGoOnInParentAndChild) {
  TARN_SKIP_UNDER_TSAN();
  static std::atomic<int> stage, runs;
  stage = runs = 0;
  constexpr int kMore = 50;
  rt::OnOtherThread([] {
    const absl::Status status = SetFinalizer(make_gc<Node>(), [](Node*) {
      stage = 1;
      while (stage == 1) std::this_thread::yield();
      ++runs;
    });
    if (!status.ok()) std::abort();
  });
  const auto more = [] {
    rt::OnOtherThread([] {
      for (int i = 1; i <= kMore; ++i) {
        if (!SetFinalizer(make_gc<Node>(static_cast<uint64_t>(i), nullptr), [](Node*) {
               ++runs;
             }).ok()) {
          std::abort();
        }
      }
    });
    Collect();
  };
  const auto wait_for = [](const std::atomic<int>& number, int value) {
    for (int i = 1; number != value; ++i) {
      if (i == 100'000) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (i % 100 == 0) Collect();  // a stale word may have kept one alive
    }
    return true;
  };
  Collect();
  ASSERT_TRUE(wait_for(stage, 1));
  more();
  // In the child the function that was running is gone; what is ready and what follows runs.
  InChild([&] {
    more();
    return wait_for(runs, 2 * kMore) ? 0 : 1;
  });
  stage = 2;
  EXPECT_TRUE(wait_for(runs, kMore + 1)) << runs;
}

// Another thread is in the middle of a destructor: in the child nobody finishes it, and Trace must not see
// what is left.
TEST(ForkTest, ChildClearsWhatIsHalfDestroyed) {
  TARN_SKIP_UNDER_TSAN();
  static std::atomic<int> stage;
  stage = 0;
  struct Half {
    gc_ptr<Node> node;
    enum { kCleared, kWhole, kHalf } state = kWhole;
    Half() : node(make_gc<Node>(uint64_t{1}, nullptr)) {}
    ~Half() {
      state = kHalf;
      stage = 1;
      while (stage == 1) std::this_thread::yield();
    }
    void Trace(Tracer& t) const {
      if (state == kHalf) std::abort();
      t.Visit(node);
    }
  };
  std::atomic<uintptr_t> hidden{0};
  rt::OnOtherThread([&] { hidden = ~reinterpret_cast<uintptr_t>(make_gc<Half>()); });
  Collect();
  for (int i = 0; stage != 1 && i < 100'000; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_EQ(stage, 1);
  InChild([&] {
    Half* volatile found = reinterpret_cast<Half*>(~hidden.load());  // a stale word on the stack
    for (int i = 0; i < 3; ++i) Collect();
    return found->state != Half::kCleared || found->node != nullptr ? 1 : 0;
  });
  stage = 2;
}

}  // namespace
}  // namespace tarn
