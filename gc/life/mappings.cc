#include "gc/life/mappings.h"

#include <algorithm>

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

}  // namespace

// --- Threads ---

void Mappings::Add(Mapping* m) {
  made_.fetch_add(1, std::memory_order_relaxed);
  made_bytes_.fetch_add(m->bytes, std::memory_order_relaxed);
  num_active_.fetch_add(1, std::memory_order_relaxed);
  bytes_active_.fetch_add(m->bytes, std::memory_order_relaxed);
  LockHolder hold(lock_);
  m->span->mapping.store(m, std::memory_order_relaxed);  // relaxed: under the lock
  m->next = head_;
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

void Mappings::NoteUnmapped(const Mapping& m) {
  num_active_.fetch_sub(1, std::memory_order_relaxed);
  bytes_active_.fetch_sub(m.bytes, std::memory_order_relaxed);
  num_unmapped_.fetch_add(1, std::memory_order_relaxed);
}

// Added before it can be taken out by another thread. keeps L4 of heap_stats.h
void Mappings::Charge(Mapping& m, size_t bytes) {
  std::atomic<uint64_t>& external = heap_.stats().external_bytes;
  external.fetch_add(bytes, std::memory_order_relaxed);
  charged_.fetch_add(bytes, std::memory_order_relaxed);
  // acq_rel: pairs with itself, see Mapping::charged.
  const size_t old = m.charged.exchange(bytes, std::memory_order_acq_rel);
  charged_.fetch_sub(old, std::memory_order_relaxed);
  uint64_t have = external.load(std::memory_order_relaxed);
  // relaxed: a number. Less is there only if the program has taken more than it gave.
  while (!external.compare_exchange_weak(have, have - std::min<uint64_t>(have, old),
                                         std::memory_order_relaxed)) {
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

Mappings::Pressure Mappings::PressureFor(size_t bytes) const {
  const uint64_t made =
      made_.load(std::memory_order_relaxed) + 1 - made_seen_.load(std::memory_order_relaxed);
  const uint64_t made_bytes = made_bytes_.load(std::memory_order_relaxed) + bytes -
                              made_bytes_seen_.load(std::memory_order_relaxed);
  const uint64_t due =
      std::clamp(survivors_.load(std::memory_order_relaxed), kLeastMade, kMostMade);
  const uint64_t due_bytes = heap_.cage().bytes() / kShareOfCage;
  if (made >= kPatience * due || made_bytes >= kPatience * due_bytes) return Pressure::kWait;
  return made >= due || made_bytes >= due_bytes ? Pressure::kCollect : Pressure::kNone;
}

// --- The driver ---

bool Mappings::IsMarked(const Span* span) const {
  const std::atomic<uint64_t>* marks =
      heap_.cage().Bits(Heap::MarkTable(heap_.sweepgen()), heap_.cage().FirstPage(span));
  return marks->load(std::memory_order_relaxed) & 1;  // relaxed: marking is over
}

void Mappings::End(Mapping* m, Mapping* before) {
  {
    LockHolder hold(lock_);
    if (before == nullptr && head_ != m) {  // others have come in front
      before = head_;
      while (before->next != m) before = before->next;
    }
    (before == nullptr ? head_ : before->next) = m->next;
    m->span->mapping.store(nullptr, std::memory_order_relaxed);  // relaxed: under the lock
  }
  if (m->state.load(std::memory_order_relaxed) == Mapping::kUnmapped) {
    num_unmapped_.fetch_sub(1, std::memory_order_relaxed);
  } else {
    num_active_.fetch_sub(1, std::memory_order_relaxed);
    bytes_active_.fetch_sub(m->bytes, std::memory_order_relaxed);
  }
  died_.fetch_add(1, std::memory_order_relaxed);
  Charge(*m, 0);
  if (!heap_.pages().TakeBack(m->span, m->bytes)) lost_.fetch_add(1, std::memory_order_relaxed);
  pool_.Delete(m);
}

void Mappings::Measure(Mapping& m, const PageMap& pages) {
  if (m.accounting != MappingAccounting::kResident || m.held == HeldMemory::kNone) return;
  if (m.held == HeldMemory::kAnonymous && !m.may_write.load(std::memory_order_relaxed)) return;
  // relaxed: one that is being unmapped is charged until the next cycle sees that it was.
  const bool is_unmapped = m.state.load(std::memory_order_relaxed) == Mapping::kUnmapped;
  ResidentBytes r;
  if (!is_unmapped) r = pages.Estimate(reinterpret_cast<const void*>(m.base), m.bytes);
  Charge(m, m.held == HeldMemory::kAll ? r.all : r.anonymous);
}

void Mappings::EndDead() {
  Mapping* m;
  {
    LockHolder hold(lock_);
    m = head_;
  }
  made_seen_.store(made_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  made_bytes_seen_.store(made_bytes_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  if (m == nullptr) return survivors_.store(0, std::memory_order_relaxed);
  const PageMap pages;
  uint64_t survivors = 0;
  for (Mapping* before = nullptr; m != nullptr;) {
    Mapping* const next = m->next;
    if (IsMarked(m->span)) {
      if (pages.ok()) Measure(*m, pages);
      ++survivors;
      before = m;
    } else {
      End(m, before);
    }
    m = next;
  }
  survivors_.store(survivors, std::memory_order_relaxed);
}

void Mappings::ChildAfterFork() {
  ForEach([](const Mapping& m) {
    // relaxed: the child has one thread.
    uint32_t busy = Mapping::kBusy;
    const_cast<Mapping&>(m).state.compare_exchange_strong(busy, Mapping::kMapped,
                                                          std::memory_order_relaxed);
  });
}

}  // namespace tarn::rt
