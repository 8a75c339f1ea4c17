// Slow paths of allocation: registration of types, refills, large objects, when to collect.
// I1 A collection happens before memory is taken, never between taking it and returning it: threads
// with
//    precise roots hold no unrooted object while they wait.
#include <algorithm>
#include <cstring>
#include <new>

#include "gc/api/instance.h"
#include "gc/collect/mutator_gc.h"
#include "gc/types/value_codecs.h"
#include "runtime/base/bits.h"
#include "runtime/heap/thread_cache.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/thread_registry.h"
#include "tarn/internal/alloc_fast.h"
#include "tarn/make_gc.h"

namespace tarn::internal {

using rt::Instance;
using rt::Mutator;
using rt::ThreadCache;

namespace {

// Memory was refused: by the soft limit, which a collection may help and which gives way then; or by
// the hard limit or the system.
template <class F>
void* TakeAtLimit(Instance& instance, Mutator& m, size_t bytes, F& take) {
  constexpr int kMaxCollections = 4;
  ThreadCache& cache = *m.cache;
  rt::Collector& collector = instance.collector();
  rt::PageHeap& pages = instance.heap().pages();
  // relaxed: a limit that has just changed holds from the next request on.
  const uint64_t hard = pages.limits().hard.load(std::memory_order_relaxed);
  if (bytes > std::min<uint64_t>(hard, pages.cage().bytes()))
    return nullptr;  // whatever is collected
  void* p = nullptr;
  for (int waits = 0; p == nullptr && collector.WaitForRoom(waits);) p = take(cache);
  if (p != nullptr) return p;
  cache.SetAtSoftLimit(rt::SoftLimit::kPass);
  p = take(cache);
  for (int i = 0; p == nullptr && i < kMaxCollections; ++i) {
    const uint64_t have_run = collector.finalizers().run_count();
    collector.CollectNow();
    p = take(cache);
    if (p == nullptr && !collector.WaitForDestructors(m, have_run)) break;
  }
  cache.SetAtSoftLimit(rt::SoftLimit::kRefuse);
  return p;
}

// A noinline frame of its own, inside the runtime: handshakes wait until it is left.
template <class F>
[[gnu::noinline]] void* InRuntime(size_t bytes, F&& take) {
  Instance& instance = Instance::Get();
  Mutator& m = rt::EnsureAttached();
  rt::RuntimeScope scope;
  if (m.cache == nullptr) return nullptr;
  if (m.cache->WantsFlush()) m.cache->FlushLive();
  instance.collector().SlowPathTaken(m, bytes);
  void* p = take(*m.cache);
  if (p == nullptr) [[unlikely]]
    p = TakeAtLimit(instance, m, bytes, take);
  if (m.options().precise_roots) m.gc->fresh = p;
  return p;
}

// The rest of a run may have become usable while a collection ran.
void* TakeSmall(ThreadCache& cache, uint32_t span_class) {
  return cache.Allocate(static_cast<uint16_t>(span_class));
}

// What takes longer than a handshake should wait is done as a blocked thread.
void ZeroLarge(void* p, size_t bytes) {
  constexpr size_t kQuickBytes = 64 << 10;
  if (bytes <= kQuickBytes) {
    std::memset(p, 0, bytes);
  } else {
    rt::RunBlocked([&] { std::memset(p, 0, bytes); });
  }
}

void* TakeLarge(ThreadCache& cache, uint32_t span_class, size_t bytes) {
  return cache.AllocateLarge(static_cast<uint16_t>(span_class), bytes, &ZeroLarge);
}

// Here, unlike on the fast path, the number leads to the tables of classes and layouts: each acquire
// pairs with the release of the thread that registered it. 0 if the system refuses memory.
uint32_t SiteClass(FixedSite& site, size_t size_class) {
  // acquire: as above.
  const uint32_t have = site.run_offset.load(std::memory_order_acquire);
  if (have != 0) return have / sizeof(Run);
  rt::RuntimeScope scope;
  const uint32_t c = Instance::Get().SpanClassFor(size_class, site.layout());
  // release: as above; 0 says that it is still to be registered.
  site.run_offset.store(c * uint32_t{sizeof(Run)}, std::memory_order_release);
  return c;
}

uint32_t SiteClass(SizedSite& site, size_t size_class) {
  // acquire: as above.
  const uint32_t have = site.run_offset[size_class].load(std::memory_order_acquire);
  if (have != 0) return have / sizeof(Run);
  rt::RuntimeScope scope;
  // acquire: as above.
  uint32_t layout = site.layout_id.load(std::memory_order_acquire);
  if (layout == 0) {
    layout = site.layout() + uint32_t{1};
    site.layout_id.store(layout, std::memory_order_release);  // release: as above
  }
  const uint16_t c = Instance::Get().SpanClassFor(size_class, static_cast<uint16_t>(layout - 1));
  // release: as above.
  site.run_offset[size_class].store(c * uint32_t{sizeof(Run)}, std::memory_order_release);
  return c;
}

}  // namespace

bool NoteCodec(const WordCodec& codec) {
  rt::RuntimeScope scope;
  rt::ValueCodecs::Note(codec);
  return true;
}

uint16_t InternLayout(const LayoutSpec& spec) { return Instance::Get().layouts().Intern(spec); }

void* AllocateFixedSlow(FixedSite& site) {
  Instance::Get();
  rt::EnsureAttached();  // before any lock of the runtime is taken
  const size_t size_class = SizeToAlignedClass(site.bytes, site.align);
  const uint32_t c = SiteClass(site, size_class);
  if (c == 0) return nullptr;
  return InRuntime(site.bytes, [&](ThreadCache& cache) {
    return size_class != 0 ? TakeSmall(cache, c) : TakeLarge(cache, c, site.bytes);
  });
}

void* AllocateSizedSlow(SizedSite& site, size_t bytes, size_t size_class) {
  Instance::Get();
  rt::EnsureAttached();  // as above
  const uint32_t c = SiteClass(site, size_class);
  if (c == 0) return nullptr;
  return InRuntime(bytes, [&](ThreadCache& cache) {
    return size_class != 0 ? TakeSmall(cache, c) : TakeLarge(cache, c, bytes);
  });
}

void* AllocateTinySlow(size_t bytes, size_t align) {
  Instance& instance = Instance::Get();
  Mutator& m = rt::EnsureAttached();
  if (m.cache != nullptr) {
    rt::RuntimeScope scope;
    if (void* p = m.cache->TryTiny(bytes, align)) return p;
  }
  return InRuntime(bytes, [&](ThreadCache& cache) {
    return cache.AllocateTiny(instance.tiny_class(), bytes, align);
  });
}

void ThrowBadAlloc() { throw std::bad_alloc(); }

uint16_t NoScanLayout() { return rt::LayoutTable::kNoScanId; }
uint16_t ConservativeLayout() { return rt::LayoutTable::kConservativeId; }

namespace {
constinit SizedSite g_noscan_bytes{{}, &NoScanLayout, {0}};
constinit SizedSite g_conservative_bytes{{}, &ConservativeLayout, {0}};
}  // namespace

}  // namespace tarn::internal

namespace tarn {

void* AllocateBytes(size_t bytes, Scan scan) {
  if (bytes == 0) bytes = 1;
  return internal::AllocateSized(
      scan == Scan::kNone ? internal::g_noscan_bytes : internal::g_conservative_bytes, bytes,
      internal::kWordBytes);
}

}  // namespace tarn
