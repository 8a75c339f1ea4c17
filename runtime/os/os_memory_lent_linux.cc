// The part of LinuxMemory that lends addresses to mappings of the program and takes them back.
// The one danger is a hole in a region: any mmap of the process may land there, and what is done to the
// hole later is done to somebody else's memory. A file system or driver may refuse a mapping after the
// kernel has removed what was there, so nothing is ever mapped straight over the heap: it is mapped
// elsewhere first, where a refusal loses nothing, and then moved.
#include <sys/mman.h>

#include <cerrno>

#include "runtime/base/check.h"
#include "runtime/os/os_memory_linux.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace tarn::rt {
namespace {

constexpr int kMapFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

// Whether nothing is mapped at some page of the range. Reads the kernel's list of mappings, no
// page: MS_ASYNC starts no writing.
bool HasHole(void* p, size_t bytes) { return msync(p, bytes, MS_ASYNC) != 0 && errno == ENOMEM; }

// New memory where nothing is mapped. False, and nothing is changed, if something is.
bool MapInHole(void* p, size_t bytes, int protection) {
  void* const q = mmap(p, bytes, protection, kMapFlags | MAP_FIXED_NOREPLACE, -1, 0);
  if (q == p) return true;
  if (q != MAP_FAILED) munmap(q, bytes);  // a kernel that takes the address for a hint
  return false;
}

}  // namespace

int LinuxMemory::Lend(void* p, size_t bytes, void* staged) {
  CheckRange(p, bytes);
  void* const q = mremap(staged, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, p);
  if (q == p) {
    mapped_bytes_.fetch_sub(bytes, std::memory_order_relaxed);  // relaxed: statistics
    return 0;
  }
  const int error = errno;
  Refused();
  // Nearly all refusals come before the kernel removes what was there.
  unsigned char vec;
  if (mincore(p, physical_page_bytes_, &vec) != 0 && errno == ENOMEM) {
    if (!MapInHole(p, bytes, PROT_READ | PROT_WRITE)) {
      Fatal("the system has unmapped a part of the heap and refuses to map it again");
    }
    Name(p, bytes);
  }
  return error;
}

bool LinuxMemory::CloseLent(void* p, size_t bytes) {
  CheckRange(p, bytes);
  // Anonymous memory is checked before anything is removed.
  if (mmap(p, bytes, PROT_NONE, kMapFlags | MAP_FIXED, -1, 0) == p) return true;
  return Refused();
}

bool LinuxMemory::TakeBack(void* p, size_t bytes) {
  CheckRange(p, bytes);
  constexpr int kProtection = PROT_READ | PROT_WRITE;
  bool ok = mmap(p, bytes, kProtection, kMapFlags | MAP_FIXED, -1, 0) == p;
  if (!ok) {
    Refused();
    // A process with more mappings than the kernel allows gets no new one, but may end one. Another
    // thread may be faster to map something there: then it keeps it.
    ok = munmap(p, bytes) == 0 && MapInHole(p, bytes, kProtection);
  }
  if (!ok) return Refused();
  Name(p, bytes);
  mapped_bytes_.fetch_add(bytes, std::memory_order_relaxed);  // relaxed: statistics
  return true;
}

// Halves what cannot be filled at once: a hole that is a part of it ends where a page does.
void LinuxMemory::FillHolesWithin(char* p, size_t bytes) {
  if (!HasHole(p, bytes) || MapInHole(p, bytes, PROT_NONE)) return;
  if (bytes == physical_page_bytes_) return;  // refused: nothing more can be done
  const size_t half = bytes / physical_page_bytes_ / 2 * physical_page_bytes_;
  FillHolesWithin(p, half);
  FillHolesWithin(p + half, bytes - half);
}

OsMemory::Holes LinuxMemory::FillHoles(void* p, size_t bytes) {
  CheckRange(p, bytes);
  if (!HasHole(p, bytes)) return Holes::kWhole;
  if (MapInHole(p, bytes, PROT_NONE)) return Holes::kGone;
  FillHolesWithin(static_cast<char*>(p), bytes);
  return Holes::kTorn;
}

}  // namespace tarn::rt
