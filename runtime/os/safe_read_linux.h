// Reading memory that may not be there: a mapped file that has become shorter, or cannot be read.
#ifndef TARN_RUNTIME_OS_SAFE_READ_LINUX_H_
#define TARN_RUNTIME_OS_SAFE_READ_LINUX_H_

#include <cstddef>

namespace tarn::rt {

// Copies from this process's own memory; stops, without a signal, at the first page that cannot be read.
// Returns the bytes copied. No descriptor is needed for what is mapped, and private changes are seen:
// the kernel reads through the mapping.
size_t SafeRead(void* to, const void* from, size_t bytes);

// The two ways in which it does so, for tests: process_vm_readv(2), false if a sandbox forbids it; and
// writing to a pipe, twice as many copies.
bool SafeReadDirectly(void* to, const void* from, size_t bytes, size_t* copied);
size_t SafeReadThroughPipe(void* to, const void* from, size_t bytes);

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_OS_SAFE_READ_LINUX_H_
