// The real memory calls: contents, access rights and counters in every state.
#include "runtime/os/os_memory_linux.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "tests/support/faulty_memory.h"

namespace tarn::rt {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

size_t ResidentPages(void* p, size_t bytes) {
  const size_t page = LinuxMemory::Instance().PhysicalPageBytes();
  std::vector<unsigned char> resident(bytes / page);
  if (mincore(p, bytes, resident.data()) != 0) return ~size_t{0};
  size_t n = 0;
  for (const unsigned char r : resident) n += r & 1u;
  return n;
}

// Past the C library: sanitizers turn its mlock into nothing.
bool LockInMemory(void* p, size_t bytes) { return syscall(SYS_mlock, p, bytes) == 0; }

// Lines of /proc/self/maps that touch the range.
std::vector<std::string> Mappings(const void* p, size_t bytes) {
  std::vector<std::string> out;
  std::FILE* const f = std::fopen("/proc/self/maps", "r");
  if (f == nullptr) return out;
  char line[512];
  while (std::fgets(line, sizeof(line), f) != nullptr) {
    unsigned long lo = 0;
    unsigned long hi = 0;
    if (std::sscanf(line, "%lx-%lx", &lo, &hi) != 2) continue;
    const auto start = reinterpret_cast<uintptr_t>(p);
    if (lo < start + bytes && start < hi) out.emplace_back(line);
  }
  std::fclose(f);
  return out;
}

bool AllZero(const char* p, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    if (p[i] != 0) return false;
  }
  return true;
}

class LinuxMemoryTest : public ::testing::Test {
 protected:
  char* Reserve(size_t bytes) { return static_cast<char*>(os_.Reserve(bytes, kMiB)); }
  char* Ready(size_t bytes) {
    char* const p = Reserve(bytes);
    if (p == nullptr || !os_.Map(p, bytes) || !os_.Used(p, bytes, bytes)) return nullptr;
    return p;
  }
  LinuxMemory os_;
};

TEST_F(LinuxMemoryTest, ReservationsAreAligned) {
  for (size_t align = os_.PhysicalPageBytes(); align <= size_t{1} << 30; align *= 4) {
    void* const p = os_.Reserve(3 * os_.PhysicalPageBytes(), align);
    ASSERT_NE(p, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % align, 0u);
    EXPECT_EQ(Mappings(p, 3 * os_.PhysicalPageBytes()).size(), 1u);
    os_.Free(p, 3 * os_.PhysicalPageBytes(), 0, 0);
  }
}

TEST_F(LinuxMemoryTest, NothingAroundAReservationIsKept) {
  const size_t bytes = 2 * kMiB;
  char* const p = static_cast<char*>(os_.Reserve(bytes, size_t{1} << 30));
  ASSERT_NE(p, nullptr);
  const auto lines = Mappings(p, bytes);
  ASSERT_EQ(lines.size(), 1u);
  unsigned long lo = 0;
  unsigned long hi = 0;
  ASSERT_EQ(std::sscanf(lines[0].c_str(), "%lx-%lx", &lo, &hi), 2);
  EXPECT_LT(hi - lo, size_t{1} << 29) << "the part cut off is still mapped";
  os_.Free(p, bytes, 0, 0);
}

TEST_F(LinuxMemoryTest, AnImpossibleReservationFailsWithItsReason) {
  EXPECT_EQ(os_.Reserve(size_t{1} << 62, kMiB), nullptr);
  EXPECT_EQ(os_.LastError(), ENOMEM);
  EXPECT_EQ(os_.Reserve(~size_t{0} & ~(kMiB - 1), size_t{1} << 40), nullptr);
  EXPECT_EQ(os_.LastError(), ENOMEM);
  EXPECT_EQ(os_.MappedBytes(), 0u);
}

TEST_F(LinuxMemoryTest, MappingWhatIsNotReservedFails) {
  char* const p = Reserve(2 * kMiB);
  ASSERT_NE(p, nullptr);
  os_.Free(p, 2 * kMiB, 0, 0);
  EXPECT_FALSE(os_.Map(p, kMiB));
  EXPECT_EQ(os_.LastError(), ENOMEM);
  EXPECT_EQ(os_.MappedBytes(), 0u);
}

TEST_F(LinuxMemoryTest, ReleasedMemoryIsZeroAndNotResident) {
  char* const p = Ready(4 * kMiB);
  ASSERT_NE(p, nullptr);
  EXPECT_TRUE(os_.ReleasedIsZero());
  EXPECT_TRUE(AllZero(p, 4 * kMiB));
  std::memset(p, 7, 4 * kMiB);
  EXPECT_EQ(ResidentPages(p, 4 * kMiB), 4 * kMiB / os_.PhysicalPageBytes());
  os_.Unused(p + kMiB, 2 * kMiB, 2 * kMiB);
  EXPECT_EQ(ResidentPages(p, 4 * kMiB), 2 * kMiB / os_.PhysicalPageBytes());
  EXPECT_EQ(os_.ReadyBytes(), 2 * kMiB);
  ASSERT_TRUE(os_.Used(p, 4 * kMiB, 2 * kMiB));
  EXPECT_TRUE(AllZero(p + kMiB, 2 * kMiB));
  EXPECT_EQ(p[kMiB - 1], 7);
  EXPECT_EQ(p[3 * kMiB], 7);
  os_.Free(p, 4 * kMiB, 4 * kMiB, 4 * kMiB);
}

TEST_F(LinuxMemoryTest, LockedMemoryIsReleasedByAFreshMapping) {
  char* const p = Ready(kMiB);
  ASSERT_NE(p, nullptr);
  const size_t page = os_.PhysicalPageBytes();
  if (!LockInMemory(p, page)) GTEST_SKIP() << "memory cannot be locked here";
  std::memset(p, 7, kMiB);
  os_.Unused(p, kMiB, kMiB);  // MADV_DONTNEED refuses locked pages
  EXPECT_EQ(os_.LastError(), EINVAL);
  ASSERT_TRUE(os_.Used(p, kMiB, kMiB));
  EXPECT_TRUE(AllZero(p, kMiB));
  os_.Free(p, kMiB, kMiB, kMiB);
}

TEST_F(LinuxMemoryTest, CountersFollowEveryMove) {
  char* const p = Reserve(8 * kMiB);
  ASSERT_NE(p, nullptr);
  const auto expect = [&](size_t mapped, size_t ready) {
    EXPECT_EQ(os_.MappedBytes(), mapped * kMiB);
    EXPECT_EQ(os_.ReadyBytes(), ready * kMiB);
  };
  expect(0, 0);
  ASSERT_TRUE(os_.Map(p, 6 * kMiB));
  expect(6, 0);
  ASSERT_TRUE(os_.Used(p, 3 * kMiB, 3 * kMiB));
  expect(6, 3);
  ASSERT_TRUE(os_.Used(p + 2 * kMiB, 2 * kMiB, kMiB));
  expect(6, 4);
  os_.Unused(p, kMiB, kMiB);
  expect(6, 3);
  os_.Unused(p, 2 * kMiB, kMiB);
  expect(6, 2);
  os_.Fault(p + 3 * kMiB, 2 * kMiB, kMiB);
  expect(4, 1);
  os_.Free(p, 8 * kMiB, 4 * kMiB, kMiB);
  expect(0, 0);
}

TEST_F(LinuxMemoryTest, NeighbouringMapsShareOneKernelMapping) {
  char* const p = Reserve(64 * kMiB);
  ASSERT_NE(p, nullptr);
  for (size_t i = 0; i < 32; ++i) {
    ASSERT_TRUE(os_.Map(p + i * kMiB, kMiB));
    ASSERT_TRUE(os_.Used(p + i * kMiB, kMiB, kMiB));
    p[i * kMiB] = 1;
    if (i % 3 == 0) os_.Unused(p + i * kMiB, kMiB, kMiB);
  }
  EXPECT_EQ(Mappings(p, 64 * kMiB).size(), 2u);
  os_.Free(p, 64 * kMiB, 32 * kMiB, 21 * kMiB);
}

TEST_F(LinuxMemoryTest, FaultedMemoryComesBackAsZero) {
  char* const p = Ready(kMiB);
  ASSERT_NE(p, nullptr);
  std::memset(p, 7, kMiB);
  os_.Fault(p, kMiB, kMiB);
  ASSERT_TRUE(os_.Map(p, kMiB));
  ASSERT_TRUE(os_.Used(p, kMiB, kMiB));
  EXPECT_TRUE(AllZero(p, kMiB));
  os_.Free(p, kMiB, kMiB, kMiB);
}

TEST_F(LinuxMemoryTest, HugePageHintsNeverFail) {
  char* const p = Ready(8 * kMiB);
  ASSERT_NE(p, nullptr);
  p[0] = 1;
  os_.HugePage(p, 8 * kMiB);
  os_.HugePage(p + 4096 * 16, kMiB);  // holds no whole huge page
  os_.CollapseHugePage(p, 8 * kMiB);
  os_.NoHugePage(p, 8 * kMiB);
  EXPECT_EQ(p[0], 1);
  EXPECT_EQ(os_.LastError(), 0);
  os_.Free(p, 8 * kMiB, 8 * kMiB, 8 * kMiB);
}

TEST(LinuxMemoryMadvFreeTest, FreedMemoryIsNotPromisedToBeZeroAndIsCounted) {
  LinuxMemory::Options options;
  options.use_madv_free = true;
  LinuxMemory os(options);
  EXPECT_FALSE(os.ReleasedIsZero());
  char* const p = static_cast<char*>(os.Reserve(kMiB, kMiB));
  ASSERT_NE(p, nullptr);
  ASSERT_TRUE(os.Map(p, kMiB));
  ASSERT_TRUE(os.Used(p, kMiB, kMiB));
  std::memset(p, 7, kMiB);
  os.Unused(p, kMiB, kMiB);
  EXPECT_EQ(os.ReadyBytes(), 0u);
  ASSERT_TRUE(os.Used(p, kMiB, kMiB));
  p[0] = 1;
  EXPECT_EQ(p[0], 1);
  os.Free(p, kMiB, kMiB, kMiB);
}

TEST(LinuxMemoryMadvFreeTest, ARefusalIsRememberedAndTheMemoryReleasedOtherwise) {
  LinuxMemory::Options options;
  options.use_madv_free = true;
  LinuxMemory os(options);
  char* const p = static_cast<char*>(os.Reserve(2 * kMiB, kMiB));
  ASSERT_NE(p, nullptr);
  ASSERT_TRUE(os.Map(p, 2 * kMiB));
  ASSERT_TRUE(os.Used(p, 2 * kMiB, 2 * kMiB));
  std::memset(p, 7, 2 * kMiB);
  if (!LockInMemory(p, os.PhysicalPageBytes())) GTEST_SKIP() << "memory cannot be locked here";
  os.Unused(p, kMiB, kMiB);  // MADV_FREE and MADV_DONTNEED both refuse locked pages
  EXPECT_FALSE(os.ReleasedIsZero());
  EXPECT_TRUE(AllZero(p, kMiB));
  os.Unused(p + kMiB, kMiB, kMiB);  // now by MADV_DONTNEED: gone at once
  EXPECT_EQ(ResidentPages(p + kMiB, kMiB), 0u);
  EXPECT_TRUE(AllZero(p + kMiB, kMiB));
  os.Free(p, 2 * kMiB, 2 * kMiB, 0);
}

// Advice that the kernel is made to refuse: 0 passes all calls on.
struct Advice {
  static inline int refused = 0;
  static inline int count[32] = {};

  static int Advise(void* p, size_t bytes, int advice) {
    if (advice >= 0 && advice < 32) ++count[advice];
    if (advice == refused || refused == -1) {
      errno = EINVAL;
      return -1;
    }
    return madvise(p, bytes, advice);
  }
};

class AdviceTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    Advice::refused = 0;
    std::memset(Advice::count, 0, sizeof(Advice::count));
  }
  static LinuxMemory::Options Injected(bool use_madv_free) {
    LinuxMemory::Options options;
    options.use_madv_free = use_madv_free;
    options.advise = &Advice::Advise;
    return options;
  }
};

TEST_F(AdviceTest, MadvFreeReleasesLazilyUntilItIsRefusedAndNeverAfterwards) {
  LinuxMemory os(Injected(true));
  char* const p = static_cast<char*>(os.Reserve(4 * kMiB, kMiB));
  ASSERT_NE(p, nullptr);
  ASSERT_TRUE(os.Map(p, 4 * kMiB) && os.Used(p, 4 * kMiB, 4 * kMiB));
  std::memset(p, 7, 4 * kMiB);
  EXPECT_EQ(os.Unused(p, kMiB, kMiB), Release::kLazily);
  Advice::refused = MADV_FREE;
  EXPECT_EQ(os.Unused(p + kMiB, kMiB, kMiB), Release::kNow);
  EXPECT_EQ(ResidentPages(p + kMiB, kMiB), 0u);
  Advice::refused = 0;  // too late
  EXPECT_EQ(os.Unused(p + 2 * kMiB, kMiB, kMiB), Release::kNow);
  EXPECT_EQ(Advice::count[MADV_FREE], 2);
  EXPECT_EQ(Advice::count[MADV_DONTNEED], 2);
  EXPECT_FALSE(os.ReleasedIsZero());
  EXPECT_EQ(os.ReadyBytes(), kMiB);
  os.Free(p, 4 * kMiB, 4 * kMiB, kMiB);
}

// Each advice refused, and all of them (-1): memory is released and zero all the same.
TEST_P(AdviceTest, MemoryIsReleasedWhateverIsRefused) {
  for (const bool use_madv_free : {false, true}) {
    LinuxMemory os(Injected(use_madv_free));
    char* const p = static_cast<char*>(os.Reserve(2 * kMiB, kMiB));
    ASSERT_NE(p, nullptr);
    Advice::refused = GetParam();
    os.Dump(p, 2 * kMiB, false);
    ASSERT_TRUE(os.Map(p, 2 * kMiB) && os.Used(p, 2 * kMiB, 2 * kMiB));
    os.HugePage(p, 2 * kMiB);
    os.NoHugePage(p, 2 * kMiB);
    os.CollapseHugePage(p, 2 * kMiB);
    std::memset(p, 7, 2 * kMiB);
    const Release how = os.Unused(p, kMiB, kMiB);
    if (how == Release::kNow) {
      EXPECT_EQ(ResidentPages(p, kMiB), 0u);
      EXPECT_TRUE(AllZero(p, kMiB));
    }
    ASSERT_TRUE(os.Used(p, kMiB, kMiB));
    p[0] = 1;
    os.Discard(p + kMiB, kMiB);
    EXPECT_TRUE(p[kMiB] == 0 || p[kMiB] == 7);
    os.Fault(p, 2 * kMiB, 2 * kMiB);
    ASSERT_TRUE(os.Map(p, 2 * kMiB) && os.Used(p, 2 * kMiB, 2 * kMiB));
    EXPECT_TRUE(AllZero(p, 2 * kMiB));
    EXPECT_EQ(os.ReadyBytes(), 2 * kMiB);
    os.Free(p, 2 * kMiB, 2 * kMiB, 2 * kMiB);
  }
}
INSTANTIATE_TEST_SUITE_P(Refused, AdviceTest,
                         testing::Values(0, -1, MADV_FREE, MADV_DONTNEED, MADV_HUGEPAGE,
                                         MADV_NOHUGEPAGE, MADV_DONTDUMP, 25 /* collapse */));

TEST_F(LinuxMemoryTest, DiscardedMemoryIsZeroAndStaysReady) {
  char* const p = static_cast<char*>(os_.Reserve(kMiB, kMiB));
  ASSERT_TRUE(os_.Map(p, kMiB) && os_.Used(p, kMiB, kMiB));
  std::memset(p, 7, kMiB);
  os_.Discard(p, kMiB / 2);
  EXPECT_EQ(ResidentPages(p, kMiB / 2), 0u);
  EXPECT_TRUE(AllZero(p, kMiB / 2));
  EXPECT_EQ(p[kMiB / 2], 7);
  EXPECT_EQ(os_.ReadyBytes(), kMiB);
  os_.Free(p, kMiB, kMiB, kMiB);
}

TEST(LinuxMemoryInstanceTest, IsOne) {
  EXPECT_EQ(&LinuxMemory::Instance(), &LinuxMemory::Instance());
  EXPECT_GE(LinuxMemory::Instance().PhysicalPageBytes(), 4096u);
}

using LinuxMemoryDeathTest = LinuxMemoryTest;

TEST_F(LinuxMemoryDeathTest, ReservedMemoryFaults) {
  volatile char* const p = Reserve(kMiB);
  EXPECT_DEATH(p[5] = 1, "");
  os_.Free(const_cast<char*>(p), kMiB, 0, 0);
}

TEST_F(LinuxMemoryDeathTest, MemoryFaultsAfterFault) {
  volatile char* const p = Ready(kMiB);
  ASSERT_NE(p, nullptr);
  p[5] = 1;
  os_.Fault(const_cast<char*>(p), kMiB, kMiB);
  EXPECT_DEATH(p[5] = 1, "");
  os_.Free(const_cast<char*>(p), kMiB, 0, 0);
}

TEST_F(LinuxMemoryDeathTest, OddRangesAreFatal) {
  char* const p = Ready(kMiB);
  ASSERT_NE(p, nullptr);
  EXPECT_DEATH(os_.Unused(p + 1, os_.PhysicalPageBytes(), 0), "check failed");
  EXPECT_DEATH(os_.Unused(p, 100, 100), "check failed");
  EXPECT_DEATH(os_.Unused(p, 0, 0), "check failed");
  EXPECT_DEATH(os_.Fault(p, 100, 0), "check failed");
  os_.Free(p, kMiB, kMiB, kMiB);
}

TEST(FaultyMemoryTest, RefusesTheNamedCallsOfTheRealMemory) {
  LinuxMemory real;
  FaultyMemory os(real);
  os.plan().FailCall(OsCall::kMap, 2);
  char* const p = static_cast<char*>(os.Reserve(2 * kMiB, kMiB));
  ASSERT_NE(p, nullptr);
  ASSERT_TRUE(os.Map(p, kMiB));
  EXPECT_FALSE(os.Map(p + kMiB, kMiB));
  EXPECT_EQ(os.LastError(), ENOMEM);
  EXPECT_EQ(real.MappedBytes(), kMiB);
  EXPECT_TRUE(os.Map(p + kMiB, kMiB));
  os.Free(p, 2 * kMiB, 2 * kMiB, 0);
  EXPECT_EQ(os.plan().Count(OsCall::kMap), 3u);
  EXPECT_EQ(os.plan().Count(OsCall::kFree), 1u);
}

}  // namespace
}  // namespace tarn::rt
