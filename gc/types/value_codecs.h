// ValueCodecs: the encodings of gc_word in use whose pointers do not look like addresses (NaN
// boxes). Stacks and conservative objects are scanned through all of them.
// Not here: low-bit encodings, whose words are interior pointers as they are.
// I1 Entries are appended and never change; process-wide, because a gc_word registers its encoding
//    before main, whether a layout shows it or not.
// Locking: one Lock to append, whose holders are inside the runtime; reads need none.
// Cost of a scan: one comparison per word and entry.
#ifndef TARN_GC_TYPES_VALUE_CODECS_H_
#define TARN_GC_TYPES_VALUE_CODECS_H_

#include <cstddef>

#include "tarn/internal/layout_spec.h"

namespace tarn::rt {

class ValueCodecs {
 public:
  static constexpr size_t kMax = 8;

  // Does nothing for a raw or low-bit codec and for one that is known; aborts when there are kMax.
  static void Note(const internal::WordCodec& codec);
  static size_t count();
  static const internal::WordCodec& Get(size_t i);
};

}  // namespace tarn::rt

#endif  // TARN_GC_TYPES_VALUE_CODECS_H_
