// Mappings that the collector owns: what they show, what keeps them, their end, and what can go wrong.
// Not here: the methods beside Unmap (mapping_methods_test.cc), accounting (mapping_accounting_test.cc).
#include "tarn/gc_mmap.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <cstring>
#include <string>

#include "gtest/gtest.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/life_test_util.h"
#include "tests/gc/manual_collections.h"
#include "tests/gc/mapping_test_util.h"

namespace tarn {
namespace {

using rt::CountWrong;
using rt::HeapStats;
using rt::Hidden;
using rt::Instance;
using rt::IsAllocated;
using rt::IsReadable;
using rt::KernelMappings;
using rt::kOsPage;
using rt::OnOtherThread;
using rt::PatternAt;
using rt::TestFile;
using rt::WithMapping;

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

uint64_t LentPages() { return HeapStats::Get(Instance::Get().heap().stats().lent_pages); }

// Nothing of earlier tests is left.
class GcMmapTest : public rt::EmbedderRunsFinalizers {
 protected:
  void SetUp() override {
    EmbedderRunsFinalizers::SetUp();
    ASSERT_EQ(0u, ReadMappingStats().num_active);
    ASSERT_EQ(0u, LentPages());
  }
  void TearDown() override { VerifyHeapForDebugging(); }
};

struct Holder {
  gc_ptr<Holder> next;
  gc_mapping mapping;
};

TEST_F(GcMmapTest, FilesSharedAndPrivateShowTheirContents) {
  const TestFile disk = TestFile::OnDisk(70'000, 1);
  const TestFile memory = TestFile::InMemory(70'000, 2);
  for (const auto* file : {&disk, &memory}) {
    const uint64_t seed = file == &disk ? 1 : 2;
    for (int flags : {MAP_SHARED, MAP_PRIVATE}) {
      WithMapping(
          [&](const gc_mapping& m) {
            EXPECT_EQ(70'000u, m.size());
            EXPECT_EQ(0u, CountWrong(m, seed));
            EXPECT_TRUE(m.is_mapped());
            EXPECT_EQ(m.data(), reinterpret_cast<const std::byte*>(m.text().data()));
            EXPECT_EQ(m.size(), m.bytes().size());
          },
          file->fd(), 0, 70'000, PROT_READ, flags);
    }
  }
}

TEST_F(GcMmapTest, ChangesReachTheFileOnlyIfShared) {
  const TestFile file = TestFile::OnDisk(9'000, 3);
  const auto change = [](const gc_mapping& m) { m.data()[4321] = std::byte{99}; };
  WithMapping(change, file.fd(), 0, 9'000, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  Collect();
  EXPECT_EQ(PatternAt(3, 4321), file.At(4321));
  WithMapping(change, file.fd(), 0, 9'000, PROT_READ | PROT_WRITE, MAP_SHARED);
  Collect();
  EXPECT_EQ(std::byte{99}, file.At(4321));
}

TEST_F(GcMmapTest, AnonymousMemoryIsZeroAndWritable) {
  for (int flags : {MAP_PRIVATE | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS}) {
    WithMapping(
        [](const gc_mapping& m) {
          for (size_t i = 0; i < m.size(); i += 100) ASSERT_EQ(std::byte{0}, m.data()[i]);
          std::memset(m.data(), 0x5a, m.size());
        },
        -1, 0, 1'000'000, PROT_READ | PROT_WRITE, flags);
  }
}

TEST_F(GcMmapTest, OffsetsNeedNotBeAligned) {
  const TestFile file = TestFile::OnDisk(50'000, 4);
  for (int64_t offset : {1, 4095, 4096, 5000, 8192, 12'345, 49'999}) {
    for (size_t length : {size_t{1}, size_t{100}, size_t{4096}, size_t{9000}}) {
      if (static_cast<size_t>(offset) + length > 50'000) continue;
      WithMapping(
          [&](const gc_mapping& m) {
            ASSERT_EQ(length, m.size());
            EXPECT_EQ(0u, CountWrong(m, 4, static_cast<size_t>(offset)));
          },
          file.fd(), offset, length, PROT_READ, MAP_SHARED);
    }
  }
}

TEST_F(GcMmapTest, HugePagesIfThereAreAny) {
  const absl::StatusOr<gc_mapping> probe =
      gc_mmap(-1, 0, 1000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
  if (!probe.ok()) {
    EXPECT_TRUE(absl::IsResourceExhausted(probe.status()) ||
                absl::IsInvalidArgument(probe.status()))
        << probe.status();
    GTEST_SKIP() << probe.status();
  }
  EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(probe->data()) % (size_t{2} << 20));
  std::memset(probe->data(), 1, 1000);
  ASSERT_TRUE(probe->Unmap().ok());
}

// --- What keeps a mapping ---

TEST_F(GcMmapTest, AnInteriorPointerAnywhereInItKeepsAll) {
  const TestFile file = TestFile::OnDisk(100'000, 5);
  gc_root<std::byte> root;
  Hidden h = WithMapping([&](const gc_mapping& m) { root = m.data() + 99'999; }, file.fd(), 0,
                         100'000, PROT_READ, MAP_SHARED);
  for (int i = 0; i < 3; ++i) Collect();
  EXPECT_TRUE(IsAllocated(h));
  EXPECT_EQ(1u, ReadMappingStats().num_active);
  OnOtherThread([&] {  // nothing of it stays on this stack
    for (size_t i = 0; i < 100'000; i += 777) ASSERT_EQ(PatternAt(5, i), h.Reveal<std::byte>()[i]);
  });
  root = nullptr;
  Collect();
  EXPECT_FALSE(IsAllocated(h));
  EXPECT_EQ(0u, ReadMappingStats().num_active);
}

TEST_F(GcMmapTest, HandlesAndStringViewsInHeapObjectsKeepIt) {
  struct Word {
    gc_ptr<Word> next;
    std::string_view text;
  };
  const TestFile file = TestFile::OnDisk(30'000, 6);
  gc_root<Holder> holder;
  gc_root<Word> word;
  OnOtherThread([&] {
    holder = make_gc<Holder>();
    holder->mapping = *gc_mmap(file.fd(), 0, 10'000, PROT_READ, MAP_SHARED);
    word = make_gc<Word>();
    word->text = gc_mmap(file.fd(), 10'000, 20'000, PROT_READ, MAP_SHARED)->text().substr(15'000);
  });
  for (int i = 0; i < 3; ++i) Collect();
  EXPECT_EQ(2u, ReadMappingStats().num_active);
  OnOtherThread([&] {
    EXPECT_EQ(0u, CountWrong(holder->mapping, 6));
    EXPECT_EQ(PatternAt(6, 25'000), static_cast<std::byte>(word->text[0]));
  });
  holder = nullptr;
  Collect();
  EXPECT_EQ(1u, ReadMappingStats().num_active);
  word = nullptr;
  Collect();
  EXPECT_EQ(0u, ReadMappingStats().num_active);
}

TEST_F(GcMmapTest, TheBytesKeepNothingAlive) {
  gc_root<std::byte> root;
  Hidden victim;
  WithMapping(
      [&](const gc_mapping& m) {
        Holder* h = make_gc<Holder>();
        victim = Hidden(h);
        std::memcpy(m.data(), &h, sizeof(h));
        root = m.data();
      },
      -1, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  Collect();
  EXPECT_FALSE(IsAllocated(victim));
  EXPECT_EQ(1u, ReadMappingStats().num_active);
}

TEST_F(GcMmapTest, AFinalizerSeesItWholeAndWeakReferencesDoNot) {
  const TestFile file = TestFile::OnDisk(20'000, 7);
  static std::atomic<int> right;
  right = 0;
  gc_root<gc_weak_ptr<std::byte>> weak;
  Hidden h = WithMapping(
      [&](const gc_mapping& m) {
        weak = make_gc<gc_weak_ptr<std::byte>>(m.data());
        EXPECT_EQ(m.data(), weak->get());
        ASSERT_TRUE(SetFinalizer(m.data(), [](std::byte* p) {
                      for (size_t i = 0; i < 20'000; ++i) right += p[i] == PatternAt(7, i);
                    }).ok());
      },
      file.fd(), 0, 20'000, PROT_READ, MAP_SHARED);
  Collect();
  EXPECT_EQ(nullptr, weak->get());
  EXPECT_EQ(1u, ReadMappingStats().num_active);
  EXPECT_EQ(1u, rt::RunAllReady());
  EXPECT_EQ(20'000, right);
  Collect();
  EXPECT_EQ(0u, ReadMappingStats().num_active);
  EXPECT_FALSE(IsAllocated(h));
}

// --- Its end ---

TEST_F(GcMmapTest, DeathUnmapsAndTheSpanIsFreeInTheSameCycle) {
  const TestFile file = TestFile::OnDisk(200'000, 8);
  const size_t before = ReadMappingStats().died;
  Hidden h = WithMapping(
      [](const gc_mapping& m) {
        EXPECT_EQ(1u, ReadMappingStats().num_active);
        EXPECT_EQ(200'704u, ReadMappingStats().bytes_active);
        m.data()[0] = std::byte{1};
      },
      file.fd(), 0, 200'000, PROT_READ | PROT_WRITE, MAP_SHARED);
  EXPECT_EQ(25u, LentPages());
  EXPECT_EQ(25u * internal::kPageBytes, ReadMemStats().mapped);
  Collect();
  const MappingStats s = ReadMappingStats();
  EXPECT_EQ(0u, s.num_active);
  EXPECT_EQ(0u, s.bytes_active);
  EXPECT_EQ(before + 1, s.died);
  EXPECT_EQ(0u, LentPages());
  EXPECT_FALSE(Instance::Get()
                   .heap()
                   .cage()
                   .Entry(Instance::Get().heap().cage().PageOf(h.address()))
                   .in_use());
  // The next objects get the pages: zero, and writing to them is not writing to the file.
  bool found = false;
  OnOtherThread([&] {
    for (int i = 0; i < 2000 && !found; ++i) {
      auto* p = static_cast<char*>(AllocateBytes(200'000, Scan::kNone));
      for (size_t k = 0; k < 200'000; k += 512) ASSERT_EQ(0, p[k]);
      found = reinterpret_cast<uintptr_t>(p) <= h.address() &&
              h.address() < reinterpret_cast<uintptr_t>(p) + 200'000;
      std::memset(p, 0x77, 200'000);
    }
  });
  EXPECT_TRUE(found);
  for (size_t i = 1; i < 200'000; i += 999) ASSERT_EQ(PatternAt(8, i), file.At(i));
}

TEST_F(GcMmapTest, UnmapMakesAccessFaultUntilItIsDead) {
  const TestFile file = TestFile::OnDisk(40'000, 9);
  gc_root<std::byte> root;
  Hidden h = WithMapping(
      [&](const gc_mapping& m) {
        root = m.data() + 10;
        EXPECT_TRUE(IsReadable(Hidden(m.data())));
        EXPECT_TRUE(m.Unmap().ok());
        EXPECT_FALSE(m.is_mapped());
        EXPECT_TRUE(absl::IsFailedPrecondition(m.Unmap()));
        EXPECT_TRUE(absl::IsFailedPrecondition(m.Protect(PROT_READ)));
        EXPECT_TRUE(absl::IsFailedPrecondition(m.Advise(MappingAdvice::kWillNeed)));
        std::byte b[8];
        EXPECT_TRUE(absl::IsFailedPrecondition(m.Read(0, absl::Span<std::byte>(b))));
      },
      file.fd(), 0, 40'000, PROT_READ, MAP_SHARED);
  EXPECT_EQ(0u, ReadMappingStats().num_active);
  EXPECT_EQ(1u, ReadMappingStats().num_unmapped);
  EXPECT_EQ(0u, ListMappings().size());
  OnOtherThread([] {  // nobody else gets the addresses
    for (int i = 0; i < 200; ++i) std::memset(AllocateBytes(40'000, Scan::kNone), 1, 40'000);
  });
  Collect();
  OnOtherThread([&] {
    for (size_t i = 0; i < 40'000; i += 4096) {
      EXPECT_FALSE(IsReadable(Hidden(h.Reveal<std::byte>() + i)));
    }
  });
  EXPECT_EQ(5u, LentPages());
  root = nullptr;
  Collect();
  EXPECT_EQ(0u, ReadMappingStats().num_unmapped);
  EXPECT_EQ(0u, LentPages());
}

TEST_F(GcMmapTest, AccessAfterUnmapIsASignal) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto touch = [] {
    const absl::StatusOr<gc_mapping> m =
        gc_mmap(-1, 0, 5000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (!m.ok() || !m->Unmap().ok()) _exit(0);
    m->data()[100] = std::byte{1};
    _exit(0);
  };
  EXPECT_DEATH(touch(), "");
}

TEST_F(GcMmapTest, LockedAndPopulatedMappingsEndToo) {
  for (int flags :
       {MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE}) {
    WithMapping([](const gc_mapping& m) { m.data()[3] = std::byte{1}; }, -1, 0, 16'384,
                PROT_READ | PROT_WRITE, flags);
    Collect();
    EXPECT_EQ(0u, ReadMappingStats().num_active);
  }
}

TEST_F(GcMmapTest, ManyLeaveNoKernelMappingsBehind) {
  const TestFile file = TestFile::OnDisk(30'000, 10);
  Collect();
  const size_t before = KernelMappings();
  OnOtherThread([&] {
    for (size_t i = 0; i < 3000 / rt::kSlowdown; ++i) {
      const absl::StatusOr<gc_mapping> m =
          gc_mmap(file.fd(), static_cast<int64_t>(i % 7 * 1000), 1 + i % 20'000, PROT_READ,
                  i % 2 ? MAP_SHARED : MAP_PRIVATE);
      ASSERT_TRUE(m.ok()) << m.status();
      ASSERT_EQ(PatternAt(10, i % 7 * 1000), m->data()[0]);
    }
  });
  Collect();
  EXPECT_EQ(0u, ReadMappingStats().num_active);
  EXPECT_LE(KernelMappings(), before + 8);
}

TEST_F(GcMmapTest, TheChildOfAForkHasItAndEndsIt) {
  if (TARN_TSAN) GTEST_SKIP() << "no threads after fork under ThreadSanitizer";
  const TestFile file = TestFile::OnDisk(20'000, 11);
  gc_root<Holder> holder;
  OnOtherThread([&] {
    holder = make_gc<Holder>();
    holder->mapping = *gc_mmap(file.fd(), 0, 20'000, PROT_READ | PROT_WRITE, MAP_SHARED);
    holder->next = make_gc<Holder>();
    holder->next->mapping = *gc_mmap(file.fd(), 0, 20'000, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  });
  const pid_t child = fork();
  if (child == 0) {
    alarm(100);
    const auto run = [&] {
      Collect();
      if (CountWrong(holder->mapping, 11) != 0 || CountWrong(holder->next->mapping, 11) != 0) {
        return 1;
      }
      holder->mapping.data()[5] = std::byte{42};
      holder->next->mapping.data()[6] = std::byte{43};
      if (!gc_mmap(file.fd(), 0, 5000, PROT_READ, MAP_SHARED).ok()) return 2;
      holder = nullptr;
      OnOtherThread([] { Collect(); });
      OnOtherThread([] { Collect(); });
      return ReadMappingStats().died >= 1 ? 0 : 3;
    };
    _exit(run());
  }
  int status = 0;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(std::byte{42}, holder->mapping.data()[5]);
  EXPECT_EQ(PatternAt(11, 6), holder->next->mapping.data()[6]);
  Collect();
  EXPECT_EQ(2u, ReadMappingStats().num_active);
}

// A hint takes any address where nothing is mapped, so a hole would be found.
TEST_F(GcMmapTest, WhatTheChildOfAForkDoesNotGetIsUnmappedThere) {
  if (TARN_TSAN) GTEST_SKIP() << "no threads after fork under ThreadSanitizer";
  const TestFile file = TestFile::OnDisk(10 * kOsPage, 13);
  gc_root<Holder> whole, part;
  OnOtherThread([&] {
    whole = make_gc<Holder>();
    whole->mapping =
        *gc_mmap(-1, 0, 40 * kOsPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    part = make_gc<Holder>();
    part->mapping = *gc_mmap(file.fd(), 0, 10 * kOsPage, PROT_READ, MAP_SHARED);
    ASSERT_EQ(0, madvise(whole->mapping.data(), 40 * kOsPage, MADV_DONTFORK));
    ASSERT_EQ(0, madvise(part->mapping.data() + 3 * kOsPage, 2 * kOsPage, MADV_DONTFORK));
  });
  const pid_t child = fork();
  if (child == 0) {
    alarm(100);
    const auto run = [&] {
      if (whole->mapping.is_mapped() || part->mapping.is_mapped()) return 1;
      const MappingStats s = ReadMappingStats();
      if (s.num_active != 0 || s.bytes_active != 0 || s.num_unmapped != 2) return 2;
      for (std::byte* p : {whole->mapping.data(), part->mapping.data() + 3 * kOsPage}) {
        if (IsReadable(Hidden(p))) return 3;
        if (mmap(p, kOsPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == p) return 4;
      }
      whole = nullptr;
      part = nullptr;
      for (int i = 0; i < 3; ++i) OnOtherThread([] { Collect(); });
      for (int i = 0; i < 100; ++i) OnOtherThread([] { make_gc<char[]>(40 * kOsPage); });
      VerifyHeapForDebugging();
      return ReadMappingStats().died >= 1 ? 0 : 5;
    };
    _exit(run());
  }
  int status = 0;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(2u, ReadMappingStats().num_active);
  OnOtherThread([&] { EXPECT_EQ(0u, CountWrong(part->mapping, 13)); });
}

// A number that nothing keeps: the mapping is found alive, and stays so, or is not found.
TEST_F(GcMmapTest, FindMappingBesideItsDeath) {
  const TestFile file = TestFile::OnDisk(20'000, 14);
  std::atomic<bool> stop{false};
  std::atomic<uintptr_t> hidden{0};
  std::atomic<int> wrong{0}, found{0};
  std::thread finder([&] {
    while (!stop) {
      const absl::StatusOr<gc_mapping> m = FindMapping(reinterpret_cast<void*>(~hidden.load()));
      if (!m.ok()) continue;
      ++found;
      // A dead one would be memory by now, or in a moment.
      if (m->size() == 20'000) wrong += CountWrong(*m, 14) != 0;
    }
  });
  std::thread collector([&] {
    while (!stop) Collect();
  });
  for (size_t i = 0; i < 2000 / rt::kSlowdown; ++i) {
    WithMapping([&](const gc_mapping& m) { hidden = ~reinterpret_cast<uintptr_t>(m.data()); },
                file.fd(), 0, 20'000, PROT_READ, MAP_SHARED);
    if (i % 8 == 0) Collect();
  }
  stop = true;
  finder.join();
  collector.join();
  EXPECT_EQ(0, wrong);
  EXPECT_LT(0, found);
  Collect();
  Collect();
  EXPECT_EQ(0u, ReadMappingStats().num_active);
}

// --- Errors: nothing is lost ---

class GcMmapErrorTest : public GcMmapTest {
 protected:
  void TearDown() override {
    Collect();
    EXPECT_EQ(0u, ReadMappingStats().num_active);
    EXPECT_EQ(0u, LentPages());
    GcMmapTest::TearDown();
  }
  template <class... A>
  static absl::Status Try(A&&... args) {
    absl::Status status;
    OnOtherThread([&] { status = gc_mmap(std::forward<A>(args)...).status(); });
    return status;
  }
};

TEST_F(GcMmapErrorTest, BadArguments) {
  const TestFile file = TestFile::OnDisk(10'000, 12);
  const int fd = file.fd();
  const auto bad = [](const absl::Status& s) { return absl::IsInvalidArgument(s); };
  EXPECT_TRUE(bad(Try(fd, 0, 0, PROT_READ, MAP_SHARED)));
  EXPECT_TRUE(bad(Try(fd, -1, 10, PROT_READ, MAP_SHARED)));
  EXPECT_TRUE(bad(Try(fd, -4096, 10, PROT_READ, MAP_SHARED)));
  EXPECT_TRUE(bad(Try(fd, INT64_MAX, 10, PROT_READ, MAP_SHARED)));
  EXPECT_TRUE(bad(Try(fd, 1, SIZE_MAX, PROT_READ, MAP_SHARED)));
  EXPECT_TRUE(bad(Try(fd, 0, 10, PROT_READ, 0)));
  EXPECT_TRUE(bad(Try(fd, 0, 10, PROT_READ, MAP_SHARED | MAP_FIXED)));
  EXPECT_TRUE(bad(Try(fd, 0, 10, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN)));
  EXPECT_TRUE(bad(Try(-1, 0, 10, PROT_READ, MAP_SHARED)));
  EXPECT_TRUE(bad(Try(12345, 0, 10, PROT_READ, MAP_SHARED)));
  EXPECT_NE(std::string::npos,
            Try(fd, 0, 0, PROT_READ, MAP_SHARED).message().find("gc_mmap: the length is 0"));
}

TEST_F(GcMmapErrorTest, FilesThatCannotBeMapped) {
  int ends[2];
  ASSERT_EQ(0, pipe(ends));
  EXPECT_FALSE(Try(ends[0], 0, 10, PROT_READ, MAP_PRIVATE).ok());
  const int directory = open("/", O_RDONLY | O_CLOEXEC);
  EXPECT_TRUE(absl::IsFailedPrecondition(Try(directory, 0, 10, PROT_READ, MAP_PRIVATE)));
  const int read_only = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  EXPECT_TRUE(absl::IsPermissionDenied(Try(read_only, 0, 10, PROT_READ | PROT_WRITE, MAP_SHARED)));
  EXPECT_TRUE(Try(read_only, 0, 10, PROT_READ | PROT_WRITE, MAP_PRIVATE).ok());
  const int proc = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  EXPECT_FALSE(Try(proc, 0, 10, PROT_READ, MAP_PRIVATE).ok());
  for (int fd : {ends[0], ends[1], directory, read_only, proc}) close(fd);
}

TEST_F(GcMmapErrorTest, MoreThanTheAddressSpaceHolds) {
  const size_t cage = Instance::Get().heap().cage().bytes();
  const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  const uint64_t collections = ReadMemStats().num_gc;
  for (const size_t length : {cage + 1, size_t{1} << 60}) {
    const absl::Status s = Try(-1, 0, length, PROT_READ, anonymous);
    EXPECT_TRUE(absl::IsResourceExhausted(s));
    EXPECT_NE(s.message().find("longer than the heap's address space"), s.message().npos) << s;
  }
  EXPECT_EQ(collections, ReadMemStats().num_gc);
  EXPECT_TRUE(Try(-1, 0, 100, PROT_READ, anonymous).ok());
}

TEST_F(GcMmapErrorTest, AddressSpaceLimitOfTheProcess) {
  if (TARN_TSAN || TARN_ASAN) GTEST_SKIP() << "sanitizers need threads after fork, or addresses";
  const pid_t child = fork();
  if (child == 0) {
    alarm(100);
    const rlimit limit{size_t{4} << 40, size_t{4} << 40};
    rlimit small = limit;
    std::ifstream statm("/proc/self/statm");
    size_t pages = 0;
    statm >> pages;
    small.rlim_cur = small.rlim_max = pages * kOsPage + (size_t{64} << 20);
    setrlimit(RLIMIT_AS, &small);
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (!absl::IsResourceExhausted(Try(-1, 0, size_t{256} << 20, PROT_READ, flags))) _exit(1);
    _exit(Try(-1, 0, size_t{1} << 20, PROT_READ, flags).ok() ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(GcMmapErrorTest, SealsOfAMemoryFile) {
  const int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ASSERT_EQ(0, ftruncate(fd, 8192));
  ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  EXPECT_TRUE(absl::IsPermissionDenied(Try(fd, 0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED)));
  EXPECT_TRUE(Try(fd, 0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE).ok());
  close(fd);
}

}  // namespace
}  // namespace tarn
