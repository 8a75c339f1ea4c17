// gc_word<Codec>: a traced 64-bit slot that holds an interpreter's own tagged value; the collector
// decodes it.
//
//   using Value = tarn::gc_word<tarn::low_bit_codec<7, 0>>;      // pointers have low bits 000
//   using Boxed = tarn::gc_word<tarn::nan_box_codec<0xfffc>>;    // pointers have 0xfffc in the top
//   16 bits
//
// Thread-safety, collection and blocking: as gc_ptr.
#ifndef TARN_GC_WORD_H_
#define TARN_GC_WORD_H_

#include <atomic>
#include <cstdint>

#include "tarn/internal/barrier.h"
#include "tarn/internal/layout_spec.h"

namespace tarn {

// A word w is a pointer iff (w & kMask) == kTag; the pointer is w - kTag. kMask covers low bits
// only.
template <uint64_t kMask, uint64_t kTag>
struct low_bit_codec {
  static_assert(kMask < 64 && (kMask & (kMask + 1)) == 0, "a mask of low bits");
  static_assert((kTag & ~kMask) == 0, "the tag lies within the mask");
  static constexpr internal::WordCodec codec{kMask, kTag, ~kMask};
};

// A word is a pointer iff its top 16 bits equal kPrefix; the pointer is its low 48 bits.
template <uint64_t kPrefix>
struct nan_box_codec {
  static_assert(kPrefix != 0 && kPrefix <= 0xffff);
  static constexpr internal::WordCodec codec{uint64_t{0xffff} << 48, kPrefix << 48,
                                             (uint64_t{1} << 48) - 1};
};

namespace internal {
// Stacks and conservative objects are scanned through the codec from now on. Returns true. Aborts
// when more than 8 codecs other than low-bit ones are in use.
bool NoteCodec(const WordCodec& codec);

// Notes the codec before main runs, if anything of the program names Note().
template <class Codec>
class CodecUse {
 public:
  // No code: that it is named makes the initialiser run.
  static void Note() noexcept { static_cast<void>(&kNoted); }

 private:
  static inline const bool kNoted = NoteCodec(Codec::codec);
};
}  // namespace internal

template <class Codec>
class gc_word {
 public:
  using codec_type = Codec;

  constexpr gc_word() noexcept : word_(0) {}
  explicit gc_word(uintptr_t word) noexcept : word_(internal::ShadeInitial<Decode>(this, word)) {
    internal::CodecUse<Codec>::Note();
  }
  gc_word(const gc_word& other) noexcept : gc_word(other.load()) {}
  gc_word& operator=(const gc_word& other) noexcept {
    store(other.load());
    return *this;
  }
  ~gc_word() = default;

  uintptr_t load() const noexcept { return word_.load(std::memory_order_relaxed); }
  void store(uintptr_t word) noexcept {
    internal::CodecUse<Codec>::Note();
    internal::StoreWord<Decode>(&word_, word);
  }
  // For a slot in an object that no other thread can see yet.
  void init(uintptr_t word) noexcept {
    internal::CodecUse<Codec>::Note();
    // relaxed: not visible to others.
    word_.store(internal::ShadeInitial<Decode>(this, word), std::memory_order_relaxed);
  }

  friend void swap(gc_word& a, gc_word& b) noexcept {
    const uintptr_t t = a.load();
    a.store(b.load());
    b.store(t);
  }

 private:
  using Decode = internal::CodecDecode<Codec>;

  std::atomic<uintptr_t> word_;
};

}  // namespace tarn

#endif  // TARN_GC_WORD_H_
