// Destructors of heap objects: which run, how often, where, and what they may touch.
#include <unistd.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tarn/finalizer.h"
#include "tarn/gc_queue.h"
#include "tarn/gc_weak_map.h"
#include "tarn/gc_weak_ptr.h"
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

  Vector() : buffer(new Buffer) {}
  void Fill() {  // not in the constructor, see describe.h
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
      for (int k = 0; k < 4; ++k) make_gc<Vector>()->Fill();
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

// --- Arrays ---

template <int kKind>
struct Element {
  int value = 0;
  gc_ptr<Element> next;
  Element() : value(g_alive++) {}
  Element(const Element&) = delete;
  Element& operator=(const Element&) = delete;
  ~Element() {
    --g_alive;
    g_order.push_back(value);
  }
};

struct PlainElement : Element<0> {
  static constexpr auto tarn_layout = fields(&PlainElement::next);
};
struct AtSweepElement {
  static constexpr auto tarn_destroy = Destroy::kAtSweep;
  int value;
  uint64_t more[3] = {};
  AtSweepElement() : value(g_alive++) {}
  ~AtSweepElement() {
    --g_alive;
    g_order.push_back(value);
  }
};
struct TracedElement : Element<1> {
  void Trace(Tracer& t) const { t.Visit(next); }
};

// Last to first, as C++ does it; the array is whole until then.
template <class E>
void ArrayIsDestroyedBackwards(bool at_once) {
  for (const size_t n : {size_t{1}, size_t{2}, size_t{100}, size_t{3000}}) {
    g_alive = 0;
    g_order.clear();
    Hidden h;
    OnOtherThread([&] { h = Hidden(make_gc<E[]>(n)); });
    EXPECT_EQ(static_cast<int>(n), g_alive);
    Collect();
    EXPECT_EQ(at_once ? 0u : 1u, RunAllReady());
    EXPECT_EQ(0, g_alive);
    ASSERT_EQ(n, g_order.size());
    for (size_t i = 0; i < n; ++i) ASSERT_EQ(static_cast<int>(n - 1 - i), g_order[i]);
    Collect();
    EXPECT_EQ(0u, RunAllReady());
    EXPECT_EQ(n, g_order.size());
    EXPECT_FALSE(IsAllocated(h));
  }
}

TEST_F(DestructorTest, ArrayIsDestroyedBackwards) {
  ArrayIsDestroyedBackwards<PlainElement>(false);
}
TEST_F(DestructorTest, ArrayIsDestroyedBackwardsAtSweep) {
  ArrayIsDestroyedBackwards<AtSweepElement>(rt::Instance::Get().settings().stop_the_world == 0);
}
TEST_F(DestructorTest, ArrayIsDestroyedBackwardsTraced) {
  ArrayIsDestroyedBackwards<TracedElement>(false);
}

// A constructor that throws: the elements before it are destroyed at once, and no others ever.
TEST_F(DestructorTest, ArrayWhoseConstructorThrows) {
  struct Throws {
    int value;
    uint64_t more[3] = {};
    Throws() : value(g_alive++) {
      if (value == 5) {
        --g_alive;
        throw std::runtime_error("no");
      }
    }
    ~Throws() {
      --g_alive;
      g_order.push_back(value);
    }
  };
  OnOtherThread([] { EXPECT_THROW(make_gc<Throws[]>(100), std::runtime_error); });
  EXPECT_EQ(0, g_alive);
  EXPECT_EQ(5u, g_order.size());
  Collect();
  EXPECT_EQ(0u, RunAllReady());
  EXPECT_EQ(5u, g_order.size());
}

// A destructor may take its time: collections go on beside an array that is half destroyed, and no marker
// follows what is left of an element.
struct SlowElement {
  gc_ptr<rt::LifeNode> node;
  uint64_t state = 0;
  static constexpr uint64_t kWhole = 0x77;
  static inline std::atomic<int> wrong{0}, destroyed{0};
  static inline std::atomic<bool> is_waiting{false}, go_on{true};

  SlowElement() : node(make_gc<rt::LifeNode>()), state(kWhole) { node->value = 4711; }
  SlowElement(const SlowElement&) = delete;
  SlowElement& operator=(const SlowElement&) = delete;
  ~SlowElement() {
    if (state != kWhole || node->value != 4711) ++wrong;
    if (destroyed == 10) {
      is_waiting = true;
      if (!rt::Eventually([] { return go_on.load(); })) ++wrong;
    }
    node =
        reinterpret_cast<rt::LifeNode*>(uintptr_t{16});  // a marker that follows this finds nothing
    state = 0;
    ++destroyed;
  }
  void Trace(Tracer& t) const {
    const uint64_t seen = __atomic_load_n(&state, __ATOMIC_RELAXED);
    if (seen != 0 && seen != kWhole) ++wrong;
    t.Visit(node);
  }
};

TEST_F(DestructorTest, CollectionsBesideAHalfDestroyedArray) {
  SlowElement::wrong = SlowElement::destroyed = 0;
  SlowElement::is_waiting = false;
  SlowElement::go_on = false;
  OnOtherThread([] { make_gc<SlowElement[]>(50); });
  Collect();
  std::thread destroyer([] { EXPECT_EQ(1u, RunFinalizers(1)); });
  EXPECT_TRUE(rt::Eventually([] { return SlowElement::is_waiting.load(); }));
  for (int i = 0; i < 5; ++i) {
    Collect();
    OnOtherThread([] {
      for (int k = 0; k < 10000; ++k) make_gc<rt::LifeNode>(-1, nullptr, nullptr);
    });
  }
  SlowElement::go_on = true;
  Blocked([&] { destroyer.join(); });
  EXPECT_EQ(50, SlowElement::destroyed);
  EXPECT_EQ(0, SlowElement::wrong);
  Collect();
}

// --- What a destructor may do ---

// It allocates, collects, makes weak references and looks at them; what it refers to stays as it is.
struct Busy {
  static inline gc_root<rt::LifeNode>* keep = nullptr;
  static inline gc_weak_root<rt::LifeNode>* weak = nullptr;
  static inline int wrong = 0, destroyed = 0;
  int value = 3;
  gc_ptr<rt::LifeNode> next;

  Busy() = default;
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  ~Busy() {
    rt::LifeNode* n = make_gc<rt::LifeNode>(21, next.get(), nullptr);
    gc_weak_ptr<rt::LifeNode> known = n;
    gc_weak_ptr<rt::LifeNode> inner = next;
    for (int i = 0; i < 3; ++i) {
      Collect();
      for (int k = 0; k < 1000; ++k) make_gc<rt::LifeNode>(-1, nullptr, nullptr);
      wrong += known.get() != n || n->value != 21;
      wrong += inner.get() != next.get() || next->value != 20 || value != 3;
    }
    *weak = next.get();
    *keep = n;  // and with it what the object referred to
    ++destroyed;
  }
  static constexpr auto tarn_layout = fields(&Busy::next);
};

TEST_F(DestructorTest, AllocatesCollectsAndKeepsWhatItFound) {
  gc_root<rt::LifeNode> keep;
  gc_weak_root<rt::LifeNode> weak;
  Busy::keep = &keep;
  Busy::weak = &weak;
  Busy::wrong = Busy::destroyed = 0;
  OnOtherThread([] {
    Busy* b = make_gc<Busy>();
    b->next = make_gc<rt::LifeNode>(20, nullptr, nullptr);
  });
  Collect();
  EXPECT_EQ(1u, RunAllReady());
  EXPECT_EQ(1, Busy::destroyed);
  EXPECT_EQ(0, Busy::wrong);
  Collect();
  OnOtherThread([&] {
    EXPECT_EQ(21, keep->value);
    EXPECT_EQ(20, keep->next->value);
    EXPECT_EQ(keep->next.get(), weak.get());
  });
  keep = nullptr;
  Collect();
  EXPECT_EQ(nullptr, weak.get());
}

// A destructor that drops what others wait for: roots, maps, queues, weak references end in it.
TEST_F(DestructorTest, MembersThatAreHandlesOfTarn) {
  struct Owner {
    gc_root<rt::LifeNode> root;
    gc_weak_root<rt::LifeNode> weak;
    gc_weak_map<rt::LifeNode, rt::LifeNode> map;
    gc_queue<rt::LifeNode> queue;
  };
  std::vector<Hidden> all;
  OnOtherThread([&] {
    for (int i = 0; i < 20; ++i) {
      Owner* o = make_gc<Owner>();
      rt::LifeNode* n = make_gc<rt::LifeNode>();
      rt::LifeNode* v = make_gc<rt::LifeNode>();
      all.emplace_back(o);
      all.emplace_back(n);
      all.emplace_back(v);
      o->root = n;
      o->weak = n;
      o->map.set(n, v);
      ASSERT_TRUE(o->queue.Register(v).ok());
    }
  });
  Collect();
  EXPECT_EQ(20u, RunAllReady());
  for (int i = 0; i < 2; ++i) Collect();
  EXPECT_EQ(0u, rt::CountAllocated(all));
  EXPECT_EQ(0u, RunAllReady());
}

}  // namespace
}  // namespace tarn
