// PageHeap and core dumps: chunks of which nothing is in use are left out of them, and are back in them
// before a page of one is handed out. So a core holds everything that lives, and of what is free only
// chunks that are partly in use, short runs, and what allocation is about to reach.
// Not here: side tables and reserved address space, which are always left out (cage.cc).
// D1 A chunk that is not marked left out is in core dumps. A mark is set before the system is asked to
//    leave the chunk out, and removed after it was asked to take it in again.
// D2 A chunk is marked when no page of it is in use or held, and AllocPages returns no page of a
//    marked chunk: who takes one from the page allocator calls Include first. Whoever else takes a page
//    of the chunk meanwhile sees the mark as well, and waits for dump_lock_.
// Locking: dump_lock_ is held over mark and system call, so that these do not overtake one another; the
// heap lock is taken inside it, and never held during the call.
// Cost: allocation tests a number under the heap lock. A call takes 1.3 us, 4 where it splits a mapping
// or joins two: one per run and cycle, one per 16 MiB allocated from left out memory. At most
// 2 * PageAlloc::kMaxLeftOutRuns mappings more.
#include "runtime/heap/page_heap.h"

namespace tarn::rt {

using internal::kPageBytes;

bool PageHeap::SetDumped(PageAlloc::PageRange pages, bool wanted) {
  return os_->Dump(reinterpret_cast<void*>(cage_.AddressOf(pages.page)), pages.npages * kPageBytes,
                   wanted);
}

void PageHeap::LeaveFreeOutOfDumps() {
  for (size_t below = PageAlloc::kMaxChunks; below != 0;) {
    LockHolder one(dump_lock_);
    PageAlloc::PageRange run;
    {
      LockHolder hold(lock_);
      run = pages_.LeaveOutNext(&below);
    }
    // A part of it may be left out where the system refused: the mark stays.
    if (run.npages != 0 && !SetDumped(run, false)) return;
  }
}

void PageHeap::Include(size_t page, size_t npages) {
  LockHolder one(dump_lock_);
  const auto around = [&](bool whole_run) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    LockHolder hold(lock_);
    return pages_.LeftOutAround(page, npages, whole_run);
  };
  PageAlloc::PageRange run = around(false);
  if (run.npages == 0) return;  // somebody else did it
  if (!SetDumped(run, true)) {
    // The process has as many mappings as it may have. A whole run begins and ends where a mapping does:
    // none is split.
    run = around(true);
    SetDumped(run, true);
  }
  LockHolder hold(lock_);
  pages_.SetLeftOut(run, false);
}

}  // namespace tarn::rt
