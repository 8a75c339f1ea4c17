// Copying and filling ranges of words, in chunks that no handshake interrupts.
// I1 A word is loaded and stored by one access of its size; relaxed, because ranges that threads
//    share are synchronised by the program, and the collector tolerates either value.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "gc/api/instance.h"
#include "gc/collect/mutator_gc.h"
#include "gc/collect/shade.h"
#include "gc/types/value_codecs.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/thread_registry.h"
#include "tarn/internal/bulk_barrier.h"
#include "tarn/internal/mutator_block.h"

namespace tarn::internal {
namespace {

// Memory of whatever type the program has there.
using Word [[gnu::may_alias]] = uintptr_t;

constexpr size_t kChunkWords = kCopyChunkBytes / kWordBytes;
constexpr size_t kUnroll = 8;

inline uintptr_t Load(const Word* at) { return __atomic_load_n(at, __ATOMIC_RELAXED); }
inline void Store(Word* at, uintptr_t word) { __atomic_store_n(at, word, __ATOMIC_RELAXED); }

// Shades what words of the range hold. Inside the runtime, with the barrier on.
class Shader {
 public:
  explicit Shader(const WordCodec* codec)
      : heap_(rt::Instance::Get().heap()), gc_(t_block.mutator->gc), codec_(codec) {}

  void operator()(uintptr_t word) const {
    if (gc_ == nullptr || word == 0) return;
    if (codec_ != nullptr) return rt::Shade(heap_, *gc_, codec_->Decode(word));
    rt::Shade(heap_, *gc_, word);
    for (size_t i = 0; i < rt::ValueCodecs::count(); ++i) {
      rt::Shade(heap_, *gc_, rt::ValueCodecs::Get(i).Decode(word));
    }
  }

 private:
  const rt::Heap& heap_;
  rt::MutatorGc* gc_;
  const WordCodec* codec_;
};

void EnsureThisThread() {
  if (t_block.mutator != nullptr) [[likely]]
    return;
  rt::Instance::Get();
  rt::EnsureAttached();
}

// relaxed: set in a handshake of this thread, and none comes while it is inside the runtime.
bool IsBarrierOn() { return t_block.barrier_on.load(std::memory_order_relaxed) != 0; }

// All loads of a step come before its stores: the ranges may overlap by less.
[[gnu::always_inline]] inline void MoveStep(Word* to, const Word* from) {
  static_assert(kUnroll == 8);
  const uintptr_t a = Load(from), b = Load(from + 1), c = Load(from + 2), d = Load(from + 3);
  const uintptr_t e = Load(from + 4), f = Load(from + 5), g = Load(from + 6), h = Load(from + 7);
  Store(to, a), Store(to + 1, b), Store(to + 2, c), Store(to + 3, d);
  Store(to + 4, e), Store(to + 5, f), Store(to + 6, g), Store(to + 7, h);
}

[[gnu::noinline]] void MoveUp(Word* to, const Word* from, size_t n) {
  for (; n >= kUnroll; n -= kUnroll, to += kUnroll, from += kUnroll) MoveStep(to, from);
  for (; n > 0; --n) Store(to++, Load(from++));
}

[[gnu::noinline]] void MoveDown(Word* to, const Word* from, size_t n) {
  for (; n >= kUnroll; n -= kUnroll) MoveStep(to + n - kUnroll, from + n - kUnroll);
  for (; n > 0; --n) Store(to + n - 1, Load(from + n - 1));
}

[[gnu::noinline]] void FillUp(Word* to, uintptr_t word, size_t n) {
  for (; n >= kUnroll; n -= kUnroll, to += kUnroll) {
    Store(to, word), Store(to + 1, word), Store(to + 2, word), Store(to + 3, word);
    Store(to + 4, word), Store(to + 5, word), Store(to + 6, word), Store(to + 7, word);
  }
  for (; n > 0; --n) Store(to++, word);
}

[[gnu::noinline]] void MoveShaded(Word* to, const Word* from, size_t n, bool down,
                                  const Shader& shade, Overwrites what) {
  for (size_t i = 0; i < n; ++i) {
    const size_t at = down ? n - 1 - i : i;
    const uintptr_t word = Load(from + at);
    if (what == Overwrites::kValues) shade(Load(to + at));
    shade(word);
    Store(to + at, word);
  }
}

// At most kChunkWords: handshakes wait.
void MoveChunk(Word* to, const Word* from, size_t n, bool down, const WordCodec* codec,
               Overwrites what) {
  rt::BarrierScope scope;
  if (IsBarrierOn()) return MoveShaded(to, from, n, down, Shader(codec), what);
  if (down) return MoveDown(to, from, n);
  MoveUp(to, from, n);
}

}  // namespace

void MoveWords(void* to, const void* from, size_t words, const WordCodec* codec,
               Overwrites what) noexcept {
  auto* const t = static_cast<Word*>(to);
  const auto* const f = static_cast<const Word*>(from);
  if (t == f) return;
  EnsureThisThread();
  const bool down = reinterpret_cast<uintptr_t>(to) - reinterpret_cast<uintptr_t>(from) <
                    words * kWordBytes;  // `to` begins within the source
  for (size_t done = 0; done < words;) {
    const size_t n = std::min(words - done, kChunkWords);
    const size_t at = down ? words - done - n : done;
    MoveChunk(t + at, f + at, n, down, codec, what);
    done += n;
  }
}

void FillWords(void* to, size_t words, const void* pattern, size_t period,
               const WordCodec* codec) noexcept {
  auto* const t = static_cast<Word*>(to);
  const auto* const p = static_cast<const Word*>(pattern);
  EnsureThisThread();
  size_t phase = 0;  // index in the pattern of the next word
  for (size_t done = 0; done < words;) {
    const size_t n = std::min(words - done, kChunkWords);
    rt::BarrierScope scope;
    if (IsBarrierOn()) {
      const Shader shade(codec);
      for (size_t i = 0; i < n; ++i) shade(Load(t + done + i));
      for (size_t i = 0; i < std::min(n, period); ++i) shade(Load(p + (phase + i) % period));
    }
    if (period == 1) {
      FillUp(t + done, Load(p), n);
    } else {
      for (size_t i = 0; i < n; ++i) {
        Store(t + done + i, Load(p + phase));
        if (++phase == period) phase = 0;
      }
    }
    done += n;
  }
}

}  // namespace tarn::internal
