#include "gc/types/layout_table.h"

#include <algorithm>
#include <new>

#include "gc/types/value_codecs.h"
#include "runtime/base/bits.h"
#include "runtime/base/check.h"

namespace tarn::rt {

using internal::LayoutKind;
using internal::LayoutSpec;
using internal::WordCodec;

namespace {

size_t MaskWords(uint32_t words) { return DivideUp(words, 64); }

bool AnyBit(const uint64_t* bits, uint32_t words) {
  return std::any_of(bits, bits + MaskWords(words), [](uint64_t w) { return w != 0; });
}

// Cuts pointer-free words off the end of a prefix that nothing follows.
uint32_t Trimmed(const uint64_t* bits, uint32_t words) {
  while (words > 0 && !((bits[(words - 1) / 64] >> ((words - 1) % 64)) & 1)) --words;
  return words;
}

// The canonical form: equal layouts become equal field by field.
Layout Normalize(const LayoutSpec& spec) {
  Layout l;
  l.kind = spec.kind;
  if (spec.kind == LayoutKind::kCustom) l.trace = spec.trace;
  if (spec.kind != LayoutKind::kMask) return l;
  l.codec = spec.codec;
  l.prefix_words = spec.prefix_words;
  l.prefix_bits = spec.prefix_bits;
  l.period_words = spec.period_words;
  l.period_bits = spec.period_bits;
  if (l.period_words != 0 && !AnyBit(l.period_bits, l.period_words)) l.period_words = 0;
  if (l.period_words == 0) {
    l.period_bits = nullptr;
    l.prefix_words = Trimmed(l.prefix_bits, l.prefix_words);
    if (l.prefix_words == 0) l = Layout{};
  }
  return l;
}

bool SameBits(const uint64_t* a, const uint64_t* b, uint32_t words) {
  for (uint32_t i = 0; i < words; ++i) {
    if (((a[i / 64] >> (i % 64)) & 1) != ((b[i / 64] >> (i % 64)) & 1)) return false;
  }
  return true;
}

bool Same(const Layout& a, const Layout& b) {
  return a.kind == b.kind && a.codec == b.codec && a.trace == b.trace &&
         a.prefix_words == b.prefix_words && a.period_words == b.period_words &&
         SameBits(a.prefix_bits, b.prefix_bits, a.prefix_words) &&
         SameBits(a.period_bits, b.period_bits, a.period_words);
}

}  // namespace

const uint64_t* LayoutTable::CopyBits(const uint64_t* bits, uint32_t words) {
  if (words == 0) return nullptr;
  auto* copy = static_cast<uint64_t*>(memory_.Allocate(MaskWords(words) * sizeof(uint64_t)));
  if (copy == nullptr) Fatal("out of memory for layouts");
  std::copy(bits, bits + MaskWords(words), copy);
  return copy;
}

LayoutTable::LayoutTable(PersistentAlloc& memory) : memory_(memory) {
  LockHolder hold(lock_);
  Add(Layout{});
  Layout conservative;
  conservative.kind = LayoutKind::kConservative;
  Add(conservative);
}

uint16_t LayoutTable::Add(const Layout& layout) {
  const size_t id = size_.load(std::memory_order_relaxed);
  void* place = memory_.Allocate(sizeof(Layout));
  if (place == nullptr) Fatal("out of memory for layouts");
  auto* copy = ::new (place) Layout(layout);
  copy->prefix_bits = CopyBits(layout.prefix_bits, layout.prefix_words);
  copy->period_bits = CopyBits(layout.period_bits, layout.period_words);
  layouts_[id] = copy;
  ValueCodecs::Note(layout.codec);
  // release: pairs with the acquire in size().
  size_.store(id + 1, std::memory_order_release);
  return static_cast<uint16_t>(id);
}

uint16_t LayoutTable::Intern(const LayoutSpec& spec) {
  const Layout layout = Normalize(spec);
  LockHolder hold(lock_);
  const size_t n = size_.load(std::memory_order_relaxed);
  // Linear: done once per type, and programs have few layouts.
  for (size_t id = 0; id < n; ++id) {
    if (Same(layout, *layouts_[id])) return static_cast<uint16_t>(id);
  }
  if (n == internal::kMaxLayouts) {
    if (layout.kind == LayoutKind::kCustom) Fatal("too many types with a Trace method");
    return kConservativeId;
  }
  return Add(layout);
}

void LayoutTable::FillMarkWords(SpanClassInfo& info) const {
  const Layout& l = Get(info.layout);
  info.mark_data[1] = reinterpret_cast<uintptr_t>(&l);
  const auto set = [&](MarkKind k) { info.mark_kind = static_cast<uint8_t>(k); };
  switch (l.kind) {
    case LayoutKind::kNoScan:
      return set(MarkKind::kNone);
    case LayoutKind::kConservative:
      return set(MarkKind::kConservative);
    case LayoutKind::kCustom:
      return set(MarkKind::kCustom);
    case LayoutKind::kMask:
      break;
  }
  const size_t words = info.elem_bytes / internal::kWordBytes;
  if (words == 0 || words > 64) return set(MarkKind::kMaskLong);
  for (size_t i = 0; i < words; ++i) info.mark_data[0] |= uint64_t{l.HasPointer(i)} << i;
  set(l.codec.is_raw() ? MarkKind::kMask64 : MarkKind::kMask64Code);
}

}  // namespace tarn::rt
