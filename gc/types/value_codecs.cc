#include "gc/types/value_codecs.h"

#include <atomic>

#include "absl/base/thread_annotations.h"
#include "runtime/base/check.h"
#include "runtime/base/lock.h"

namespace tarn::rt {
namespace {

constinit Lock g_lock;
// Entries below g_count are constant (I1).
constinit internal::WordCodec g_codecs[ValueCodecs::kMax];
constinit std::atomic<size_t> g_count{0};

}  // namespace

void ValueCodecs::Note(const internal::WordCodec& codec) {
  if (codec.mask < 64) return;
  LockHolder hold(g_lock);
  const size_t n = g_count.load(std::memory_order_relaxed);  // relaxed: changed under the lock
  for (size_t i = 0; i < n; ++i) {
    if (g_codecs[i] == codec) return;
  }
  if (n == kMax) Fatal("more than 8 different value encodings are in use");
  g_codecs[n] = codec;
  // release: pairs with the acquire in count().
  g_count.store(n + 1, std::memory_order_release);
}

size_t ValueCodecs::count() {
  // acquire: pairs with the release in Note; the entries below are complete.
  return g_count.load(std::memory_order_acquire);
}

const internal::WordCodec& ValueCodecs::Get(size_t i) { return g_codecs[i]; }

}  // namespace tarn::rt
