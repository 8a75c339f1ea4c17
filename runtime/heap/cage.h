// Cage: the one contiguous reservation that holds every object, and the flat side tables over it.
// Not here: which pages are free (page_alloc.h); what is in a span (span.h, span_class.h).
// I1 [base, base + committed) is mapped and its side tables are accessible; committed only grows,
// by
//    whole arenas, so a pointer below it can be looked up at any time without a lock.
// Tables, per page: one PageEntry (8 B), one Span (64 B), two bit maps of 128 B.
// Locking: Grow under the heap lock; look-ups need none.
// Cost: a look-up is one subtraction, one shift, one load.
#ifndef TARN_RUNTIME_HEAP_CAGE_H_
#define TARN_RUNTIME_HEAP_CAGE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/heap/page_entry.h"
#include "runtime/heap/span.h"
#include "runtime/os/os_memory.h"
#include "tarn/internal/config.h"

namespace tarn::rt {

class Cage {
 public:
  Cage() = default;
  ~Cage();
  Cage(const Cage&) = delete;
  Cage& operator=(const Cage&) = delete;

  // Reserves `want_bytes` (rounded up to arenas), halving on refusal down to 1 GiB. False if even
  // that is refused; nothing stays reserved then.
  [[nodiscard]] bool Init(OsMemory& os, size_t want_bytes);
  // Gives the reservations back. `ready_bytes` of the committed part are Ready.
  void Destroy(size_t ready_bytes);
  // The default size: 1 TiB or four times physical memory, whichever is larger.
  static size_t DefaultBytes();
  // What Grow(arenas) adds to table_bytes().
  static size_t TableBytesOf(size_t arenas);
  // The part of it that pages of one span need.
  static size_t EntryBytesOf(size_t arenas) { return arenas * internal::kPagesPerArena * 8; }

  // Maps the next `arenas` arenas and commits their side tables. False when the cage is used up or
  // the system refuses; nothing has changed then.
  [[nodiscard]] bool Grow(size_t arenas);

  // Drops the side tables of pages that are in no span and of which nothing is backed: they are zero
  // again, or what they were. Tables of which the range is not whole pages of the system stay.
  void DiscardTables(size_t first_page, size_t npages);
  // Of a span of `npages` that holds one object, only the tables of its first page and its page entries
  // are used. LendTables makes the rest of its tables Prepared, as far as it is whole pages of the
  // system; TakeBackTables makes it Ready again, with the contents of a free page. False when the system
  // refuses; nothing has changed then.
  void LendTables(size_t first_page, size_t npages);
  [[nodiscard]] bool TakeBackTables(size_t first_page, size_t npages);

  // Advice for the whole reservation, so that it splits no mapping. After Init, before Grow.
  void AdviseHugePages(bool wanted);
  // The same advice, if it was given, for a part of it that is mapped anew.
  void AdviseAnew(size_t first_page, size_t npages);

  bool Contains(uintptr_t p) const {
    // relaxed: a pointer that somebody holds was published after the growth it depends on.
    return p - base_ < committed_.load(std::memory_order_relaxed);
  }
  uintptr_t base() const { return base_; }
  size_t bytes() const { return bytes_; }
  size_t committed() const { return committed_.load(std::memory_order_relaxed); }
  size_t committed_pages() const { return committed() >> internal::kPageShift; }
  size_t table_bytes() const { return table_bytes_; }

  size_t PageOf(uintptr_t p) const { return (p - base_) >> internal::kPageShift; }
  uintptr_t AddressOf(size_t page) const { return base_ + (page << internal::kPageShift); }
  Span* SpanAt(size_t first_page) const { return &spans_[first_page]; }
  size_t FirstPage(const Span* s) const { return static_cast<size_t>(s - spans_); }
  uintptr_t BaseOf(const Span* s) const { return AddressOf(FirstPage(s)); }

  PageEntry Entry(size_t page) const {
    // acquire: pairs with the release in SetEntries; the span and its zeroed contents are visible.
    return PageEntry(entries_[page].load(std::memory_order_acquire));
  }
  // For the marker, which reached the page through a published pointer.
  const std::atomic<uint64_t>* entries() const { return entries_; }
  void SetEntries(size_t first_page, size_t npages, uint16_t span_class, bool noscan);
  void ClearEntries(size_t first_page, size_t npages);

  // Word `i` of bit table `which` (0 or 1) of the span that starts at `first_page`.
  std::atomic<uint64_t>* Bits(unsigned which, size_t first_page) const {
    return bits_[which] + first_page * (internal::kMarkBytesPerPage / 8);
  }

 private:
  [[nodiscard]] bool ReserveTables(size_t bytes);
  // f(start, bytes) for the tables that LendTables means, until it returns false. Whether it did not.
  template <class F>
  bool ForEachUnusedTable(size_t first_page, size_t npages, F&& f) const;

  OsMemory* os_ = nullptr;
  uintptr_t base_ = 0;
  size_t bytes_ = 0;
  std::atomic<size_t> committed_{0};
  std::atomic<uint64_t>* entries_ = nullptr;
  Span* spans_ = nullptr;
  std::atomic<uint64_t>* bits_[2] = {nullptr, nullptr};
  size_t table_bytes_ = 0;
  enum class HugePages : uint8_t {
    kNoAdvice,
    kWanted,
    kUnwanted
  } huge_pages_ = HugePages::kNoAdvice;
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_CAGE_H_
