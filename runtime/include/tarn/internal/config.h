// Layout constants of the tarn heap, shared by every layer and by the inline fast paths.
// Not here: run-time options (tarn/options.h).
#ifndef TARN_INTERNAL_CONFIG_H_
#define TARN_INTERNAL_CONFIG_H_

#include <cstddef>
#include <cstdint>

namespace tarn::internal {

inline constexpr size_t kPageShift = 13;
inline constexpr size_t kPageBytes = size_t{1} << kPageShift;
inline constexpr size_t kArenaBytes = size_t{64} << 20;
inline constexpr size_t kPagesPerArena = kArenaBytes / kPageBytes;
inline constexpr size_t kChunkPages = 512;  // page allocator granule, 4 MiB
inline constexpr size_t kChunkBytes = kChunkPages * kPageBytes;
inline constexpr size_t kArenasMin = 16;  // the smallest cage is 1 GiB
inline constexpr size_t kWordBytes = 8;
inline constexpr size_t kMaxSmallBytes = 32768;
inline constexpr size_t kTinyBytes = 16;  // block size of the tiny allocator

// One mark bit (and one allocation bit) per object, laid out per page so that the bits of the
// smallest class (8 bytes, 1024 objects a page) fit: the bits of a span start at its first page.
inline constexpr size_t kMarkBytesPerPage = kPageBytes / kWordBytes / 8;

// A span class is a (size class, layout) pair, numbered densely from 1 at run time; 0 is never
// used, so that a zero-initialised static means "not yet assigned".
inline constexpr size_t kMaxSpanClasses = size_t{1} << 14;
inline constexpr size_t kMaxLayouts = size_t{1} << 16;

static_assert(sizeof(void*) == 8, "tarn needs a 64-bit address space");

}  // namespace tarn::internal

#endif  // TARN_INTERNAL_CONFIG_H_
