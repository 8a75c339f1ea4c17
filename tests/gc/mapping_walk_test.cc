// What walks over the whole heap while a mapping is half made: long ones get page entries before
// they are objects (page_heap_lent.cc).
#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "gc/types/layout_table.h"
#include "gtest/gtest.h"
#include "tarn/gc_mmap.h"
#include "tests/gc/gc_test_util.h"
#include "tests/gc/manual_collections.h"
#include "tests/gc/mapping_test_util.h"

namespace tarn {
namespace {

using internal::kPageBytes;
using rt::Instance;
using rt::OnOtherThread;
using rt::TestFile;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

const auto* const kManual = testing::AddGlobalTestEnvironment(new rt::ManualCollections);

// A span of a mapping, as its thread leaves it before it is published.
class HalfMadeMapping {
 public:
  explicit HalfMadeMapping(size_t bytes) : bytes_(bytes) {
    void* staged = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(MAP_FAILED, staged);
    rt::RuntimeScope scope;
    rt::Heap& heap = Instance::Get().heap();
    const uint16_t c = Instance::Get().SpanClassFor(0, rt::LayoutTable::kNoScanId);
    rt::LentPages pages;
    EXPECT_TRUE(heap.pages().TakeForLending(bytes / kPageBytes, kPageBytes, pages));
    EXPECT_EQ(0, heap.pages().Lend(pages, bytes, staged));
    span_ = heap.pages().MakeLentSpan(pages, heap.classes().Info(c), c, heap.sweepgen());
    EXPECT_LT(rt::PageHeap::OuterPages(span_), span_->npages);
    heap.pages().SetInnerEntries(span_, /*noscan=*/true);
  }
  ~HalfMadeMapping() {
    rt::RuntimeScope scope;
    EXPECT_TRUE(Instance::Get().heap().pages().TakeBack(span_, bytes_));
    Instance::Get().heap().pages().FreeSpan(span_);
  }
  HalfMadeMapping(const HalfMadeMapping&) = delete;
  HalfMadeMapping& operator=(const HalfMadeMapping&) = delete;

 private:
  size_t bytes_;
  rt::Span* span_ = nullptr;
};

TEST(MappingWalkTest, WalksPassOverOneThatIsHalfMade) {
  // Its words are scanned with the world stopped, by a walk.
  gc_root<char> words(static_cast<char*>(AllocateBytes(1000, Scan::kConservative)));
  const HalfMadeMapping half(kGiB);
  gc_root<char> behind(static_cast<char*>(AllocateBytes(kMiB, Scan::kNone)));
  std::memset(behind.get(), 1, kMiB);
  EXPECT_GE(ReadMemStats().heap_alloc, kMiB);
  VerifyHeapForDebugging();
  for (int i = 0; i < 3; ++i) OnOtherThread([] { Collect(); });
  VerifyHeapForDebugging();
  EXPECT_EQ(1, behind.get()[kMiB - 1]);
}

TEST(MappingWalkTest, WalksBesideThoseThatMakeAndDropLongOnes) {
  const TestFile file = TestFile::Sparse(4 * kGiB);
  gc_root<char> words(static_cast<char*>(AllocateBytes(1000, Scan::kConservative)));
  std::atomic<bool> stop{false};
  std::thread walker([&] {
    while (!stop) {
      (void)ReadMemStats();
      VerifyHeapForDebugging();
    }
  });
  std::thread collector([&] {
    while (!stop) Collect();
  });
  for (size_t i = 0; i < 40 / rt::kSlowdown; ++i) {
    OnOtherThread([&] {
      const auto m = gc_mmap(file.fd(), 0, 4 * kGiB - i * kMiB, PROT_READ, MAP_SHARED);
      ASSERT_TRUE(m.ok()) << m.status();
      EXPECT_EQ(std::byte{0}, m->data()[i * kMiB]);
    });
  }
  stop = true;
  walker.join();
  collector.join();
  OnOtherThread([] { Collect(); });
  EXPECT_EQ(0u, ReadMappingStats().num_active);
  EXPECT_EQ(0u, ReadMemStats().mapped);
}

}  // namespace
}  // namespace tarn
