// Destructors of heap objects: which run, how often, where, and what they may touch.
#include <unistd.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tarn/finalizer.h"
#include "tarn/limits.h"
#include "tarn/make_gc.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/life_test_util.h"
#include "tests/gc/manual_collections.h"

namespace tarn {
namespace {

using rt::Hidden;
using rt::IsAllocated;
using rt::kSlowdown;
using rt::OnOtherThread;
using rt::RunAllReady;

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

std::atomic<int> g_alive{0};
std::vector<int> g_order;

struct Counted {
  int value = 0;
  gc_ptr<Counted> next;

  explicit Counted(int v) : value(v) { ++g_alive; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() {
    --g_alive;
    g_order.push_back(value);
  }
  static constexpr auto tarn_layout = fields(&Counted::next);
};

class DestructorTest : public rt::EmbedderRunsFinalizers {
 protected:
  void SetUp() override {
    EmbedderRunsFinalizers::SetUp();
    g_alive = 0;
    g_order.clear();
  }
};

TEST_F(DestructorTest, RunsOnceAfterDeathAndTheMemoryFollows) {
  Hidden h;
  OnOtherThread([&] { h = Hidden(make_gc<Counted>(7)); });
  EXPECT_EQ(1, g_alive);
  Collect();
  EXPECT_EQ(1, g_alive);  // not on this thread
  EXPECT_TRUE(IsAllocated(h));
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ(0, g_alive);
  Collect();
  EXPECT_FALSE(IsAllocated(h));
  EXPECT_EQ(0u, RunAllReady());
  EXPECT_EQ((std::vector<int>{7}), g_order);
}

TEST_F(DestructorTest, RunsOnTheThreadOfFinalizers) {
  static std::atomic<pid_t> thread;
  struct Where {
    ~Where() { thread = gettid(); }
    int x = 0;
  };
  thread = 0;
  UseFinalizerThread(true);
  OnOtherThread([] { make_gc<Where>(); });
  Collect();
  EXPECT_TRUE(rt::Eventually([] { return thread != 0; }));
  EXPECT_NE(gettid(), thread);
}

TEST_F(DestructorTest, CyclesAreDestroyedAndNeighboursAreReadable) {
  static int sum;
  sum = 0;
  struct Pair {
    gc_ptr<Pair> other;
    int value;
    ~Pair() { sum += value * 1000 + other->value; }
  };
  OnOtherThread([] {
    Pair* a = make_gc<Pair>(nullptr, 1);
    Pair* b = make_gc<Pair>(a, 2);
    a->other = b;
  });
  Collect();
  Collect();
  OnOtherThread([] {
    for (int i = 0; i < 10000; ++i) make_gc<rt::LifeNode>();
  });
  EXPECT_EQ(2u, RunAllReady());
  EXPECT_EQ(1002 + 2001, sum);
}

TEST_F(DestructorTest, EveryElementOfAnArrayIsDestroyed) {
  struct Element {
    int value;
    Element() : value(++g_alive) {}
    ~Element() {
      --g_alive;
      g_order.push_back(value);
    }
  };
  OnOtherThread([] {
    make_gc<Element[]>(1000);
    make_gc<Element[]>(0);
    make_gc<Element[][2]>(10);
  });
  EXPECT_EQ(1020, g_alive);
  Collect();
  EXPECT_EQ(2u, RunAllReady());
  EXPECT_EQ(0, g_alive);
  ASSERT_EQ(1020u, g_order.size());
}

TEST_F(DestructorTest, OwnedMemoryIsReleased) {
  auto token = std::make_shared<int>(5);
  struct Owner {
    std::string text = std::string(100, 'x');
    std::shared_ptr<int> token;
    external_bytes charged{1000};
  };
  OnOtherThread([&] {
    for (int i = 0; i < 10; ++i) make_gc<Owner>()->token = token;
  });
  EXPECT_EQ(11, token.use_count());
  Collect();
  RunAllReady();
  EXPECT_EQ(1, token.use_count());
  EXPECT_EQ(0u, ReadMemStats().external);
}

TEST_F(DestructorTest, TailObjectsAreDestroyed) {
  OnOtherThread([] { make_gc_tail<Counted, char>(100, 3); });
  Collect();
  RunAllReady();
  EXPECT_EQ((std::vector<int>{3}), g_order);
}

TEST_F(DestructorTest, NotAfterAConstructorThatThrew) {
  struct Throws {
    Throws() { throw std::runtime_error("no"); }
    ~Throws() { std::abort(); }
    int x = 0;
  };
  OnOtherThread([] { EXPECT_THROW(make_gc<Throws>(), std::runtime_error); });
  Collect();
  EXPECT_EQ(0u, RunAllReady());
}

TEST_F(DestructorTest, WaitsForTheFinalizer) {
  static std::string order;
  order.clear();
  struct Both {
    int x = 0;
    ~Both() { order += "destroyed "; }
  };
  OnOtherThread([] {
    Both* b = make_gc<Both>();
    ASSERT_TRUE(SetFinalizer(b, [](Both*) { order += "finalized "; }).ok());
  });
  Collect();
  RunAllReady();
  EXPECT_EQ("finalized ", order);
  Collect();
  RunAllReady();
  EXPECT_EQ("finalized destroyed ", order);
}

struct AtSweep {
  static constexpr auto tarn_destroy = Destroy::kAtSweep;
  uint64_t value[4] = {1, 2, 3, 4};
  AtSweep() { ++g_alive; }
  ~AtSweep() { g_alive -= value[3] == 4 ? 1 : 0; }
};

// With the world stopped nothing of the program's may run: there it is like any other.
TEST_F(DestructorTest, AtSweepItRunsInTheCollectionThatFreesTheObject) {
  Hidden h;
  OnOtherThread([&] { h = Hidden(make_gc<AtSweep>()); });
  EXPECT_EQ(1, g_alive);
  Collect();
  const bool stopped = rt::Instance::Get().settings().stop_the_world != 0;
  EXPECT_EQ(stopped, IsAllocated(h));
  EXPECT_EQ(stopped ? 1u : 0u, RunAllReady());
  EXPECT_EQ(0, g_alive);
}

struct Never {
  static constexpr auto tarn_destroy = Destroy::kNever;
  int x = 0;
  ~Never() { std::abort(); }
};

TEST_F(DestructorTest, NeverMeansNever) {
  Hidden h;
  OnOtherThread([&] { h = Hidden(make_gc<Never>()); });
  Collect();
  EXPECT_EQ(0u, RunAllReady());
  EXPECT_FALSE(IsAllocated(h));
}

// The members that Trace visits are in malloc'ed memory that the destructor frees: no marker may look at
// it any more.
struct Vector {
  static constexpr uint32_t kMagic = 0x1234567;
  struct Buffer {
    uint32_t magic = kMagic;
    gc_ptr<rt::LifeNode> slots[8];
  };
  Buffer* buffer;

  Vector() : buffer(new Buffer) {
    for (auto& s : buffer->slots) s = make_gc<rt::LifeNode>();
  }
  ~Vector() {
    Buffer* b = buffer;
    b->magic = 0;
    for (auto& s : b->slots) s = reinterpret_cast<rt::LifeNode*>(uintptr_t{16});
    usleep(20);
    delete b;
    ++destroyed;
  }
  void Trace(Tracer& t) const {
    const Buffer* b = __atomic_load_n(&buffer, __ATOMIC_RELAXED);
    if (b == nullptr) return;
    if (__atomic_load_n(&b->magic, __ATOMIC_RELAXED) != kMagic) std::abort();
    t.VisitRange(std::begin(b->slots), std::end(b->slots));
  }
  static inline std::atomic<size_t> destroyed{0};
};

TEST_F(DestructorTest, TraceIsNotCalledOnWhatIsBeingDestroyed) {
  constexpr size_t kObjects = 4000 / kSlowdown;
  Vector::destroyed = 0;
  UseFinalizerThread(true);
  for (size_t i = 0; i < kObjects; ++i) {
    if (i % 50 == 0) Collect();
    OnOtherThread([] {
      for (int k = 0; k < 4; ++k) make_gc<Vector>();
    });
    if (i % 3 == 0) Collect();
    if (i >= kObjects / 20) i += 3;  // more collections than objects
  }
  EXPECT_TRUE(rt::Eventually([] {
    Collect();
    return ReadyFinalizers() == 0;
  }));
  EXPECT_GT(Vector::destroyed, kObjects / 10);
}

}  // namespace
}  // namespace tarn
