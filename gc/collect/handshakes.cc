#include "gc/collect/handshakes.h"

#include "gc/collect/mutator_gc.h"
#include "gc/collect/shade.h"
#include "gc/types/value_codecs.h"
#include "runtime/base/clock.h"
#include "runtime/heap/thread_cache.h"
#include "runtime/thread/handshake.h"

namespace tarn::rt {
namespace {

using StepFn = void (*)(Mutator&, Round&);

// Runs `step` and notes how long it kept the thread.
template <HandshakeKind kind, StepFn step>
void Timed(Mutator& m, void* arg) {
  if (m.gc == nullptr) return;
  Round& round = *static_cast<Round*>(arg);
  const int64_t start = MonotonicNanos();
  step(m, round);
  const int64_t took = MonotonicNanos() - start;
  round.times.AddKept(kind, took);
  int64_t longest = round.longest.load(std::memory_order_relaxed);
  while (took > longest &&
         !round.longest.compare_exchange_weak(longest, took, std::memory_order_relaxed)) {
  }
}

template <HandshakeKind kind, StepFn step>
void Run(Round& round) {
  const int64_t start = MonotonicNanos();
  Handshake(&Timed<kind, step>, &round);
  round.times.AddRound(kind, MonotonicNanos() - start);
}

// A thread that found no memory for its cache has nothing to sweep or to mark in runs.
void H0(Mutator& m, Round&) {
  if (m.cache == nullptr) return;
  m.cache->SweepOwned();
  m.cache->SetBlack(0);
  m.cache->FlushLive();
  // Pages that a thread keeps cannot go back to the system: once per cycle it starts anew.
  m.cache->TryFlushPages();
}

void H1(Mutator& m, Round& round) {
  internal::MutatorBlock& block = *m.block();
  // relaxed: the thread's own fields, in its own handshake.
  block.barrier_on.store(1, std::memory_order_relaxed);
  Shade(round.heap, *m.gc, block.hazard_value.load(std::memory_order_relaxed));
}

// An old hazard may point to freed memory: the slot is read only where the collector itself would
// read it, in a scanned span that is in use, or in a root cell. Only the Trace method knows how the
// words of its objects are encoded: there, all encodings in use are tried.
void H1b(Mutator& m, Round& round) {
  const uintptr_t slot = m.block()->hazard_slot.load(std::memory_order_relaxed);
  if (slot % sizeof(uintptr_t) != 0) return;
  internal::WordCodec codec;
  bool any_codec = false;
  if (round.heap.cage().Contains(slot)) {
    const PageEntry e = round.heap.cage().Entry(round.heap.cage().PageOf(slot));
    if (!e.in_use() || e.noscan()) return;
    const Layout& layout = round.layouts.Get(round.heap.classes().Info(e.span_class()).layout);
    codec = layout.codec;
    any_codec = layout.kind == internal::LayoutKind::kCustom;
  } else if (!round.roots.cells().Contains(slot)) {
    return;
  }
  // relaxed: either value of a racing store is shaded by somebody.
  const uintptr_t word = __atomic_load_n(reinterpret_cast<uintptr_t*>(slot), __ATOMIC_RELAXED);
  Shade(round.heap, *m.gc, codec.Decode(word));
  for (size_t i = 0; any_codec && i < ValueCodecs::count(); ++i) {
    Shade(round.heap, *m.gc, ValueCodecs::Get(i).Decode(word));
  }
}

void ScanAndMarkRuns(Mutator& m, Round& round) {
  if (m.cache != nullptr) {
    m.cache->FlushLive();
    round.run_bytes.fetch_add(m.cache->MarkRuns(), std::memory_order_relaxed);
  }
  round.stack_bytes.fetch_add(round.roots.ScanThread(m), std::memory_order_relaxed);
}

void H2(Mutator& m, Round& round) {
  ScanAndMarkRuns(m, round);
  if (m.cache != nullptr) m.cache->SetBlack(round.heap.sweepgen());
}

void F(Mutator& m, Round& round) {
  if (m.gc->shaded) round.shaded.store(1, std::memory_order_relaxed);
  m.gc->shaded = false;
  m.gc->sink.Flush();
}

void H3(Mutator& m, Round&) {
  // relaxed: the thread's own field, in its own handshake.
  m.block()->barrier_on.store(0, std::memory_order_relaxed);
  m.gc->sink.Drop();
  if (m.cache != nullptr) m.cache->FlushLive();
}

void StopForMarking(Mutator& m, Round& round) { ScanAndMarkRuns(m, round); }

void StopForRescan(Mutator& m, Round& round) {
  round.stack_bytes.fetch_add(round.roots.ScanThread(m), std::memory_order_relaxed);
}

}  // namespace

void RunH0(Round& round) { Run<HandshakeKind::kSweepOwned, &H0>(round); }
void RunH1(Round& round) { Run<HandshakeKind::kBarrierOn, &H1>(round); }
void RunH1b(Round& round) { Run<HandshakeKind::kHazards, &H1b>(round); }
void RunH2(Round& round) { Run<HandshakeKind::kRoots, &H2>(round); }
void RunF(Round& round) { Run<HandshakeKind::kFlush, &F>(round); }
void RunH3(Round& round) { Run<HandshakeKind::kBarrierOff, &H3>(round); }

void OnStopForMarking(Mutator& m, void* round) {
  Timed<HandshakeKind::kStop, &StopForMarking>(m, round);
}
void OnStopForRescan(Mutator& m, void* round) {
  Timed<HandshakeKind::kStop, &StopForRescan>(m, round);
}
void OnStopForCheck(Mutator& m, void* round) { Timed<HandshakeKind::kStop, &F>(m, round); }

}  // namespace tarn::rt
