// PageHeap gives free pages back to the system, at once and on the calling thread.
// Not here: when and how much in the background.
#include <algorithm>

#include "runtime/base/bits.h"
#include "runtime/heap/page_heap.h"

namespace tarn::rt {

using internal::kPageBytes;

// The heap lock is held around each call and free while the system works.
void PageHeap::ReleasePages(size_t page, size_t npages) {
  lock_.Release();
  const size_t bytes = npages * kPageBytes;
  os_->Unused(reinterpret_cast<void*>(cage_.AddressOf(page)), bytes, bytes);
  HeapStats::Add(stats_.released_pages, npages);
  lock_.Acquire();
}

uint64_t PageHeap::Scavenge(uint64_t bytes, ScavengeMode mode) {
  const size_t most = cage_.bytes() / kPageBytes;
  const auto want = std::min<uint64_t>(most, bytes / kPageBytes + (bytes % kPageBytes != 0));
  LockHolder hold(lock_);
  const size_t released = pages_.Scavenge(
      want, mode,
      [this](size_t page, size_t npages)
          ABSL_NO_THREAD_SAFETY_ANALYSIS { ReleasePages(page, npages); },
      [] { return false; });
  return released * kPageBytes;
}

}  // namespace tarn::rt
