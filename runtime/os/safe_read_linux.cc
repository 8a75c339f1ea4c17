#include "runtime/os/safe_read_linux.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace tarn::rt {

bool SafeReadDirectly(void* to, const void* from, size_t bytes, size_t* copied) {
  *copied = 0;
  while (*copied < bytes) {
    // The kernel takes at most 2 GiB at once.
    const size_t want = std::min(bytes - *copied, size_t{1} << 30);
    const iovec local{static_cast<char*>(to) + *copied, want};
    const iovec remote{const_cast<char*>(static_cast<const char*>(from)) + *copied, want};
    const ssize_t n = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EFAULT;
    if (n == 0) return true;
    *copied += static_cast<size_t>(n);
  }
  return true;
}

size_t SafeReadThroughPipe(void* to, const void* from, size_t bytes) {
  constexpr size_t kPieceBytes = 4096;  // a pipe takes as much without blocking
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return 0;
  size_t copied = 0;
  while (copied < bytes) {
    const char* const at = static_cast<const char*>(from) + copied;
    const size_t to_page_end = kPieceBytes - reinterpret_cast<uintptr_t>(at) % kPieceBytes;
    const ssize_t n = write(ends[1], at, std::min(bytes - copied, to_page_end));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    for (ssize_t left = n; left > 0;) {
      const ssize_t got = read(ends[0], static_cast<char*>(to) + copied, static_cast<size_t>(left));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      left -= got;
      copied += static_cast<size_t>(got);
    }
  }
  close(ends[0]);
  close(ends[1]);
  return copied;
}

size_t SafeRead(void* to, const void* from, size_t bytes) {
  size_t copied = 0;
  if (SafeReadDirectly(to, from, bytes, &copied)) return copied;
  return SafeReadThroughPipe(to, from, bytes);
}

}  // namespace tarn::rt
