// Roots: handles, ranges, callbacks, thread roots; what happens on misuse.
#include "gc/collect/roots.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/os/os_memory_linux.h"
#include "tarn/root.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/manual_collections.h"
#include "tests/runtime/heap/heap_test_util.h"
#include "tests/support/test_seed.h"

namespace tarn {
namespace {

using rt::CountAllocated;
using rt::Hidden;
using rt::IsAllocated;
using rt::kSlowdown;
using rt::OnOtherThread;
using rt::TestRng;

struct Node {
  int value = 0;
  gc_ptr<Node> next;
};

// Makes a node on a thread that ends, and hands it to `keep` there.
template <class F>
Hidden MakeNode(int value, F&& keep) {
  Hidden h;
  OnOtherThread([&] {
    Node* n = make_gc<Node>(value, nullptr);
    h = Hidden(n);
    keep(n);
  });
  return h;
}

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

TEST(GcRootTest, KeepsItsObjectUntilCleared) {
  gc_root<Node> root;
  const Hidden h = MakeNode(3, [&](Node* n) { root = n; });
  Collect();
  ASSERT_TRUE(IsAllocated(h));
  EXPECT_EQ(3, root->value);
  root = nullptr;
  Collect();
  EXPECT_FALSE(IsAllocated(h));
}

TEST(GcRootTest, DestructorReleases) {
  auto root = std::make_unique<gc_root<Node>>();
  const Hidden h = MakeNode(3, [&](Node* n) { *root = n; });
  root.reset();
  Collect();
  EXPECT_FALSE(IsAllocated(h));
}

TEST(GcRootTest, CopiesAreIndependent) {
  gc_root<Node> a;
  const Hidden h = MakeNode(3, [&](Node* n) { a = n; });
  gc_root<Node> b = a;
  a = nullptr;
  Collect();
  ASSERT_TRUE(IsAllocated(h));
  gc_root<Node> c;
  c = b;
  b = nullptr;
  Collect();
  EXPECT_TRUE(IsAllocated(h));
  EXPECT_EQ(3, c->value);
}

TEST(GcRootTest, MoveLeavesNull) {
  gc_root<Node> a;
  const Hidden h = MakeNode(3, [&](Node* n) { a = n; });
  gc_root<Node> b = std::move(a);
  EXPECT_EQ(nullptr, a.get());  // NOLINT: moved-from handles are null
  gc_root<Node> c;
  c = std::move(b);
  EXPECT_EQ(nullptr, b.get());  // NOLINT
  Collect();
  ASSERT_TRUE(IsAllocated(h));
  gc_root<Node>& alias = c;
  c = std::move(alias);
  c = alias;
  OnOtherThread([&] { EXPECT_EQ(3, c->value); });
  c = gc_root<Node>();
  Collect();
  EXPECT_FALSE(IsAllocated(h));
}

TEST(GcRootTest, NullTakesNoCell) {
  gc_root<Node> warm = make_gc<Node>();
  const size_t before = rt::Instance::Get().collector().roots().cells().bytes();
  std::vector<gc_root<Node>> many(100000);
  many[5] = nullptr;
  EXPECT_EQ(before, rt::Instance::Get().collector().roots().cells().bytes());
}

// Cells go from thread to thread: what one frees others take, and threads that end leave none behind.
TEST(GcRootTest, CellsAreUsedAgainByOtherThreads) {
  constexpr size_t kRoots = 20000;
  const auto use = [] {
    std::vector<gc_root<Node>> many(kRoots);
    Node* n = make_gc<Node>(1, nullptr);
    for (auto& root : many) root = n;
    const uint64_t seed = rt::TestSeed();
    TestRng rng(seed);
    for (size_t i = 0; i < 3 * kRoots; ++i) {
      auto& root = many[rng.Below(kRoots)];
      root = root ? gc_root<Node>() : gc_root<Node>(n);
    }
    for (auto& root : many) {
      if (root && root.get() != n) std::abort();
    }
    return many;
  };
  OnOtherThread([&] { use(); });
  const size_t before = rt::Instance::Get().collector().roots().cells().bytes();
  for (int i = 0; i < 5; ++i) {
    std::vector<gc_root<Node>> many;
    OnOtherThread([&] { many = use(); });
    Collect();
    OnOtherThread([&] { many.clear(); });
  }
  const size_t after = rt::Instance::Get().collector().roots().cells().bytes();
  EXPECT_LE(after, before + (size_t{64} << 10));
}

TEST(GcRootTest, ConvertsFromGcPtrAndComparesAsAPointer) {
  gc_ptr<Node> p = make_gc<Node>(4, nullptr);
  gc_root<Node> r = p;
  EXPECT_TRUE(r == p.get());
  EXPECT_TRUE(r);
  EXPECT_EQ(4, (*r).value);
  gc_root<Node> null = nullptr;
  EXPECT_FALSE(null);
  null = p;
  EXPECT_EQ(p.get(), null.get());
  null = nullptr;
  EXPECT_FALSE(null);
}

TEST(GcRootTest, InteriorPointerKeepsTheObject) {
  gc_root<gc_ptr<Node>> member;
  const Hidden h = MakeNode(5, [&](Node* n) { member = &n->next; });
  Collect();
  ASSERT_TRUE(IsAllocated(h));
  EXPECT_EQ(5, h.Reveal<Node>()->value);
}

// More than one block of cells, given back and taken again in random order.
TEST(GcRootTest, ManyHandlesInRandomOrder) {
  const uint64_t seed = rt::TestSeed();
  TestRng rng(seed);
  const size_t kMany = 60000 / kSlowdown;
  std::vector<gc_root<Node>> roots(kMany);
  std::vector<int> expected(kMany, -1);
  OnOtherThread([&] {
    for (size_t step = 0; step < 4 * kMany; ++step) {
      const size_t i = rng.Below(kMany);
      switch (rng.Below(4)) {
        case 0:
          roots[i] = gc_root<Node>();
          expected[i] = -1;
          break;
        case 1: {
          const size_t j = rng.Below(kMany);
          std::swap(roots[i], roots[j]);
          std::swap(expected[i], expected[j]);
          break;
        }
        default:
          expected[i] = static_cast<int>(step);
          roots[i] = make_gc<Node>(expected[i], nullptr);
      }
    }
  });
  Collect();
  for (size_t i = 0; i < kMany; ++i) {
    if (expected[i] < 0) {
      ASSERT_EQ(nullptr, roots[i].get()) << "seed " << seed;
    } else {
      ASSERT_EQ(expected[i], roots[i]->value) << "seed " << seed;
    }
  }
}

TEST(RootRangeTest, WordsOfARangeAreRootsUntilRemoved) {
  alignas(8) static uintptr_t words[100];
  AddRootRange(words, words + 100);
  const Hidden first = MakeNode(1, [](Node* n) { words[0] = reinterpret_cast<uintptr_t>(n); });
  const Hidden last =
      MakeNode(2, [](Node* n) { words[99] = reinterpret_cast<uintptr_t>(&n->next) + 3; });
  Collect();
  EXPECT_TRUE(IsAllocated(first));
  EXPECT_TRUE(IsAllocated(last));
  words[0] = 0;
  Collect();
  EXPECT_FALSE(IsAllocated(first));
  RemoveRootRange(words);
  Collect();
  EXPECT_FALSE(IsAllocated(last));
}

TEST(RootRangeTest, AdjacentRangesAreNoOverlap) {
  alignas(8) static uintptr_t words[10];
  AddRootRange(words, words + 5);
  AddRootRange(words + 5, words + 10);
  RemoveRootRange(words);
  AddRootRange(words, words + 5);
  RemoveRootRange(words + 5);
  RemoveRootRange(words);
}

TEST(RootRangeTest, GarbageInARangeIsHarmless) {
  const uint64_t seed = rt::TestSeed();
  TestRng rng(seed);
  static uintptr_t words[5000];
  const uintptr_t base = rt::Instance::Get().heap().cage().base();
  for (uintptr_t& w : words) {
    w = rng.Below(2) ? rng.Next() : base + rng.Below(uint64_t{256} << 20);
  }
  AddRootRange(words, words + 5000);
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 1000; ++j) make_gc<Node[]>(rng.Below(200));
    Collect();
  }
  RemoveRootRange(words);
  VerifyHeapForDebugging();
}

// A thread may have read a pointer from the range before it was removed, and the cycle that runs has
// scanned the thread's stack already.
TEST(RootRangeTest, RemovedRangeAsksForARescanUntilTheNextCycle) {
  static uintptr_t words[4];
  static rt::PersistentAlloc memory(rt::LinuxMemory::Instance());
  rt::TestHeap heap;
  ASSERT_TRUE(heap.ok());
  rt::LayoutTable layouts(memory);
  rt::Roots roots(*heap, layouts, memory);
  const auto begin = reinterpret_cast<uintptr_t>(words);
  EXPECT_FALSE(roots.HasUnbarriered());
  roots.AddRange(begin, begin + sizeof words);
  roots.ForgetRemoved();
  EXPECT_TRUE(roots.HasUnbarriered());
  roots.RemoveRange(begin);
  EXPECT_TRUE(roots.HasUnbarriered());
  roots.ForgetRemoved();
  EXPECT_FALSE(roots.HasUnbarriered());

  const RootCallback callback = [](RootVisitor&, void*) {};
  roots.AddCallback(callback, nullptr);
  roots.ForgetRemoved();
  EXPECT_TRUE(roots.HasUnbarriered());
  roots.RemoveCallback(callback, nullptr);
  EXPECT_TRUE(roots.HasUnbarriered());
  roots.ForgetRemoved();
  EXPECT_FALSE(roots.HasUnbarriered());
}

TEST(RootRangeTest, RangesAreScannedPieceByPiece) {
  static rt::PersistentAlloc memory(rt::LinuxMemory::Instance());
  rt::TestHeap heap;
  ASSERT_TRUE(heap.ok());
  rt::LayoutTable layouts(memory);
  rt::Roots roots(*heap, layouts, memory);
  rt::MarkQueue queue;
  queue.Init(rt::LinuxMemory::Instance());
  rt::ThreadCache* cache = rt::ThreadCache::New(*heap);
  const uint16_t leaf = heap.Class(internal::SizeToClass(16));
  // Two ranges, the higher registered first; one of several pieces and a bit.
  std::vector<uintptr_t> words(40'000), few(3);
  std::vector<uintptr_t> expected;
  for (std::vector<uintptr_t>* v : {&words, &few}) {
    for (size_t i = 0; i < v->size(); i += v->size() - 1) {
      (*v)[i] = reinterpret_cast<uintptr_t>(cache->Allocate(leaf));
      expected.push_back((*v)[i]);
    }
  }
  words[8192] = reinterpret_cast<uintptr_t>(cache->Allocate(leaf));  // the first of a piece
  expected.push_back(words[8192]);
  for (std::vector<uintptr_t>* v : {&words, &few}) {
    const auto begin = reinterpret_cast<uintptr_t>(v->data());
    roots.AddRange(begin, begin + v->size() * sizeof(uintptr_t));
  }
  {
    rt::MarkSink sink(queue);
    EXPECT_EQ(40'003 * sizeof(uintptr_t), roots.ScanRanges(sink));
  }
  std::vector<uintptr_t> found;
  while (rt::MarkBuffer* b = queue.TakeFull()) {
    found.insert(found.end(), b->items, b->items + b->count);
  }
  std::sort(found.begin(), found.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(expected, found);
}

struct HiddenStack {
  std::vector<Hidden> values;
  static void Report(RootVisitor& visitor, void* arg) {
    for (Hidden h : static_cast<HiddenStack*>(arg)->values) {
      visitor.Pointer(h.Reveal<void>());
    }
  }
};

TEST(RootCallbackTest, ReportedPointersAreRootsUntilRemoved) {
  HiddenStack stack;
  AddRootCallback(&HiddenStack::Report, &stack);
  for (int i = 0; i < 100; ++i) {
    MakeNode(i, [&](Node* n) { stack.values.emplace_back(n); });
  }
  Collect();
  EXPECT_EQ(100u, CountAllocated(stack.values));
  RemoveRootCallback(&HiddenStack::Report, &stack);
  Collect();
  EXPECT_EQ(0u, CountAllocated(stack.values));
}

TEST(RootCallbackTest, FunctionAndArgumentNameTheRegistration) {
  HiddenStack a, b;
  AddRootCallback(&HiddenStack::Report, &a);
  AddRootCallback(&HiddenStack::Report, &b);
  MakeNode(1, [&](Node* n) { a.values.emplace_back(n); });
  MakeNode(2, [&](Node* n) { b.values.emplace_back(n); });
  RemoveRootCallback(&HiddenStack::Report, &a);
  Collect();
  EXPECT_EQ(0u, CountAllocated(a.values));
  EXPECT_EQ(1u, CountAllocated(b.values));
  RemoveRootCallback(&HiddenStack::Report, &b);
}

TEST(ThreadRootsTest, BelongToTheirThread) {
  HiddenStack stack;
  std::vector<Hidden> after_removal;
  OnOtherThread([&] {
    AddThreadRoots(&HiddenStack::Report, &stack);
    OnOtherThread([&] { stack.values.emplace_back(make_gc<Node>(1, nullptr)); });
    Collect();
    EXPECT_EQ(1u, CountAllocated(stack.values));
    RemoveThreadRoots(&HiddenStack::Report, &stack);
    Collect();
    EXPECT_EQ(0u, CountAllocated(stack.values));
    stack.values.clear();
    AddThreadRoots(&HiddenStack::Report, &stack);
    OnOtherThread([&] { stack.values.emplace_back(make_gc<Node>(2, nullptr)); });
    Collect();
    EXPECT_EQ(1u, CountAllocated(stack.values));
  });
  // The thread has ended with its registration.
  Collect();
  EXPECT_EQ(0u, CountAllocated(stack.values));
}

TEST(ThreadRootsTest, PreciseRootsNeedACooperativeThread) {
  OnOtherThread([] {
    ThreadOptions options;
    options.precise_roots = true;
    ThreadScope scope(options);
    EXPECT_EQ(absl::StatusCode::kInvalidArgument, scope.status().code());
  });
}

TEST(ThreadRootsTest, PreciseThreadKeepsOnlyWhatItReports) {
  HiddenStack stack;
  Hidden lost;
  OnOtherThread([&] {
    ThreadOptions options;
    options.cooperative = true;
    options.precise_roots = true;
    ThreadScope scope(options);
    ASSERT_TRUE(scope.status().ok()) << scope.status();
    AddThreadRoots(&HiddenStack::Report, &stack);
    Node* local = make_gc<Node>(1, nullptr);
    lost = Hidden(local);
    stack.values.emplace_back(make_gc<Node>(2, nullptr));
    make_gc<Node[]>(100);  // the last result of a slow path is kept; let that be another
    Collect();
    KeepAlive(local);  // on the stack, which is not looked at
    EXPECT_FALSE(IsAllocated(lost));
    EXPECT_EQ(1u, CountAllocated(stack.values));
  });
}

class RootDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  alignas(8) static inline uintptr_t words_[10];
};

TEST_F(RootDeathTest, MisuseOfRangesAbortsWithAMessage) {
  const auto* bytes = reinterpret_cast<const char*>(words_);
  EXPECT_DEATH(AddRootRange(bytes + 1, bytes + 9), "tarn: .*root range is not aligned");
  EXPECT_DEATH(AddRootRange(bytes, bytes + 9), "tarn: .*root range is not aligned");
  EXPECT_DEATH(AddRootRange(words_, words_), "tarn: .*root range is empty");
  EXPECT_DEATH(AddRootRange(words_ + 1, words_), "tarn: .*root range is empty");
  EXPECT_DEATH(
      {
        AddRootRange(words_, words_ + 5);
        AddRootRange(words_ + 4, words_ + 6);
      },
      "tarn: .*root range overlaps");
  EXPECT_DEATH(RemoveRootRange(words_), "tarn: .*no root range starts at");
}

TEST_F(RootDeathTest, UnknownCallbacksAbortWithAMessage) {
  EXPECT_DEATH(RemoveRootCallback(&HiddenStack::Report, nullptr), "no such root callback");
  EXPECT_DEATH(RemoveThreadRoots(&HiddenStack::Report, nullptr), "no such root callback");
}

}  // namespace
}  // namespace tarn
