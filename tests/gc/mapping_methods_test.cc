// What a program does with a mapping: advice, protection, locking, reading without a signal, looking.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/base/futex.h"
#include "tarn/gc_mmap.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/manual_collections.h"
#include "tests/gc/mapping_test_util.h"

namespace tarn {
namespace {

using rt::CountWrong;
using rt::Hidden;
using rt::IsReadable;
using rt::kOsPage;
using rt::OnOtherThread;
using rt::PatternAt;
using rt::TestFile;
using rt::WithMapping;

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

TEST(MappingMethodsTest, ReadCopiesAndSaysWhereAShorterFileEnds) {
  const TestFile file = TestFile::OnDisk(5 * kOsPage, 1);
  WithMapping(
      [&](const gc_mapping& m) {
        std::vector<std::byte> to(3 * kOsPage);
        ASSERT_TRUE(m.Read(100, absl::MakeSpan(to)).ok());
        for (size_t i = 0; i < to.size(); ++i) ASSERT_EQ(PatternAt(1, 1100 + i), to[i]);
        EXPECT_TRUE(m.Read(m.size(), {}).ok());
        EXPECT_TRUE(absl::IsOutOfRange(m.Read(m.size() - 1, absl::MakeSpan(to))));
        EXPECT_TRUE(absl::IsOutOfRange(m.Read(m.size() + 1, {})));
        ASSERT_EQ(0, ftruncate(file.fd(), 2 * kOsPage));
        std::fill(to.begin(), to.end(), std::byte{0});
        const absl::Status s = m.Read(kOsPage - 1000, absl::MakeSpan(to));
        EXPECT_TRUE(absl::IsDataLoss(s)) << s;
        EXPECT_NE(s.message().find("only 4096 of 12288"), s.message().npos) << s;
        for (size_t i = 0; i < kOsPage; ++i) ASSERT_EQ(PatternAt(1, kOsPage + i), to[i]);
        EXPECT_TRUE(absl::IsDataLoss(m.Read(3 * kOsPage, absl::MakeSpan(to.data(), 1))));
      },
      file.fd(), 1000, 5 * kOsPage - 1000, PROT_READ, MAP_SHARED);
}

TEST(MappingMethodsTest, SafeReadThroughAPipeIsTheSame) {
  const TestFile file = TestFile::OnDisk(4 * kOsPage, 2);
  WithMapping(
      [&](const gc_mapping& m) {
        std::vector<std::byte> to(m.size());
        ASSERT_EQ(to.size() - 7, rt::SafeReadThroughPipe(to.data(), m.data() + 7, to.size() - 7));
        for (size_t i = 7; i < to.size(); ++i) ASSERT_EQ(PatternAt(2, i), to[i - 7]);
        ASSERT_EQ(0, ftruncate(file.fd(), kOsPage));
        EXPECT_EQ(kOsPage - 9, rt::SafeReadThroughPipe(to.data(), m.data() + 9, to.size() - 9));
        size_t n = 0;
        ASSERT_TRUE(rt::SafeReadDirectly(to.data(), m.data() + 9, to.size() - 9, &n));
        EXPECT_EQ(kOsPage - 9, n);
      },
      file.fd(), 0, 4 * kOsPage, PROT_READ, MAP_SHARED);
}

TEST(MappingMethodsTest, ProtectChangesWhatMayBeDone) {
  const TestFile file = TestFile::OnDisk(10'000, 3);
  WithMapping(
      [](const gc_mapping& m) {
        ASSERT_TRUE(m.Protect(PROT_NONE).ok());
        EXPECT_FALSE(IsReadable(Hidden(m.data())));
        std::byte b[4];
        EXPECT_TRUE(absl::IsDataLoss(m.Read(0, absl::Span<std::byte>(b))));
        Collect();
        ASSERT_TRUE(m.Protect(PROT_READ | PROT_WRITE).ok());
        m.data()[0] = std::byte{200};
        EXPECT_TRUE(absl::IsInvalidArgument(m.Protect(1 << 20)));
      },
      file.fd(), 0, 10'000, PROT_READ, MAP_PRIVATE);
  EXPECT_EQ(PatternAt(3, 0), file.At(0));
  const int read_only = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  WithMapping(
      [](const gc_mapping& m) {
        EXPECT_TRUE(absl::IsPermissionDenied(m.Protect(PROT_READ | PROT_WRITE)));
      },
      read_only, 0, 4096, PROT_READ, MAP_SHARED);
  close(read_only);
}

TEST(MappingMethodsTest, SyncAndPrefetch) {
  const TestFile file = TestFile::OnDisk(30'000, 4);
  WithMapping(
      [&](const gc_mapping& m) {
        m.data()[20'000] = std::byte{7};
        EXPECT_TRUE(m.Sync().ok());
        EXPECT_TRUE(m.Sync(SyncMode::kStart, 19'999, 2).ok());
        EXPECT_TRUE(m.Sync(SyncMode::kInvalidate).ok());
        EXPECT_TRUE(m.Prefetch().ok());
        EXPECT_TRUE(m.Prefetch(100, 20'000).ok());
        EXPECT_TRUE(absl::IsOutOfRange(m.Prefetch(100, 30'000)));
        EXPECT_TRUE(absl::IsOutOfRange(m.Sync(SyncMode::kWait, 30'001)));
      },
      file.fd(), 0, 30'000, PROT_READ | PROT_WRITE, MAP_SHARED);
  EXPECT_EQ(std::byte{7}, file.At(20'000));
}

TEST(MappingMethodsTest, EveryAdviceIsKnownToTheSystemOrAnError) {
  const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS;
  WithMapping(
      [](const gc_mapping& m) {
        for (int a = 0; a <= static_cast<int>(MappingAdvice::kKeepOnFork); ++a) {
          const absl::Status s = m.Advise(static_cast<MappingAdvice>(a));
          EXPECT_TRUE(s.ok() || absl::IsInvalidArgument(s) || !s.message().empty()) << a << s;
        }
        for (MappingAdvice a :
             {MappingAdvice::kNormal, MappingAdvice::kRandom, MappingAdvice::kSequential,
              MappingAdvice::kWillNeed, MappingAdvice::kDontNeed, MappingAdvice::kDontDump}) {
          EXPECT_TRUE(m.Advise(a).ok()) << static_cast<int>(a);
        }
      },
      -1, 0, 3 * kOsPage, PROT_READ | PROT_WRITE, anonymous);
}

// Advice that destroys acts on whole pages inside the range.
TEST(MappingMethodsTest, DontNeedAndRemoveSpareTheRestOfAPage) {
  WithMapping(
      [](const gc_mapping& m) {
        std::memset(m.data(), 9, m.size());
        EXPECT_TRUE(m.Advise(MappingAdvice::kDontNeed, 100, 2 * kOsPage).ok());
        EXPECT_EQ(std::byte{9}, m.data()[0]);
        EXPECT_EQ(std::byte{9}, m.data()[kOsPage - 1]);
        EXPECT_EQ(std::byte{0}, m.data()[kOsPage]);
        EXPECT_EQ(std::byte{9}, m.data()[2 * kOsPage]);
        EXPECT_TRUE(m.Advise(MappingAdvice::kDontNeed).ok());
        EXPECT_EQ(m.size(),
                  static_cast<size_t>(std::count(m.data(), m.data() + m.size(), std::byte{0})));
      },
      -1, 0, 4 * kOsPage - 5, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  const TestFile file = TestFile::InMemory(4 * kOsPage, 5);
  WithMapping([](const gc_mapping& m) { EXPECT_TRUE(m.Advise(MappingAdvice::kRemove).ok()); },
              file.fd(), 10, 3 * kOsPage, PROT_READ | PROT_WRITE, MAP_SHARED);
  EXPECT_EQ(PatternAt(5, kOsPage - 1), file.At(kOsPage - 1));
  EXPECT_EQ(std::byte{0}, file.At(kOsPage));
  EXPECT_EQ(std::byte{0}, file.At(3 * kOsPage - 1));
  EXPECT_EQ(PatternAt(5, 3 * kOsPage + 9), file.At(3 * kOsPage + 9));
}

TEST(MappingMethodsTest, LockAndResidentBytes) {
  WithMapping(
      [](const gc_mapping& m) {
        EXPECT_EQ(0u, *m.ResidentBytes());
        m.data()[0] = m.data()[5 * kOsPage] = std::byte{1};
        EXPECT_GE(*m.ResidentBytes(), 2 * kOsPage);
        const absl::Status locked = m.Lock();
        if (!locked.ok()) GTEST_SKIP() << locked;
        if (!TARN_ASAN && !TARN_TSAN) {  // in which mlock does nothing
          EXPECT_EQ(m.size(), *m.ResidentBytes());
        }
        EXPECT_TRUE(m.Unlock().ok());
        EXPECT_TRUE(m.Lock().ok());
      },
      -1, 0, 8 * kOsPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  Collect();
  EXPECT_EQ(0u, ReadMappingStats().num_active);
}

TEST(MappingMethodsTest, ListNamesFilesAndSites) {
  Collect();
  const TestFile disk = TestFile::OnDisk(10'000, 6);
  const TestFile memory = TestFile::InMemory(10'000, 7);
  const gc_mapping one = *gc_mmap(disk.fd(), 5000, 1000, PROT_READ, MAP_SHARED);
  const unsigned line = __LINE__ - 1;
  const gc_mapping two = *gc_mmap(memory.fd(), 0, 10'000, PROT_READ, MAP_PRIVATE);
  const gc_mapping three = *gc_mmap(-1, 0, 123, PROT_READ, MAP_SHARED | MAP_ANONYMOUS);
  const std::vector<MappingInfo> list = ListMappings();
  ASSERT_EQ(3u, list.size());
  EXPECT_TRUE(std::is_sorted(list.begin(), list.end(),
                             [](const auto& a, const auto& b) { return a.address < b.address; }));
  for (const MappingInfo& info : list) {
    if (info.address == reinterpret_cast<uintptr_t>(one.data())) {
      EXPECT_EQ(1000u, info.length);
      EXPECT_EQ(5000, info.offset);
      EXPECT_EQ(disk.path() + " (deleted)", info.file);
      const std::string end = "mapping_methods_test.cc:" + std::to_string(line);
      EXPECT_TRUE(info.site.size() >= end.size() &&
                  info.site.compare(info.site.size() - end.size(), end.size(), end) == 0)
          << info.site;
    } else if (info.address == reinterpret_cast<uintptr_t>(two.data())) {
      EXPECT_EQ("/memfd:gc_mmap_test (deleted)", info.file);
    } else {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(three.data()), info.address);
      EXPECT_EQ("", info.file);
      EXPECT_EQ(123u, info.length);
    }
  }
  EXPECT_EQ(3u, ReadMappingStats().num_active);
  for (const gc_mapping* m : {&one, &two, &three}) EXPECT_TRUE(m->Unmap().ok());
}

TEST(MappingMethodsTest, FindMappingTakesAnyPointerIntoOne) {
  const TestFile file = TestFile::OnDisk(10'000, 8);
  WithMapping(
      [](const gc_mapping& m) {
        const absl::StatusOr<gc_mapping> found = FindMapping(m.data() + 4999);
        ASSERT_TRUE(found.ok());
        EXPECT_EQ(m.data(), found->data());
        EXPECT_EQ(m.size(), found->size());
        EXPECT_EQ(0u, CountWrong(*found, 8, 3000));
      },
      file.fd(), 3000, 5000, PROT_READ, MAP_SHARED);
  int local = 0;
  EXPECT_TRUE(absl::IsNotFound(FindMapping(&local).status()));
  EXPECT_TRUE(absl::IsNotFound(FindMapping(nullptr).status()));
  EXPECT_TRUE(absl::IsNotFound(FindMapping(AllocateBytes(100'000, Scan::kNone)).status()));
  const gc_mapping none;
  EXPECT_TRUE(none.empty());
  EXPECT_FALSE(none.is_mapped());
  EXPECT_TRUE(absl::IsFailedPrecondition(none.Unmap()));
  EXPECT_TRUE(absl::IsFailedPrecondition(none.Lock()));
}

// The root goes while a method waits, on a thread whose stack nobody scans.
TEST(MappingMethodsTest, AMethodKeepsItsMapping) {
  const TestFile file = TestFile::OnDisk(10'000, 10);
  gc_root<std::byte> root;
  std::atomic<int> step{0};
  std::thread user([&] {
    ThreadOptions options;
    options.cooperative = true;
    options.precise_roots = true;
    ThreadScope scope(options);
    const absl::StatusOr<gc_mapping> m = gc_mmap(file.fd(), 0, 10'000, PROT_READ, MAP_SHARED);
    ASSERT_TRUE(m.ok());
    root = m->data();
    // What the thread has taken and stored last is kept; let that be another.
    gc_ptr<char> other;
    other = make_gc<char[]>(100'000);
    step = 1;
    Blocked([&] {
      while (step == 1) std::this_thread::yield();
    });
    EXPECT_TRUE(m->Protect(PROT_READ).ok());
    EXPECT_EQ(0u, CountWrong(*m, 10));
  });
  while (step == 0) std::this_thread::yield();
  rt::Mapping* record = nullptr;
  OnOtherThread([&] {
    rt::RuntimeScope scope;
    rt::Heap& heap = rt::Instance::Get().heap();
    const auto p = reinterpret_cast<uintptr_t>(root.get());
    record = rt::Instance::Get().collector().mappings().Find(
        heap.cage().SpanAt(rt::FindLive(heap, p).first_page), p);
  });
  record->state = rt::Mapping::kBusy;  // as if another thread changed its protection
  step = 2;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  root = nullptr;
  for (int i = 0; i < 3; ++i) Collect();
  EXPECT_EQ(1u, ReadMappingStats().num_active);
  record->state = rt::Mapping::kMapped;
  rt::FutexWake(record->state, 1);
  user.join();
  Collect();
  EXPECT_EQ(0u, ReadMappingStats().num_active);
}

// Readers that use Read get the contents or an error, whatever another thread does.
TEST(MappingMethodsTest, UnmapBesideReaders) {
  const TestFile file = TestFile::OnDisk(64 * kOsPage, 9);
  for (int round = 0; round < 20; ++round) {
    WithMapping(
        [](const gc_mapping& m) {
          std::atomic<int> wrong{0}, ended{0};
          std::vector<std::thread> readers;
          for (int t = 0; t < 3; ++t) {
            readers.emplace_back([&, m] {
              std::vector<std::byte> to(8 * kOsPage);
              for (size_t at = 0; ended < 3; at = (at + 3777) % (50 * kOsPage)) {
                if (m.Protect(PROT_READ).ok() + m.Advise(MappingAdvice::kRandom).ok() > 2) ++wrong;
                if (!m.Read(at, absl::MakeSpan(to)).ok()) {
                  ++ended;
                  break;
                }
                for (size_t i = 0; i < to.size(); i += 61) wrong += to[i] != PatternAt(9, at + i);
              }
            });
          }
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
          EXPECT_TRUE(m.Unmap().ok());
          for (std::thread& t : readers) t.join();
          EXPECT_EQ(0, wrong);
          EXPECT_EQ(3, ended);
          EXPECT_FALSE(IsReadable(Hidden(m.data())));
        },
        file.fd(), 0, 64 * kOsPage, PROT_READ, MAP_SHARED);
  }
  Collect();
  EXPECT_EQ(0u, ReadMappingStats().num_unmapped);
}

}  // namespace
}  // namespace tarn
