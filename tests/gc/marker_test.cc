// Marking: every way a pointer can be found, every shape of object, and the work queue.
#include "gc/collect/marker.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "gc/collect/mark_queue.h"
#include "gtest/gtest.h"
#include "runtime/os/os_memory_linux.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/manual_collections.h"
#include "tests/support/subprocess.h"
#include "tests/support/test_seed.h"

namespace tarn {
namespace {

using rt::CountAllocated;
using rt::Hidden;
using rt::IsAllocated;
using rt::kSlowdown;
using rt::MarkBuffer;
using rt::MarkQueue;
using rt::OnOtherThread;
using rt::TestRng;

struct Node {
  uint64_t value = 0;
  gc_ptr<Node> next;
};

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

TEST(MarkQueueTest, EmptyBuffersAreRecycledAndFullOnesComeBack) {
  MarkQueue queue;
  queue.Init(rt::LinuxMemory::Instance());
  EXPECT_EQ(nullptr, queue.TakeFull());
  MarkBuffer* a = queue.TakeEmpty();
  EXPECT_EQ(0u, a->count);
  queue.Put(a);
  EXPECT_FALSE(queue.HasFull());
  EXPECT_EQ(nullptr, queue.TakeFull());
  a = queue.TakeEmpty();
  a->items[a->count++] = 8;
  queue.Put(a);
  EXPECT_TRUE(queue.HasFull());
  EXPECT_EQ(a, queue.TakeFull());
  EXPECT_FALSE(queue.HasFull());
}

TEST(MarkQueueTest, FrozenQueueGivesNothingAndKeepsAll) {
  MarkQueue queue;
  queue.Init(rt::LinuxMemory::Instance());
  const auto put = [&](uintptr_t item) {
    MarkBuffer* b = queue.TakeEmpty();
    b->items[b->count++] = item;
    queue.Put(b);
  };
  put(8);
  queue.Freeze();
  queue.Freeze();  // no toggle
  EXPECT_EQ(nullptr, queue.TakeFull());
  put(16);
  EXPECT_EQ(nullptr, queue.TakeFull());
  EXPECT_TRUE(queue.HasFull());
  queue.Thaw();
  EXPECT_EQ(16u, queue.TakeFull()->items[0]);
  EXPECT_EQ(8u, queue.TakeFull()->items[0]);
  EXPECT_EQ(nullptr, queue.TakeFull());
  EXPECT_FALSE(queue.HasFull());
}

// Threads that take and put while the queue is frozen again and again: no buffer is lost, none is taken
// between a return of Freeze and the Thaw.
TEST(MarkQueueTest, NothingIsTakenFromAFrozenQueue) {
  MarkQueue queue;
  queue.Init(rt::LinuxMemory::Instance());
  constexpr uintptr_t kBuffers = 8;
  for (uintptr_t i = 1; i <= kBuffers; ++i) {
    MarkBuffer* b = queue.TakeEmpty();
    b->items[b->count++] = i;
    queue.Put(b);
  }
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> taken{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        MarkBuffer* b = queue.TakeFull();
        if (b == nullptr) continue;
        ++taken;
        queue.Put(b);
      }
    });
  }
  while (taken == 0) std::this_thread::yield();
  for (size_t i = 0; i < 20'000 / kSlowdown; ++i) {
    queue.Freeze();
    // Those that had taken before may still count.
    for (int k = 0; k < 100; ++k) std::atomic_signal_fence(std::memory_order_seq_cst);
    const uint64_t before = taken;
    for (int k = 0; k < 100; ++k) std::atomic_signal_fence(std::memory_order_seq_cst);
    EXPECT_LE(taken, before + threads.size());
    queue.Thaw();
  }
  stop = true;
  for (std::thread& t : threads) t.join();
  uintptr_t sum = 0;
  while (MarkBuffer* b = queue.TakeFull()) sum += b->items[0];
  EXPECT_EQ(kBuffers * (kBuffers + 1) / 2, sum);
}

TEST(MarkQueueTest, SinkPublishesFullBuffersAndTheRestOnFlush) {
  MarkQueue queue;
  queue.Init(rt::LinuxMemory::Instance());
  const size_t kMany = 3 * MarkBuffer::kItems + 7;
  std::vector<uintptr_t> seen;
  {
    rt::MarkSink sink(queue);
    for (size_t i = 1; i <= kMany; ++i) sink.Push(8 * i);
    EXPECT_TRUE(queue.HasFull());
  }
  while (MarkBuffer* b = queue.TakeFull()) seen.insert(seen.end(), b->items, b->items + b->count);
  std::sort(seen.begin(), seen.end());
  ASSERT_EQ(kMany, seen.size());
  for (size_t i = 0; i < kMany; ++i) ASSERT_EQ(8 * (i + 1), seen[i]);
}

TEST(MarkerTest, UnreachableMemberIsNotMarked) {
  gc_root<Node> root;
  Hidden kept, dropped;
  OnOtherThread([&] {
    Node* n = make_gc<Node>();
    n->next = make_gc<Node>();
    dropped = Hidden(n->next.get());
    n->next = make_gc<Node>();
    kept = Hidden(n->next.get());
    root = n;
  });
  Collect();
  EXPECT_TRUE(IsAllocated(kept));
  EXPECT_FALSE(IsAllocated(dropped));
}

TEST(MarkerTest, CyclesDie) {
  std::vector<Hidden> all;
  OnOtherThread([&] {
    for (int i = 0; i < 1000; ++i) {
      Node* a = make_gc<Node>();
      Node* b = make_gc<Node>(uint64_t{1}, a);
      a->next = b;
      all.emplace_back(a);
      all.emplace_back(b);
    }
  });
  Collect();
  EXPECT_EQ(0u, CountAllocated(all));
}

TEST(MarkerTest, ListOfTenMillionIsMarkedToItsEnd) {
  const size_t kLength = 10'000'000 / kSlowdown;
  gc_root<Node> head;
  OnOtherThread([&] {
    Node* list = nullptr;
    for (size_t i = 0; i < kLength; ++i) list = make_gc<Node>(i, list);
    head = list;
  });
  Collect();
  size_t length = 0;
  for (Node* n = head; n != nullptr; n = n->next) {
    ASSERT_EQ(kLength - 1 - length, n->value);
    ++length;
  }
  EXPECT_EQ(kLength, length);
  head = nullptr;
  Collect();
  EXPECT_LT(ReadMemStats().heap_objects, kLength / 10);
}

// 8 MiB of pointers: scanned in slices of 128 KiB, each of which overflows mark buffers.
TEST(MarkerTest, WideArrayKeepsEveryElement) {
  const size_t kWide = 1'000'000 / kSlowdown;
  gc_root<gc_ptr<Node>> root;
  std::vector<Hidden> all;
  OnOtherThread([&] {
    gc_ptr<Node>* a = make_gc<gc_ptr<Node>[]>(kWide);
    root = a;
    for (size_t i = 0; i < kWide; ++i) {
      a[i] = make_gc<Node>(i, nullptr);
      all.emplace_back(a[i].get());
    }
  });
  Collect();
  EXPECT_EQ(kWide, CountAllocated(all));
  for (size_t i = 0; i < kWide; ++i) ASSERT_EQ(i, root.get()[i]->value);
  root = nullptr;
  Collect();
  EXPECT_EQ(0u, CountAllocated(all));
}

// A period of three words does not divide a slice: the phase is carried from slice to slice.
struct Triple {
  gc_ptr<Node> a;
  uintptr_t number;
  gc_ptr<Node> b;
};
TEST(MarkerTest, PeriodCrossesSlicesInPhase) {
  const size_t kMany = 40'000;  // 960 KB
  gc_root<Triple> root;
  std::vector<Hidden> kept, dropped;
  OnOtherThread([&] {
    Triple* t = make_gc<Triple[]>(kMany);
    root = t;
    for (size_t i = 0; i < kMany; ++i) {
      t[i].a = make_gc<Node>();
      t[i].b = make_gc<Node>();
      Node* lost = make_gc<Node>();
      t[i].number = reinterpret_cast<uintptr_t>(lost);
      kept.emplace_back(t[i].a.get());
      kept.emplace_back(t[i].b.get());
      dropped.emplace_back(lost);
    }
  });
  Collect();
  EXPECT_EQ(kept.size(), CountAllocated(kept));
  EXPECT_EQ(0u, CountAllocated(dropped));
}

// Prefix, then a period, across a slice boundary.
struct Header {
  uintptr_t numbers[5];
  gc_ptr<Node> p;
};
TEST(MarkerTest, PrefixAndPeriodOfALargeTail) {
  const size_t kMany = 20'000;
  gc_root<Header> root;
  std::vector<Hidden> kept, dropped;
  OnOtherThread([&] {
    Header* h = make_gc_tail<Header, Triple>(kMany);
    root = h;
    h->p = make_gc<Node>();
    kept.emplace_back(h->p.get());
    for (uintptr_t& n : h->numbers) {
      Node* lost = make_gc<Node>();
      n = reinterpret_cast<uintptr_t>(lost);
      dropped.emplace_back(lost);
    }
    for (size_t i = 0; i < kMany; ++i) {
      Triple& t = gc_tail<Triple>(h)[i];
      t.b = make_gc<Node>();
      Node* lost = make_gc<Node>();
      t.number = reinterpret_cast<uintptr_t>(lost);
      kept.emplace_back(t.b.get());
      dropped.emplace_back(lost);
    }
  });
  Collect();
  EXPECT_EQ(kept.size(), CountAllocated(kept));
  EXPECT_EQ(0u, CountAllocated(dropped));
}

// For each size class and some large sizes: a pointer to any byte keeps the object, and only it.
TEST(MarkerTest, InteriorPointerToAnyWordKeepsTheObject) {
  std::vector<size_t> sizes(internal::kClassBytes.begin() + 1, internal::kClassBytes.end());
  sizes.insert(sizes.end(), {32769, 50000, 131072, 300000});
  for (size_t size : sizes) {
    const size_t step = std::max<size_t>(8, size / 64 / 8 * 8);
    gc_root<gc_ptr<char>> pointers;
    std::vector<Hidden> kept, dropped;
    OnOtherThread([&] {
      const size_t n = size / step;
      pointers = make_gc<gc_ptr<char>[]>(n + 1);
      for (size_t i = 0; i <= n; ++i) {
        const size_t offset = i == n ? size - 1 : i * step + i % 8;
        char* p = static_cast<char*>(AllocateBytes(size, Scan::kNone));
        kept.emplace_back(p);
        pointers.get()[i] = p + offset;
        dropped.emplace_back(AllocateBytes(size, Scan::kNone));
      }
    });
    Collect();
    EXPECT_EQ(kept.size(), CountAllocated(kept)) << size;
    EXPECT_EQ(0u, CountAllocated(dropped)) << size;
  }
}

// A conservative word that names a free slot marks nothing: the sweeper would abort.
TEST(MarkerTest, ConservativeWordsToFreeSlotsAreIgnored) {
  const size_t kMany = 10000;
  gc_root<uintptr_t> words;
  words = static_cast<uintptr_t*>(AllocateBytes(kMany * 8, Scan::kConservative));
  std::vector<Hidden> all;
  OnOtherThread([&] {
    for (size_t i = 0; i < kMany; ++i) all.emplace_back(AllocateBytes(1 + i % 600, Scan::kNone));
  });
  Collect();
  EXPECT_EQ(0u, CountAllocated(all));
  for (size_t i = 0; i < kMany; ++i) words.get()[i] = all[i].address() + i % 8;
  for (int i = 0; i < 3; ++i) Collect();
  EXPECT_EQ(0u, CountAllocated(all));
  VerifyHeapForDebugging();
  words = nullptr;
}

// 48-byte slots leave 32 bytes at the end of their page; a pointer there names nothing.
TEST(MarkerTest, PointersIntoTheUnusedTailOfASpanAreIgnored) {
  constexpr size_t kSlot = 48;
  static_assert(internal::kPageBytes % kSlot == 32);
  gc_root<gc_ptr<char>> precise = make_gc<gc_ptr<char>[]>(1000);
  gc_root<uintptr_t> words = static_cast<uintptr_t*>(AllocateBytes(8000, Scan::kConservative));
  for (size_t i = 0; i < 1000; ++i) {
    const auto p = reinterpret_cast<uintptr_t>(AllocateBytes(kSlot, Scan::kNone));
    const uintptr_t tail = (p | (internal::kPageBytes - 1)) - 31 + i % 32;
    precise.get()[i] = reinterpret_cast<char*>(tail);
    words.get()[i] = tail;
  }
  for (int i = 0; i < 3; ++i) Collect();
  VerifyHeapForDebugging();
}

TEST(MarkerTest, PointersOutsideTheHeapAreIgnored) {
  static Node global;
  auto on_malloc = std::make_unique<Node>();
  gc_root<gc_ptr<Node>> a = make_gc<gc_ptr<Node>[]>(5);
  rt::Cage& cage = rt::Instance::Get().heap().cage();
  a.get()[0] = &global;
  a.get()[1] = on_malloc.get();
  a.get()[2] = reinterpret_cast<Node*>(cage.base() - 8);
  a.get()[3] = reinterpret_cast<Node*>(cage.base() + cage.bytes());
  a.get()[4] = reinterpret_cast<Node*>(cage.base() + cage.bytes() - 8);
  Collect();
  EXPECT_EQ(&global, a.get()[0].get());
}

// A random graph, marked by one to four markers in processes of their own: all find the same.
TEST(MarkerTest, SeveralMarkersGiveTheResultOfOne) {
  const std::string seed = std::to_string(rt::TestSeed());
  std::string one;
  for (const char* markers : {"1", "2", "4"}) {
    rt::ProcessSpec spec;
    spec.args = {TARN_TEST_CHILD, "graph", markers, seed};
    const rt::ProcessResult r = rt::RunProcess(spec);
    ASSERT_EQ(0, r.exit_code) << r.err;
    if (one.empty()) one = r.out;
    EXPECT_EQ(one, r.out) << markers << " markers, seed " << seed;
  }
  EXPECT_NE(std::string::npos, one.find("live")) << one;
}

class Custom {
 public:
  void Trace(Tracer& t) const {
    t.VisitRange(children_, children_ + count_);
    t.VisitPointer(Decode(encoded_));
    t.VisitConservatively(words_, words_ + 2);
  }
  static constexpr uintptr_t kKey = 0x5555'5555'5555'5555;
  static const void* Decode(uintptr_t w) {
    return w == 0 ? nullptr : reinterpret_cast<const void*>(w ^ kKey);
  }

  size_t count_ = 0;
  gc_ptr<Node> children_[4];
  uintptr_t encoded_ = 0;
  uintptr_t words_[2] = {};
  uintptr_t not_visited_ = 0;
};
TEST(MarkerTest, CustomTraceSeesExactlyWhatItVisits) {
  std::vector<gc_root<Custom>> roots;
  std::vector<Hidden> kept, dropped;
  OnOtherThread([&] {
    for (int i = 0; i < 500; ++i) {
      Custom* c = make_gc<Custom>();
      roots.emplace_back(c);
      const auto node = [](std::vector<Hidden>& list) {
        Node* n = make_gc<Node>();
        list.emplace_back(n);
        return n;
      };
      for (auto& child : c->children_) child = node(&child - c->children_ < 3 ? kept : dropped);
      c->count_ = 3;
      c->encoded_ = reinterpret_cast<uintptr_t>(node(kept)) ^ Custom::kKey;
      c->words_[1] = reinterpret_cast<uintptr_t>(&node(kept)->next);
      c->not_visited_ = reinterpret_cast<uintptr_t>(node(dropped));
    }
  });
  Collect();
  EXPECT_EQ(kept.size(), CountAllocated(kept));
  EXPECT_EQ(0u, CountAllocated(dropped));
}

using Tagged = gc_word<low_bit_codec<7, 1>>;
using Boxed = gc_word<nan_box_codec<0xfffc>>;
constexpr uintptr_t kBox = uintptr_t{0xfffc} << 48;

template <class Word>
struct Cell {
  uint64_t value;
  Word word;
};

// tag(p): the word that holds p; other(p): one that does not count.
template <class Word, class Tag, class Other>
void CheckWords(Tag tag, Other other) {
  std::vector<gc_root<Cell<Word>>> roots;
  std::vector<Hidden> kept, dropped;
  OnOtherThread([&] {
    for (int i = 0; i < 300; ++i) {
      roots.emplace_back(make_gc<Cell<Word>>());
      Node* n = make_gc<Node>();
      const bool keep = i % 2 == 0;
      roots.back()->word.store(keep ? tag(n) : other(n));
      (keep ? kept : dropped).emplace_back(n);
    }
  });
  Collect();
  EXPECT_EQ(kept.size(), CountAllocated(kept));
  EXPECT_EQ(0u, CountAllocated(dropped));
}

TEST(MarkerTest, LowBitWordsAreDecoded) {
  CheckWords<Tagged>([](Node* n) { return reinterpret_cast<uintptr_t>(n) | 1; },
                     [](Node* n) { return reinterpret_cast<uintptr_t>(n) | 2; });
}

TEST(MarkerTest, NanBoxedWordsAreDecoded) {
  CheckWords<Boxed>(
      [](Node* n) { return reinterpret_cast<uintptr_t>(n) | kBox; },
      [](Node* n) { return reinterpret_cast<uintptr_t>(n) | kBox | uint64_t{2} << 48; });
}

// Two encodings in one type: scanned conservatively, through both of them.
struct Mixed {
  Boxed boxed;
  gc_ptr<Node> plain;
};
TEST(MarkerTest, BoxedWordInAConservativeObjectKeepsItsObject) {
  gc_root<Mixed> root;
  Hidden boxed, plain;
  OnOtherThread([&] {
    Mixed* m = make_gc<Mixed>();
    root = m;
    Node* n = make_gc<Node>();
    boxed = Hidden(n);
    m->boxed.store(reinterpret_cast<uintptr_t>(n) | kBox);
    m->plain = make_gc<Node>();
    plain = Hidden(m->plain.get());
  });
  Collect();
  EXPECT_TRUE(IsAllocated(plain));
  EXPECT_TRUE(IsAllocated(boxed));
}

// An encoding that only occurs inside a type which says nothing of its members.
class Opaque {
 public:
  using OtherBoxed = gc_word<nan_box_codec<0x7ffd>>;
  void Set(Node* n) {
    word_.store(reinterpret_cast<uintptr_t>(n) | uintptr_t{0x7ffd} << 48);
    set_ = true;
  }

 private:
  OtherBoxed word_;
  bool set_ = false;
};
TEST(MarkerTest, BoxedWordInAnOpaqueTypeKeepsItsObject) {
  static_assert(internal::PrecisionOf<Opaque>() == internal::Precision::kUnknown);
  gc_root<Opaque> root;
  Hidden boxed;
  OnOtherThread([&] {
    Opaque* o = make_gc<Opaque>();
    root = o;
    Node* n = make_gc<Node>();
    boxed = Hidden(n);
    o->Set(n);
  });
  Collect();
  EXPECT_TRUE(IsAllocated(boxed));
}

// Only a NaN-boxed word on this thread's stack refers to the node.
TEST(MarkerTest, BoxedWordOnAStackKeepsItsObject) {
  OnOtherThread([] {
    make_gc<Cell<Boxed>>();  // the encoding is in use
    volatile uintptr_t word = 0;
    Hidden h;
    OnOtherThread([&] {
      Node* n = make_gc<Node>();
      h = Hidden(n);
      word = reinterpret_cast<uintptr_t>(n) | kBox;
    });
    Collect();
    EXPECT_TRUE(IsAllocated(h));
    word = 0;
    Collect();
    EXPECT_FALSE(IsAllocated(h));
  });
}

// Against a plain traversal: a random graph of exact and conservative objects, random roots.
struct Exact {
  gc_ptr<void> edges[4];
  uint64_t id;
};
struct Vague {
  gc_ptr<void> edges[4];
  void* raw;
};
using Graph = std::vector<std::vector<size_t>>;

std::vector<bool> ReachableFrom(const Graph& graph, std::vector<size_t> stack) {
  std::vector<bool> reached(graph.size());
  while (!stack.empty()) {
    const size_t i = stack.back();
    stack.pop_back();
    if (reached[i]) continue;
    reached[i] = true;
    stack.insert(stack.end(), graph[i].begin(), graph[i].end());
  }
  return reached;
}

TEST(MarkerTest, MarksExactlyWhatIsReachable) {
  const uint64_t seed = rt::TestSeed();
  TestRng rng(seed);
  for (int round = 0; round < 10; ++round) {
    const size_t kMany = 2000;
    Graph graph(kMany);
    std::vector<Hidden> objects;
    std::vector<gc_root<void>> roots;
    std::vector<size_t> starts;
    OnOtherThread([&] {
      std::vector<gc_root<void>> holders;
      for (size_t i = 0; i < kMany; ++i) {
        void* p = i % 2 ? static_cast<void*>(make_gc<Exact>()) : make_gc<Vague>();
        objects.emplace_back(p);
        holders.emplace_back(p);
      }
      for (size_t i = 0; i < kMany; ++i) {
        auto* edges = objects[i].Reveal<gc_ptr<void>>();  // the first member of both
        for (size_t k = rng.Below(4); k-- > 0;) {
          graph[i].push_back(rng.Below(kMany));
          edges[k] = objects[graph[i].back()].Reveal<char>() + rng.Below(40);
        }
      }
      for (int k = 0; k < 20; ++k) {
        starts.push_back(rng.Below(kMany));
        roots.emplace_back(objects[starts.back()].Reveal<void>());
      }
    });
    const std::vector<bool> reached = ReachableFrom(graph, starts);
    Collect();
    OnOtherThread([&] {
      rt::RuntimeScope scope;
      for (size_t i = 0; i < kMany; ++i) {
        const bool found =
            static_cast<bool>(rt::FindObject(rt::Instance::Get().heap(), objects[i].address()));
        ASSERT_EQ(reached[i], found) << "object " << i << " seed " << seed;
      }
    });
  }
}

}  // namespace
}  // namespace tarn
