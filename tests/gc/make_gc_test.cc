// make_gc: objects, arrays, tails; zeroing, alignment, sizes, exceptions, construction.
#include "tarn/make_gc.h"

#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/manual_collections.h"

namespace tarn {
namespace {

using rt::CountAllocated;
using rt::Hidden;
using rt::IsAllocated;
using rt::kSlowdown;
using rt::OnOtherThread;

struct Node {
  int value = 0;
  gc_ptr<Node> next;
};

bool IsNoScan(const void* p) {
  rt::RuntimeScope scope;
  return rt::FindObject(rt::Instance::Get().heap(), reinterpret_cast<uintptr_t>(p)).noscan;
}

bool IsZero(const void* p, size_t bytes) {
  const auto* c = static_cast<const unsigned char*>(p);
  return bytes == 0 || (c[0] == 0 && std::memcmp(c, c + 1, bytes - 1) == 0);
}

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

TEST(MakeGcTest, ArgumentsReachTheConstructor) {
  struct Pair {
    Pair(int a_in, std::unique_ptr<int> b_in) : a(a_in), b(*b_in) {}
    int a, b;
  };
  Pair* p = make_gc<Pair>(1, std::make_unique<int>(2));
  EXPECT_EQ(1, p->a);
  EXPECT_EQ(2, p->b);
}

TEST(MakeGcTest, AggregatesTakeTheirMembers) {
  Node* n = make_gc<Node>(7, nullptr);
  EXPECT_EQ(7, n->value);
  EXPECT_EQ(nullptr, n->next.get());
  EXPECT_EQ(0, make_gc<Node>()->value);
}

TEST(MakeGcTest, ConstObjectsAndScalars) {
  const Node* n = make_gc<const Node>(3, nullptr);
  EXPECT_EQ(3, n->value);
  EXPECT_EQ(5, *make_gc<int>(5));
  EXPECT_EQ(0, *make_gc<int>());
  EXPECT_EQ(nullptr, make_gc<gc_ptr<Node>>()->get());
}

TEST(MakeGcTest, ArraysAreValueInitialised) {
  struct Seven {
    int x = 7;
  };
  Seven* s = make_gc<Seven[]>(100);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(7, s[i].x);
  const double* d = make_gc<const double[]>(100);
  EXPECT_TRUE(IsZero(d, 100 * sizeof(double)));
}

TEST(MakeGcTest, ZeroSizesGiveAPointer) {
  EXPECT_NE(nullptr, make_gc<int[]>(0));
  EXPECT_NE(nullptr, make_gc<Node[]>(0));
  EXPECT_NE(nullptr, AllocateBytes(0, Scan::kNone));
  EXPECT_NE(nullptr, AllocateBytes(0, Scan::kConservative));
  struct Empty {};
  EXPECT_NE(nullptr, make_gc<Empty>());
}

// What dirty objects leave behind is not seen again.
TEST(MakeGcTest, RecycledMemoryIsZeroed) {
  const auto sizes = {size_t{1},     size_t{8},     size_t{9},     size_t{16},
                      size_t{48},    size_t{1000},  size_t{8192},  size_t{9000},
                      size_t{32768}, size_t{32769}, size_t{70000}, size_t{1} << 20};
  for (int round = 0; round < 3; ++round) {
    for (Scan scan : {Scan::kNone, Scan::kConservative}) {
      for (size_t size : sizes) {
        for (size_t i = 0; i < 40; ++i) {
          void* p = AllocateBytes(size, scan);
          ASSERT_TRUE(IsZero(p, size)) << size << " bytes, round " << round;
          std::memset(p, 0xff, size);
        }
      }
    }
    Collect();
  }
}

TEST(MakeGcTest, PointerPastTheEndKeepsAnArrayAlive) {
  const auto counts = {size_t{0},   size_t{1},    size_t{2},    size_t{4},    size_t{6},
                       size_t{512}, size_t{1024}, size_t{4096}, size_t{8192}, size_t{100000}};
  for (size_t n : counts) {
    gc_root<uint64_t> end;
    Hidden begin;
    OnOtherThread([&] {
      uint64_t* a = make_gc<uint64_t[]>(n);
      for (size_t i = 0; i < n; ++i) a[i] = i;
      begin = Hidden(a);
      end = a + n;
    });
    Collect();
    EXPECT_TRUE(IsAllocated(begin)) << n << " elements";
    for (size_t i = 0; i < n; ++i) ASSERT_EQ(i, *(end.get() - n + i));
    end = nullptr;
    Collect();
    EXPECT_FALSE(IsAllocated(begin)) << n << " elements";
  }
}

struct Str {
  uint64_t length = 0;
};
TEST(MakeGcTest, TailFollowsTheObjectAndIsZero) {
  for (size_t n : {0, 1, 7, 8, 100, 40000, 1000000}) {
    Str* s = make_gc_tail<Str, char>(n, Str{n});
    EXPECT_EQ(n, s->length);
    EXPECT_EQ(reinterpret_cast<char*>(s + 1), gc_tail<char>(s));
    EXPECT_TRUE(IsZero(gc_tail<char>(s), n));
    EXPECT_TRUE(IsNoScan(s));
    std::memset(gc_tail<char>(s), 'x', n);
  }
}

struct Vec {
  gc_ptr<Node> head;
  uint64_t not_a_pointer = 0;
};
TEST(MakeGcTest, TailOfPointersIsTraced) {
  for (size_t n : {1, 3, 61, 62, 63, 100, 5000, 40000}) {
    gc_root<Vec> vec;
    std::vector<Hidden> kept, dropped;
    OnOtherThread([&] {
      Vec* v = make_gc_tail<Vec, gc_ptr<Node>>(n);
      vec = v;
      v->head = make_gc<Node>();
      kept.emplace_back(v->head.get());
      Node* lost = make_gc<Node>();
      dropped.emplace_back(lost);
      v->not_a_pointer = reinterpret_cast<uintptr_t>(lost);
      for (size_t i = 0; i < n; ++i) {
        gc_tail<gc_ptr<Node>>(v)[i] = make_gc<Node>();
        kept.emplace_back(gc_tail<gc_ptr<Node>>(v)[i].get());
      }
    });
    Collect();
    EXPECT_EQ(kept.size(), CountAllocated(kept)) << n;
    EXPECT_EQ(0u, CountAllocated(dropped)) << n;
  }
}

template <size_t kAlign, size_t kBytes>
struct alignas(kAlign) Aligned {
  char bytes[kBytes];
};

template <size_t kAlign, size_t kBytes>
void CheckAlignment() {
  using T = Aligned<kAlign, kBytes>;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(make_gc<T>()) % kAlign) << kAlign << " " << kBytes;
    const size_t n = static_cast<size_t>(i % 7);
    EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(make_gc<T[]>(n)) % kAlign) << kAlign << " " << kBytes;
    T* tail = make_gc_tail<T, char>(n);
    EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(tail) % kAlign) << kAlign << " " << kBytes;
  }
}

TEST(MakeGcTest, AlignmentUpToAPageIsKept) {
  CheckAlignment<1, 1>();
  CheckAlignment<2, 2>();
  CheckAlignment<4, 12>();
  CheckAlignment<8, 8>();
  CheckAlignment<16, 1>();
  CheckAlignment<16, 24>();
  CheckAlignment<32, 33>();
  CheckAlignment<64, 64>();
  CheckAlignment<128, 300>();
  CheckAlignment<512, 1>();
  CheckAlignment<1024, 5000>();
  CheckAlignment<4096, 4096>();
  CheckAlignment<8192, 1>();
  CheckAlignment<8192, 40000>();
}

TEST(MakeGcTest, LargeBytesAreAlignedTo16) {
  for (size_t size = 32; size < 3000; size += 7) {
    ASSERT_EQ(0u, reinterpret_cast<uintptr_t>(AllocateBytes(size, Scan::kNone)) % 16) << size;
  }
}

TEST(MakeGcTest, OverflowingSizesThrowBadArrayNewLength) {
  constexpr size_t kMax = std::numeric_limits<size_t>::max();
  EXPECT_THROW(make_gc<double[]>(kMax / 4), std::bad_array_new_length);
  EXPECT_THROW(make_gc<double[]>(kMax / 8 + 1), std::bad_array_new_length);
  EXPECT_THROW(make_gc<char[]>(kMax), std::bad_array_new_length);
  EXPECT_THROW((make_gc_tail<Str, char>(kMax - 3)), std::bad_array_new_length);
  EXPECT_THROW((make_gc_tail<Str, double>(kMax / 8)), std::bad_array_new_length);
}

TEST(MakeGcTest, HugeSizesThrowBadAllocAndLeaveTheHeapSound) {
  constexpr size_t kMax = std::numeric_limits<size_t>::max();
  EXPECT_THROW(make_gc<char[]>(kMax - 1), std::bad_alloc);
  EXPECT_THROW(make_gc<char[]>(size_t{1} << 62), std::bad_alloc);
  EXPECT_THROW(make_gc<Node[]>(size_t{1} << 56), std::bad_alloc);
  EXPECT_THROW(AllocateBytes(kMax, Scan::kNone), std::bad_alloc);
  EXPECT_THROW(AllocateBytes(size_t{1} << 47, Scan::kConservative), std::bad_alloc);
  VerifyHeapForDebugging();
  EXPECT_EQ(1, make_gc<Node>(1, nullptr)->value);
}

struct Throws {
  explicit Throws(bool now) {
    child = make_gc<Node>();
    if (now) throw std::runtime_error("constructor");
  }
  gc_ptr<Node> child;
};
TEST(MakeGcTest, ThrowingConstructorLeavesTheHeapSound) {
  for (size_t i = 0; i < 10000 / kSlowdown; ++i) {
    EXPECT_THROW(make_gc<Throws>(true), std::runtime_error);
  }
  EXPECT_NE(nullptr, make_gc<Throws>(false)->child.get());
  Collect();
  VerifyHeapForDebugging();
}

struct CountedElement {
  static inline int made = 0, destroyed = 0;
  CountedElement() {
    if (made == 5) throw std::runtime_error("sixth");
    ++made;
  }
  ~CountedElement() { ++destroyed; }
  gc_ptr<Node> p;
};
TEST(MakeGcTest, ThrowingElementDestroysTheElementsBefore) {
  EXPECT_THROW(make_gc<CountedElement[]>(10), std::runtime_error);
  EXPECT_EQ(5, CountedElement::made);
  EXPECT_EQ(5, CountedElement::destroyed);
  Collect();
  VerifyHeapForDebugging();
}

// Trace methods read `built`; collectors run on other threads, but not while this one allocates.
class HalfBuilt {
 public:
  explicit HalfBuilt(bool fail) {
    first_ = make_gc<Node>(1, nullptr);
    Collect();
    second_ = make_gc<Node>(2, first_);
    Collect();
    if (fail) throw std::runtime_error("constructor");
    built_ = true;
  }
  void Trace(Tracer& t) const {
    if (!built_) ++traced_half_built;
    t.Visit(first_);
    t.Visit(second_);
  }
  int sum() const { return first_->value + second_->value + second_->next->value; }

  static inline std::atomic<int> traced_half_built{0};

 private:
  gc_ptr<Node> first_, second_;
  bool built_ = false;
};
TEST(MakeGcTest, TraceIsNotCalledDuringConstructionAndChildrenLive) {
  for (int i = 0; i < 20; ++i) {
    gc_root<HalfBuilt> h = make_gc<HalfBuilt>(false);
    Collect();
    EXPECT_EQ(4, h->sum());
  }
  EXPECT_EQ(0, HalfBuilt::traced_half_built.load());
}

// Once a Trace visits words without barriers, marked objects are traced again under a stop.
struct VisitsWords {
  uintptr_t word = 0;
  void Trace(Tracer& t) const { t.VisitConservatively(&word, &word + 1); }
};
class SlowlyBuilt {
 public:
  SlowlyBuilt() {
    is_half_built_ = true;
    p_ = make_gc<Node>(7, nullptr);
    Collect();
    is_half_built_ = false;
  }
  void Trace(Tracer& t) const {
    if (is_half_built_) ++traced_half_built;
    t.Visit(p_);
  }
  int value() const { return p_->value; }
  static inline std::atomic<int> traced_half_built{0};

 private:
  bool is_half_built_;
  gc_ptr<Node> p_;
};
TEST(MakeGcTest, TraceIsNotCalledDuringConstructionByTheSecondScan) {
  gc_root<VisitsWords> words = make_gc<VisitsWords>();
  Collect();  // traces it
  for (int i = 0; i < 20; ++i) EXPECT_EQ(7, make_gc<SlowlyBuilt>()->value());
  EXPECT_EQ(0, SlowlyBuilt::traced_half_built.load());
}

TEST(MakeGcTest, ThrowingTracedConstructorLeavesNoTrace) {
  OnOtherThread([] {
    for (int i = 0; i < 5; ++i) EXPECT_THROW(make_gc<HalfBuilt>(true), std::runtime_error);
    // Still linked in order: another object under construction works.
    EXPECT_EQ(4, make_gc<HalfBuilt>(false)->sum());
  });
  Collect();
  VerifyHeapForDebugging();
}

class Outer {
 public:
  Outer() : inner_(make_gc<HalfBuilt>(false)) { Collect(); }
  void Trace(Tracer& t) const { t.Visit(inner_); }
  gc_ptr<HalfBuilt> inner_;
};
TEST(MakeGcTest, ConstructionNests) { EXPECT_EQ(4, make_gc<Outer>()->inner_->sum()); }

TEST(MakeGcTest, PointerFreeTypesAreNotScanned) {
  struct Numbers {
    uint64_t word;
    double d[3];
  };
  EXPECT_TRUE(IsNoScan(make_gc<Numbers>()));
  EXPECT_TRUE(IsNoScan(make_gc<uint64_t>()));
  EXPECT_TRUE(IsNoScan(make_gc<char[]>(100)));
  EXPECT_TRUE(IsNoScan(make_gc<Numbers[]>(10000)));
  EXPECT_TRUE(IsNoScan(AllocateBytes(50, Scan::kNone)));
  EXPECT_FALSE(IsNoScan(AllocateBytes(50, Scan::kConservative)));
  EXPECT_FALSE(IsNoScan(make_gc<Node>()));
}

TEST(MakeGcTest, AddressInAnIntegerDoesNotKeepAnObject) {
  gc_root<uint64_t> holder = make_gc<uint64_t>();
  Hidden node;
  OnOtherThread([&] {
    Node* n = make_gc<Node>();
    node = Hidden(n);
    *holder = reinterpret_cast<uintptr_t>(n);
  });
  Collect();
  EXPECT_FALSE(IsAllocated(node));
}

TEST(MakeGcTest, ConservativeBytesKeepWhatTheyName) {
  gc_root<void> holder = AllocateBytes(64, Scan::kConservative);
  Hidden node;
  OnOtherThread([&] {
    Node* n = make_gc<Node>(9, nullptr);
    node = Hidden(n);
    static_cast<uintptr_t*>(holder.get())[5] = reinterpret_cast<uintptr_t>(&n->next);
  });
  Collect();
  ASSERT_TRUE(IsAllocated(node));
  EXPECT_EQ(9, node.Reveal<Node>()->value);
  static_cast<uintptr_t*>(holder.get())[5] = 0;
}

// Tiny blocks are shared, and an object in one keeps its neighbours' memory, not the reverse.
TEST(MakeGcTest, TinyObjectsDoNotOverlap) {
  std::vector<std::pair<char*, size_t>> all;
  std::vector<gc_root<char>> roots;
  struct Three {
    char c[3];
  };
  struct Two {
    short s[6];
  };
  for (int i = 0; i < 3000; ++i) {
    char* p;
    size_t n;
    switch (i % 5) {
      case 0:
        p = make_gc<char>(), n = 1;
        break;
      case 1:
        p = reinterpret_cast<char*>(make_gc<int>()), n = 4;
        break;
      case 2:
        p = make_gc<Three>()->c, n = 3;
        break;
      case 3:
        p = reinterpret_cast<char*>(make_gc<short>()), n = 2;
        break;
      default:
        p = reinterpret_cast<char*>(make_gc<Two>()), n = 12;
        break;
    }
    ASSERT_TRUE(IsZero(p, n));
    std::memset(p, i, n);
    all.emplace_back(p, n);
    roots.emplace_back(p);
    if (i % 500 == 0) Collect();
  }
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = 0; j < all[i].second; ++j) {
      ASSERT_EQ(static_cast<char>(i), all[i].first[j]) << "object " << i;
    }
  }
}

// The block that is being filled stays the thread's when everything in it has died.
TEST(MakeGcTest, TinyBlockSurvivesACollection) {
  OnOtherThread([] {
    for (int round = 0; round < 20; ++round) {
      OnOtherThread([] {
        const auto make = []() __attribute__((noinline)) { *make_gc<char>() = 'x'; };
        make();
        Collect();
        char* mine = make_gc<char>('m');
        for (int i = 0; i < 2000; ++i) std::memset(AllocateBytes(16, Scan::kNone), 0xff, 16);
        ASSERT_EQ('m', *mine);
      });
    }
  });
}

}  // namespace
}  // namespace tarn
