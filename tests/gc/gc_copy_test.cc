// gc_copy and its kin: memmove as the oracle, which types they take, and threads that move arrays
// of pointers about while collections follow one another. Run with marking beside the program and
// clobberfree, so that an object that a barrier lost is noticed.
#include "tarn/gc_copy.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tarn/tarn.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/passed_objects.h"
#include "tests/support/polled_mutex.h"
#include "tests/support/test_seed.h"

namespace tarn {
namespace {

using rt::Hidden;
using rt::OnOtherThread;
using rt::Passed;
using rt::TestRng;

using Slot = gc_ptr<Passed>;
using Boxed = gc_word<nan_box_codec<0xfff9>>;

struct Entry {
  uint64_t key;
  Slot value;
  int flags;
};
struct Nested {
  Entry entries[2];
  std::array<Boxed, 2> none;
};
struct Plain {
  char c[3];
};
struct Block {
  double d[100];
};
struct Wide {  // scanned conservatively
  Slot value;
  Block numbers[6];
};
struct RawPointers {
  int x;
  Passed* p;
};
struct WithBoth {  // no mask: two encodings
  Boxed boxed;
  Slot pointer;
};
struct HasDestructor {
  Slot p;
  ~HasDestructor() { p = nullptr; }
};
class Opaque {
 public:
  Opaque() = default;
  explicit Opaque(Passed* p) : p_(p) {}
  const Passed* get() const { return p_; }

 private:
  Slot p_;
};
struct Hides {
  uintptr_t encoded;
  void Trace(Tracer& t) const { t.VisitPointer(reinterpret_cast<const void*>(~encoded)); }
};
struct WithConst {
  Slot p;
  const int n = 0;
};
struct HoldsOpaque {
  Opaque o;
};
class OptsIn {
 public:
  OptsIn() = default;
  explicit OptsIn(Passed* p) : p_(p) {}
  Passed* get() const { return number_ == 1 ? p_.get() : nullptr; }

 private:
  uint64_t number_ = 1;
  Slot p_;
};

}  // namespace

template <>
struct gc_bulk_copyable<OptsIn> : std::true_type {};

namespace {

template <class T>
constexpr bool kTaken = gc_bulk_copyable<T>::value;

static_assert(kTaken<Slot> && kTaken<Boxed> && kTaken<int> && kTaken<Passed*>);
static_assert(kTaken<Entry> && kTaken<Nested> && kTaken<Plain> && kTaken<Wide>);
static_assert(kTaken<Slot[3]> && kTaken<std::array<Entry, 2>> && kTaken<RawPointers>);
static_assert(kTaken<WithBoth> && kTaken<OptsIn>);
static_assert(!kTaken<Opaque> && !kTaken<HoldsOpaque> && !kTaken<HasDestructor>);
static_assert(!kTaken<gc_atomic_ptr<Passed>> && !kTaken<std::atomic<int>> && !kTaken<Passed>);
static_assert(!kTaken<std::string> && !kTaken<std::unique_ptr<int>> && !kTaken<Hides>);
static_assert(!kTaken<WithConst> && !kTaken<gc_root<Passed>>);

class GcCopyTest : public testing::Test {
 protected:
  GcCopyTest() {
    for (int i = 0; i < 8; ++i) objects_.push_back(gc_root<Passed>(Passed::New(1)));
  }
  Passed* Any() { return objects_[rng_.Below(objects_.size())].get(); }
  Slot AnySlot() { return rng_.Below(4) == 0 ? nullptr : Any(); }
  Boxed AnyBoxed() { return Boxed(reinterpret_cast<uintptr_t>(Any()) | uintptr_t{0xfff9} << 48); }
  Entry AnyEntry() { return {rng_.Next(), AnySlot(), static_cast<int>(rng_.Below(9))}; }

  // Copies within and between arrays of T do to the bytes what memmove and assignment do.
  template <class T, class Make>
  void CompareWithMemmove(size_t max, Make make) {
    gc_root<T> a = make_gc<T[]>(max);
    gc_root<T> b = make_gc<T[]>(max);
    for (size_t i = 0; i < max; ++i) {
      a.get()[i] = make();
      b.get()[i] = make();
    }
    std::vector<unsigned char> x(max * sizeof(T)), y(max * sizeof(T));
    std::memcpy(x.data(), static_cast<const void*>(a.get()), x.size());
    std::memcpy(y.data(), static_cast<const void*>(b.get()), y.size());
    const auto same = [&] {
      return std::memcmp(x.data(), static_cast<const void*>(a.get()), x.size()) == 0 &&
             std::memcmp(y.data(), static_cast<const void*>(b.get()), y.size()) == 0;
    };
    for (int round = 0; round < 300; ++round) {
      const size_t n = rng_.Below(rng_.Below(3) == 0 ? max + 1 : std::min<size_t>(max + 1, 40));
      const size_t to = rng_.Below(max - n + 1), from = rng_.Below(max - n + 1);
      switch (rng_.Below(5)) {
        case 0:
          gc_copy(a.get() + to, b.get() + from, n);
          std::memcpy(&x[to * sizeof(T)], &y[from * sizeof(T)], n * sizeof(T));
          break;
        case 1:
        case 2:
          gc_move(a.get() + to, a.get() + from, n);
          std::memmove(x.data() + to * sizeof(T), x.data() + from * sizeof(T), n * sizeof(T));
          break;
        case 3: {
          // A value that lies in the range, or just outside.
          const T* value = a.get() + rng_.Below(max);
          std::vector<unsigned char> bytes(sizeof(T));
          std::memcpy(bytes.data(), static_cast<const void*>(value), sizeof(T));
          gc_fill(a.get() + to, *value, n);
          for (size_t i = 0; i < n; ++i) {
            // Padding of the value need not be copied: take what is there.
            ASSERT_TRUE(SameValue(a.get()[to + i], *reinterpret_cast<const T*>(bytes.data())));
          }
          std::memcpy(&x[0], static_cast<const void*>(a.get()), x.size());
          break;
        }
        default:
          gc_clear(b.get() + to, n);
          std::memset(y.data() + to * sizeof(T), 0, n * sizeof(T));
      }
      ASSERT_TRUE(same()) << "round " << round << " to " << to << " from " << from << " n " << n;
    }
  }
  static bool SameValue(const Slot& a, const Slot& b) { return a == b; }
  static bool SameValue(const Boxed& a, const Boxed& b) { return a.load() == b.load(); }
  static bool SameValue(const Entry& a, const Entry& b) {
    return a.key == b.key && a.value == b.value && a.flags == b.flags;
  }
  static bool SameValue(const Plain& a, const Plain& b) { return std::memcmp(&a, &b, 3) == 0; }
  static bool SameValue(const Wide& a, const Wide& b) {
    return a.value == b.value && std::memcmp(a.numbers, b.numbers, sizeof a.numbers) == 0;
  }
  static bool SameValue(const WithBoth& a, const WithBoth& b) {
    return SameValue(a.boxed, b.boxed) && a.pointer == b.pointer;
  }
  static bool SameValue(const OptsIn& a, const OptsIn& b) { return a.get() == b.get(); }

  TestRng rng_{rt::TestSeed()};
  std::vector<gc_root<Passed>> objects_;
  rt::Collections collections_;  // so that both sides of the barrier run
};

TEST_F(GcCopyTest, Pointers) {
  CompareWithMemmove<Slot>(3000, [this] { return AnySlot(); });
  CompareWithMemmove<Slot>(3, [this] { return AnySlot(); });
}
TEST_F(GcCopyTest, Words) {
  CompareWithMemmove<Boxed>(1500, [this] { return AnyBoxed(); });
}
TEST_F(GcCopyTest, Structs) {
  CompareWithMemmove<Entry>(700, [this] { return AnyEntry(); });
}
TEST_F(GcCopyTest, StructsOfOddSizeWithoutPointers) {
  CompareWithMemmove<Plain>(5000, [this] {
    return Plain{{static_cast<char>(rng_.Below(256)), 1, static_cast<char>(rng_.Below(256))}};
  });
}
TEST_F(GcCopyTest, StructsWiderThanAChunk) {
  CompareWithMemmove<Wide>(9, [this] {
    Wide w{};
    w.value = AnySlot();
    w.numbers[rng_.Below(6)].d[rng_.Below(100)] = static_cast<double>(rng_.Below(1000));
    return w;
  });
}
TEST_F(GcCopyTest, StructsWithTwoEncodings) {
  CompareWithMemmove<WithBoth>(600, [this] { return WithBoth{AnyBoxed(), AnySlot()}; });
}
TEST_F(GcCopyTest, ClassesThatOptIn) {
  CompareWithMemmove<OptsIn>(600, [this] { return OptsIn(Any()); });
}

TEST_F(GcCopyTest, ArraysAsElements) {
  using Row = std::array<Entry, 2>;
  gc_root<Row> a = make_gc<Row[]>(4);
  a.get()[0][1].value = Any();
  gc_copy(a.get() + 2, a.get(), 1);
  EXPECT_EQ(a.get()[0][1].value, a.get()[2][1].value);
  EXPECT_TRUE(a.get()[2][1].value);
}

TEST_F(GcCopyTest, OutsideTheHeap) {
  Slot on_stack[5];
  gc_fill(on_stack, Slot(Any()), 5);
  Slot copy[5];
  gc_uninitialized_copy(copy, on_stack, 5);
  for (const Slot& s : copy) EXPECT_EQ(on_stack[0], s);
  gc_clear(copy, 4);
  EXPECT_FALSE(copy[3]);
  EXPECT_TRUE(copy[4]);
}

TEST_F(GcCopyTest, NothingAtAll) {
  Slot* none = nullptr;
  gc_copy(none, none, 0);
  gc_move(none, none, 0);
  gc_fill(none, Slot(), 0);
  gc_clear(none, 0);
}

// A thread's first operation attaches it, whichever it is.
TEST_F(GcCopyTest, FirstOperationOfAThread) {
  gc_root<Slot> a = make_gc<Slot[]>(10);
  Passed* p = Any();
  OnOtherThread([&] {
    alignas(Slot) unsigned char bytes[sizeof(Slot)];
    std::memcpy(bytes, &p, sizeof bytes);
    gc_copy(a.get(), reinterpret_cast<const Slot*>(bytes), 1);
  });
  EXPECT_EQ(p, a.get()[0].get());
  OnOtherThread([&] { gc_move(a.get() + 1, a.get(), 9); });
  EXPECT_EQ(p, a.get()[1].get());
  OnOtherThread([&] { gc_clear(a.get(), 1); });
  EXPECT_EQ(nullptr, a.get()[0].get());
}

// --- Threads

// Each thread has arrays at different depths of what is marked, and knows what they hold. What it
// moves from the late ones to the early ones is alive through barriers alone.
class MoveArraysTest : public testing::Test {
 protected:
  static constexpr size_t kThreads = 3, kArrays = 4, kSlots = 1200;

  struct Array {
    Hidden slots;
    std::vector<uint64_t> ids;  // 0: null
    Slot* begin() const { return slots.Reveal<Slot>(); }
  };
  struct Team {
    std::vector<Array> arrays;
    Array scratch;
  };

  Array NewArray(size_t depth) {
    Array a;
    Slot* slots = make_gc<Slot[]>(kSlots);
    list_.Hang(depth, slots);
    a.slots = Hidden(slots);
    a.ids.resize(kSlots);
    return a;
  }
  [[gnu::noinline]] void SetUpTeam(Team& team) {
    for (size_t i = 0; i < kArrays; ++i) {
      team.arrays.push_back(NewArray(i * 2 + 1));
      for (size_t k = 0; k < kSlots; ++k) Replace(team.arrays[i], k);
    }
  }
  static uint64_t NewId() {
    static std::atomic<uint64_t> last{0};
    return ++last;
  }
  [[gnu::noinline]] static void Replace(Array& a, size_t at) {
    a.ids[at] = NewId();
    a.begin()[at] = Passed::New(a.ids[at]);
  }
  [[gnu::noinline]] static void Check(const Array& a, size_t from, size_t n) {
    for (size_t i = from; i < from + n; ++i) {
      const Passed* p = a.begin()[i];
      ASSERT_EQ(p == nullptr, a.ids[i] == 0);
      if (p != nullptr) p->Check(a.ids[i]);
    }
  }

  void Run(size_t index, uint64_t seed, const std::atomic<bool>& stop) {
    Team team;
    SetUpTeam(team);
    TestRng rng(seed + index);
    while (!stop.load(std::memory_order_relaxed)) {
      Array& a = team.arrays[rng.Below(kArrays)];
      Array& b = team.arrays[rng.Below(kArrays)];
      Step(a, b, rng);
    }
    for (const Array& a : team.arrays) Check(a, 0, kSlots);
  }
  [[gnu::noinline]] void Step(Array& a, Array& b, TestRng& rng) {
    const size_t n = rng.Below(rng.Below(4) == 0 ? kSlots + 1 : 60);
    const size_t to = rng.Below(kSlots - n + 1), from = rng.Below(kSlots - n + 1);
    switch (rng.Below(8)) {
      case 0:  // moves away, so that only the copy is left
        if (&a == &b) return;
        gc_copy(a.begin() + to, b.begin() + from, n);
        std::copy_n(&b.ids[from], n, &a.ids[to]);
        gc_clear(b.begin() + from, n);
        std::fill_n(&b.ids[from], n, 0);
        break;
      case 1: {
        gc_move(a.begin() + to, a.begin() + from, n);
        const std::vector<uint64_t> old = a.ids;
        std::copy_n(&old[from], n, &a.ids[to]);
        break;
      }
      case 2: {
        const uint64_t id = NewId();
        gc_fill(a.begin() + to, Slot(Passed::New(id)), n);
        std::fill_n(&a.ids[to], n, id);
        break;
      }
      case 3:
        return Renew(a);
      case 4:
        return Exchange(a, to, n);
      case 5:
        return Hide(a, b, to, rng);
      case 6:
        Produce(a, to, n);
        rt::ForgetAndWait(std::chrono::microseconds(rng.Below(500)));
        break;
      default:
        for (size_t i = to; i < to + n; ++i) {
          if (a.ids[i] == 0) Replace(a, i);
        }
    }
    Check(a, to, n);
  }
  // The array's slots in a new place that nothing but the stack refers to for a while.
  [[gnu::noinline]] static void Renew(Array& a) {
    Slot* fresh = make_gc<Slot[]>(kSlots);
    gc_uninitialized_copy(fresh, a.begin(), kSlots);
    gc_clear(a.begin(), kSlots);
    std::this_thread::yield();
    gc_copy(a.begin(), fresh, kSlots);
    Check(a, 0, kSlots);
  }
  // Loads pointers, overwrites them in one of the ways, and keeps them on the stack alone.
  [[gnu::noinline]] static void Hide(Array& a, Array& b, size_t at, TestRng& rng) {
    Passed* hidden[8] = {};
    const size_t n = std::min<size_t>(8, kSlots - at);
    const std::vector<uint64_t> ids(&a.ids[at], &a.ids[at] + n);
    for (size_t i = 0; i < n; ++i) hidden[i] = a.begin()[at + i];
    switch (rng.Below(3)) {
      case 0:
        gc_clear(a.begin() + at, n);
        break;
      case 1:
        gc_fill(a.begin() + at, Slot(b.begin()[at]), n);
        break;
      default:
        gc_copy(a.begin() + at, b.begin() + (at + n) % (kSlots - n), n);
    }
    rt::ForgetAndWait(std::chrono::microseconds(rng.Below(3000)));
    for (size_t i = 0; i < n; ++i) {
      ASSERT_EQ(hidden[i] == nullptr, ids[i] == 0);
      if (hidden[i] != nullptr) hidden[i]->Check(ids[i]);
      a.begin()[at + i] = hidden[i];
    }
  }
  // New objects that are referred to by the range alone afterwards.
  [[gnu::noinline]] static void Produce(Array& a, size_t at, size_t n) {
    const size_t many = n / 2;
    Slot* fresh = make_gc<Slot[]>(many + 1);
    for (size_t i = 0; i < many; ++i) {
      a.ids[at + i] = NewId();
      fresh[i] = Passed::New(a.ids[at + i]);
    }
    gc_copy(a.begin() + at, fresh, many);
    const uint64_t id = NewId();
    std::fill_n(&a.ids[at + many], n - many, id);
    gc_fill(a.begin() + at + many, Slot(Passed::New(id)), n - many);
  }
  // With what another thread has left in the common array.
  [[gnu::noinline]] void Exchange(Array& a, size_t at, size_t n) {
    std::lock_guard<rt::PolledMutex> hold(lock_);
    Slot* fresh = make_gc<Slot[]>(n + 1);
    gc_uninitialized_copy(fresh, a.begin() + at, n);
    gc_copy(a.begin() + at, common_.begin(), n);
    gc_copy(common_.begin(), fresh, n);
    std::swap_ranges(&a.ids[at], &a.ids[at] + n, common_.ids.data());
    Check(a, at, n);
  }

  rt::LongList list_;
  rt::PolledMutex lock_;
  Array common_ = NewArray(4);
};

TEST_F(MoveArraysTest, WhileCollecting) {
  const uint64_t seed = rt::TestSeed();
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) threads.emplace_back([&, t] { Run(t, seed, stop); });
  rt::CollectFor(std::chrono::milliseconds(2500));
  stop = true;
  Blocked([&] {
    for (std::thread& t : threads) t.join();
  });
  Check(common_, 0, kSlots);
  Collect();
}

}  // namespace
}  // namespace tarn
