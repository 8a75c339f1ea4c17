#include "runtime/heap/span_class.h"

namespace tarn::rt {

bool SpanClassTable::Init(OsMemory& os) {
  constexpr size_t kHashBytes = kHashSlots * sizeof(uint16_t);
  LockHolder hold(lock_);
  if (!memory_.Init(os, kHashBytes + internal::kMaxSpanClasses * sizeof(SpanClassInfo)))
    return false;
  // Class 0 is looked at by nobody, but has an address.
  if (!memory_.EnsureReady(0, kHashBytes + sizeof(SpanClassInfo))) {
    memory_.Destroy();
    return false;
  }
  hash_ = reinterpret_cast<uint16_t*>(memory_.base());
  infos_ = reinterpret_cast<SpanClassInfo*>(memory_.base() + kHashBytes);
  return true;
}

uint16_t SpanClassTable::Intern(size_t size_class, uint16_t layout, bool noscan,
                                void (*fill)(SpanClassInfo& info, void* arg), void* arg) {
  LockHolder hold(lock_);
  const uint32_t key = static_cast<uint32_t>(layout) << 8 | static_cast<uint32_t>(size_class);
  size_t slot = (key * uint64_t{0x9e3779b97f4a7c15}) >> 40 & (kHashSlots - 1);
  for (; hash_[slot] != 0; slot = (slot + 1) & (kHashSlots - 1)) {
    const SpanClassInfo& have = infos_[hash_[slot]];
    if (have.size_class == size_class && have.layout == layout) return hash_[slot];
  }
  const size_t id = end_.load(std::memory_order_relaxed);
  if (id == internal::kMaxSpanClasses) return 0;
  SpanClassInfo& info = infos_[id];
  const auto at = static_cast<size_t>(reinterpret_cast<char*>(&info) - memory_.base());
  if (!memory_.EnsureReady(at, sizeof(info))) return 0;
  info.size_class = static_cast<uint8_t>(size_class);
  info.layout = layout;
  info.noscan = noscan;
  info.elem_bytes = internal::kClassBytes[size_class];
  info.npages = internal::kClassPages[size_class];
  info.magic = internal::ClassMagic(size_class);
  info.nelems = size_class == 0 ? 1 : static_cast<uint32_t>(internal::ClassObjects(size_class));
  if (fill != nullptr) fill(info, arg);
  hash_[slot] = static_cast<uint16_t>(id);
  // release: pairs with the acquire in End().
  end_.store(id + 1, std::memory_order_release);
  return static_cast<uint16_t>(id);
}

}  // namespace tarn::rt
