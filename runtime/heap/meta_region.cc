#include "runtime/heap/meta_region.h"

#include "runtime/base/bits.h"
#include "runtime/base/check.h"

namespace tarn::rt {
namespace {

// Reserved -> Ready, or nothing.
bool MapAndUse(OsMemory& os, char* p, size_t bytes) {
  if (!os.Map(p, bytes)) return false;
  if (os.Used(p, bytes, bytes)) return true;
  os.Fault(p, bytes, 0);
  return false;
}

}  // namespace

bool MetaRegion::Init(OsMemory& os, size_t bytes) {
  TARN_CHECK(base_ == nullptr && bytes != 0);
  TARN_CHECK(kGranuleBytes % os.PhysicalPageBytes() == 0);
  const size_t table_bytes = RoundUp(bytes, kGranuleBytes);
  const size_t words = DivideUp(table_bytes / kGranuleBytes, 64);
  const size_t head_bytes = RoundUp(words * sizeof(uint64_t), kGranuleBytes);
  void* const p = os.Reserve(head_bytes + table_bytes, kGranuleBytes);
  if (p == nullptr) return false;
  if (!MapAndUse(os, static_cast<char*>(p), head_bytes)) {
    os.Free(p, head_bytes + table_bytes, 0, 0);
    return false;
  }
  os_ = &os;
  ready_ = static_cast<uint64_t*>(p);
  base_ = static_cast<char*>(p) + head_bytes;
  head_bytes_ = head_bytes;
  bytes_ = table_bytes;
  return true;
}

void MetaRegion::Destroy() {
  if (base_ == nullptr) return;
  const size_t ready = head_bytes_ + ready_bytes_;
  os_->Free(base_ - head_bytes_, head_bytes_ + bytes_, ready, ready);
  os_ = nullptr;
  base_ = nullptr;
  ready_ = nullptr;
  head_bytes_ = bytes_ = ready_bytes_ = 0;
}

bool MetaRegion::EnsureReady(size_t offset, size_t bytes) {
  TARN_CHECK(offset <= bytes_ && bytes <= bytes_ - offset);
  const size_t end = DivideUp(offset + bytes, kGranuleBytes);
  size_t g = offset / kGranuleBytes;
  while (g < end) {
    if (IsReady(g)) {
      ++g;
      continue;
    }
    const size_t first = g;
    while (g < end && !IsReady(g)) ++g;
    if (!MakeReady(first, g)) return false;
  }
  return true;
}

bool MetaRegion::MakeReady(size_t first, size_t end) {
  const size_t bytes = (end - first) * kGranuleBytes;
  if (!MapAndUse(*os_, base_ + first * kGranuleBytes, bytes)) return false;
  for (size_t g = first; g < end; ++g) ready_[g / 64] |= uint64_t{1} << (g % 64);  // keeps I1
  ready_bytes_ += bytes;
  return true;
}

}  // namespace tarn::rt
