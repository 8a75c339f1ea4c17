// Which pages of a range are in memory, as the page tables of this process say (/proc/self/pagemap).
// Not mincore(2): it tells what is in the page cache, whoever has brought it there, and says "all" of files
// that the process may not write.
// No allocation, no lock: the collector's threads may call this while the program is stopped.
#ifndef TARN_RUNTIME_OS_RESIDENT_LINUX_H_
#define TARN_RUNTIME_OS_RESIDENT_LINUX_H_

#include <cstddef>

namespace tarn::rt {

struct ResidentBytes {
  size_t all = 0;        // present
  size_t anonymous = 0;  // the part that is in no file, also if it is swapped out
};

class PageMap {
 public:
  // A child of fork() must open its own.
  PageMap();
  ~PageMap();
  PageMap(const PageMap&) = delete;
  PageMap& operator=(const PageMap&) = delete;

  // False where the system has no such file.
  bool ok() const { return fd_ >= 0; }
  // [p, p + bytes), whole pages of the system. Exact: 8 bytes are read for each page.
  ResidentBytes Count(const void* p, size_t bytes) const;
  // The same in at most some 0.1 ms: of a long range only samples are read.
  ResidentBytes Estimate(const void* p, size_t bytes) const;

 private:
  const int fd_;
  const size_t page_bytes_;
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_OS_RESIDENT_LINUX_H_
