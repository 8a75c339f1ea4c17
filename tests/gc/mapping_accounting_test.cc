// What mappings count as: for the heap goal, for limits, in the ledger.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tarn/gc_mmap.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/manual_collections.h"
#include "tests/gc/mapping_test_util.h"

namespace tarn {
namespace {

using rt::HeapStats;
using rt::Instance;
using rt::OnOtherThread;
using rt::TestFile;
using rt::WithMapping;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr auto kVirtual = MappingAccounting::kVirtual;
constexpr auto kResident = MappingAccounting::kResident;
constexpr auto kNone = MappingAccounting::kNone;

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

// The goal that follows from what is alive.
uint64_t GoalAfterCollection() {
  Collect();
  return ReadMemStats().next_gc;
}

class MappingAccountingTest : public testing::Test {
 protected:
  void SetUp() override {
    SetGcPercent(100);
    FreeOsMemory();  // what a limit would have given back counts in no test
    ASSERT_EQ(0u, ReadMappingStats().num_active);
  }
  void TearDown() override {
    Collect();
    EXPECT_EQ(0u, ReadMappingStats().charged_bytes);
    EXPECT_EQ(0u, ReadMemStats().external);
    VerifyHeapForDebugging();
    SetGcPercent(-1);
  }
};

TEST_F(MappingAccountingTest, A20GigabyteFileLeavesTheGoalOfA1GigabyteHeapAsItIs) {
  const TestFile file = TestFile::Sparse(20 * kGiB);
  const size_t live = kGiB / kMiB / rt::kSlowdown * kMiB;
  gc_root<gc_ptr<std::byte>> heap;
  OnOtherThread([&] {
    auto* all = make_gc<gc_ptr<std::byte>[]>(live / kMiB);
    heap = all;
    for (size_t i = 0; i < live / kMiB; ++i) {
      all[i] = static_cast<std::byte*>(AllocateBytes(kMiB, Scan::kNone));
    }
  });
  const uint64_t before = GoalAfterCollection();
  EXPECT_GE(before, 2 * live);
  const MemStats stats = ReadMemStats();
  gc_root<std::byte> root;
  WithMapping([&](const gc_mapping& m) { root = m.data(); }, file.fd(), 0, 20 * kGiB, PROT_READ,
              MAP_SHARED);
  const uint64_t mapped = GoalAfterCollection();
  EXPECT_NEAR(static_cast<double>(before), static_cast<double>(mapped), 1.0 * kMiB);
  // Not invisible.
  EXPECT_EQ(20 * kGiB, ReadMappingStats().bytes_active);
  EXPECT_EQ(20 * kGiB, ReadMemStats().mapped);
  EXPECT_EQ(20 * kGiB, ListMappings()[0].length);
  // Nor does what the limits see grow by more than the page entries: 8 bytes for 8 KiB.
  EXPECT_LE(ReadMemStats().limited_bytes, stats.limited_bytes + 20 * kGiB / 1024 + 8 * kMiB);
  EXPECT_EQ(stats.heap_sys, ReadMemStats().heap_sys);
  root = nullptr;
  EXPECT_NEAR(static_cast<double>(before), static_cast<double>(GoalAfterCollection()), 1.0 * kMiB);
  // Nor do the tables of its addresses stay when it is dead.
  EXPECT_EQ(0u, ReadMappingStats().num_active);
  EXPECT_LE(ReadMemStats().limited_bytes, stats.limited_bytes + 20 * kGiB / 1024 + 8 * kMiB);
}

TEST_F(MappingAccountingTest, VirtualCountsTheWholeLengthFromTheBeginning) {
  const TestFile file = TestFile::Sparse(kGiB);
  const uint64_t before = GoalAfterCollection();
  gc_root<std::byte> root;
  WithMapping(
      [&](const gc_mapping& m) {
        root = m.data();
        EXPECT_EQ(kGiB, ReadMappingStats().charged_bytes);
        EXPECT_EQ(kGiB, ReadMemStats().external);
      },
      file.fd(), 0, kGiB, PROT_READ, MAP_SHARED, kVirtual);
  EXPECT_GE(GoalAfterCollection(), before + kGiB);
  OnOtherThread([&] { ASSERT_TRUE(FindMapping(root.get())->Unmap().ok()); });
  EXPECT_EQ(0u, ReadMappingStats().charged_bytes);
  EXPECT_LT(GoalAfterCollection(), before + kGiB / 2);
}

TEST_F(MappingAccountingTest, NoneCountsNothing) {
  gc_root<std::byte> root;
  WithMapping(
      [&](const gc_mapping& m) {
        root = m.data();
        std::memset(m.data(), 1, m.size());
      },
      -1, 0, 32 * kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, kNone);
  Collect();
  EXPECT_EQ(0u, ReadMappingStats().charged_bytes);
}

TEST_F(MappingAccountingTest, ResidentCountsWhatTheSystemCannotTakeBack) {
  const TestFile disk = TestFile::OnDisk(8 * kMiB, 1);
  const TestFile memory = TestFile::InMemory(8 * kMiB, 2);
  struct Case {
    int fd, flags;
    // Charged after every byte was read, and after a quarter was written. Anonymous memory is not read: pages
    // of zeros count.
    uint64_t read, written;
  };
  const Case cases[] = {
      {disk.fd(), MAP_SHARED, 0, 0},
      {disk.fd(), MAP_PRIVATE, 0, 2 * kMiB},
      {memory.fd(), MAP_SHARED, 8 * kMiB, 8 * kMiB},
      {-1, MAP_PRIVATE | MAP_ANONYMOUS, 0, 2 * kMiB},
      {-1, MAP_SHARED | MAP_ANONYMOUS, 0, 2 * kMiB},
  };
  for (const Case& c : cases) {
    gc_root<std::byte> root;
    WithMapping([&](const gc_mapping& m) { root = m.data(); }, c.fd, 0, 8 * kMiB,
                PROT_READ | PROT_WRITE, c.flags, kResident);
    OnOtherThread([&] {
      ASSERT_TRUE(FindMapping(root.get())->Advise(MappingAdvice::kNoHugePage).ok());
      volatile std::byte* p = root.get();
      for (size_t i = 0; c.fd >= 0 && i < 8 * kMiB; i += 4096) (void)p[i];
    });
    Collect();
    EXPECT_EQ(c.read, ReadMappingStats().charged_bytes) << c.fd << " " << c.flags;
    OnOtherThread([&] {
      for (size_t i = 0; i < 2 * kMiB; i += 4096) root.get()[i] = std::byte{1};
    });
    Collect();
    EXPECT_EQ(c.written, ReadMappingStats().charged_bytes) << c.fd << " " << c.flags;
    EXPECT_EQ(c.written, ReadMemStats().external);
    root = nullptr;
    Collect();
    EXPECT_EQ(0u, ReadMappingStats().charged_bytes);
  }
}

TEST_F(MappingAccountingTest, LongMappingsAreEstimated) {
  gc_root<std::byte> root;
  const uint64_t bytes = 2 * kGiB / rt::kSlowdown;
  WithMapping([&](const gc_mapping& m) { root = m.data(); }, -1, 0, bytes, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  OnOtherThread([&] {
    for (size_t i = 0; i < bytes / 2; i += 4096) root.get()[i] = std::byte{1};
  });
  Collect();
  const auto charged = static_cast<double>(ReadMappingStats().charged_bytes);
  EXPECT_NEAR(1.0, charged / static_cast<double>(bytes / 2), 0.05);
  OnOtherThread([&] {
    const uint64_t resident = *FindMapping(root.get())->ResidentBytes();
    EXPECT_NEAR(1.0, static_cast<double>(resident) / static_cast<double>(bytes / 2), 0.01);
  });
  root = nullptr;
}

TEST_F(MappingAccountingTest, TheHardLimitRefusesWhatCountsAtOnce) {
  const TestFile file = TestFile::Sparse(4 * kGiB);
  SetHardLimit(static_cast<int64_t>(ReadMemStats().limited_bytes + kGiB));
  OnOtherThread([&] {
    const absl::Status refused =
        gc_mmap(file.fd(), 0, 2 * kGiB, PROT_READ, MAP_SHARED, kVirtual).status();
    EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
    EXPECT_NE(refused.message().find("hard memory limit"), refused.message().npos);
    EXPECT_TRUE(gc_mmap(file.fd(), 0, kGiB / 2, PROT_READ, MAP_SHARED, kVirtual).ok());
    EXPECT_TRUE(gc_mmap(file.fd(), 0, 4 * kGiB, PROT_READ, MAP_SHARED).ok());
    EXPECT_TRUE(gc_mmap(file.fd(), 0, 4 * kGiB, PROT_READ, MAP_SHARED, kNone).ok());
  });
  // Objects still fit.
  OnOtherThread([] { std::memset(AllocateBytes(16 * kMiB, Scan::kNone), 1, 16 * kMiB); });
  SetHardLimit(kNoLimit);
}

// A limit would not see it otherwise, until a collection looks.
TEST_F(MappingAccountingTest, UnderALimitMemoryCountsAsWholeUntilItHasBeenLookedAt) {
  const TestFile disk = TestFile::OnDisk(4096, 6);
  const TestFile memory = TestFile::InMemory(4096, 7);
  const int64_t limit = static_cast<int64_t>(ReadMemStats().limited_bytes + kGiB);
  const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
  const int both = PROT_READ | PROT_WRITE;
  const struct {
    int fd;
    uint64_t bytes;
    int prot, flags;
    MappingAccounting accounting;
    uint64_t charged;
  } kCases[] = {
      {-1, 64 * kMiB, both, anonymous, kResident, 64 * kMiB},
      {memory.fd(), 64 * kMiB, PROT_READ, MAP_SHARED, kResident, 64 * kMiB},
      {-1, 64 * kMiB, PROT_READ, anonymous, kResident, 0},
      {-1, 64 * kMiB, both, anonymous, kNone, 0},
      {disk.fd(), 64 * kMiB, both, MAP_PRIVATE, kResident, 0},
      {-1, 4 * kGiB, both, anonymous | MAP_NORESERVE, kResident, 0},  // no limit could hold it
  };
  SetGcPercent(-1);  // or what is mapped starts a cycle, which looks before this test does
  Collect();
  for (const bool is_soft : {true, false}) {
    for (const auto& c : kCases) {
      gc_root<std::byte> root;
      for (const int64_t set : {kNoLimit, limit}) {
        is_soft ? SetMemoryLimit(set) : SetHardLimit(set);
        WithMapping(
            [&](const gc_mapping& m) {
              root = m.data();
              EXPECT_EQ(set == limit ? c.charged : 0, ReadMappingStats().charged_bytes);
              EXPECT_EQ(ReadMappingStats().charged_bytes, ReadMemStats().external);
            },
            c.fd, 0, c.bytes, c.prot, c.flags, c.accounting);
        Collect();
        EXPECT_EQ(1u, ReadMappingStats().num_active);
        EXPECT_EQ(0u, ReadMappingStats().charged_bytes);
        root = nullptr;
        Collect();
        EXPECT_EQ(0u, ReadMappingStats().num_active);
      }
      is_soft ? SetMemoryLimit(kNoLimit) : SetHardLimit(kNoLimit);
    }
  }
}

// Objects that would pass the hard limit for memory that is not there are not refused.
TEST_F(MappingAccountingTest, TheHardLimitLooksBeforeItRefuses) {
  gc_root<std::byte> root;
  SetHardLimit(static_cast<int64_t>(ReadMemStats().limited_bytes + kGiB));
  WithMapping([&](const gc_mapping& m) { root = m.data(); }, -1, 0, 900 * kMiB,
              PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  OnOtherThread([] { EXPECT_NO_THROW(AllocateBytes(300 * kMiB, Scan::kNone)); });
  SetHardLimit(kNoLimit);
}

TEST_F(MappingAccountingTest, TheHardLimitHoldsForManyAtOnce) {
  const TestFile file = TestFile::Sparse(kGiB);
  SetHardLimit(static_cast<int64_t>(ReadMemStats().limited_bytes + kGiB));
  gc_root<gc_ptr<std::byte>> kept;
  std::atomic<uint64_t> made{0};
  OnOtherThread([&] { kept = make_gc<gc_ptr<std::byte>[]>(8); });
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const auto m = gc_mmap(file.fd(), 0, 300 * kMiB, PROT_READ, MAP_SHARED, kVirtual);
      if (!m.ok()) return;
      kept.get()[t] = m->data();
      ++made;
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(3u, made);
  EXPECT_EQ(made * 300 * kMiB, ReadMappingStats().charged_bytes);
  EXPECT_EQ(made * 300 * kMiB, ReadMemStats().external);
  SetHardLimit(kNoLimit);
}

// No cycle has seen what they hold, and nothing else would begin one.
TEST_F(MappingAccountingTest, AnonymousMemoryMadeAndDroppedCollects) {
  const TestFile memory = TestFile::InMemory(4096, 4);
  ASSERT_EQ(0, ftruncate(memory.fd(), 16 * kMiB));
  const TestFile disk = TestFile::OnDisk(4096, 5);
  ASSERT_EQ(0, ftruncate(disk.fd(), 16 * kMiB));
  const auto collections = [](int fd, int flags, MappingAccounting accounting) {
    Collect();  // nobody else has asked for one that is yet to come
    const uint64_t before = ReadMemStats().num_gc;
    OnOtherThread([&] {
      for (int i = 0; i < 60; ++i) {
        const auto m = gc_mmap(fd, 0, 16 * kMiB, PROT_READ | PROT_WRITE, flags, accounting);
        ASSERT_TRUE(m.ok());
        m->data()[0] = std::byte{1};
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    return ReadMemStats().num_gc - before;
  };
  EXPECT_GE(collections(-1, MAP_PRIVATE | MAP_ANONYMOUS, kResident), 3u);
  EXPECT_GE(collections(memory.fd(), MAP_SHARED, kResident), 3u);
  EXPECT_EQ(0u, collections(disk.fd(), MAP_PRIVATE, kResident));
  EXPECT_EQ(0u, collections(-1, MAP_PRIVATE | MAP_ANONYMOUS, kNone));
}

TEST_F(MappingAccountingTest, MadeAndDroppedWithoutAllocatingTheyCollect) {
  const TestFile file = TestFile::OnDisk(4096, 3);
  const uint64_t before = ReadMemStats().num_gc;
  uint64_t most = 0;
  OnOtherThread([&] {
    for (size_t i = 0; i < 20'000 / rt::kSlowdown; ++i) {
      ASSERT_TRUE(gc_mmap(file.fd(), 0, 4096, PROT_READ, MAP_SHARED).ok());
      most = std::max(most, ReadMappingStats().num_active);
    }
  });
  if (rt::kSlowdown == 1) {
    EXPECT_GE(ReadMemStats().num_gc, before + 5);
  }
  EXPECT_LE(most, 5000u);
}

}  // namespace
}  // namespace tarn
