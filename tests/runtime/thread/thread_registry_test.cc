// Attaching, detaching, thread exit, fork.
#include "runtime/thread/thread_registry.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "tests/runtime/thread/thread_test_util.h"

namespace tarn::rt {
namespace {

// Hooks are set once per process: they count, and copy what they see.
struct HookLog {
  std::atomic<int> attached{0};
  std::atomic<int> detaching{0};
  std::atomic<bool> saw_runtime{true};
  std::atomic<bool> saw_mutator{true};
};
HookLog hook_log;

void NoteState(Mutator& m) {
  if (internal::t_block.in_runtime == 0) hook_log.saw_runtime = false;
  if (internal::t_block.mutator != &m || m.block() != &internal::t_block) {
    hook_log.saw_mutator = false;
  }
}

const bool hooks_set = [] {
  SetThreadHooks({[](Mutator& m) {
                    ++hook_log.attached;
                    NoteState(m);
                    internal::t_block.barrier_on = 0;
                  },
                  [](Mutator& m) {
                    ++hook_log.detaching;
                    NoteState(m);
                  }});
  return true;
}();

void ExpectInitialBlock() {
  internal::MutatorBlock& block = internal::t_block;
  EXPECT_EQ(block.runs, internal::kEmptyRuns);
  EXPECT_EQ(block.hazard_slot, 0u);
  EXPECT_EQ(block.hazard_value, 0u);
  EXPECT_EQ(block.barrier_on, 1u);
  EXPECT_EQ(block.in_runtime, 0u);
  EXPECT_EQ(block.poll, 0u);
  EXPECT_EQ(block.mutator, nullptr);
}

void InThread(const std::function<void()>& body) { std::thread(body).join(); }

TEST(ThreadRegistryTest, UnattachedThreadHasTheInitialBlock) {
  InThread([] {
    ExpectInitialBlock();
    EXPECT_EQ(Mutator::Current(), nullptr);
    for (const internal::Run& run : internal::kEmptyRuns) ASSERT_EQ(run.cursor, run.limit);
  });
}

TEST(ThreadRegistryTest, AttachFillsTheRecordAndDetachRestoresTheBlock) {
  InThread([] {
    pthread_setname_np(pthread_self(), "attached-one");
    const size_t before = ThreadRegistry::Get().count();
    ASSERT_TRUE(AttachCurrentThread().ok());
    Mutator* m = Mutator::Current();
    ASSERT_NE(m, nullptr);
    EXPECT_EQ(m->tid(), gettid());
    EXPECT_STREQ(m->name(), "attached-one");
    EXPECT_EQ(m->block(), &internal::t_block);
    EXPECT_EQ(m->state(), Mutator::kRunning);
    EXPECT_TRUE(
        m->native_stack().Contains(reinterpret_cast<uintptr_t>(__builtin_frame_address(0))));
    EXPECT_EQ(ThreadRegistry::Get().count(), before + 1);
    EXPECT_EQ(internal::t_block.barrier_on, 0u);
    internal::t_block.hazard_slot = 8;
    internal::t_block.hazard_value = 16;
    ASSERT_TRUE(DetachCurrentThread().ok());
    ExpectInitialBlock();
    EXPECT_EQ(ThreadRegistry::Get().count(), before);
  });
  EXPECT_TRUE(hook_log.saw_runtime);
  EXPECT_TRUE(hook_log.saw_mutator);
}

TEST(ThreadRegistryTest, MisuseIsAnError) {
  InThread([] {
    EXPECT_EQ(DetachCurrentThread().code(), absl::StatusCode::kFailedPrecondition);
    ASSERT_TRUE(AttachCurrentThread().ok());
    EXPECT_EQ(AttachCurrentThread().code(), absl::StatusCode::kAlreadyExists);
    {
      RuntimeScope scope;
      EXPECT_EQ(DetachCurrentThread().code(), absl::StatusCode::kFailedPrecondition);
    }
    {
      BlockedScope scope;
      EXPECT_EQ(DetachCurrentThread().code(), absl::StatusCode::kFailedPrecondition);
    }
    EXPECT_TRUE(DetachCurrentThread().ok());
  });
}

TEST(ThreadRegistryTest, ForEachVisitsEveryAttachedThreadOnce) {
  Team team;
  for (int i = 0; i < 5; ++i) {
    team.Add([](Worker& w) {
      while (!w.stop) SleepMicros(100);
    });
  }
  std::vector<Mutator*> seen;
  ThreadRegistry::Get().ForEach([&](Mutator& m) { seen.push_back(&m); });
  EXPECT_EQ(seen.size(), ThreadRegistry::Get().count());
  for (auto& worker : team.workers()) {
    EXPECT_EQ(std::count(seen.begin(), seen.end(), worker->mutator), 1);
  }
}

TEST(ThreadRegistryTest, ThreadThatEndsDetachesByItself) {
  const size_t before = ThreadRegistry::Get().count();
  const int detached = hook_log.detaching;
  InThread([] { EnsureAttached(); });
  EXPECT_EQ(ThreadRegistry::Get().count(), before);
  EXPECT_EQ(hook_log.detaching, detached + 1);
}

TEST(ThreadRegistryTest, ThreadThatEndsByPthreadExitInABlockedScopeDetaches) {
  const size_t before = ThreadRegistry::Get().count();
  pthread_t thread;
  ASSERT_EQ(pthread_create(
                &thread, nullptr,
                [](void*) -> void* {
                  EnsureAttached();
                  // As C code would: no destructor ends the scope.
                  uintptr_t registers[internal::kCapturedRegisters];
                  EnterBlocked(tarn_internal_capture_registers(registers), registers);
                  pthread_exit(nullptr);
                },
                nullptr),
            0);
  pthread_join(thread, nullptr);
  EXPECT_EQ(ThreadRegistry::Get().count(), before);
  Handshake([](Mutator&, void*) {}, nullptr);  // would hang or abort on a dead thread
}

struct UsesHeapInDestructor {
  ~UsesHeapInDestructor() { EnsureAttached(); }
};
thread_local UsesHeapInDestructor* late_user = nullptr;

TEST(ThreadRegistryTest, HeapUseInThreadLocalDestructorsIsDetachedAgain) {
  const size_t before = ThreadRegistry::Get().count();
  const int attached = hook_log.attached;
  InThread([] {
    static thread_local UsesHeapInDestructor user;
    late_user = &user;  // constructs it: its destructor runs when the thread ends
    ASSERT_TRUE(AttachCurrentThread().ok());
    ASSERT_TRUE(DetachCurrentThread().ok());
  });
  EXPECT_EQ(hook_log.attached, attached + 2);
  EXPECT_EQ(hook_log.detaching, hook_log.attached);
  EXPECT_EQ(ThreadRegistry::Get().count(), before);
}

// A key's destructor that uses the heap in every one of its rounds but the last.
pthread_key_t greedy_key;
std::atomic<int> greedy_calls{0};
void GreedyDestructor(void* p) {
  EnsureAttached();
  if (++greedy_calls < 3) pthread_setspecific(greedy_key, p);
}

TEST(ThreadRegistryTest, HeapUseInKeyDestructorsIsDetachedAgain) {
  EnsureAttached();  // tarn's key is made before this test's, so its destructor runs first in a
                     // round
  ASSERT_TRUE(DetachCurrentThread().ok());
  ASSERT_EQ(pthread_key_create(&greedy_key, GreedyDestructor), 0);
  const size_t before = ThreadRegistry::Get().count();
  InThread([] {
    EnsureAttached();
    pthread_setspecific(greedy_key, &greedy_key);
  });
  EXPECT_EQ(greedy_calls, 3);
  EXPECT_EQ(ThreadRegistry::Get().count(), before);
  EXPECT_EQ(hook_log.detaching, hook_log.attached);
  Handshake([](Mutator&, void*) {}, nullptr);
  pthread_key_delete(greedy_key);
}

TEST(ThreadRegistryTest, RecordsAreReused) {
  Mutator* first = nullptr;
  Mutator* second = nullptr;
  InThread([&] { first = &EnsureAttached(); });
  InThread([&] { second = &EnsureAttached(); });
  EXPECT_EQ(first, second);
}

TEST(ThreadRegistryTest, AttachInsideASlowPathKeepsItsDepth) {
  InThread([] {
    RuntimeScope scope;
    EnsureAttached();
    EXPECT_EQ(internal::t_block.in_runtime, 1u);
  });
}

std::atomic<int> abandoned_count{0};

// Runs in the child; its result is the exit code.
int CheckChild(Mutator* self) {
  if (ThreadRegistry::Get().count() != 1) return 1;
  if (Mutator::Current() != self || self->tid() != gettid()) return 2;
  if (abandoned_count != 3) return 3;
  int answers = 0;
  Handshake([](Mutator&, void* arg) { ++*static_cast<int*>(arg); }, &answers);
  if (answers != 1) return 4;
#if !TARN_TSAN  // it refuses new threads after a fork of a program with threads
  std::atomic<bool> stop{false};
  std::atomic<bool> ready{false};
  std::thread other([&] {
    EnsureAttached();
    ready = true;
    while (!stop) SleepMicros(100);
  });
  while (!ready) SleepMicros(100);
  answers = 0;
  Handshake([](Mutator&, void* arg) { ++*static_cast<int*>(arg); }, &answers);
  stop = true;
  other.join();
  if (answers != 2) return 5;
#endif
  return 0;
}

TEST(ForkTest, ChildHasOnlyTheForkingThreadAndCanAskAndStartOthers) {
  InThread([] {
    Mutator& self = EnsureAttached();
    Team team;
    team.Add([](Worker& w) {
      while (!w.stop) SleepMicros(100);
    });
    team.Add([](Worker& w) {
      BlockedScope scope;
      while (!w.stop) SleepMicros(100);
    });
    team.Add([](Worker& w) {
      while (!w.stop) {
        RuntimeScope scope;
      }
    });
    std::atomic<bool> stop{false};
    std::atomic<bool> asks{false};
    std::thread asker([&] {  // so that the fork falls into rounds
      asks = true;
      while (!stop) Handshake(CountAnswer, nullptr);
    });
    // A thread that starts may hold locks of a sanitizer's, which the child would inherit.
    WaitUntil([&] { return asks.load(); });
    const int forks = 20 * TestScale();
    for (int i = 0; i < forks; ++i) {
      abandoned_count = 0;
      ThreadRegistry::Get().PrepareFork();
      const pid_t pid = fork();
      if (pid == 0) {
        alarm(300);
        ThreadRegistry::Get().ChildAfterFork([](Mutator&) { ++abandoned_count; });
        _exit(CheckChild(&self));
      }
      ThreadRegistry::Get().ParentAfterFork();
      ASSERT_GT(pid, 0);
      int status = 0;
      ASSERT_EQ(waitpid(pid, &status, 0), pid);
      ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
      ASSERT_EQ(WEXITSTATUS(status), 0);
    }
    stop = true;
    asker.join();
  });
}

}  // namespace
}  // namespace tarn::rt
