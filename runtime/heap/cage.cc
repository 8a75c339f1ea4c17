#include "runtime/heap/cage.h"

#include <unistd.h>

#include <algorithm>

#include "runtime/base/bits.h"
#include "runtime/base/check.h"

namespace tarn::rt {

using internal::kArenaBytes;
using internal::kPageBytes;
using internal::kPagesPerArena;

namespace {

constexpr size_t kMinCageBytes = internal::kArenasMin * kArenaBytes;

struct TableShape {
  size_t entry_bytes, span_bytes, bit_bytes;
};
// Sizes of the tables over `bytes` of cage.
TableShape ShapeFor(size_t bytes) {
  const size_t pages = bytes >> internal::kPageShift;
  return {pages * sizeof(uint64_t), pages * sizeof(Span), pages * internal::kMarkBytesPerPage};
}

bool Commit(OsMemory& os, void* table, size_t offset, size_t bytes) {
  char* p = static_cast<char*>(table) + offset;
  if (!os.Map(p, bytes)) return false;
  if (os.Used(p, bytes, bytes)) return true;
  os.Fault(p, bytes, 0);
  return false;
}

}  // namespace

Cage::~Cage() { Destroy(0); }

size_t Cage::DefaultBytes() {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  return size_t{64} << 30;  // sanitizers leave less room in the address space
#else
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
  return size_t{64} << 30;
#endif
#endif
  const auto pages = static_cast<size_t>(sysconf(_SC_PHYS_PAGES));
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return std::max(size_t{1} << 40, RoundUp(4 * pages * page_bytes, kArenaBytes));
#endif
}

bool Cage::Init(OsMemory& os, size_t want_bytes) {
  os_ = &os;
  size_t bytes = std::max<size_t>(RoundUp(want_bytes, kArenaBytes), kMinCageBytes);
  for (;; bytes = std::max<size_t>(RoundDown(bytes / 2, kArenaBytes), kMinCageBytes)) {
    if (void* p = os.Reserve(bytes, kArenaBytes)) {
      base_ = reinterpret_cast<uintptr_t>(p);
      bytes_ = bytes;
      if (ReserveTables(bytes)) return true;
      Destroy(0);
    }
    if (bytes == kMinCageBytes) return false;
  }
}

bool Cage::ReserveTables(size_t bytes) {
  const TableShape shape = ShapeFor(bytes);
  const size_t align = os_->PhysicalPageBytes();
  entries_ = static_cast<std::atomic<uint64_t>*>(os_->Reserve(shape.entry_bytes, align));
  spans_ = static_cast<Span*>(os_->Reserve(shape.span_bytes, align));
  for (auto& b : bits_)
    b = static_cast<std::atomic<uint64_t>*>(os_->Reserve(shape.bit_bytes, align));
  if (entries_ == nullptr || spans_ == nullptr || bits_[0] == nullptr || bits_[1] == nullptr) {
    return false;
  }
  // A core file holds objects, not tables about them. Whole reservations: no mapping is split.
  os_->Dump(entries_, shape.entry_bytes, false);
  os_->Dump(spans_, shape.span_bytes, false);
  for (auto& b : bits_) os_->Dump(b, shape.bit_bytes, false);
  // Nor address space: there are programs that write what is reserved as zeros (gcore).
  os_->Dump(reinterpret_cast<void*>(base_), bytes, false);
  return true;
}

void Cage::Destroy(size_t ready_bytes) {
  const TableShape shape = ShapeFor(bytes_);
  const TableShape used = ShapeFor(committed());
  if (base_ != 0) os_->Free(reinterpret_cast<void*>(base_), bytes_, committed(), ready_bytes);
  if (entries_ != nullptr)
    os_->Free(entries_, shape.entry_bytes, used.entry_bytes, used.entry_bytes);
  if (spans_ != nullptr) os_->Free(spans_, shape.span_bytes, used.span_bytes, used.span_bytes);
  for (auto& b : bits_) {
    if (b != nullptr) os_->Free(b, shape.bit_bytes, used.bit_bytes, used.bit_bytes);
    b = nullptr;
  }
  base_ = 0;
  bytes_ = 0;
  committed_.store(0, std::memory_order_relaxed);  // relaxed: nobody uses the cage any more
  entries_ = nullptr;
  spans_ = nullptr;
  table_bytes_ = 0;
}

size_t Cage::TableBytesOf(size_t arenas) {
  const TableShape one = ShapeFor(kArenaBytes);
  return arenas * (one.entry_bytes + one.span_bytes + 2 * one.bit_bytes);
}

bool Cage::Grow(size_t arenas) {
  const size_t from = committed();
  const size_t grow = arenas * kArenaBytes;
  if (arenas == 0 || grow / kArenaBytes != arenas || grow > bytes_ - from) return false;
  const TableShape at = ShapeFor(from);
  const TableShape len = ShapeFor(grow);
  struct Part {
    void* table;
    size_t offset, bytes;
  };
  const Part parts[] = {{entries_, at.entry_bytes, len.entry_bytes},
                        {spans_, at.span_bytes, len.span_bytes},
                        {bits_[0], at.bit_bytes, len.bit_bytes},
                        {bits_[1], at.bit_bytes, len.bit_bytes}};
  size_t done = 0;
  for (; done < 4; ++done) {
    if (!Commit(*os_, parts[done].table, parts[done].offset, parts[done].bytes)) break;
  }
  bool ok = done == 4;
  if (ok) ok = os_->Map(reinterpret_cast<void*>(base_ + from), grow);
  if (!ok) {  // undo, so that a later attempt starts from the same state
    while (done-- > 0) {
      os_->Fault(static_cast<char*>(parts[done].table) + parts[done].offset, parts[done].bytes,
                 parts[done].bytes);
    }
    return false;
  }
  os_->Dump(reinterpret_cast<void*>(base_ + from), grow, true);
  for (const Part& p : parts) table_bytes_ += p.bytes;
  // release: pairs with nothing stronger than address dependency; pointers into the new arenas are
  // published later by their allocators.
  committed_.store(from + grow, std::memory_order_release);
  return true;
}

void Cage::DiscardTables(size_t first_page, size_t npages) {
  const TableShape at = ShapeFor(first_page * kPageBytes);
  const TableShape len = ShapeFor(npages * kPageBytes);
  const size_t unit = os_->PhysicalPageBytes();
  const auto discard = [&](void* table, size_t offset, size_t bytes) {
    if (IsAligned(offset | bytes, unit)) os_->Discard(static_cast<char*>(table) + offset, bytes);
  };
  discard(entries_, at.entry_bytes, len.entry_bytes);
  discard(spans_, at.span_bytes, len.span_bytes);
  for (auto& b : bits_) discard(b, at.bit_bytes, len.bit_bytes);
}

template <class F>
bool Cage::ForEachUnusedTable(size_t first_page, size_t npages, F&& f) const {
  const TableShape at = ShapeFor((first_page + 1) * kPageBytes);
  const TableShape end = ShapeFor((first_page + npages) * kPageBytes);
  const size_t unit = os_->PhysicalPageBytes();
  const auto part = [&](void* table, size_t from, size_t to) {
    from = RoundUp(from, unit);
    to = RoundDown(to, unit);
    return from >= to || f(static_cast<char*>(table) + from, to - from);
  };
  return part(spans_, at.span_bytes, end.span_bytes) &&
         part(bits_[0], at.bit_bytes, end.bit_bytes) && part(bits_[1], at.bit_bytes, end.bit_bytes);
}

void Cage::LendTables(size_t first_page, size_t npages) {
  ForEachUnusedTable(first_page, npages, [this](char* p, size_t bytes) {
    os_->Unused(p, bytes, bytes);
    return true;
  });
}

bool Cage::TakeBackTables(size_t first_page, size_t npages) {
  size_t done = 0;
  const bool ok = ForEachUnusedTable(first_page, npages, [&](char* p, size_t bytes) {
    if (!os_->Used(p, bytes, bytes)) return false;
    ++done;
    return true;
  });
  if (ok) return true;
  ForEachUnusedTable(first_page, npages, [&](char* p, size_t bytes) {
    if (done == 0) return false;
    --done;
    os_->Unused(p, bytes, bytes);
    return true;
  });
  return false;
}

void Cage::AdviseAnew(size_t first_page, size_t npages) {
  void* p = reinterpret_cast<void*>(AddressOf(first_page));
  if (huge_pages_ == HugePages::kWanted) os_->HugePage(p, npages * kPageBytes);
  if (huge_pages_ == HugePages::kUnwanted) os_->NoHugePage(p, npages * kPageBytes);
}

void Cage::AdviseHugePages(bool wanted) {
  huge_pages_ = wanted ? HugePages::kWanted : HugePages::kUnwanted;
  void* p = reinterpret_cast<void*>(base_);
  if (wanted) {
    os_->HugePage(p, bytes_);
  } else {
    os_->NoHugePage(p, bytes_);
  }
}

void Cage::SetEntries(size_t first_page, size_t npages, uint16_t span_class, bool noscan) {
  for (size_t i = npages; i-- > 0;) {
    // release: pairs with the acquire in Entry().
    entries_[first_page + i].store(PageEntry::Make(span_class, noscan, i).bits(),
                                   std::memory_order_release);
  }
}

void Cage::ClearEntries(size_t first_page, size_t npages) {
  for (size_t i = 0; i < npages; ++i) {
    // relaxed: nobody holds a pointer to a dead span; a stale conservative word sees either state.
    entries_[first_page + i].store(0, std::memory_order_relaxed);
  }
}

}  // namespace tarn::rt
