// Mappings beside what else happens to dead objects, and to pages that are free: cleanups,
// resurrection, the scavenger.
#include <cstring>
#include <vector>

#include "gtest/gtest.h"
#include "tarn/gc_mmap.h"
#include "tests/gc/life_test_util.h"
#include "tests/gc/manual_collections.h"
#include "tests/gc/mapping_test_util.h"

namespace tarn {
namespace {

using rt::Hidden;
using rt::IsAllocated;
using rt::kOsPage;
using rt::OnOtherThread;
using rt::PatternAt;
using rt::TestFile;
using rt::WithMapping;

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

class MappingLifeTest : public rt::EmbedderRunsFinalizers {
 protected:
  void TearDown() override {
    OnOtherThread([] { Collect(); });
    EXPECT_EQ(0u, ReadMappingStats().num_active);
    VerifyHeapForDebugging();
  }
};

TEST_F(MappingLifeTest, CleanupsRunWhenItIsUnmapped) {
  const TestFile file = TestFile::OnDisk(20'000, 1);
  static int sum;
  sum = 0;
  WithMapping(
      [](const gc_mapping& m) {
        ASSERT_TRUE(AddCleanup(
                        m.data() + 10'000, [](int n) { sum += n; }, 3)
                        .ok());
        ASSERT_TRUE(AddCleanup(m.data(), [] { sum += 40; }).ok());
        EXPECT_FALSE(AddCleanup(
                         m.data(), [](std::byte*) {}, m.data() + 1)
                         .ok());
      },
      file.fd(), 0, 20'000, PROT_READ, MAP_SHARED);
  Collect();
  EXPECT_EQ(0u, ReadMappingStats().num_active);
  EXPECT_EQ(2u, rt::RunAllReady());
  EXPECT_EQ(43, sum);
}

TEST_F(MappingLifeTest, WhatAFinalizerRevivesStaysMapped) {
  const TestFile file = TestFile::OnDisk(20'000, 2);
  static gc_root<std::byte>* revived;
  gc_root<std::byte> root;
  revived = &root;
  const Hidden h = WithMapping(
      [](const gc_mapping& m) {
        ASSERT_TRUE(SetFinalizer(m.data(), [](std::byte* p) { *revived = p + 7; }).ok());
      },
      file.fd(), 0, 20'000, PROT_READ, MAP_SHARED);
  Collect();
  EXPECT_EQ(1u, rt::RunAllReady());
  for (int i = 0; i < 3; ++i) Collect();
  EXPECT_EQ(1u, ReadMappingStats().num_active);
  OnOtherThread([&] {
    for (size_t i = 0; i < 20'000; ++i) ASSERT_EQ(PatternAt(2, i), h.Reveal<std::byte>()[i]);
  });
  root = nullptr;
  Collect();
  EXPECT_EQ(0u, ReadMappingStats().num_active);
  EXPECT_FALSE(IsAllocated(h));
}

// What private anonymous memory holds would be gone, and a released page would read as zeros.
TEST_F(MappingLifeTest, NeitherScavengingNorZeroingTouchesLiveOnes) {
  constexpr size_t kCount = 64, kBytes = 5 * kOsPage;
  gc_root<gc_ptr<std::byte>> kept;
  OnOtherThread([&] { kept = make_gc<gc_ptr<std::byte>[]>(kCount); });
  for (int round = 0; round < 6; ++round) {
    OnOtherThread([&] {
      // Between objects that die, so that free pages are all around.
      for (size_t i = 0; i < kCount; ++i) {
        std::memset(AllocateBytes(16 * kOsPage, Scan::kNone), 0x55, 16 * kOsPage);
        if (round % 2 == 1 && i % 2 == 0) continue;  // these have seen a round
        const auto m = gc_mmap(-1, 0, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
        ASSERT_TRUE(m.ok()) << m.status();
        ASSERT_EQ(std::byte{0}, m->data()[kBytes - 1]);
        std::memset(m->data(), static_cast<int>(i) + 1, kBytes);
        kept.get()[i] = m->data();
      }
    });
    FreeOsMemory();
    const int64_t limit = SetMemoryLimit(1 << 20);  // all that is free goes back
    OnOtherThread([] {
      for (int i = 0; i < 100; ++i) {
        const char* p = static_cast<char*>(AllocateBytes(30'000, Scan::kNone));
        for (size_t k = 0; k < 30'000; k += 512) ASSERT_EQ(0, p[k]);
      }
    });
    SetMemoryLimit(limit);
    OnOtherThread([&] {
      for (size_t i = 0; i < kCount; ++i) {
        for (size_t k = 0; k < kBytes; k += 64) {
          ASSERT_EQ(static_cast<std::byte>(i + 1), kept.get()[i].get()[k]) << round << " " << k;
        }
      }
    });
    EXPECT_LE(kCount, ReadMappingStats().num_active);
  }
  kept = nullptr;
}

}  // namespace
}  // namespace tarn
