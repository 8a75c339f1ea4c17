#include "runtime/os/os_memory_linux.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>

#include "runtime/base/bits.h"
#include "runtime/base/check.h"

namespace tarn::rt {
namespace {

// Newer than the oldest supported kernel headers.
constexpr int kPrSetVma = 0x53564d41;
constexpr int kPrSetVmaAnonName = 0;
constexpr int kMadvCollapse = 25;

constexpr int kMapFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

size_t ReadHugePageBytes() {
  const int fd = open("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[24];
  const ssize_t n = read(fd, text, sizeof(text));
  close(fd);
  size_t value = 0;
  for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; ++i) {
    value = value * 10 + static_cast<size_t>(text[i] - '0');
  }
  // The heap aligns by masks: a value that is no power of two cannot be used.
  return (value & (value - 1)) == 0 ? value : 0;
}

// The kernel's files of choices read "one [chosen] other". Empty if there is no such file.
std::string_view ReadChosen(const char* path, char (&text)[128]) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t n = read(fd, text, sizeof(text));
  close(fd);
  const std::string_view all(text, n > 0 ? static_cast<size_t>(n) : 0);
  const size_t begin = all.find('[');
  const size_t end = all.find(']');
  if (begin == all.npos || end == all.npos || end < begin) return {};
  return all.substr(begin + 1, end - begin - 1);
}

}  // namespace

LinuxMemory::LinuxMemory(const Options& options)
    : physical_page_bytes_(static_cast<size_t>(sysconf(_SC_PAGESIZE))),
      huge_page_bytes_(ReadHugePageBytes()),
      mapping_name_(options.mapping_name),
      advise_(options.advise != nullptr ? options.advise : &madvise),
      released_by_madv_free_(options.use_madv_free),
      try_madv_free_(options.use_madv_free) {}

LinuxMemory& LinuxMemory::Instance() {
  // In a static buffer, so that memory calls still work while static objects are destroyed.
  alignas(LinuxMemory) static unsigned char storage[sizeof(LinuxMemory)];
  static LinuxMemory* const instance = new (storage) LinuxMemory();
  return *instance;
}

void LinuxMemory::UseMadvFree() {
  released_by_madv_free_ = true;
  try_madv_free_.store(true, std::memory_order_relaxed);  // relaxed: set-up, before other threads
}

// Remembers why a call was refused. Always false.
bool LinuxMemory::Refused() {
  last_error_.store(errno, std::memory_order_relaxed);  // relaxed: see LastError()
  return false;
}

// The kernel rounds an odd range outward and would drop live pages: never let it.
void LinuxMemory::CheckRange(const void* p, size_t bytes) const {
  TARN_CHECK(bytes != 0);
  TARN_CHECK(IsAligned(reinterpret_cast<uintptr_t>(p) | bytes, physical_page_bytes_));
}

void LinuxMemory::Name(void* p, size_t bytes) const {
  if (mapping_name_ == nullptr) return;
  const int saved = errno;
  prctl(kPrSetVma, kPrSetVmaAnonName, p, bytes, mapping_name_);
  errno = saved;
}

void* LinuxMemory::Reserve(size_t bytes, size_t align) {
  CheckRange(nullptr, bytes);
  TARN_CHECK(align != 0 && (align & (align - 1)) == 0);
  const size_t slack = align > physical_page_bytes_ ? align - physical_page_bytes_ : 0;
  if (bytes > SIZE_MAX - slack) {
    errno = ENOMEM;
    Refused();
    return nullptr;
  }
  void* const raw = mmap(nullptr, bytes + slack, PROT_NONE, kMapFlags, -1, 0);
  if (raw == MAP_FAILED) {
    Refused();
    return nullptr;
  }
  const auto start = reinterpret_cast<uintptr_t>(raw);
  const uintptr_t aligned = RoundUp(start, align);
  const size_t head = aligned - start;
  const size_t tail = slack - head;
  // A refused trim (too many mappings) only wastes address space.
  if (head != 0) munmap(raw, head);
  if (tail != 0) munmap(reinterpret_cast<void*>(aligned + bytes), tail);
  void* const p = reinterpret_cast<void*>(aligned);
  Name(p, bytes);
  return p;
}

bool LinuxMemory::Map(void* p, size_t bytes) {
  CheckRange(p, bytes);
  if (mprotect(p, bytes, PROT_READ | PROT_WRITE) != 0) return Refused();
  mapped_bytes_.fetch_add(bytes, std::memory_order_relaxed);  // relaxed: statistics
  return true;
}

bool LinuxMemory::Used(void*, size_t bytes, size_t prepared) {
  TARN_CHECK(prepared <= bytes);
  ready_bytes_.fetch_add(prepared, std::memory_order_relaxed);  // relaxed: statistics
  return true;
}

bool LinuxMemory::TryMadvFree(void* p, size_t bytes) {
  // Relaxed: a stale value costs one more refused call.
  if (!try_madv_free_.load(std::memory_order_relaxed)) return false;
  if (advise_(p, bytes, MADV_FREE) == 0) return true;
  try_madv_free_.store(false, std::memory_order_relaxed);
  return Refused();
}

// For memory that cannot be dropped by advice, such as locked pages.
void LinuxMemory::Remap(void* p, size_t bytes, int protection) {
  void* const fresh = mmap(p, bytes, protection, kMapFlags | MAP_FIXED, -1, 0);
  if (fresh != MAP_FAILED) {
    Name(p, bytes);
    return;
  }
  Refused();
  // The memory stays ours; keep the promise that it reads as zero.
  if (mprotect(p, bytes, PROT_READ | PROT_WRITE) == 0) std::memset(p, 0, bytes);
}

Release LinuxMemory::Unused(void* p, size_t bytes, size_t ready) {
  CheckRange(p, bytes);
  TARN_CHECK(ready <= bytes);
  ready_bytes_.fetch_sub(ready, std::memory_order_relaxed);  // relaxed: statistics
  if (TryMadvFree(p, bytes)) return Release::kLazily;
  if (advise_(p, bytes, MADV_DONTNEED) == 0) return Release::kNow;
  Refused();
  Remap(p, bytes, PROT_READ | PROT_WRITE);
  return Release::kNow;
}

void LinuxMemory::Fault(void* p, size_t bytes, size_t ready) {
  CheckRange(p, bytes);
  TARN_CHECK(ready <= bytes);
  mapped_bytes_.fetch_sub(bytes, std::memory_order_relaxed);  // relaxed: statistics
  ready_bytes_.fetch_sub(ready, std::memory_order_relaxed);
  if (mprotect(p, bytes, PROT_NONE) == 0 && advise_(p, bytes, MADV_DONTNEED) == 0) return;
  Refused();
  Remap(p, bytes, PROT_NONE);
}

void LinuxMemory::Free(void* p, size_t bytes, size_t mapped, size_t ready) {
  CheckRange(p, bytes);
  TARN_CHECK(ready <= mapped && mapped <= bytes);
  mapped_bytes_.fetch_sub(mapped, std::memory_order_relaxed);  // relaxed: statistics
  ready_bytes_.fetch_sub(ready, std::memory_order_relaxed);
  if (munmap(p, bytes) != 0) Refused();
}

bool LinuxMemory::Hint(void* p, size_t bytes, int advice) const {
  const int saved = errno;
  const bool ok = advise_(p, bytes, advice) == 0;
  errno = saved;
  return ok;
}

void LinuxMemory::AdviseWholeHugePages(void* p, size_t bytes, int advice) const {
  if (huge_page_bytes_ == 0) return;
  const auto start = reinterpret_cast<uintptr_t>(p);
  const uintptr_t first = RoundUp(start, huge_page_bytes_);
  const uintptr_t last = RoundDown(start + bytes, huge_page_bytes_);
  if (first >= last) return;
  Hint(reinterpret_cast<void*>(first), last - first, advice);
}

void LinuxMemory::HugePage(void* p, size_t bytes) { AdviseWholeHugePages(p, bytes, MADV_HUGEPAGE); }

void LinuxMemory::NoHugePage(void* p, size_t bytes) {
  CheckRange(p, bytes);
  Hint(p, bytes, MADV_NOHUGEPAGE);
}

void LinuxMemory::CollapseHugePage(void* p, size_t bytes) {
  AdviseWholeHugePages(p, bytes, kMadvCollapse);
}

void LinuxMemory::Discard(void* p, size_t bytes) {
  CheckRange(p, bytes);
  Hint(p, bytes, MADV_DONTNEED);
}

bool LinuxMemory::Dump(void* p, size_t bytes, bool wanted) {
  CheckRange(p, bytes);
  return Hint(p, bytes, wanted ? MADV_DODUMP : MADV_DONTDUMP);
}

bool LinuxMemory::HugePageFaultsMayStall() {
  char text[128];
  const std::string_view chosen = ReadChosen("/sys/kernel/mm/transparent_hugepage/defrag", text);
  return chosen != "defer" && chosen != "never";
}

}  // namespace tarn::rt
