// MetaRegion: address space for heap tables that are sparse and never freed one by one. Reserved at
// once, made accessible in granules as the tables are used; fresh memory reads as zero. Not here:
// what the tables hold (page_alloc.h). I1 A granule's bit in ready_ is set exactly when the granule
// is Ready. I2 A failed EnsureReady changes no bit that it did not also make Ready. Locking:
// external (the heap lock). Cost: one bit per granule; a call on granules that are ready only tests
// bits.
#ifndef TARN_RUNTIME_HEAP_META_REGION_H_
#define TARN_RUNTIME_HEAP_META_REGION_H_

#include <cstddef>
#include <cstdint>

#include "runtime/os/os_memory.h"

namespace tarn::rt {

class MetaRegion {
 public:
  // Large enough for any OS page, small enough not to matter beside one heap chunk.
  static constexpr size_t kGranuleBytes = size_t{64} << 10;

  constexpr MetaRegion() = default;
  MetaRegion(const MetaRegion&) = delete;
  MetaRegion& operator=(const MetaRegion&) = delete;

  // Reserves `bytes` (rounded up to granules). False, with nothing kept, when the system refuses.
  [[nodiscard]] bool Init(OsMemory& os, size_t bytes);
  // Returns everything to the system. For failed set-up and tests.
  void Destroy();

  char* base() const { return base_; }
  // Makes [offset, offset + bytes) readable and writable. False when the system refuses.
  [[nodiscard]] bool EnsureReady(size_t offset, size_t bytes);
  size_t ready_bytes() const { return ready_bytes_; }

 private:
  bool IsReady(size_t granule) const { return (ready_[granule / 64] >> (granule % 64) & 1) != 0; }
  bool MakeReady(size_t first, size_t end);

  OsMemory* os_ = nullptr;
  char* base_ = nullptr;       // of the tables
  uint64_t* ready_ = nullptr;  // one bit per granule of the tables; lies before them
  size_t head_bytes_ = 0;      // size of the bitmap
  size_t bytes_ = 0;           // size of the tables
  size_t ready_bytes_ = 0;     // of the tables
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_META_REGION_H_
