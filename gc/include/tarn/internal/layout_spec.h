// LayoutSpec: how the collector finds pointers in an element, as handed from a type's description
// to the layout table, which copies it (a description may live in a library that is unloaded
// later).
#ifndef TARN_INTERNAL_LAYOUT_SPEC_H_
#define TARN_INTERNAL_LAYOUT_SPEC_H_

#include <cstddef>
#include <cstdint>

namespace tarn {
class Tracer;
}

namespace tarn::internal {

enum class LayoutKind : uint8_t {
  kNoScan,        // no pointers
  kMask,          // one bit per word; the words are decoded by the codec
  kConservative,  // every word may be a pointer, or stale, or no pointer at all
  kCustom,        // a trace function
};

// How a word is read: it holds a pointer iff (word & mask) == tag, and then the pointer is word &
// payload. The default takes every word as it is; words that are no heap addresses are ignored
// anyway.
struct WordCodec {
  uint64_t mask = 0;
  uint64_t tag = 0;
  uint64_t payload = ~uint64_t{0};

  constexpr bool operator==(const WordCodec&) const = default;
  constexpr bool is_raw() const { return mask == 0 && payload == ~uint64_t{0}; }
  // 0 if the word is no pointer.
  constexpr uint64_t Decode(uint64_t word) const {
    return (word & mask) == tag ? word & payload : 0;
  }
};

using TraceFn = void (*)(const void* object, Tracer& tracer);

// Bit i of a bit array is bit i % 64 of word i / 64. The element starts with `prefix_words` words,
// after which `period_words` words repeat up to the end of the slot (0: no pointers behind the
// prefix).
struct LayoutSpec {
  LayoutKind kind = LayoutKind::kConservative;
  WordCodec codec;
  uint32_t prefix_words = 0;
  uint32_t period_words = 0;
  const uint64_t* prefix_bits = nullptr;
  const uint64_t* period_bits = nullptr;
  TraceFn trace = nullptr;
};

}  // namespace tarn::internal

#endif  // TARN_INTERNAL_LAYOUT_SPEC_H_
