// Marker: one thread's tracing loop. Takes grey items, sets mark bits, scans objects for more.
// Built around memory-level parallelism: a found pointer is resolved to its mark word, mark word
// and object are prefetched, and only kRing steps later is the bit tested and the object scanned,
// when its cache lines have arrived. At most two dependent lines (page entry, mark word) beside the
// object itself.
// Not here: where grey items come from (roots.h), who runs markers and when marking is over
// (workers.h).
// I1 An item is an address inside the cage: tag 0 names an object that may be unmarked, tag 1 a
//    slice of a large object that has still to be scanned, tag 2 an object that is scanned now and not
//    marked: what it refers to stays alive, itself perhaps not (finalizers).
// I2 Whoever sets an object's mark bit scans it, exactly once; of tag 2, unmarked ones are scanned.
// I3 In programs with weak maps, whoever sets an object's mark bit visits the values that it is a key
//    of.
// Locking: none; bits are set atomically unless this is the only marker and the world is stopped.
// Source of the pipeline: Cher, Hosking, Vitek, "Software prefetching for mark-sweep garbage
// collection".
#ifndef TARN_GC_COLLECT_MARKER_H_
#define TARN_GC_COLLECT_MARKER_H_

#include <cstddef>
#include <cstdint>

#include "gc/collect/mark_queue.h"
#include "gc/life/specials.h"
#include "gc/types/layout_table.h"
#include "runtime/heap/heap.h"
#include "tarn/describe.h"

namespace tarn::rt {

struct MarkStats {
  uint64_t bytes = 0;  // slots marked
  uint64_t objects = 0;
  uint64_t scanned = 0;  // bytes looked at for pointers

  void Add(const MarkStats& o) {
    bytes += o.bytes;
    objects += o.objects;
    scanned += o.scanned;
  }
};

class Marker final : public Tracer {
 public:
  // `specials`: may be null if there are no weak maps.
  Marker(Heap& heap, const LayoutTable& layouts, MarkQueue& queue, Specials* specials = nullptr);
  ~Marker();
  Marker(const Marker&) = delete;
  Marker& operator=(const Marker&) = delete;

  // Before a cycle. `exclusive`: no other marker and no mutator runs meanwhile.
  void Start(bool exclusive);
  static constexpr uint64_t kNoLimit = ~uint64_t{0};
  // Works until it finds neither local nor published work (true), or until it has done `limit` of
  // work (false; a unit is about a byte scanned, and each item counts; what is left stays with the marker). With `share`, publishes half of what it has
  // when others want work.
  bool Drain(bool share, uint64_t limit = kNoLimit);
  // Publishes all that it holds.
  void Flush();
  // Marks one object and scans it or queues it. For roots found by the marker's own thread.
  void Push(uintptr_t item);
  const MarkStats& stats() const { return stats_; }
  // Grows whenever the marker has held an item. Never reset.
  uint64_t work() const { return work_; }
  // The same, reset. At the end of a cycle.
  MarkStats TakeStats();

 private:
  static constexpr size_t kRing = 32;  // power of two
  static constexpr size_t kSliceBytes = 16 << 10;
  static constexpr uint64_t kItemWork = 64;

  struct InFlight {
    std::atomic<uint64_t>* word;
    uint64_t bit;
    uintptr_t base;
    uint16_t span_class;
    bool noscan;
  };

  void PushIfHeap(uintptr_t p) {
    if (p - base_ < cage_->committed()) Push(p & ~kItemTagMask);
  }
  bool Resolve(uintptr_t p, InFlight& out) const;
  void Process(const InFlight& f);
  bool FillRing();
  bool SetBit(std::atomic<uint64_t>* word, uint64_t bit) const;
  void ScanObject(uintptr_t base, const SpanClassInfo& info);
  void ScanLong(uintptr_t base, size_t bytes, const SpanClassInfo& info);
  void ScanTagged(uintptr_t item);
  void ScanSlice(uintptr_t at);
  void ScanContents(uintptr_t object);
  void VisitEphemerons(const InFlight& f);
  void ScanPiece(uintptr_t object, uintptr_t at, uintptr_t end, const SpanClassInfo& info);
  void ScanRange(uintptr_t object, uintptr_t from, uintptr_t to, const SpanClassInfo& info);
  void ScanConservatively(uintptr_t from, uintptr_t to);
  uintptr_t Pop();
  bool GetWork();
  void Overflow();
  void ShareWork();

  static void VisitPointer(Tracer* self, uintptr_t p);
  static void VisitWords(Tracer* self, const void* begin, const void* end);

  Heap* heap_;
  const Cage* cage_;
  const LayoutTable* layouts_;
  MarkQueue* queue_;
  const SpanClassInfo* infos_;
  Specials* const specials_;
  bool has_ephemerons_ = false;  // keeps I3; as of Start
  uintptr_t base_ = 0;
  std::atomic<uint64_t>* marks_ = nullptr;  // bits of the table that this cycle marks in
  bool exclusive_ = false;
  MarkBuffer* local_ = nullptr;  // stack of items
  MarkBuffer* spare_ = nullptr;  // full or empty: keeps a producer from ping-pong with the queue
  InFlight ring_[kRing];
  size_t ring_head_ = 0;
  size_t ring_size_ = 0;
  MarkStats stats_;
  uint64_t work_ = 0;  // what Drain's limit counts
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_MARKER_H_
