// The heap as the program sees it: start, collect, tune, measure.
#include "tarn/heap.h"

#include "gc/api/instance.h"
#include "gc/collect/verifier.h"
#include "runtime/heap/span_walk.h"
#include "runtime/heap/thread_cache.h"
#include "runtime/thread/stop_world.h"
#include "runtime/thread/thread_registry.h"

namespace tarn {

using internal::kPageBytes;
using rt::HeapStats;
using rt::Instance;

absl::Status Init(const Options& options) { return Instance::Start(options); }

// All attach the thread: handshakes do not wait for one that is not, and it sweeps.
void Collect() {
  rt::Collector& collector = Instance::Get().collector();
  rt::EnsureAttached();
  collector.CollectNow();
}

void FreeOsMemory() {
  rt::Collector& collector = Instance::Get().collector();
  rt::EnsureAttached();
  collector.CollectNow();
  collector.scavenger().ReleaseAll();
}

int SetGcPercent(int percent) {
  rt::Collector& collector = Instance::Get().collector();
  rt::EnsureAttached();
  return collector.SetGcPercent(percent);
}

HandshakeTimes ReadHandshakeTimes(HandshakeKind kind) {
  return Instance::Get().collector().handshake_times().Read(kind);
}

namespace {

// What threads hold in runs that they have not handed to the program.
rt::ThreadCache::Unused UnusedInRuns() {
  rt::ThreadCache::Unused total;
  rt::ThreadRegistry::Get().ForEach([&](rt::Mutator& m) {
    if (m.cache == nullptr) return;
    const rt::ThreadCache::Unused u = m.cache->UnusedInRuns();
    total.bytes += u.bytes;
    total.slots += u.slots;
    for (size_t c = 0; c < internal::kNumSizeClasses; ++c) total.by_class[c] += u.by_class[c];
  });
  return total;
}

void CountBySize(rt::Heap& heap, const rt::ThreadCache::Unused& unused, MemStats& s) {
  rt::ForEachSpan(heap.cage(), [&](const rt::Span& span, size_t) {
    if (span.IsHeapMemory())
      s.by_size[heap.classes().Info(span.span_class).size_class].objects += span.alloc_count;
  });
  for (size_t c = 0; c < internal::kNumSizeClasses; ++c) {
    MemStats::BySize& by = s.by_size[c];
    by.size = internal::kClassBytes[c];
    by.objects -= unused.by_class[c];
    by.frees = HeapStats::Get(heap.stats().freed_by_class[c]);
    by.mallocs = by.objects + by.frees;
  }
}

void FillFromLedger(Instance& instance, const rt::ThreadCache::Unused& unused, MemStats& s) {
  rt::Heap& heap = instance.heap();
  const HeapStats& st = heap.stats();
  s.total_alloc = HeapStats::Get(st.allocated_bytes) - unused.bytes;
  s.heap_alloc = s.alloc = s.total_alloc - HeapStats::Get(st.freed_bytes);
  const uint64_t tiny = HeapStats::Get(st.tiny_allocs);
  s.mallocs = HeapStats::Get(st.allocated_objects) - unused.slots + tiny;
  s.frees = HeapStats::Get(st.freed_objects) + tiny;
  s.heap_objects = s.mallocs - s.frees;
  s.heap_sys = (HeapStats::Get(st.mapped_pages) - HeapStats::Get(st.lent_pages)) * kPageBytes;
  s.heap_inuse = HeapStats::Get(st.in_use_pages) * kPageBytes;
  s.heap_idle = s.heap_sys - s.heap_inuse;
  s.heap_released = HeapStats::Get(st.released_pages) * kPageBytes;
  s.heap_lazily_free = HeapStats::Get(st.lazily_free_pages) * kPageBytes;
  s.mspan_sys = heap.cage().committed_pages() * sizeof(rt::Span);
  s.gc_sys = heap.cage().table_bytes() - s.mspan_sys +
             instance.collector().queue().allocated_bytes() +
             instance.collector().roots().cells().bytes();
  s.external = HeapStats::Get(st.external_bytes);
  s.mapped = HeapStats::Get(st.lent_pages) * kPageBytes;
  s.limited_bytes = heap.pages().MemoryBytes();
  s.hard_limit_refusals = HeapStats::Get(heap.pages().limits().hard_refusals);
  // What else the system has given: tables of the page allocator, records of threads and types.
  const uint64_t known = s.heap_sys - s.heap_released + s.mspan_sys + s.gc_sys;
  const uint64_t ready = heap.os().ReadyBytes();
  s.other_sys = ready > known ? ready - known : 0;  // side tables that were given back count above
  s.sys = s.heap_sys + s.mspan_sys + s.gc_sys + s.other_sys;
}

void FillFromTotals(Instance& instance, MemStats& s) {
  const rt::CycleTotals t = instance.collector().totals();
  s.next_gc = instance.collector().goal();
  s.num_gc = t.cycles;
  s.num_forced_gc = t.forced;
  s.last_gc = static_cast<uint64_t>(t.last_end_wall);
  s.pause_total_ns = t.pause_total;
  for (size_t i = 0; i < 256; ++i) {
    s.pause_ns[i] = t.pauses[i];
    s.pause_end[i] = t.pause_ends[i];
  }
  s.gc_cpu_fraction = instance.collector().GcCpuFraction();
  s.memory_limit = instance.collector().SetMemoryLimit(-1);
  s.hard_limit = instance.collector().SetHardLimit(-1);
  s.last_limited_cycle = instance.collector().last_limited_cycle();
}

// Nobody changes a span while it lives.
class HeapAtRest {
 public:
  // In the frame that the object lives in, whose context the stop keeps.
  [[gnu::always_inline]] explicit HeapAtRest(rt::Collector& collector) : collector_(collector) {
    collector_.HoldDriver();
  }
  ~HeapAtRest() { collector_.ReleaseDriver(); }
  HeapAtRest(const HeapAtRest&) = delete;
  HeapAtRest& operator=(const HeapAtRest&) = delete;

 private:
  rt::StopTheWorld stop_;  // first: one at a time holds the driver
  rt::Collector& collector_;
};

}  // namespace

MemStats ReadMemStats() {
  Instance& instance = Instance::Get();
  MemStats s;
  FillFromTotals(instance, s);
  HeapAtRest rest(instance.collector());
  const rt::ThreadCache::Unused unused = UnusedInRuns();
  FillFromLedger(instance, unused, s);
  CountBySize(instance.heap(), unused, s);
  return s;
}

void VerifyHeapForDebugging() {
  Instance& instance = Instance::Get();
  HeapAtRest rest(instance.collector());
  VerifyHeap(instance.heap(), rt::VerifyPoint::kAnyTime);
}

}  // namespace tarn
