// gc_atomic_ptr and gc_atomic_word: std::atomic as the oracle, layouts, and threads that pass
// objects to each other without locks while collections follow one another. Run with marking beside the
// program and clobberfree, so that an object that a barrier lost is noticed.
#include "tarn/gc_atomic_ptr.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tarn/tarn.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/passed_objects.h"
#include "tests/support/test_seed.h"

namespace tarn {
namespace {

using rt::Hidden;
using rt::IsAllocated;
using rt::OnOtherThread;
using rt::TestRng;

struct Object {
  uint64_t value = 0;
  gc_ptr<Object> next;
};
struct Derived : Object {};

using Pointer = gc_atomic_ptr<Object>;
using Tagged = gc_atomic_word<low_bit_codec<7, 1>>;
using Boxed = gc_atomic_word<nan_box_codec<0xfffa>>;

static_assert(sizeof(Pointer) == sizeof(void*) && alignof(Pointer) == alignof(void*));
static_assert(sizeof(Boxed) == 8 && alignof(Boxed) == 8);
static_assert(Pointer::is_always_lock_free);
static_assert(std::is_trivially_destructible_v<Pointer>);
static_assert(!std::is_copy_constructible_v<Pointer> && !std::is_copy_assignable_v<Pointer>);
static_assert(!std::is_copy_constructible_v<Boxed> && !std::is_copy_assignable_v<Boxed>);
static_assert(std::is_convertible_v<Derived*, Pointer>);
static_assert(!std::is_constructible_v<gc_atomic_ptr<Derived>, Object*>);
static_assert(!std::is_constructible_v<Pointer, const Object*>);
static_assert(std::is_same_v<decltype(std::declval<Pointer&>() = nullptr), Object*>);

// A failed compare-and-swap only loads.
static_assert(internal::FailureOrder(std::memory_order_seq_cst) == std::memory_order_seq_cst);
static_assert(internal::FailureOrder(std::memory_order_acq_rel) == std::memory_order_acquire);
static_assert(internal::FailureOrder(std::memory_order_release) == std::memory_order_relaxed);
static_assert(internal::FailureOrder(std::memory_order_acquire) == std::memory_order_acquire);
static_assert(internal::FailureOrder(std::memory_order_relaxed) == std::memory_order_relaxed);

TEST(GcAtomicPtrTest, ConstantNullNeedsNoRuntimeInitialisation) {
  static constinit Pointer p;
  static constinit Pointer q = nullptr;
  EXPECT_EQ(nullptr, p.load());
  EXPECT_TRUE(q == nullptr);
}

TEST(GcAtomicPtrTest, ConvertsLikeAStdAtomic) {
  Object* x = make_gc<Object>();
  Pointer p = x;
  Object* back = p;
  EXPECT_EQ(x, back);
  EXPECT_EQ(nullptr, p = nullptr);
  EXPECT_EQ(x, p = x);
  Derived* d = make_gc<Derived>();
  p = d;
  EXPECT_EQ(d, p);
  EXPECT_TRUE(p.is_lock_free());
}

// Random operations on `atomic` and on a std::atomic give the same.
template <class Atomic, class Value>
void CompareWithStdAtomic(Atomic& atomic, const std::vector<Value>& values, TestRng& rng) {
  constexpr std::memory_order kOrders[] = {std::memory_order_relaxed, std::memory_order_acquire,
                                           std::memory_order_release, std::memory_order_acq_rel,
                                           std::memory_order_seq_cst};
  std::atomic<Value> oracle = atomic.load();
  for (int i = 0; i < 20000; ++i) {
    const Value v = values[rng.Below(values.size())];
    const std::memory_order order = kOrders[rng.Below(5)];
    Value expected = rng.Below(2) ? oracle.load() : values[rng.Below(values.size())];
    Value expected_too = expected;
    switch (rng.Below(6)) {
      case 0:
        atomic.store(v, rng.Below(2) ? std::memory_order_release : std::memory_order_seq_cst);
        oracle.store(v);
        break;
      case 1:
        ASSERT_EQ(oracle.exchange(v), atomic.exchange(v, order));
        break;
      case 2:
        ASSERT_EQ(oracle.compare_exchange_strong(expected, v),
                  atomic.compare_exchange_strong(expected_too, v, order));
        break;
      case 3:
        ASSERT_EQ(
            oracle.compare_exchange_strong(expected, v),
            atomic.compare_exchange_strong(expected_too, v, order, std::memory_order_relaxed));
        break;
      case 4:  // may fail without a reason
        if (atomic.compare_exchange_weak(expected_too, v, order)) {
          ASSERT_TRUE(oracle.compare_exchange_strong(expected, v));
        } else {
          expected = oracle.load();
        }
        break;
      default:
        if (atomic.compare_exchange_weak(expected_too, v, order, std::memory_order_acquire)) {
          ASSERT_TRUE(oracle.compare_exchange_strong(expected, v));
        } else {
          expected = oracle.load();
        }
    }
    ASSERT_EQ(expected, expected_too);
    ASSERT_EQ(oracle.load(), atomic.load(std::memory_order_acquire));
  }
}

struct Atomics {
  Pointer pointer;
  Tagged tagged;
  uint64_t between = 0;
};
struct Boxes {
  Boxed boxed;
};

// Collections go on meanwhile, so that both sides of each barrier run.
class GcAtomicOracleTest : public testing::Test {
 protected:
  GcAtomicOracleTest() {
    for (int i = 0; i < 4; ++i) objects_.push_back(gc_root<Object>(make_gc<Object>()));
  }
  // `tag` for each object, and 0.
  std::vector<uintptr_t> Words(uintptr_t tag) const {
    std::vector<uintptr_t> words = {0};
    for (const auto& o : objects_) words.push_back(reinterpret_cast<uintptr_t>(o.get()) | tag);
    return words;
  }
  TestRng rng_{rt::TestSeed()};
  std::vector<gc_root<Object>> objects_;
  rt::Collections collections_;
};

TEST_F(GcAtomicOracleTest, Pointer) {
  std::vector<Object*> values = {nullptr};
  for (const auto& o : objects_) values.push_back(o.get());
  gc_root<Atomics> a = make_gc<Atomics>();
  for (int i = 0; i < 10; ++i) CompareWithStdAtomic(a->pointer, values, rng_);
}
TEST_F(GcAtomicOracleTest, TaggedWord) {
  gc_root<Atomics> a = make_gc<Atomics>();
  std::vector<uintptr_t> values = Words(1);
  values.push_back(0x1234);
  for (int i = 0; i < 10; ++i) CompareWithStdAtomic(a->tagged, values, rng_);
}
TEST_F(GcAtomicOracleTest, BoxedWord) {
  gc_root<Boxes> a = make_gc<Boxes>();
  std::vector<uintptr_t> values = Words(uintptr_t{0xfffa} << 48);
  values.push_back(0x7ff0000000000000u);
  for (int i = 0; i < 10; ++i) CompareWithStdAtomic(a->boxed, values, rng_);
}

// A thread's first operation attaches it, whichever it is.
TEST(GcAtomicPtrTest, FirstOperationOfAThread) {
  gc_root<Atomics> a = make_gc<Atomics>();
  Object* x = make_gc<Object>();
  Object* y = make_gc<Object>();
  OnOtherThread([&] { a->pointer.store(x, std::memory_order_release); });
  EXPECT_EQ(x, a->pointer);
  OnOtherThread([&] { EXPECT_EQ(x, a->pointer.exchange(y)); });
  EXPECT_EQ(y, a->pointer);
  OnOtherThread([&] {
    Object* expected = y;
    EXPECT_TRUE(a->pointer.compare_exchange_weak(expected, x));
  });
  EXPECT_EQ(x, a->pointer);
  OnOtherThread([&] {
    Object* expected = y;
    EXPECT_FALSE(a->pointer.compare_exchange_strong(expected, nullptr));
    EXPECT_EQ(x, expected);
  });
  OnOtherThread([&] { a->tagged.store(7); });
  EXPECT_EQ(7u, a->tagged.load());
}

TEST(GcWordTest, Swap) {
  using Word = gc_word<nan_box_codec<0xfffa>>;
  Word a(uintptr_t{5}), b(uintptr_t{6});
  swap(a, b);
  EXPECT_EQ(6u, a.load());
  EXPECT_EQ(5u, b.load());
  swap(a, a);
  EXPECT_EQ(6u, a.load());
}

// --- Layouts

template <class T>
std::string WordsOf(internal::WordCodec* codec_out = nullptr) {
  uint64_t bits[internal::kMaxMaskWords / 64] = {};
  internal::WordCodec codec;
  const internal::LayoutKind kind = internal::DescribeElement<T>(bits, codec);
  if (codec_out != nullptr) *codec_out = codec;
  if (kind == internal::LayoutKind::kConservative) return "conservative";
  if (kind != internal::LayoutKind::kMask) return "other";
  std::string s;
  for (size_t i = 0; i < sizeof(T) / 8; ++i) s += (bits[i / 64] >> (i % 64)) & 1 ? '1' : '0';
  return s;
}

struct Mixed {
  int number;
  Pointer a;
  double x[2];
  gc_ptr<Object> b;
  Pointer c[2];
};
struct MixedBoxes {
  uint64_t number;
  Boxed a[2];
  gc_word<nan_box_codec<0xfffa>> b;
};
struct ClashingBoxes {
  Boxed a;
  Pointer b;
};
class Declared {
 public:
  Declared() = default;
  Pointer a;
  uint64_t number = 0;
  Pointer b;
  static constexpr auto tarn_layout = fields(&Declared::a, &Declared::b);
};
TEST(GcAtomicLayoutTest, MembersAreExact) {
  EXPECT_EQ("1", WordsOf<Pointer>());
  EXPECT_EQ("0100111", WordsOf<Mixed>());
  EXPECT_EQ("110", WordsOf<Atomics>());
  EXPECT_EQ("101", WordsOf<Declared>());
  EXPECT_EQ("conservative", WordsOf<ClashingBoxes>());
  internal::WordCodec codec;
  EXPECT_EQ("0111", WordsOf<MixedBoxes>(&codec));
  EXPECT_EQ(nan_box_codec<0xfffa>::codec, codec);
}

struct WithTrace {
  Pointer a;
  Boxed b;
  Pointer c[2];
  void Trace(Tracer& t) const {
    t.Visit(a);
    t.Visit(b);
    t.VisitRange(c, c + 2);
  }
};

template <class Holder, class Set>
void ExpectKept(const Set& set) {
  gc_root<Holder> holder;
  Hidden object;
  OnOtherThread([&] {
    holder = make_gc<Holder>();
    Object* o = make_gc<Object>();
    object = Hidden(o);
    set(*holder, o);
  });
  Collect();
  EXPECT_TRUE(IsAllocated(object));
  OnOtherThread([&] { set(*holder, nullptr); });
  Collect();
  Collect();
  EXPECT_FALSE(IsAllocated(object));
}
TEST(GcAtomicLayoutTest, ObjectsAreKeptAndFreed) {
  const auto box = [](Object* o) {
    return reinterpret_cast<uintptr_t>(o) | (o == nullptr ? 0 : uintptr_t{0xfffa} << 48);
  };
  ExpectKept<Mixed>([](Mixed& m, Object* o) { m.c[1] = o; });
  ExpectKept<Mixed>([](Mixed& m, Object* o) { m.a.exchange(o); });
  ExpectKept<MixedBoxes>([&](MixedBoxes& m, Object* o) { m.a[1].exchange(box(o)); });
  ExpectKept<ClashingBoxes>([&](ClashingBoxes& m, Object* o) { m.a.store(box(o)); });
  ExpectKept<WithTrace>([](WithTrace& m, Object* o) { m.a = o; });
  ExpectKept<WithTrace>([&](WithTrace& m, Object* o) { m.b.store(box(o)); });
  ExpectKept<WithTrace>([](WithTrace& m, Object* o) {
    Object* expected = m.c[1];
    EXPECT_TRUE(m.c[1].compare_exchange_strong(expected, o));
  });
}

// --- Threads

// Treiber's stack. Links are made anew for each push, so that a popped one never comes back.
struct Link {
  gc_ptr<rt::Passed> passed;
  gc_ptr<Link> next;
};
struct BoxedPlace {
  Boxed boxed;
};
struct Place {
  gc_ptr<BoxedPlace> box;
  gc_atomic_ptr<rt::Passed> slot;
  gc_atomic_ptr<Link> top;
  gc_atomic_ptr<rt::Passed> mailbox;
  std::atomic<uint32_t> busy;  // 1: a thread is at the mailbox
};

void Push(gc_atomic_ptr<Link>& top, rt::Passed* p) {
  Link* link = make_gc<Link>(p, nullptr);
  Link* old = top.load(std::memory_order_relaxed);
  do {
    link->next = old;
    // release: pairs with the acquire in Pop; the link is visible whole.
  } while (!top.compare_exchange_weak(old, link, std::memory_order_release));
}
rt::Passed* Pop(gc_atomic_ptr<Link>& top) {
  // acquire: pairs with the release in Push.
  Link* old = top.load(std::memory_order_acquire);
  do {
    if (old == nullptr) return nullptr;
  } while (!top.compare_exchange_weak(old, old->next, std::memory_order_acq_rel,
                                      std::memory_order_acquire));
  return old->passed;
}

class PassObjectsTest : public testing::Test {
 protected:
  static constexpr size_t kThreads = 4, kPlaces = 8, kObjects = 64;

  PassObjectsTest() {
    OnOtherThread([this] {
      for (size_t i = 0; i < kPlaces; ++i) {
        Place* p = make_gc<Place>();
        p->box = make_gc<BoxedPlace>();
        list_.Hang(i, p);
        places_.push_back(Hidden(p));
      }
      for (uint64_t id = 1; id <= kObjects; ++id) {
        Push(PlaceAt(id % kPlaces).top, rt::Passed::New(id));
      }
    });
  }
  Place& PlaceAt(size_t i) const { return *places_[i].Reveal<Place>(); }

  // Holds a few objects on its stack alone, for a while each.
  [[gnu::noinline]] void Run(uint64_t seed, const std::atomic<bool>& stop) {
    TestRng rng(seed);
    rt::Passed* hands[8] = {};
    while (!stop.load(std::memory_order_relaxed)) {
      rt::Passed*& hand = hands[rng.Below(8)];
      if (hand != nullptr) hand->Check();
      hand = Step(PlaceAt(rng.Below(kPlaces)), hand, rng.Below(10));
      if (rng.Below(16) == 0) rt::ForgetAndWait(std::chrono::microseconds(rng.Below(2000)));
    }
    for (rt::Passed* hand : hands) {
      if (hand != nullptr) Push(PlaceAt(0).top, hand);
    }
  }
  [[gnu::noinline]] static rt::Passed* Step(Place& place, rt::Passed* hand, uint64_t what) {
    switch (what) {
      case 0:
        if (hand != nullptr) Push(place.top, hand);
        return nullptr;
      case 1:
        return hand != nullptr ? hand : Pop(place.top);
      case 2:
      case 3:
        return place.slot.exchange(Young(hand));
      case 4:
        return ExchangeBoxed(place.box->boxed, Young(hand));
      case 5:
        return TakeByStore(place, hand);
      case 6:
      case 7:
        return Young(hand);
      default: {
        rt::Passed* expected = what == 8 ? nullptr : place.slot.load();
        if (!place.slot.compare_exchange_strong(expected, Young(hand))) return hand;
        return expected;
      }
    }
  }
  // Another object of that id, which is new and nowhere else.
  static rt::Passed* Young(rt::Passed* p) {
    return p == nullptr ? nullptr : rt::Passed::New(p->id.load(std::memory_order_relaxed));
  }
  // A load, and a store over what was loaded.
  static rt::Passed* TakeByStore(Place& place, rt::Passed* hand) {
    if (place.busy.exchange(1, std::memory_order_acquire) != 0) return hand;
    rt::Passed* p = place.mailbox.load(std::memory_order_relaxed);
    place.mailbox.store(Young(hand), std::memory_order_relaxed);
    // release: pairs with the acquire above.
    place.busy.store(0, std::memory_order_release);
    return p;
  }
  static rt::Passed* ExchangeBoxed(Boxed& boxed, rt::Passed* hand) {
    const uintptr_t word =
        hand == nullptr ? 0 : reinterpret_cast<uintptr_t>(hand) | uintptr_t{0xfffa} << 48;
    return reinterpret_cast<rt::Passed*>(Boxed::codec_type::codec.Decode(boxed.exchange(word)));
  }

  // Each object is in one place.
  void CheckAll() {
    std::vector<int> seen(kObjects + 1);
    const auto count = [&](rt::Passed* p) {
      if (p == nullptr) return;
      p->Check();
      ++seen[p->id.load()];
    };
    for (size_t i = 0; i < kPlaces; ++i) {
      while (rt::Passed* p = Pop(PlaceAt(i).top)) count(p);
      count(PlaceAt(i).slot.exchange(nullptr));
      count(ExchangeBoxed(PlaceAt(i).box->boxed, nullptr));
      count(PlaceAt(i).mailbox.exchange(nullptr));
    }
    for (uint64_t id = 1; id <= kObjects; ++id) EXPECT_EQ(1, seen[id]) << id;
  }

  rt::LongList list_;
  std::vector<Hidden> places_;
};

TEST_F(PassObjectsTest, WithoutLocksWhileCollecting) {
  const uint64_t seed = rt::TestSeed();
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) threads.emplace_back([&, t] { Run(seed + t, stop); });
  rt::CollectFor(std::chrono::milliseconds(2000));
  stop = true;
  Blocked([&] {
    for (std::thread& t : threads) t.join();
  });
  OnOtherThread([this] { CheckAll(); });
  Collect();
}

}  // namespace
}  // namespace tarn
