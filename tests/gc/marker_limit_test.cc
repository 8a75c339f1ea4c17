// Marker::Drain with a limit: how far one call may go. What keeps an assist short rests on it.
#include <cstring>
#include <vector>

#include "gc/collect/mark_queue.h"
#include "gc/collect/marker.h"
#include "gc/types/layout_table.h"
#include "gtest/gtest.h"
#include "runtime/os/os_memory_linux.h"
#include "tests/runtime/heap/heap_test_util.h"

namespace tarn::rt {
namespace {

constexpr uint64_t kLimit = 2 << 10;
constexpr uint64_t kSlice = 16 << 10;  // the largest piece that is not divided
constexpr uint64_t kItem = 64;         // what one item counts

// An array of pointers to pointer-free objects, on a heap of its own.
class MarkerLimitTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(heap_.ok());
    queue_.Init(LinuxMemory::Instance());
    cache_ = ThreadCache::New(*heap_);
    ASSERT_NE(cache_, nullptr);
  }

  uintptr_t* NewArray(size_t words) {
    static const uint64_t bits[] = {1};
    internal::LayoutSpec spec;
    spec.kind = internal::LayoutKind::kMask;
    spec.period_words = 1;
    spec.period_bits = bits;
    const uint16_t c = heap_->InternClass(
        0, layouts_.Intern(spec), /*noscan=*/false,
        [](SpanClassInfo& info, void* self) {
          static_cast<MarkerLimitTest*>(self)->layouts_.FillMarkWords(info);
        },
        this);
    return static_cast<uintptr_t*>(cache_->AllocateLarge(c, words * sizeof(uintptr_t)));
  }
  uintptr_t NewLeaf() {
    return reinterpret_cast<uintptr_t>(cache_->Allocate(heap_.Class(internal::SizeToClass(16))));
  }

  // Marks from `root` in pieces; checks each.
  void MarkInPieces(const void* root) {
    Marker marker(*heap_, layouts_, queue_);
    marker.Start(/*exclusive=*/false);
    marker.Push(reinterpret_cast<uintptr_t>(root));
    for (bool dry = false; !dry; ++calls_) {
      ASSERT_LT(calls_, 1'000'000);
      dry = marker.Drain(/*share=*/false, kLimit);
      const MarkStats piece = marker.TakeStats();
      ASSERT_LE(piece.objects, kLimit / kItem + 1) << "call " << calls_;
      ASSERT_LE(piece.scanned, kLimit + kSlice) << "call " << calls_;
      total_.Add(piece);
    }
    EXPECT_FALSE(queue_.HasFull());
  }

  PersistentAlloc memory_{LinuxMemory::Instance()};
  TestHeap heap_;
  LayoutTable layouts_{memory_};
  MarkQueue queue_;
  ThreadCache* cache_ = nullptr;
  int calls_ = 0;
  MarkStats total_;
};

TEST_F(MarkerLimitTest, ArrayOfNullsIsScannedASliceAtATime) {
  constexpr size_t kWords = 1 << 20;
  uintptr_t* a = NewArray(kWords);
  MarkInPieces(a);
  EXPECT_EQ(1u, total_.objects);
  EXPECT_GE(calls_, static_cast<int>(kWords * sizeof(uintptr_t) / kSlice));
}

TEST_F(MarkerLimitTest, PointerFreeObjectsCountAlthoughNothingIsScanned) {
  constexpr size_t kWords = 100'000;
  uintptr_t* a = NewArray(kWords);
  std::vector<uintptr_t> leaves;
  for (size_t i = 0; i < kWords; ++i) {
    a[i] = NewLeaf();
    leaves.push_back(a[i]);
  }
  MarkInPieces(a);
  EXPECT_EQ(kWords + 1, total_.objects);
  for (uintptr_t leaf : leaves) ASSERT_TRUE(heap_.IsMarked(reinterpret_cast<void*>(leaf)));
}

// A thread that assists on an object which everybody has marked already finds nothing new for ever.
TEST_F(MarkerLimitTest, ItemsThatAreMarkedAlreadyCount) {
  constexpr size_t kWords = 100'000;
  uintptr_t* a = NewArray(kWords);
  const uintptr_t leaf = NewLeaf();
  for (size_t i = 0; i < kWords; ++i) a[i] = leaf;
  MarkInPieces(a);
  EXPECT_EQ(2u, total_.objects);
  EXPECT_GE(calls_, static_cast<int>(kWords * kItem / (2 * kSlice)));
}

TEST_F(MarkerLimitTest, WorkTellsWhetherTheMarkerHeldAnything) {
  Marker marker(*heap_, layouts_, queue_);
  marker.Start(/*exclusive=*/false);
  EXPECT_TRUE(marker.Drain(/*share=*/false, kLimit));
  EXPECT_EQ(0u, marker.work());
  marker.Push(NewLeaf());
  EXPECT_TRUE(marker.Drain(/*share=*/false, kLimit));
  EXPECT_NE(0u, marker.work());
}

}  // namespace
}  // namespace tarn::rt
