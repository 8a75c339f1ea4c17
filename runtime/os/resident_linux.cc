#include "runtime/os/resident_linux.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace tarn::rt {
namespace {

// Bits of an entry: Documentation/admin-guide/mm/pagemap.rst of Linux.
constexpr uint64_t kPresent = uint64_t{1} << 63;
constexpr uint64_t kSwapped = uint64_t{1} << 62;
constexpr uint64_t kInFile = uint64_t{1} << 61;  // or shared and anonymous

constexpr size_t kEntries = 512;  // read at once

}  // namespace

PageMap::PageMap()
    : fd_(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)),
      page_bytes_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {}

PageMap::~PageMap() {
  if (fd_ >= 0) close(fd_);
}

ResidentBytes PageMap::Count(const void* p, size_t bytes) const {
  ResidentBytes r;
  size_t page = reinterpret_cast<uintptr_t>(p) / page_bytes_;
  for (const size_t end = page + bytes / page_bytes_; page < end;) {
    uint64_t entries[kEntries];
    const size_t want = std::min(kEntries, end - page);
    const ssize_t got = pread(fd_, entries, want * 8, static_cast<off_t>(page * 8));
    if (got < 0 && errno == EINTR) continue;
    if (got < 8) return r;
    const size_t n = static_cast<size_t>(got) / 8;
    for (size_t i = 0; i < n; ++i) {
      const uint64_t e = entries[i];
      if (e & kPresent) r.all += page_bytes_;
      if ((e & (kPresent | kSwapped)) != 0 && (e & kInFile) == 0) r.anonymous += page_bytes_;
    }
    page += n;
  }
  return r;
}

ResidentBytes PageMap::Estimate(const void* p, size_t bytes) const {
  constexpr size_t kSamples = 64;
  const size_t sample = kEntries * page_bytes_;
  if (bytes <= kSamples * sample) return Count(p, bytes);
  const size_t step = bytes / kSamples / page_bytes_ * page_bytes_;
  ResidentBytes sum;
  for (size_t i = 0; i < kSamples; ++i) {
    const ResidentBytes one = Count(static_cast<const char*>(p) + i * step, sample);
    sum.all += one.all;
    sum.anonymous += one.anonymous;
  }
  const double scale = static_cast<double>(bytes) / static_cast<double>(kSamples * sample);
  return {static_cast<size_t>(static_cast<double>(sum.all) * scale),
          static_cast<size_t>(static_cast<double>(sum.anonymous) * scale)};
}

}  // namespace tarn::rt
