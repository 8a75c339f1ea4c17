// Collections as the program sees them: what survives, when they run, what the statistics say.
// The scenarios named after Go's tests have Go's numbers.
#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tarn/tarn.h"
#include "tests/gc/gc_test_util.h"
#include "tests/support/test_seed.h"

namespace tarn {
namespace {

using rt::CountAllocated;
using rt::Hidden;
using rt::IsAllocated;
using rt::kSlowdown;
using rt::OnOtherThread;
using rt::TestRng;

constexpr uint64_t kMiB = uint64_t{1} << 20;

// The GOGC of a test, and the old one afterwards.
class GcPercent {
 public:
  explicit GcPercent(int percent) : old_(SetGcPercent(percent)) {}
  ~GcPercent() { SetGcPercent(old_); }

 private:
  int old_;
};

bool IsWorldStoppedToMark() { return rt::Instance::Get().settings().stop_the_world != 0; }

// Cycles that are due run beside the program: they are over some time later.
void WaitForCycles(uint64_t count) {
  for (int i = 0; i < 60000 && ReadMemStats().num_gc < count; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_GE(ReadMemStats().num_gc, count);
}

struct Node {
  uint64_t value = 0;
  gc_ptr<Node> next;
};

// --- Go's scenarios ---

template <int kDepth>
struct Deep {
  gc_ptr<Deep<kDepth - 1>> p[10];
};
template <>
struct Deep<0> {
  int value;
};
template <int kDepth>
Deep<kDepth>* MakeDeep(int at) {
  auto* d = make_gc<Deep<kDepth>>();
  if constexpr (kDepth == 0) {
    d->value = at;
  } else {
    d->p[at] = MakeDeep<kDepth - 1>(at);
  }
  return d;
}
template <int kDepth>
int Bottom(const Deep<kDepth>* d, int at) {
  if constexpr (kDepth == 0) {
    return d->value;
  } else {
    return Bottom<kDepth - 1>(d->p[at].get(), at);
  }
}
TEST(GoScenarioTest, DeepNesting) {
  for (int at = 0; at < 10; ++at) {
    auto* d = MakeDeep<10>(at);
    Collect();
    EXPECT_EQ(at, Bottom<10>(d, at));
  }
}

// Each array is held only by a pointer into its middle, from the one after it.
TEST(GoScenarioTest, ArraySlice) {
  struct Part {
    gc_ptr<Part> buf;
    char y[40];
    gc_ptr<gc_ptr<Part>> next;
  };
  const size_t kMany = 10'000 / kSlowdown;
  gc_ptr<Part>* previous = nullptr;
  for (size_t i = 0; i < kMany; ++i) {
    Part* p = make_gc<Part>();
    gc_ptr<Part>* buf = make_gc<gc_ptr<Part>[]>(10);
    buf[3] = p;
    p->next = previous;
    previous = buf + 3;
    if (i % (kMany / 10) == 0) Collect();
  }
  Collect();
  size_t n = 0;
  for (gc_ptr<Part>* at = previous; at != nullptr; at = (*at)->next.get()) ++n;
  EXPECT_EQ(kMany, n);
}

TEST(GoScenarioTest, Rescan) {
  struct Inner {
    gc_ptr<Inner> self;
  };
  struct Outer {
    uint64_t pad[7];
    Inner inner;
    gc_ptr<Inner> last;
  };
  Inner* p = nullptr;
  for (int i = 0; i < 10; ++i) {
    Outer* o = make_gc<Outer>();
    o->last = p;
    p = &o->inner;
    p->self = p;
    Collect();
    EXPECT_EQ(p, p->self.get());
  }
  int depth = 0;
  for (Inner* at = p; at != nullptr; ++depth) {
    at = reinterpret_cast<Outer*>(reinterpret_cast<char*>(at) - offsetof(Outer, inner))->last;
  }
  EXPECT_EQ(10, depth);
}

TEST(GoScenarioTest, MapIndirection) {
  GcPercent percent(1);
  const size_t kMany = 2000;
  std::map<size_t, gc_root<unsigned char>> map;
  for (size_t i = 0; i < kMany; ++i) {
    unsigned char* p = make_gc<unsigned char[]>(2048);
    for (size_t j = 0; j < 2048; j += 97) p[j] = static_cast<unsigned char>(i + j);
    map[i] = p;
  }
  for (const auto& [i, p] : map) {
    for (size_t j = 0; j < 2048; j += 97) {
      ASSERT_EQ(static_cast<unsigned char>(i + j), p.get()[j]) << i;
    }
  }
}

TEST(GoScenarioTest, IsReachable) {
  struct Half {
    gc_ptr<Half> x, y, z;
  };
  std::vector<Hidden> all;
  std::vector<gc_root<Half>> kept;
  OnOtherThread([&] {
    for (int i = 0; i < 16; ++i) {
      Half* h = make_gc<Half>();
      all.emplace_back(h);
      if (i % 2 == 0) kept.emplace_back(h);
    }
  });
  Collect();
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(i % 2 == 0, IsAllocated(all[i])) << i;
}

TEST(GoScenarioDeathTest, Zombie) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto revive = [] {
    gc_root<gc_ptr<char>> live = make_gc<gc_ptr<char>[]>(20000);
    std::vector<Hidden> dead;
    OnOtherThread([&] {
      for (size_t i = 0; i < 20000; ++i) {
        char* p = static_cast<char*>(AllocateBytes(190, Scan::kNone));
        if (i % 2 == 0) {
          live.get()[i] = p;
        } else {
          dead.emplace_back(p);
        }
      }
    });
    Collect();
    for (size_t i = 0; i < dead.size(); ++i) live.get()[2 * i + 1] = dead[i].Reveal<char>();
    Collect();
  };
  EXPECT_DEATH(revive(), "found pointer to free object .* of 192 bytes");
}

// The empty rest of a full 320-byte array does not keep the neighbour alive.
TEST(GoScenarioTest, EmptySlice) {
  std::vector<gc_root<char>> ends;
  std::vector<Hidden> arrays;
  OnOtherThread([&] {
    for (int i = 0; i < 100; ++i) {
      char* a = make_gc<char[]>(319);  // with its spare byte a slot of 320
      arrays.emplace_back(a);
      if (i % 2 == 0) ends.emplace_back(a + 319);
    }
  });
  Collect();
  for (size_t i = 0; i < arrays.size(); ++i) EXPECT_EQ(i % 2 == 0, IsAllocated(arrays[i])) << i;
}

// 68 size classes, large objects first.
TEST(MemStatsTest, CountsBySize) {
  const size_t c = internal::SizeToClass(1152);
  rt::OnOtherThread([&] {
    const MemStats before = ReadMemStats();
    for (int i = 0; i < 5000; ++i) AllocateBytes(1100, Scan::kNone);
    for (int i = 0; i < 7; ++i) AllocateBytes(100'000, Scan::kNone);
    const MemStats s = ReadMemStats();
    EXPECT_EQ(s.by_size[c].size, 1152u);
    EXPECT_EQ(s.by_size[c].mallocs, before.by_size[c].mallocs + 5000);
    EXPECT_EQ(s.by_size[0].mallocs, before.by_size[0].mallocs + 7);
  });
  Collect();
  const MemStats s = ReadMemStats();
  EXPECT_LT(s.by_size[c].objects, 100u);
  EXPECT_LT(s.by_size[0].objects, 7u);
  EXPECT_GE(s.by_size[c].frees, 4900u);
}

TEST(GoScenarioTest, LastTime) {
  const auto now = [] {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count());
  };
  const uint64_t before = now();
  Collect();
  const uint64_t after = now();
  const MemStats s = ReadMemStats();
  EXPECT_LE(before, s.last_gc);
  EXPECT_GE(after, s.last_gc);
  const uint64_t pause = s.pause_ns[(s.num_gc + 255) % 256];
  EXPECT_GT(pause, 0u);
  EXPECT_LT(pause, uint64_t{10'000'000'000});
  EXPECT_EQ(s.last_gc, s.pause_end[(s.num_gc + 255) % 256]);
}

void ExpectSumsHold(const MemStats& s) {
  EXPECT_EQ(s.alloc, s.heap_alloc);
  EXPECT_EQ(s.mallocs - s.frees, s.heap_objects);
  uint64_t objects = 0, mallocs = 0, frees = 0;
  for (const MemStats::BySize& by : s.by_size) {
    EXPECT_EQ(by.mallocs - by.frees, by.objects) << by.size;
    objects += by.objects;
    mallocs += by.mallocs;
    frees += by.frees;
  }
  EXPECT_EQ(objects, s.heap_objects);
  // Tiny objects count in blocks.
  EXPECT_LE(mallocs, s.mallocs);
  EXPECT_EQ(s.mallocs - mallocs, s.frees - frees);
  EXPECT_EQ(s.heap_sys, s.heap_inuse + s.heap_idle);
  EXPECT_LE(s.heap_released, s.heap_idle);
  EXPECT_LE(s.heap_alloc, s.heap_inuse);
  EXPECT_LE(s.heap_alloc, s.total_alloc);
  EXPECT_EQ(s.heap_sys + s.mspan_sys + s.gc_sys + s.other_sys, s.sys);
  EXPECT_GT(s.other_sys, 0u);
  EXPECT_LT(s.other_sys, s.heap_sys / 4 + (64 << 20));
  uint64_t pauses = 0;
  for (size_t i = 0; i < 256; ++i) {
    pauses += s.pause_ns[i];
    if (i < s.num_gc) continue;
    EXPECT_EQ(s.pause_ns[i], 0u) << i;
    EXPECT_EQ(s.pause_end[i], 0u) << i;
  }
  if (s.num_gc <= 256) {
    EXPECT_EQ(pauses, s.pause_total_ns);
  }
  EXPECT_LE(pauses, s.pause_total_ns);
  EXPECT_LE(s.num_forced_gc, s.num_gc);
  EXPECT_GE(s.gc_cpu_fraction, 0);
  EXPECT_LE(s.gc_cpu_fraction, 1);
}

// Garbage of a size that fits spans badly, over a hundred megabytes of it.
TEST(GoScenarioTest, OddGarbageStaysSmall) {
  GcPercent percent(100);
  rt::OnOtherThread([] {
    Collect();
    const uint64_t before = ReadMemStats().sys;
    for (int i = 0; i < 100'000; ++i) make_gc<char[]>(1029 - 1);
    EXPECT_LE(ReadMemStats().sys, before + (64 << 20));
  });
}

TEST(GoScenarioTest, ReadMemStats) {
  const uint64_t seed = rt::TestSeed();
  TestRng rng(seed);
  MemStats last = ReadMemStats();
  for (int round = 0; round < 20; ++round) {
    for (size_t i = 0; i < 3000 / kSlowdown; ++i) {
      AllocateBytes(1 + rng.Below(rng.Below(10) == 0 ? 100000 : 300),
                    rng.Below(2) ? Scan::kNone : Scan::kConservative);
    }
    if (round % 5 == 4) Collect();
    const MemStats s = ReadMemStats();
    ExpectSumsHold(s);
    VerifyHeapForDebugging();  // compares the ledger with a recount of all spans
    EXPECT_GE(s.total_alloc, last.total_alloc);
    EXPECT_GE(s.mallocs, last.mallocs);
    EXPECT_GE(s.frees, last.frees);
    EXPECT_GE(s.num_gc, last.num_gc);
    last = s;
  }
}

TEST(MemStatsTest, CountsObjectsAndBytesExactly) {
  OnOtherThread([] {
    make_gc<Node>();  // the layout is known, the thread attached
    GcPercent off(-1);
    const MemStats before = ReadMemStats();
    for (int i = 0; i < 10000; ++i) make_gc<Node>();
    AllocateBytes(100'000, Scan::kNone);
    const MemStats after = ReadMemStats();
    EXPECT_EQ(10001u, after.mallocs - before.mallocs);
    EXPECT_EQ(10000 * 16 + 13 * 8192u, after.total_alloc - before.total_alloc);
    EXPECT_EQ(after.heap_alloc - before.heap_alloc, after.total_alloc - before.total_alloc);
    EXPECT_EQ(0u, after.frees - before.frees);
  });
}

TEST(MemStatsTest, CollectedObjectsAreCountedAsFreed) {
  GcPercent off(-1);
  Collect();
  const MemStats before = ReadMemStats();
  OnOtherThread([] {
    for (int i = 0; i < 10000; ++i) make_gc<Node>();
  });
  Collect();
  const MemStats after = ReadMemStats();
  EXPECT_GE(after.frees - before.frees, 10000u);
  EXPECT_LE(after.heap_objects, before.heap_objects + 100);
  EXPECT_EQ(before.num_forced_gc + 1, after.num_forced_gc);
  EXPECT_EQ(before.num_gc + 1, after.num_gc);
}

// --- GOGC ---

constexpr uint64_t kBigBlock = uint64_t{1} << 20;

std::vector<gc_root<char>> Live(uint64_t bytes) {
  std::vector<gc_root<char>> v;
  for (uint64_t i = 0; i < bytes; i += kBigBlock) {
    v.emplace_back(static_cast<char*>(AllocateBytes(kBigBlock, Scan::kNone)));
  }
  return v;
}

void ExpectNextGcNear(uint64_t mib) {
  EXPECT_NEAR(static_cast<double>(mib), static_cast<double>(ReadMemStats().next_gc / kMiB), 20.0);
}

TEST(GcPercentTest, ReturnsTheOldValueAndMovesTheGoal) {
  GcPercent percent(100);
  std::vector<gc_root<char>> live;
  OnOtherThread([&] { live = Live(100 * kMiB); });
  Collect();
  ExpectNextGcNear(200);
  EXPECT_EQ(100, SetGcPercent(50));
  ExpectNextGcNear(150);
  EXPECT_EQ(50, SetGcPercent(-1));
  EXPECT_EQ(UINT64_MAX, ReadMemStats().next_gc);
  EXPECT_EQ(-1, SetGcPercent(-7));
  EXPECT_EQ(-1, SetGcPercent(50));
  // With 120 live and a goal of 110 a collection starts at once.
  OnOtherThread([&] {
    for (int i = 0; i < 20; ++i) {
      live.emplace_back(static_cast<char*>(AllocateBytes(kBigBlock, Scan::kNone)));
    }
  });
  const uint64_t before = ReadMemStats().num_gc;
  SetGcPercent(10);
  OnOtherThread([] { AllocateBytes(kBigBlock, Scan::kNone); });
  WaitForCycles(before + 1);
}

TEST(GcPercentTest, MinimumHeapIsFourMiBTimesGogc) {
  for (int percent : {100, 50, 400}) {
    GcPercent p(percent);
    Collect();
    const auto minimum = 4 * kMiB * static_cast<uint64_t>(percent) / 100;
    EXPECT_GE(ReadMemStats().next_gc, minimum);
    EXPECT_LE(ReadMemStats().next_gc, minimum + kMiB / 2);
    const uint64_t before = ReadMemStats().num_gc;
    OnOtherThread([&] {
      for (uint64_t i = 0; i < 10 * minimum; i += 64) AllocateBytes(64, Scan::kNone);
    });
    const uint64_t cycles = ReadMemStats().num_gc - before;
    // A program that runs meanwhile may be ahead of the collector.
    EXPECT_GE(cycles, IsWorldStoppedToMark() ? 8u : 1u) << percent;
    // A cycle may begin at 0.7 of the way.
    EXPECT_LE(cycles, IsWorldStoppedToMark() ? 12u : 15u) << percent;
  }
}

TEST(GcPercentTest, OffNeverCollectsByItself) {
  GcPercent off(-1);
  Collect();
  const uint64_t before = ReadMemStats().num_gc;
  OnOtherThread([] {
    for (uint64_t i = 0; i < 100 * kMiB / kSlowdown; i += 64) AllocateBytes(64, Scan::kNone);
  });
  EXPECT_EQ(before, ReadMemStats().num_gc);
  Collect();
  EXPECT_EQ(before + 1, ReadMemStats().num_gc);
}

TEST(GcPercentTest, ZeroCollectsAllTheTime) {
  GcPercent zero(0);
  Collect();
  const uint64_t before = ReadMemStats().num_gc;
  gc_root<Node> root;
  OnOtherThread([&] {
    Node* list = nullptr;
    for (size_t i = 0; i < 20000; ++i) list = make_gc<Node>(i, list);
    root = list;
  });
  if (IsWorldStoppedToMark()) {
    EXPECT_GE(ReadMemStats().num_gc, before + 10);
  } else {
    // The next cycle is due when the last one's sweeping is done and something is allocated.
    for (int i = 0; i < 60000 && ReadMemStats().num_gc == before; ++i) {
      OnOtherThread([] { AllocateBytes(kBigBlock, Scan::kNone); });
    }
    WaitForCycles(before + 1);
  }
  size_t n = 0;
  for (Node* at = root; at != nullptr; at = at->next) ++n;
  EXPECT_EQ(20000u, n);
}

// --- Threads ---

// Words that name dead objects of spans which another thread owns and has not swept since.
TEST(CollectTest, StaleWordsToUnsweptSpansOfOthersAreIgnored) {
  GcPercent percent(100);
  constexpr size_t kMany = 100;
  std::atomic<uintptr_t> dead[kMany] = {};  // hidden addresses
  std::atomic<int> turn{0};
  // 0: the owner makes garbage, 1: nothing, 2: the holder holds words, 3: the end.
  const auto wait_while = [&](int t) {
    while (turn.load() == t) std::this_thread::yield();
  };
  const auto cycle = [] {
    const uint64_t before = ReadMemStats().num_gc;
    while (ReadMemStats().num_gc == before) {
      for (int i = 0; i < 1000; ++i) AllocateBytes(1024, Scan::kNone);
    }
  };
  std::thread owner([&] {
    struct Mine {
      uint64_t numbers[5];
    };
    while (turn.load() != 3) {
      if (turn.load() != 0) continue;
      for (auto& d : dead) d = ~reinterpret_cast<uintptr_t>(make_gc<Mine>());
      turn = 1;
    }
  });
  std::thread holder([&] {
    make_gc<int>();  // its stack counts from now on
    uintptr_t words[kMany];
    while (turn.load() != 3) {
      const bool hold = turn.load() == 2;
      for (size_t i = 0; i < kMany; ++i) words[i] = hold ? ~dead[i].load() : 0;
      KeepAlive(words);
    }
  });
  for (int round = 0; round < 10; ++round) {
    wait_while(0);
    cycle();
    turn = 2;
    cycle();
    turn = 0;
  }
  wait_while(0);
  turn = 3;
  owner.join();
  holder.join();
}

TEST(CollectTest, CollectFreesWhatWasUnreachableAtTheCall) {
  for (int i = 0; i < 50; ++i) {
    std::vector<Hidden> all;
    OnOtherThread([&] {
      for (int j = 0; j < 100; ++j) all.emplace_back(make_gc<Node>());
    });
    Collect();
    ASSERT_EQ(0u, CountAllocated(all)) << i;
  }
}

TEST(CollectTest, ManyThreadsCollectAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (size_t i = 0; i < 40 / kSlowdown + 1; ++i) {
        Node* n = make_gc<Node>(i, make_gc<Node>(i + 1, nullptr));
        Collect();
        if (n->value != i || n->next->value != i + 1) ++wrong;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(0, wrong.load());
  VerifyHeapForDebugging();
}

// The collector's own thread sweeps in the background and is not among the stopped ones.
TEST(CollectTest, HeapIsAtRestWhileItIsRead) {
  GcPercent percent(20);
  std::atomic<bool> stop{false};
  std::thread churn([&] {
    gc_root<Node> keep;
    for (uint64_t i = 0; !stop.load(); ++i) {
      AllocateBytes(1 + i * 37 % 3000, Scan::kNone);
      if (i % 100 == 0) keep = make_gc<Node>(i, keep.get());
      if (i % 100000 == 0) keep = nullptr;
    }
  });
  const uint64_t end = ReadMemStats().num_gc + 100 / kSlowdown;
  for (uint64_t cycles = 0; cycles < end;) {
    VerifyHeapForDebugging();
    const MemStats s = ReadMemStats();
    ExpectSumsHold(s);
    cycles = s.num_gc;
  }
  stop = true;
  churn.join();
}

TEST(CollectTest, ThreadThatNeverUsedTheHeapMayCollect) {
  OnOtherThread([] { Collect(); });
  OnOtherThread([] { ReadMemStats(); });
}

// Objects reach another thread only through a locked queue of roots.
TEST(CollectTest, ObjectsWanderBetweenThreads) {
  std::vector<gc_root<Node>> box(100);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  std::atomic<bool> lock{false};
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      TestRng rng(t);
      for (size_t i = 0; i < 20000 / kSlowdown; ++i) {
        Node* n = make_gc<Node>(uint64_t{7}, make_gc<Node>(uint64_t{8}, nullptr));
        gc_root<Node> mine = n;
        const size_t at = rng.Below(box.size());
        while (lock.exchange(true)) std::this_thread::yield();
        std::swap(box[at], mine);
        lock = false;
        if (mine && (mine->value != 7 || mine->next->value != 8)) ++wrong;
        if (i % 5000 == 0) Collect();
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(0, wrong.load());
}

struct Pair {
  gc_ptr<Pair> other;
};

// The thread's last pointer store is of an object that is dropped without one.
[[gnu::noinline]] rt::Hidden StoreAndDrop(gc_root<Pair>& root) {
  Pair* dropped = make_gc<Pair>();
  root->other = dropped;
  gc_clear(&root->other, 1);
  return rt::Hidden(dropped);
}
// Without ASan's redzones, which nobody writes: they would lie where the callee's frames were.
TARN_NO_SANITIZE_STACK void OverwriteDeadStack() {
  volatile char dead[16 << 10];
  for (size_t i = 0; i < sizeof(dead); ++i) dead[i] = 0;
}

TEST(CollectTest, WhatTheCallersLastStoreHeldIsFree) {
  std::thread([] {
    for (int i = 0; i < 10; ++i) {
      gc_root<Pair> root = make_gc<Pair>();
      const rt::Hidden h = StoreAndDrop(root);
      OverwriteDeadStack();
      Collect();
      EXPECT_FALSE(rt::IsAllocated(h)) << i;
    }
  }).join();
}

}  // namespace
}  // namespace tarn
