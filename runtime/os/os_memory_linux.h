// LinuxMemory: OsMemory over mmap, mprotect, madvise and munmap.
// Not here: which ranges to advise or release (heap/), file mappings, threads.
// I1 Map is mprotect and not a new mapping, so a reservation keeps its name and advice, and
// neighbouring
//    mapped ranges merge into one kernel mapping: a heap that grows upward has two.
// I2 Unused memory stays accessible: Used is free of system calls. Prepared is a state of ours
// only. I3 MappedBytes() counts Prepared and Ready memory, ReadyBytes() Ready memory. Locking:
// none; calls on disjoint ranges may run at the same time. The counters are atomic. Cost: one
// system call per call, except Used (none) and Reserve (up to four).
#ifndef TARN_RUNTIME_OS_OS_MEMORY_LINUX_H_
#define TARN_RUNTIME_OS_OS_MEMORY_LINUX_H_

#include <atomic>
#include <cstddef>

#include "runtime/os/os_memory.h"

namespace tarn::rt {

class LinuxMemory final : public OsMemory {
 public:
  struct Options {
    // Unused gives pages back with MADV_FREE: cheaper, but resident memory falls only under
    // pressure, and released memory is not known to be zero.
    bool use_madv_free = false;
    // Shown in /proc/self/maps as [anon:<name>]; kernels without the feature are fine. A literal.
    const char* mapping_name = "tarn heap";
    // As madvise(2). Tests put calls in between that the kernel here would not refuse.
    int (*advise)(void* p, size_t bytes, int advice) = nullptr;
  };

  LinuxMemory() : LinuxMemory(Options{}) {}
  explicit LinuxMemory(const Options& options);
  LinuxMemory(const LinuxMemory&) = delete;
  LinuxMemory& operator=(const LinuxMemory&) = delete;

  // The process-wide instance with default options; never destroyed.
  static LinuxMemory& Instance();

  // As in Options. Only before the first Unused: I2's contents rule is fixed from then on.
  void UseMadvFree();

  // Whether a page fault in memory with the advice HugePage may wait for the system to make a huge
  // page free (compaction): a setting of the system.
  static bool HugePageFaultsMayStall();

  size_t PhysicalPageBytes() const override { return physical_page_bytes_; }
  size_t HugePageBytes() const override { return huge_page_bytes_; }
  [[nodiscard]] void* Reserve(size_t bytes, size_t align) override;
  [[nodiscard]] bool Map(void* p, size_t bytes) override;
  [[nodiscard]] bool Used(void* p, size_t bytes, size_t prepared) override;
  Release Unused(void* p, size_t bytes, size_t ready) override;
  void Fault(void* p, size_t bytes, size_t ready) override;
  void Free(void* p, size_t bytes, size_t mapped, size_t ready) override;
  [[nodiscard]] int Lend(void* p, size_t bytes, void* staged) override;
  [[nodiscard]] bool CloseLent(void* p, size_t bytes) override;
  [[nodiscard]] bool TakeBack(void* p, size_t bytes) override;
  Holes FillHoles(void* p, size_t bytes) override;
  void HugePage(void* p, size_t bytes) override;
  void NoHugePage(void* p, size_t bytes) override;
  void CollapseHugePage(void* p, size_t bytes) override;
  void Discard(void* p, size_t bytes) override;
  bool Dump(void* p, size_t bytes, bool wanted) override;
  // Stays as chosen even after a fall back: some memory may have gone through MADV_FREE before it.
  bool ReleasedIsZero() const override { return !released_by_madv_free_; }
  // Relaxed: for messages, see OsMemory.
  int LastError() const override { return last_error_.load(std::memory_order_relaxed); }

  // Relaxed: statistics; a reader may see the two counters at slightly different times.
  size_t MappedBytes() const { return mapped_bytes_.load(std::memory_order_relaxed); }
  size_t ReadyBytes() const override { return ready_bytes_.load(std::memory_order_relaxed); }

 private:
  bool Refused();
  void FillHolesWithin(char* p, size_t bytes);
  void CheckRange(const void* p, size_t bytes) const;
  void Name(void* p, size_t bytes) const;
  bool TryMadvFree(void* p, size_t bytes);
  void Remap(void* p, size_t bytes, int protection);
  bool Hint(void* p, size_t bytes, int advice) const;
  void AdviseWholeHugePages(void* p, size_t bytes, int advice) const;

  const size_t physical_page_bytes_;
  const size_t huge_page_bytes_;
  const char* const mapping_name_;
  int (*const advise_)(void* p, size_t bytes, int advice);
  bool released_by_madv_free_;  // constant once memory is released
  // Relaxed: a stale true costs one more refused call.
  std::atomic<bool> try_madv_free_;
  std::atomic<int> last_error_{0};
  std::atomic<size_t> mapped_bytes_{0};
  std::atomic<size_t> ready_bytes_{0};
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_OS_OS_MEMORY_LINUX_H_
