// Cage: the one contiguous reservation that holds every object, and the flat side tables over it.
// Not here: which pages are free (page_alloc.h); what is in a span (span.h, span_class.h).
// I1 [base, base + committed) is mapped and its side tables are accessible; committed only grows,
// by
//    whole arenas, so a pointer below it can be looked up at any time without a lock.
// I2 Span and bits of a page are Ready, unless their table group is idle: then nothing uses them,
//    they are Prepared, and nobody counts them. No page of an idle group is in a span of the heap's
//    memory, nor the first of any span.
// Tables, per page: one PageEntry (8 B), one Span (64 B), two bit maps of 128 B. Table group: the
// pages whose spans are one page of the system, 64 as a rule.
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
  // are used. IdleTables makes the groups idle that are wholly in the rest; they stay so until
  // UseTables names them. The pages are the caller's.
  void IdleTables(size_t first_page, size_t npages);
  // Keeps I2 for pages that are being handed out: under the heap lock. Contents are as of free
  // pages. False when the system refuses.
  [[nodiscard]] bool UseTables(size_t first_page, size_t npages);
  // Under the heap lock, before IdleTables of as many pages. Without memory for it, tables are
  // never idle.
  void PrepareIdleTables(size_t npages);

  // Advice for the whole reservation, so that it splits no mapping. After Init, before Grow.
  void AdviseHugePages(bool wanted);
  // The same advice, if it was given, for a part of it that is mapped anew.
  void AdviseAnew(void* p, size_t bytes);

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
  void SetEntries(size_t first_page, size_t npages, uint16_t span_class, bool noscan) {
    SetEntries(first_page, 0, npages, span_class, noscan);
  }
  // Of pages [from, to) of the span.
  void SetEntries(size_t first_page, size_t from, size_t to, uint16_t span_class, bool noscan);
  void ClearEntries(size_t first_page, size_t npages);

  // Word `i` of bit table `which` (0 or 1) of the span that starts at `first_page`.
  std::atomic<uint64_t>* Bits(unsigned which, size_t first_page) const {
    return bits_[which] + first_page * (internal::kMarkBytesPerPage / 8);
  }

 private:
  [[nodiscard]] bool ReserveTables(size_t bytes);
  // f(start, bytes) for the spans and the bits of whole groups, until it returns false. Whether it
  // did not.
  template <class F>
  bool ForTables(size_t first_group, size_t groups, F&& f) const;
  // f(first, groups) for the runs of groups in [first, end) that are idle, or are not.
  template <class F>
  void ForRuns(size_t first, size_t end, bool idle, F&& f) const;
  bool IsIdle(size_t group) const;
  void SetIdle(size_t first_group, size_t groups, bool idle);
  size_t IdleBitsBytes() const;

  OsMemory* os_ = nullptr;
  uintptr_t base_ = 0;
  size_t bytes_ = 0;
  std::atomic<size_t> committed_{0};
  std::atomic<uint64_t>* entries_ = nullptr;
  Span* spans_ = nullptr;
  std::atomic<uint64_t>* bits_[2] = {nullptr, nullptr};
  size_t table_bytes_ = 0;
  size_t group_pages_ = 0;
  // A bit for each group; null while nothing was ever lent. relaxed: whoever hands a page out does
  // so under the heap lock, under which the pages of an idle group were given back. A word has bits
  // of neighbours.
  std::atomic<uint64_t>* idle_bits_ = nullptr;
  std::atomic<size_t> idle_groups_{0};  // relaxed: as above
  enum class HugePages : uint8_t {
    kNoAdvice,
    kWanted,
    kUnwanted
  } huge_pages_ = HugePages::kNoAdvice;
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_CAGE_H_
