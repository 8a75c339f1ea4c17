#include "gc/life/mappings.h"

#include <algorithm>

#include "runtime/base/clock.h"

namespace tarn::rt {
namespace {

// A cycle begins after so many new mappings, or as many as there are, if that is more.
constexpr uint64_t kLeastMade = 1024;
// A process has 65530 kernel mappings, and one of ours may take two.
constexpr uint64_t kMostMade = 8192;
// Or when they have taken this part of the address space.
constexpr size_t kShareOfCage = 8;
// Who makes them faster than cycles end them waits.
constexpr uint64_t kPatience = 2;

// Memory of mappings that no cycle has looked at is not in the ledger. So much of it, at least, is
// nothing to begin a cycle for: the smallest goals are of that size.
constexpr uint64_t kLeastUnseenBytes = uint64_t{64} << 20;
// The driver looks at page tables for so long in one cycle.
constexpr int64_t kMeasureNanos = 2'000'000;

// The number that was seen is read before the one that grows, so it is the smaller one.
uint64_t Since(const std::atomic<uint64_t>& seen, const std::atomic<uint64_t>& now) {
  const uint64_t before = seen.load(std::memory_order_acquire);  // acquire: see StoreSeen
  return now.load(std::memory_order_relaxed) - before;
}

void StoreSeen(std::atomic<uint64_t>& seen, const std::atomic<uint64_t>& now) {
  // release: pairs with the acquire in Since: whoever sees it sees `now` at least as large.
  seen.store(now.load(std::memory_order_relaxed), std::memory_order_release);
}

}  // namespace

// --- Threads ---

void Mappings::Add(Mapping* m) {
  made_.fetch_add(1, std::memory_order_relaxed);
  made_bytes_.fetch_add(m->bytes, std::memory_order_relaxed);
  if (m->IsUnseenMemory()) made_unseen_.fetch_add(m->bytes, std::memory_order_relaxed);
  num_active_.fetch_add(1, std::memory_order_relaxed);
  bytes_active_.fetch_add(m->bytes, std::memory_order_relaxed);
  charged_.fetch_add(m->charged, std::memory_order_relaxed);
  LockHolder hold(lock_);
  m->span->mapping.store(m, std::memory_order_relaxed);  // relaxed: under the lock
  m->next = head_;
  if (head_ != nullptr) head_->prev = m;
  head_ = m;
}

Mapping* Mappings::Find(const Span* span, uintptr_t p) {
  LockHolder hold(lock_);
  // relaxed: a span that was found is published. Its mapping, under the lock, is null since before
  // it ends.
  if (span->backing.load(std::memory_order_relaxed) != SpanBacking::kLent) return nullptr;
  auto* const m = static_cast<Mapping*>(span->mapping.load(std::memory_order_relaxed));
  // The span may have become another one's since the caller found it.
  return m != nullptr && p - m->base < m->bytes ? m : nullptr;
}

void Mappings::NoteUnmapped(Mapping& m) {
  num_active_.fetch_sub(1, std::memory_order_relaxed);
  bytes_active_.fetch_sub(m.bytes, std::memory_order_relaxed);
  num_unmapped_.fetch_add(1, std::memory_order_relaxed);
  Charge(m, 0);
}

void Mappings::Charge(Mapping& m, size_t bytes) {
  LockHolder hold(lock_);
  ChargeLocked(m, bytes);
}

// keeps I4, and L4 of heap_stats.h. The difference alone is added or taken: nobody sees both
// amounts.
void Mappings::ChargeLocked(Mapping& m, size_t bytes) {
  // relaxed: who unmaps it comes here afterwards.
  if (m.state.load(std::memory_order_relaxed) == Mapping::kUnmapped) bytes = 0;
  const size_t old = m.charged;
  m.charged = bytes;
  if (bytes >= old) {
    HeapStats::Add(heap_.stats().external_bytes, bytes - old);
    charged_.fetch_add(bytes - old, std::memory_order_relaxed);
  } else {
    HeapStats::SubToZero(heap_.stats().external_bytes, old - bytes);
    charged_.fetch_sub(old - bytes, std::memory_order_relaxed);
  }
}

MappingStats Mappings::Stats() const {
  MappingStats s;
  s.num_active = num_active_.load(std::memory_order_relaxed);
  s.bytes_active = bytes_active_.load(std::memory_order_relaxed);
  s.charged_bytes = charged_.load(std::memory_order_relaxed);
  s.num_unmapped = num_unmapped_.load(std::memory_order_relaxed);
  s.made = made_.load(std::memory_order_relaxed);
  s.died = died_.load(std::memory_order_relaxed);
  s.lost = lost_.load(std::memory_order_relaxed);
  return s;
}

// The number, and the addresses, of those made include the one to be made; the memory that nobody
// has seen does so only for a collection to begin: one large mapping waits for none.
Mappings::Pressure Mappings::PressureFor(size_t bytes, bool is_unseen_memory, uint64_t room) const {
  const uint64_t made = Since(made_seen_, made_) + 1;
  const uint64_t made_bytes = Since(made_bytes_seen_, made_bytes_) + bytes;
  const uint64_t unseen = Since(made_unseen_seen_, made_unseen_);
  const uint64_t due =
      std::clamp(survivors_.load(std::memory_order_relaxed), kLeastMade, kMostMade);
  const uint64_t due_bytes = heap_.cage().bytes() / kShareOfCage;
  const uint64_t due_unseen = std::max(room, kLeastUnseenBytes);
  if (made >= kPatience * due || made_bytes >= kPatience * due_bytes) return Pressure::kWait;
  if (is_unseen_memory && unseen / kPatience >= due_unseen) return Pressure::kWait;
  const bool is_unseen_due = is_unseen_memory && unseen + bytes > due_unseen;
  return made >= due || made_bytes >= due_bytes || is_unseen_due ? Pressure::kCollect
                                                                 : Pressure::kNone;
}

// --- The driver ---

bool Mappings::IsMarked(const Span* span) const {
  const std::atomic<uint64_t>* marks =
      heap_.cage().Bits(Heap::MarkTable(heap_.sweepgen()), heap_.cage().FirstPage(span));
  return marks->load(std::memory_order_relaxed) & 1;  // relaxed: marking is over
}

void Mappings::End(Mapping* m) {
  if (turn_ == m) turn_ = m->next;
  {
    LockHolder hold(lock_);
    (m->prev != nullptr ? m->prev->next : head_) = m->next;
    if (m->next != nullptr) m->next->prev = m->prev;
    m->span->mapping.store(nullptr, std::memory_order_relaxed);  // relaxed: under the lock
    ChargeLocked(*m, 0);
  }
  if (m->state.load(std::memory_order_relaxed) == Mapping::kUnmapped) {
    num_unmapped_.fetch_sub(1, std::memory_order_relaxed);
  } else {
    num_active_.fetch_sub(1, std::memory_order_relaxed);
    bytes_active_.fetch_sub(m->bytes, std::memory_order_relaxed);
  }
  died_.fetch_add(1, std::memory_order_relaxed);
  if (m->is_torn) {
    heap_.pages().Abandon(m->span);
    lost_.fetch_add(1, std::memory_order_relaxed);
  } else if (!heap_.pages().TakeBack(m->span, m->bytes)) {
    lost_.fetch_add(1, std::memory_order_relaxed);
  }
  pool_.Delete(m);
}

void Mappings::Measure(Mapping& m, const PageMap& pages) {
  if (m.accounting != MappingAccounting::kResident || m.held == HeldMemory::kNone) return;
  if (m.held == HeldMemory::kAnonymous && !m.may_write.load(std::memory_order_relaxed)) return;
  // relaxed: seen again under the lock.
  const bool is_unmapped = m.state.load(std::memory_order_relaxed) == Mapping::kUnmapped;
  ResidentBytes r;
  if (!is_unmapped) r = pages.Estimate(reinterpret_cast<const void*>(m.base), m.bytes);
  Charge(m, m.held == HeldMemory::kAll ? r.all : r.anonymous);
}

Mapping* Mappings::First() {
  LockHolder hold(lock_);
  return head_;
}

// Others keep what was found last.
void Mappings::MeasureInTurn() {
  Mapping* const begin = turn_ != nullptr ? turn_ : First();
  if (begin == nullptr) return;
  const PageMap pages;
  if (!pages.ok()) return;
  const int64_t end = MonotonicNanos() + kMeasureNanos;
  Mapping* m = begin;
  do {
    Measure(*m, pages);
    m = m->next != nullptr ? m->next : First();
  } while (m != begin && MonotonicNanos() < end);
  turn_ = m;
}

void Mappings::EndDead() {
  StoreSeen(made_seen_, made_);
  StoreSeen(made_bytes_seen_, made_bytes_);
  StoreSeen(made_unseen_seen_, made_unseen_);
  uint64_t survivors = 0;
  for (Mapping* m = First(); m != nullptr;) {
    Mapping* const next = m->next;
    if (IsMarked(m->span)) {
      ++survivors;
    } else {
      End(m);
    }
    m = next;
  }
  survivors_.store(survivors, std::memory_order_relaxed);
  MeasureInTurn();
}

// --- The child of fork() ---

// relaxed (all): the child has one thread.
void Mappings::SettleInChild(Mapping& m) {
  uint32_t state = m.state.load(std::memory_order_relaxed);
  if (state == Mapping::kBusy) state = Mapping::kMapped;
  const bool is_closing = state == Mapping::kClosing;  // by a thread that is not here to finish it
  if (is_closing) {
    state = heap_.pages().CloseLent(m.span, m.bytes) ? Mapping::kUnmapped : Mapping::kMapped;
  }
  const OsMemory::Holes holes = heap_.os().FillHoles(reinterpret_cast<void*>(m.base), m.bytes);
  if (holes != OsMemory::Holes::kWhole) state = Mapping::kUnmapped;
  if (holes == OsMemory::Holes::kTorn) m.is_torn = true;
  m.state.store(state, std::memory_order_relaxed);
}

void Mappings::ChildAfterFork() {
  LockHolder hold(lock_);
  uint64_t active = 0, bytes = 0, unmapped = 0;
  for (Mapping* m = head_; m != nullptr; m = m->next) {
    SettleInChild(*m);
    if (m->state.load(std::memory_order_relaxed) == Mapping::kUnmapped) {
      ++unmapped;
      ChargeLocked(*m, 0);
    } else {
      ++active;
      bytes += m->bytes;
    }
  }
  // Threads that are not here may have been about to count.
  num_active_.store(active, std::memory_order_relaxed);
  bytes_active_.store(bytes, std::memory_order_relaxed);
  num_unmapped_.store(unmapped, std::memory_order_relaxed);
}

}  // namespace tarn::rt
