#include "gc/collect/marker.h"

#include <algorithm>
#include <bit>

#include "gc/collect/object_ref.h"
#include "gc/types/value_codecs.h"
#include "runtime/base/check.h"

// The marker reads objects while the program writes them, and stacks of words that are not its own.
#define TARN_READS_FOREIGN_MEMORY __attribute__((no_sanitize("address"), no_sanitize("thread")))

namespace tarn::rt {

using internal::kWordBytes;

namespace {

// relaxed: the program may store to the word at any time; either value is fine, a barrier shades
// the other.
TARN_READS_FOREIGN_MEMORY inline uintptr_t LoadWord(uintptr_t at) {
  return __atomic_load_n(reinterpret_cast<const uintptr_t*>(at), __ATOMIC_RELAXED);
}

const Layout& LayoutOf(const SpanClassInfo& info) {
  return *reinterpret_cast<const Layout*>(info.mark_data[1]);
}

}  // namespace

Marker::Marker(Heap& heap, const LayoutTable& layouts, MarkQueue& queue, Specials* specials)
    : Tracer(&Marker::VisitPointer, &Marker::VisitWords),
      heap_(&heap),
      cage_(&heap.cage()),
      layouts_(&layouts),
      queue_(&queue),
      infos_(heap.classes().infos()),
      specials_(specials) {}

Marker::~Marker() { Flush(); }

void Marker::Flush() {
  while (ring_size_ != 0) {  // items whose bits have not been tested: back to where they came from
    Push(ring_[ring_head_].base);
    ring_head_ = (ring_head_ + 1) % kRing;
    --ring_size_;
  }
  if (local_ != nullptr) queue_->Put(local_);
  if (spare_ != nullptr) queue_->Put(spare_);
  local_ = spare_ = nullptr;
}

void Marker::Start(bool exclusive) {
  exclusive_ = exclusive;
  has_ephemerons_ = specials_ != nullptr && specials_->HasEphemerons();
  base_ = cage_->base();
  marks_ = cage_->Bits(Heap::MarkTable(heap_->sweepgen()), 0);
  if (local_ == nullptr) local_ = queue_->TakeEmpty();
}

MarkStats Marker::TakeStats() {
  const MarkStats s = stats_;
  stats_ = MarkStats{};
  return s;
}

void Marker::VisitPointer(Tracer* self, uintptr_t p) { static_cast<Marker*>(self)->PushIfHeap(p); }

void Marker::VisitWords(Tracer* self, const void* begin, const void* end) {
  static_cast<Marker*>(self)->layouts_->NoteUnbarrieredTrace();
  static_cast<Marker*>(self)->ScanConservatively(reinterpret_cast<uintptr_t>(begin),
                                                 reinterpret_cast<uintptr_t>(end));
}

void Marker::Push(uintptr_t item) {
  if (local_->count == MarkBuffer::kItems) [[unlikely]]
    Overflow();
  local_->items[local_->count++] = item;
}

void Marker::Overflow() {
  if (spare_ == nullptr) {
    spare_ = queue_->TakeEmpty();
  } else if (spare_->count != 0) {
    queue_->Put(spare_);
    spare_ = queue_->TakeEmpty();
  }
  std::swap(local_, spare_);
}

bool Marker::GetWork() {
  if (spare_ != nullptr && spare_->count != 0) {
    std::swap(local_, spare_);
    return true;
  }
  MarkBuffer* b = queue_->TakeFull();
  if (b == nullptr) return false;
  queue_->Put(local_);
  local_ = b;
  return true;
}

void Marker::ShareWork() {
  queue_->HearAsk();
  if (spare_ != nullptr && spare_->count != 0) {
    queue_->Put(spare_);
    spare_ = nullptr;
  } else if (local_->count > 4) {
    MarkBuffer* half = queue_->TakeEmpty();
    half->count = local_->count / 2;
    std::copy(local_->items, local_->items + half->count, half->items);
    std::copy(local_->items + half->count, local_->items + local_->count, local_->items);
    local_->count -= half->count;
    queue_->Put(half);
  }
}

bool Marker::Resolve(uintptr_t p, InFlight& out) const {
  const ObjectRef r = FindTrusted(*cage_, infos_, p);
  if (!r) return false;
  out.word = marks_ + r.first_page * (internal::kMarkBytesPerPage / 8) + r.index / 64;
  out.bit = uint64_t{1} << (r.index % 64);
  out.base = r.base;
  out.span_class = r.span_class;
  out.noscan = r.noscan;
  __builtin_prefetch(out.word, 1);
  if (!r.noscan) __builtin_prefetch(reinterpret_cast<const void*>(r.base));
  return true;
}

// Tops the ring up from the local stack; scans at most one slice. False when there is nothing left.
bool Marker::FillRing() {
  while (ring_size_ < kRing && local_->count != 0) {
    const uintptr_t item = local_->items[--local_->count];
    if (item & kItemTagMask) [[unlikely]] {
      ScanTagged(item);
      return true;
    }
    if (Resolve(item, ring_[(ring_head_ + ring_size_) % kRing])) ++ring_size_;
  }
  return ring_size_ != 0;
}

bool Marker::Drain(bool share, uint64_t limit) {
  const uint64_t end = limit > kNoLimit - work_ ? kNoLimit : work_ + limit;
  uint32_t steps = 0;
  for (;;) {
    if (!FillRing()) {
      if (!GetWork()) return true;
      continue;
    }
    if (ring_size_ != 0) {
      const InFlight f = ring_[ring_head_];
      ring_head_ = (ring_head_ + 1) % kRing;
      --ring_size_;
      Process(f);
    }
    if (work_ >= end) return false;
    if ((++steps & 127) == 0 && share && queue_->WantsWork()) ShareWork();
  }
}

// False if the bit was set already.
inline bool Marker::SetBit(std::atomic<uint64_t>* word, uint64_t bit) const {
  // relaxed: a mark bit publishes nothing; the object's contents were published with its pointer.
  const uint64_t old = word->load(std::memory_order_relaxed);
  if (old & bit) return false;
  if (exclusive_) {
    word->store(old | bit, std::memory_order_relaxed);
    return true;
  }
  return (word->fetch_or(bit, std::memory_order_relaxed) & bit) == 0;
}

inline void Marker::Process(const InFlight& f) {
  work_ += kItemWork;
  if (!SetBit(f.word, f.bit)) return;
  if (has_ephemerons_) [[unlikely]]
    VisitEphemerons(f);
  const SpanClassInfo& info = infos_[f.span_class];
  ++stats_.objects;
  if (info.elem_bytes != 0) [[likely]] {
    stats_.bytes += info.elem_bytes;
    if (!f.noscan) ScanObject(f.base, info);
    return;
  }
  const Span* span = cage_->SpanAt(cage_->PageOf(f.base));
  const size_t bytes = span->npages * internal::kPageBytes;
  if (span->IsHeapMemory()) stats_.bytes += bytes;
  if (!f.noscan) ScanLong(f.base, bytes, info);
}

TARN_READS_FOREIGN_MEMORY void Marker::ScanObject(uintptr_t base, const SpanClassInfo& info) {
  switch (static_cast<MarkKind>(info.mark_kind)) {
    case MarkKind::kMask64:
      stats_.scanned += info.elem_bytes;
      for (uint64_t mask = info.mark_data[0]; mask != 0; mask &= mask - 1) {
        PushIfHeap(LoadWord(base + static_cast<size_t>(std::countr_zero(mask)) * kWordBytes));
      }
      return;
    case MarkKind::kMask64Code: {
      stats_.scanned += info.elem_bytes;
      const internal::WordCodec& codec = LayoutOf(info).codec;
      for (uint64_t mask = info.mark_data[0]; mask != 0; mask &= mask - 1) {
        PushIfHeap(codec.Decode(
            LoadWord(base + static_cast<size_t>(std::countr_zero(mask)) * kWordBytes)));
      }
      return;
    }
    default:
      return ScanLong(base, info.elem_bytes, info);
  }
}

void Marker::ScanLong(uintptr_t base, size_t bytes, const SpanClassInfo& info) {
  if (static_cast<MarkKind>(info.mark_kind) == MarkKind::kCustom) {
    stats_.scanned += bytes;
    return LayoutOf(info).trace(reinterpret_cast<const void*>(base), *this);
  }
  ScanPiece(base, base, base + bytes, info);
}

void Marker::ScanTagged(uintptr_t item) {
  const uintptr_t at = item & ~kItemTagMask;
  if ((item & kItemTagMask) == kSliceTag) {
    ScanSlice(at);
  } else {
    ScanContents(at);
  }
}

// An object under construction is marked and is left to its thread, like all that are marked.
void Marker::ScanContents(uintptr_t object) {
  InFlight f;
  if (!Resolve(object, f) || f.noscan) return;
  // relaxed: a mark that is not seen costs a second scan.
  if (f.word->load(std::memory_order_relaxed) & f.bit) return;
  const SpanClassInfo& info = infos_[f.span_class];
  if (info.elem_bytes != 0) {
    ScanObject(f.base, info);
  } else {
    ScanLong(f.base, cage_->SpanAt(cage_->PageOf(f.base))->npages * internal::kPageBytes, info);
  }
}

namespace {

class ItemVisitor final : public LifeVisitor {
 public:
  explicit ItemVisitor(Marker& marker) : marker_(marker) {}
  void Object(uintptr_t p) override { marker_.Push(p & ~kItemTagMask); }
  void Contents(uintptr_t object) override { marker_.Push(object | kContentsTag); }
  void Word(uintptr_t) override {}

 private:
  Marker& marker_;
};

}  // namespace

void Marker::VisitEphemerons(const InFlight& f) {
  const ObjectRef r = FindTrusted(*cage_, infos_, f.base);
  ItemVisitor visitor(*this);
  specials_->KeyMarked({cage_->SpanAt(r.first_page), r.index}, visitor);
}

void Marker::ScanSlice(uintptr_t at) {
  const ObjectRef r = FindTrusted(*cage_, infos_, at);
  TARN_CHECK(r);
  ScanPiece(r.base, at, r.base + SlotBytes(*heap_, r), infos_[r.span_class]);
}

// One slice from `at`. The next one is an item below what this one finds: another marker may take it.
void Marker::ScanPiece(uintptr_t object, uintptr_t at, uintptr_t end, const SpanClassInfo& info) {
  const uintptr_t next = at + kSliceBytes;
  if (next < end) Push(next | kSliceTag);
  const uintptr_t to = std::min(end, next);
  // As it is done: assists are credited with it.
  stats_.scanned += to - at;
  work_ += to - at;
  ScanRange(object, at, to, info);
}

TARN_READS_FOREIGN_MEMORY void Marker::ScanRange(uintptr_t object, uintptr_t from, uintptr_t to,
                                                 const SpanClassInfo& info) {
  if (static_cast<MarkKind>(info.mark_kind) == MarkKind::kConservative) {
    return ScanConservatively(from, to);
  }
  const Layout& l = LayoutOf(info);
  size_t word = (from - object) / kWordBytes;
  // The position inside the period is stepped, not divided for each word.
  size_t in_period =
      l.period_words != 0 && word >= l.prefix_words ? (word - l.prefix_words) % l.period_words : 0;
  for (uintptr_t at = from; at < to; at += kWordBytes, ++word) {
    bool pointer;
    if (word < l.prefix_words) {
      pointer = (l.prefix_bits[word / 64] >> (word % 64)) & 1;
    } else if (l.period_words == 0) {
      return;
    } else {
      pointer = (l.period_bits[in_period / 64] >> (in_period % 64)) & 1;
      if (++in_period == l.period_words) in_period = 0;
    }
    if (pointer) PushIfHeap(l.codec.Decode(LoadWord(at)));
  }
}

TARN_READS_FOREIGN_MEMORY void Marker::ScanConservatively(uintptr_t from, uintptr_t to) {
  const auto take = [&](uintptr_t w) {
    if (!cage_->Contains(w)) return;
    if (const ObjectRef r = FindObject(*heap_, w)) Push(r.base);
  };
  const size_t codecs = ValueCodecs::count();
  for (uintptr_t at = from; at < to; at += kWordBytes) {
    const uintptr_t w = LoadWord(at);
    take(w);
    for (size_t i = 0; i < codecs; ++i) take(ValueCodecs::Get(i).Decode(w));
  }
}

}  // namespace tarn::rt
