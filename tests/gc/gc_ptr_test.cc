// gc_ptr as a pointer: conversions, comparison, the std traits.
#include "tarn/gc_ptr.h"

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <type_traits>
#include <unordered_set>
#include <utility>

#include "gc/collect/mutator_gc.h"
#include "gtest/gtest.h"
#include "runtime/thread/mutator.h"
#include "runtime/thread/runtime_scope.h"
#include "tarn/heap.h"
#include "tarn/keep_alive.h"
#include "tarn/make_gc.h"

namespace tarn {
namespace {

struct First {
  virtual ~First() = default;
  long a = 1;
};
struct Base {
  virtual ~Base() = default;
  long b = 2;
};
// The Base part lies behind the First part.
struct Derived : First, Base {
  long d = 3;
};
struct Unrelated {
  int x = 0;
};

static_assert(sizeof(gc_ptr<int>) == sizeof(int*));
static_assert(alignof(gc_ptr<int>) == alignof(int*));
static_assert(std::is_nothrow_default_constructible_v<gc_ptr<int>>);
static_assert(std::is_trivially_destructible_v<gc_ptr<int>>);
static_assert(std::is_convertible_v<Derived*, gc_ptr<Base>>);
static_assert(std::is_convertible_v<gc_ptr<Derived>, gc_ptr<Base>>);
static_assert(std::is_convertible_v<gc_ptr<Derived>, gc_ptr<const Derived>>);
static_assert(std::is_convertible_v<gc_ptr<Derived>, gc_ptr<void>>);
static_assert(!std::is_convertible_v<gc_ptr<Base>, gc_ptr<Derived>>);
static_assert(!std::is_convertible_v<gc_ptr<const Base>, gc_ptr<Base>>);
static_assert(!std::is_constructible_v<gc_ptr<Unrelated>, gc_ptr<Base>>);
static_assert(!std::is_assignable_v<gc_ptr<Derived>&, gc_ptr<Base>>);
static_assert(!std::is_convertible_v<gc_ptr<int>, int>);

TEST(GcPtrTest, DefaultAndNullAreNull) {
  gc_ptr<int> a;
  gc_ptr<int> b = nullptr;
  EXPECT_EQ(nullptr, a.get());
  EXPECT_EQ(nullptr, b.get());
  EXPECT_FALSE(a);
  EXPECT_TRUE(a == nullptr);
  EXPECT_TRUE(nullptr == a);
}

TEST(GcPtrTest, ConstantNullNeedsNoRuntimeInitialisation) {
  static constinit gc_ptr<int> p;
  EXPECT_EQ(nullptr, p.get());
}

TEST(GcPtrTest, ConvertsFromAndToRawPointers) {
  Unrelated* raw = make_gc<Unrelated>();
  gc_ptr<Unrelated> p = raw;
  Unrelated* back = p;
  EXPECT_EQ(raw, back);
  p->x = 7;
  EXPECT_EQ(7, (*p).x);
  EXPECT_TRUE(p);
  p = nullptr;
  EXPECT_FALSE(p);
  p = raw;
  EXPECT_EQ(raw, p.get());
}

TEST(GcPtrTest, EmptyBracesAssignNull) {
  gc_ptr<int> p = make_gc<int>(1);
  p = {};
  EXPECT_EQ(nullptr, p.get());
}

TEST(GcPtrTest, BaseWithOffsetIsAdjusted) {
  Derived* d = make_gc<Derived>();
  gc_ptr<Derived> p = d;
  gc_ptr<Base> b = p;
  EXPECT_EQ(static_cast<Base*>(d), b.get());
  EXPECT_NE(static_cast<void*>(d), static_cast<void*>(b.get()));
  EXPECT_EQ(2, b->b);
  gc_ptr<Base> from_raw = d;
  EXPECT_EQ(b, from_raw);
  b = nullptr;
  b = p;
  EXPECT_EQ(from_raw.get(), b.get());
  EXPECT_EQ(d, static_pointer_cast<Derived>(b).get());
  EXPECT_EQ(d, dynamic_pointer_cast<Derived>(b).get());
}

TEST(GcPtrTest, NullBaseStaysNull) {
  gc_ptr<Derived> p;
  gc_ptr<Base> b = p;
  EXPECT_EQ(nullptr, b.get());
  EXPECT_EQ(nullptr, static_pointer_cast<Derived>(b).get());
  EXPECT_EQ(nullptr, dynamic_pointer_cast<Derived>(b).get());
}

TEST(GcPtrTest, DynamicCastToAnotherTypeIsNull) {
  struct Other : Base {};
  gc_ptr<Base> b = make_gc<Derived>();
  EXPECT_EQ(nullptr, dynamic_pointer_cast<Other>(b).get());
}

TEST(GcPtrTest, ConstAndVoid) {
  gc_ptr<Unrelated> p = make_gc<Unrelated>();
  gc_ptr<const Unrelated> c = p;
  EXPECT_EQ(p, c);
  EXPECT_EQ(p, const_pointer_cast<Unrelated>(c));
  gc_ptr<void> v = p;
  EXPECT_EQ(p.get(), v.get());
  EXPECT_EQ(p, static_pointer_cast<Unrelated>(v));
  gc_ptr<const void> cv = c;
  EXPECT_EQ(p.get(), cv.get());
}

TEST(GcPtrTest, ComparesWithPointersOfEitherKind) {
  Derived* d = make_gc<Derived>();
  gc_ptr<Derived> p = d, q = make_gc<Derived>();
  gc_ptr<Base> b = d;
  EXPECT_TRUE(p == d);
  EXPECT_TRUE(d == p);
  EXPECT_TRUE(p != q);
  EXPECT_TRUE(p == b);
  EXPECT_TRUE(b == p);
  EXPECT_FALSE(p == nullptr);
  EXPECT_TRUE(p != nullptr);
}

TEST(GcPtrTest, IsOrderedByAddress) {
  int* array = make_gc<int[]>(3);
  gc_ptr<int> a = array, b = array + 1, c = array + 1;
  EXPECT_TRUE(a < b);
  EXPECT_TRUE(b > a);
  EXPECT_TRUE(b <= c);
  EXPECT_TRUE((b <=> c) == std::strong_ordering::equal);
  std::set<gc_ptr<int>> set = {b, a, c};
  EXPECT_EQ(2u, set.size());
  std::map<gc_ptr<int>, int> map;
  map[a] = 1;
  map[b] = 2;
  EXPECT_EQ(2, map[c]);
}

TEST(GcPtrTest, HashIsThatOfThePointer) {
  int* raw = make_gc<int>(3);
  gc_ptr<int> p = raw;
  EXPECT_EQ(std::hash<int*>()(raw), std::hash<gc_ptr<int>>()(p));
  std::unordered_set<gc_ptr<int>> set = {p, p};
  EXPECT_EQ(1u, set.size());
}

TEST(GcPtrTest, PointerTraits) {
  using Traits = std::pointer_traits<gc_ptr<Unrelated>>;
  static_assert(std::is_same_v<Traits::element_type, Unrelated>);
  static_assert(std::is_same_v<Traits::rebind<int>, gc_ptr<int>>);
  Unrelated* raw = make_gc<Unrelated>();
  gc_ptr<Unrelated> p = Traits::pointer_to(*raw);
  EXPECT_EQ(raw, p.get());
  EXPECT_EQ(raw, std::to_address(p));
}

TEST(GcPtrTest, Swap) {
  int* x = make_gc<int>(1);
  int* y = make_gc<int>(2);
  gc_ptr<int> a = x, b = y;
  swap(a, b);
  EXPECT_EQ(y, a.get());
  EXPECT_EQ(x, b.get());
  std::swap(a, b);
  EXPECT_EQ(x, a.get());
  EXPECT_EQ(y, b.get());
}

TEST(GcPtrTest, CopyMoveAndSelfAssignment) {
  int* x = make_gc<int>(1);
  gc_ptr<int> a = x;
  gc_ptr<int> b = a;
  gc_ptr<int> c = std::move(a);
  EXPECT_EQ(x, b.get());
  EXPECT_EQ(x, c.get());
  gc_ptr<int>& alias = b;
  b = alias;
  EXPECT_EQ(x, b.get());
}

TEST(GcPtrTest, IndexesLikeAPointer) {
  gc_ptr<int> a = make_gc<int[]>(4);
  a[2] = 5;
  EXPECT_EQ(5, *(a + 2));
}

// A container that destroys and constructs again in the same slot: what the slot held must be shaded,
// for its owner may have taken it out and hold it in a frame that is scanned already.
TEST(GcPtrTest, ConstructionOverAUsedSlotShadesWhatItHeld) {
  SetGcPercent(-1);
  Unrelated* old = make_gc<Unrelated>();
  auto* slots = make_gc<gc_ptr<Unrelated>[]>(2);
  slots[0] = old;
  rt::MutatorGc& gc = *rt::Mutator::Current()->gc;
  const auto construct = [&](gc_ptr<Unrelated>* at) {
    Unrelated* const null = nullptr;
    gc.shaded = false;
    rt::RuntimeScope scope;  // no handshake while the flag lies
    internal::t_block.barrier_on.store(1, std::memory_order_relaxed);
    std::construct_at(at, null);
    internal::t_block.barrier_on.store(0, std::memory_order_relaxed);
    gc.sink.Drop();
    return gc.shaded;
  };
  EXPECT_TRUE(construct(&slots[0]));
  EXPECT_FALSE(construct(&slots[1])) << "it held null";
  alignas(gc_ptr<Unrelated>) unsigned char outside[sizeof(gc_ptr<Unrelated>)];
  std::memcpy(outside, &old, sizeof(old));
  EXPECT_FALSE(construct(reinterpret_cast<gc_ptr<Unrelated>*>(outside))) << "not the heap's";
  KeepAlive(old);
  gc.shaded = false;
}

}  // namespace
}  // namespace tarn
