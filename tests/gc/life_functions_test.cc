// The function objects of finalizers and cleanups: what they refer to is alive until they have
// ended, however they end; one that throws while it is registered leaves nothing behind; each is
// called at most once, and exactly once if nobody stopped it. No type here is scanned
// conservatively: that would make each collection scan all stacks twice, which hides what is looked
// for.
#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tarn/finalizer.h"
#include "tarn/gc_queue.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/life_test_util.h"
#include "tests/gc/manual_collections.h"
#include "tests/gc/marking_hooks.h"
#include "tests/support/test_seed.h"

namespace tarn {
namespace {

using rt::Hidden;
using rt::IsAllocated;
using rt::kSlowdown;
using rt::LifeNode;
using rt::OnOtherThread;
using rt::RunAllReady;
using rt::TestRng;
using rt::TestSeed;

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

class LifeFunctionsTest : public rt::EmbedderRunsFinalizers {};

// --- What a function object refers to, while it ends ---

std::atomic<int> g_called{0}, g_ended{0}, g_lost{0};
void (*g_while_ending)() = nullptr;

// Uses what it has captured in its destructor: after something else has happened.
class UsesItsNodeAtTheEnd {
 public:
  explicit UsesItsNodeAtTheEnd(LifeNode* node) : node_(node) {}
  // What was moved from has nothing to do; it still holds the word, as a plain pointer does.
  UsesItsNodeAtTheEnd(UsesItsNodeAtTheEnd&& other) noexcept
      : node_(other.node_), owns_(std::exchange(other.owns_, false)) {}
  UsesItsNodeAtTheEnd& operator=(UsesItsNodeAtTheEnd&&) = delete;
  ~UsesItsNodeAtTheEnd() {
    if (!owns_) return;
    if (g_while_ending != nullptr) g_while_ending();
    const volatile LifeNode* node = node_;
    if (node->value != 4711 || !IsAllocated(Hidden(node_))) ++g_lost;
    ++g_ended;
  }
  void operator()() { ++g_called; }
  void operator()(LifeNode*) { ++g_called; }

 private:
  LifeNode* node_;
  bool owns_ = true;
};

class FunctionEndTest : public LifeFunctionsTest {
 protected:
  void SetUp() override {
    LifeFunctionsTest::SetUp();
    g_called = g_ended = g_lost = 0;
    g_while_ending = nullptr;
  }
  void TearDown() override { g_while_ending = nullptr; }
  // Makes the object and its function object; nothing but the latter leads to the node.
  template <class F>
  void Make(F&& f) {
    rt::OnDeepStack([&] {
      LifeNode* n = make_gc<LifeNode>();
      object_ = Hidden(n);
      root_ = n;
      f(n, UsesItsNodeAtTheEnd(make_gc<LifeNode>(4711, nullptr, nullptr)));
    });
  }
  LifeNode* object() { return object_.Reveal<LifeNode>(); }

  static void CollectAndOverwrite() {
    OnOtherThread([] {
      Collect();
      for (int i = 0; i < 1000; ++i) make_gc<LifeNode>(-1, nullptr, nullptr);
    });
  }

  Hidden object_;
  gc_root<LifeNode> root_;
};

TEST_F(FunctionEndTest, OfAFinalizerThatIsCleared) {
  Make([](LifeNode* n, UsesItsNodeAtTheEnd f) { ASSERT_TRUE(SetFinalizer(n, std::move(f)).ok()); });
  g_while_ending = &CollectAndOverwrite;
  OnOtherThread([&] { EXPECT_TRUE(ClearFinalizer(object()).ok()); });
  EXPECT_EQ(1, g_ended);
  EXPECT_EQ(0, g_called);
  EXPECT_EQ(0, g_lost);
}

TEST_F(FunctionEndTest, OfACleanupThatIsStopped) {
  Cleanup cleanup;
  Make([&](LifeNode* n, UsesItsNodeAtTheEnd f) { cleanup = *AddCleanup(n, std::move(f)); });
  g_while_ending = &CollectAndOverwrite;
  OnOtherThread([&] { EXPECT_TRUE(cleanup.Stop()); });
  EXPECT_EQ(1, g_ended);
  EXPECT_EQ(0, g_called);
  EXPECT_EQ(0, g_lost);
}

TEST_F(FunctionEndTest, OfACleanupThatWasCalled) {
  Make([](LifeNode* n, UsesItsNodeAtTheEnd f) { ASSERT_TRUE(AddCleanup(n, std::move(f)).ok()); });
  root_ = nullptr;
  Collect();
  g_while_ending = &CollectAndOverwrite;
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ(1, g_called);
  EXPECT_EQ(1, g_ended);
  EXPECT_EQ(0, g_lost);
}

TEST_F(FunctionEndTest, OfAFinalizerThatWasCalled) {
  Make([](LifeNode* n, UsesItsNodeAtTheEnd f) { ASSERT_TRUE(SetFinalizer(n, std::move(f)).ok()); });
  root_ = nullptr;
  Collect();
  g_while_ending = &CollectAndOverwrite;
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ(1, g_called);
  EXPECT_EQ(1, g_ended);
  EXPECT_EQ(0, g_lost);
}

TEST_F(FunctionEndTest, OfOneThatIsRefused) {
  Make([](LifeNode* n, UsesItsNodeAtTheEnd f) {
    ASSERT_TRUE(SetFinalizer(n, [](LifeNode*) {}).ok());
    g_while_ending = &CollectAndOverwrite;
    EXPECT_TRUE(absl::IsAlreadyExists(SetFinalizer(n, std::move(f))));
  });
  EXPECT_EQ(1, g_ended);
  EXPECT_EQ(0, g_lost);
}

// What was moved from is destroyed last; a copy in place of a move leaves it whole.
struct CopiedInstead {
  LifeNode* node;
  explicit CopiedInstead(LifeNode* n) : node(n) {}
  CopiedInstead(const CopiedInstead&) = default;
  CopiedInstead& operator=(const CopiedInstead&) = delete;
  ~CopiedInstead() {
    if (g_while_ending != nullptr) g_while_ending();
    const volatile LifeNode* n = node;
    if (n->value != 4711 || !IsAllocated(Hidden(node))) ++g_lost;
    ++g_ended;
  }
  void operator()() const { ++g_called; }
};

TEST_F(FunctionEndTest, OfWhatWasCopiedToTheStack) {
  Make([](LifeNode* n, const UsesItsNodeAtTheEnd&) {
    ASSERT_TRUE(AddCleanup(n, CopiedInstead(make_gc<LifeNode>(4711, nullptr, nullptr))).ok());
  });
  root_ = nullptr;
  Collect();
  g_while_ending = &CollectAndOverwrite;
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ(1, g_called);
  EXPECT_GE(g_ended, 2);
  EXPECT_EQ(0, g_lost);
}

// The box is moved from, and the function object on the stack ends while a collection goes on.
TEST_F(FunctionEndTest, AfterMarkingHasBegunOnAThreadThatWasScanned) {
  if (!rt::HooksWork()) GTEST_SKIP() << "nothing runs beside marking";
  Cleanup cleanup;
  for (const bool stop : {false, true}) {
    g_ended = g_lost = g_called = 0;
    g_while_ending = nullptr;
    Make([&](LifeNode* n, UsesItsNodeAtTheEnd f) { cleanup = *AddCleanup(n, std::move(f)); });
    if (!stop) {
      root_ = nullptr;
      Collect();
    }
    rt::DuringMarking([&] {
      if (stop) {
        EXPECT_TRUE(cleanup.Stop());
      } else {
        EXPECT_EQ(1u, RunFinalizers(1));
      }
    });
    EXPECT_EQ(1, g_ended);
    EXPECT_EQ(0, g_lost);
    EXPECT_EQ(stop ? 0 : 1, g_called);
  }
}

// Taken out after the thread's stack was scanned and before the driver comes to the record. It
// comes late: it has a long table of roots to look at first.
TEST_F(FunctionEndTest, StoppedBetweenTheScansOfStackAndRecord) {
  if (!rt::HooksWork()) GTEST_SKIP() << "nothing runs beside marking";
  static std::atomic<bool> collected;
  constexpr size_t kRoots = 2'000'000 / kSlowdown;
  std::vector<gc_root<LifeNode>> many(kRoots);
  OnOtherThread([&] {
    LifeNode* n = make_gc<LifeNode>();
    for (auto& r : many) r = n;
  });
  for (const bool is_finalizer : {false, true}) {
    for (int round = 0; round < 3; ++round) {
      g_ended = g_lost = 0;
      g_while_ending = nullptr;
      collected = false;
      Cleanup cleanup;
      Make([&](LifeNode* n, UsesItsNodeAtTheEnd f) {
        if (is_finalizer) {
          ASSERT_TRUE(SetFinalizer(n, std::move(f)).ok());
        } else {
          cleanup = *AddCleanup(n, std::move(f));
        }
      });
      g_while_ending = [] {
        rt::SpinUntil([] { return collected.load(); }, std::chrono::seconds(60));
      };
      std::atomic<bool> attached{false};
      std::thread taker([&] {
        make_gc<LifeNode>();
        attached = true;
        const rt::MarkState& state = rt::Instance::Get().collector().mark_state();
        // All stacks have been scanned.
        rt::SpinUntil([&] { return state.black_gen != 0 && state.scan_attached == 0; },
                      std::chrono::seconds(60));
        if (is_finalizer) {
          EXPECT_TRUE(ClearFinalizer(object()).ok());
        } else {
          EXPECT_TRUE(cleanup.Stop());
        }
      });
      EXPECT_TRUE(rt::Eventually([&] { return attached.load(); }));
      Collect();
      collected = true;
      Blocked([&] { taker.join(); });
      EXPECT_EQ(1, g_ended);
      EXPECT_EQ(0, g_lost);
    }
  }
}

// --- Function objects that throw when they are moved ---

struct ThrowsWhenMoved {
  std::shared_ptr<int> token;
  int* moves_left;  // the next one throws

  ThrowsWhenMoved(std::shared_ptr<int> t, int* left) : token(std::move(t)), moves_left(left) {}
  ThrowsWhenMoved(const ThrowsWhenMoved& other) : token(other.token), moves_left(other.moves_left) {
    if ((*moves_left)-- == 0) throw std::runtime_error("not moved");
  }
  void operator()() const { ++g_called; }
  void operator()(LifeNode*) const { ++g_called; }
};

class ThrowingFunctionTest : public FunctionEndTest {};

// How many moves there are is the implementation's: all are tried.
template <class Register>
void RegisterWithEachMoveThrowing(Register&& reg) {
  static int left;  // the last one looks at it when it is called
  auto token = std::make_shared<int>(0);
  int threw = 0;
  for (int moves = 0;; ++moves) {
    ASSERT_LT(moves, 20);
    left = moves;
    bool ok = false;
    OnOtherThread([&] {
      LifeNode* n = make_gc<LifeNode>(moves, nullptr, nullptr);
      ThrowsWhenMoved f(token, &left);
      left = moves;
      try {
        reg(n, f);
        ok = true;
      } catch (const std::runtime_error&) {
        ++threw;
        // As before: there is no finalizer, and one may be set.
        EXPECT_TRUE(absl::IsNotFound(ClearFinalizer(n)));
        EXPECT_TRUE(SetFinalizer(n, [](LifeNode*) { ++g_called; }).ok());
        EXPECT_TRUE(ClearFinalizer(n).ok());
      }
    });
    EXPECT_EQ(ok ? 2 : 1, token.use_count());
    if (ok) break;
    Collect();
    EXPECT_EQ(0u, ReadyFinalizers());
  }
  EXPECT_GE(threw, 1);
  left = 100;
  Collect();
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ(1, g_called);
  EXPECT_EQ(1, token.use_count());
}

TEST_F(ThrowingFunctionTest, FinalizerThatThrowsWhenItIsMoved) {
  RegisterWithEachMoveThrowing(
      [](LifeNode* n, ThrowsWhenMoved& f) { EXPECT_TRUE(SetFinalizer(n, f).ok()); });
}

TEST_F(ThrowingFunctionTest, CleanupThatThrowsWhenItIsMoved) {
  RegisterWithEachMoveThrowing(
      [](LifeNode* n, ThrowsWhenMoved& f) { EXPECT_TRUE(AddCleanup(n, f).ok()); });
}

// Thrown where the function object moves to the stack of the thread that calls it.
TEST_F(ThrowingFunctionTest, ThrowsBeforeTheCall) {
  auto token = std::make_shared<int>(0);
  int left = 100;
  OnOtherThread([&] {
    LifeNode* n = make_gc<LifeNode>();
    ASSERT_TRUE(SetFinalizer(n, ThrowsWhenMoved(token, &left)).ok());
    ASSERT_TRUE(AddCleanup(n, ThrowsWhenMoved(token, &left)).ok());
  });
  EXPECT_EQ(3, token.use_count());
  for (int i = 0; i < 2; ++i) {
    Collect();
    EXPECT_EQ(1u, ReadyFinalizers());
    left = 0;
    OnOtherThread([] { EXPECT_THROW(RunFinalizers(), std::runtime_error); });
    EXPECT_EQ(0u, ReadyFinalizers());
    EXPECT_EQ(2 - i, token.use_count());
  }
  EXPECT_EQ(0, g_called);
}

// --- Stop and ClearFinalizer beside death ---

struct Count {
  std::atomic<int> called{0}, ended{0};
  bool is_stopped = false;
};
// In a box, for it has more than one word and a destructor.
struct Counting {
  std::shared_ptr<Count> count;
  std::shared_ptr<Count> end;
  void operator()() const { ++count->called; }
  void operator()(LifeNode*) const { ++count->called; }
};

// Objects of which some have a cleanup and some a finalizer. Drops them and stops functions in any
// order; returns how often something was stopped twice.
int StopSome(TestRng& rng, std::vector<std::shared_ptr<Count>>& all) {
  constexpr size_t kEach = 40;
  const size_t first = all.size();
  std::vector<Cleanup> cleanups(kEach);
  std::vector<gc_root<LifeNode>> roots(kEach);
  int wrong = 0;
  for (size_t i = 0; i < kEach; ++i) {
    auto c = std::make_shared<Count>();
    all.push_back(c);
    const Counting f{c, std::shared_ptr<Count>(c.get(), [keep = c](Count* p) { ++p->ended; })};
    roots[i] = make_gc<LifeNode>();
    if (i % 2 == 0) {
      cleanups[i] = *AddCleanup(roots[i].get(), f);
    } else if (!SetFinalizer(roots[i].get(), f).ok()) {
      ++wrong;
    }
  }
  for (size_t i = 0; i < 2 * kEach; ++i) {
    if (rng.Below(2) == 0) roots[rng.Below(kEach)] = nullptr;
    if (rng.Below(8) == 0) std::this_thread::yield();
    const size_t s = rng.Below(kEach);
    const bool stopped =
        s % 2 == 0 ? cleanups[s].Stop() : roots[s] && ClearFinalizer(roots[s].get()).ok();
    wrong += stopped && all[first + s]->is_stopped;
    all[first + s]->is_stopped |= stopped;
  }
  return wrong;
}

// Threads stop what may just have been found dead, or runs: each function is called or stopped, and
// never both.
TEST_F(LifeFunctionsTest, EachIsCalledOrStopped) {
  constexpr int kThreads = 3;
  constexpr size_t kRounds = 400 / kSlowdown;
  const uint64_t seed = TestSeed();
  std::atomic<int> wrong{0}, busy{kThreads};
  std::vector<std::vector<std::shared_ptr<Count>>> all(kThreads);
  UseFinalizerThread(true);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      TestRng rng(seed + t);
      for (size_t round = 0; round < kRounds; ++round) wrong += StopSome(rng, all[t]);
      --busy;
    });
  }
  std::thread runner([&] {
    while (busy != 0) RunFinalizers(3);
  });
  while (busy != 0) Collect();
  for (std::thread& t : threads) Blocked([&] { t.join(); });
  Blocked([&] { runner.join(); });
  const auto settled = [&] {
    size_t open = 0;
    for (const auto& counts : all) {
      for (const auto& c : counts) {
        if (c->called > 1 || c->ended > 1 || (c->is_stopped && c->called != 0)) ++wrong;
        open += c->ended != 1 || (!c->is_stopped && c->called != 1) ? 1 : 0;
      }
    }
    return open;
  };
  // A stale word on a stack may keep one.
  EXPECT_TRUE(rt::Eventually([&] {
    Collect();
    return ReadyFinalizers() == 0 && settled() < 5;
  }));
  EXPECT_EQ(0, wrong);
  size_t stopped = 0, called = 0;
  for (const auto& counts : all) {
    for (const auto& c : counts) ++(c->is_stopped ? stopped : called);
  }
  EXPECT_GT(stopped, 100u / kSlowdown);
  EXPECT_GT(called, 100u / kSlowdown);
  std::printf("%zu called, %zu stopped\n", called, stopped);
}

}  // namespace
}  // namespace tarn
