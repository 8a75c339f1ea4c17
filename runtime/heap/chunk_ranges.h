// ChunkRanges: which chunks the heap has grown into, as a sorted list of ranges.
// Not here: the state of a chunk (page_bits.h).
// I1 Ranges are non-empty, ascending, and neither overlap nor touch.
// Locking: external (the heap lock).
// Cost: 8 bytes per range; look-up by binary search. A heap that grows upward has one range.
#ifndef TARN_RUNTIME_HEAP_CHUNK_RANGES_H_
#define TARN_RUNTIME_HEAP_CHUNK_RANGES_H_

#include <cstddef>
#include <cstdint>

namespace tarn::rt {

class ChunkRanges {
 public:
  // Chunks [first, end).
  struct Range {
    uint32_t first = 0;
    uint32_t end = 0;
    bool operator==(const Range&) const = default;
  };
  static constexpr size_t kNoChunk = ~size_t{0};
  // The most ranges that `max_chunks` chunks can form.
  static constexpr size_t Capacity(size_t max_chunks) { return max_chunks / 2 + 1; }

  constexpr ChunkRanges() = default;
  // `storage` has room for Capacity() ranges; only the first size() + 1 need be accessible.
  explicit constexpr ChunkRanges(Range* storage) : ranges_(storage) {}

  // Adds [first, end), which overlaps no range; merges neighbours.
  void Add(size_t first, size_t end);
  bool Overlaps(size_t first, size_t end) const;
  // The lowest chunk at or above `chunk` that is in a range, kNoChunk if there is none.
  size_t AtOrAbove(size_t chunk) const;
  bool Contains(size_t chunk) const { return AtOrAbove(chunk) == chunk; }

  size_t size() const { return size_; }
  const Range& operator[](size_t i) const { return ranges_[i]; }
  // One above the highest chunk, 0 if there is none.
  size_t end() const { return size_ == 0 ? 0 : ranges_[size_ - 1].end; }

  void Verify() const;

 private:
  // Index of the first range whose end is above `chunk`.
  size_t Find(size_t chunk) const;

  Range* ranges_ = nullptr;
  size_t size_ = 0;
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_CHUNK_RANGES_H_
