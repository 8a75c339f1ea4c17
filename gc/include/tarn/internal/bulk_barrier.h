// Copying and filling many words of memory that the collector may scan: the barrier of gc_copy.h.
// I1 The collector and other threads see each word old or new, never torn.
// I2 Within a chunk handshakes are deferred from the test of the flag to the last store; a hazard
//    for the range would not do (tests/model, BULK_INTERRUPTIBLE). A chunk is at most
//    kCopyChunkBytes, which bounds how long a handshake waits.
// I3 With the barrier on, each word is read once: what is shaded is what is stored.
// Thread-safety: as plain loads and stores. May collect: never. Blocks: never (attaches the
// thread).
#ifndef TARN_INTERNAL_BULK_BARRIER_H_
#define TARN_INTERNAL_BULK_BARRIER_H_

#include <cstddef>

#include "tarn/internal/layout_spec.h"

namespace tarn::internal {

inline constexpr size_t kCopyChunkBytes = 4096;

enum class Overwrites : bool {
  kNothing,  // memory in which nothing was stored yet, of an object that no other thread can see
  kValues,
};

// Word-aligned; the ranges may overlap. Null `codec`: each word may be a pointer in any of the
// encodings in use.
void MoveWords(void* to, const void* from, size_t words, const WordCodec* codec,
               Overwrites what) noexcept;
// Stores the `period` words of `pattern` again and again until `words` are stored. The pattern is
// outside the range, on the caller's stack.
void FillWords(void* to, size_t words, const void* pattern, size_t period,
               const WordCodec* codec) noexcept;

}  // namespace tarn::internal

#endif  // TARN_INTERNAL_BULK_BARRIER_H_
