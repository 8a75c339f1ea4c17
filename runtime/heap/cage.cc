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
  group_pages_ = os.PhysicalPageBytes() / sizeof(Span);
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
  // relaxed: nobody uses the cage any more.
  const TableShape idle =
      ShapeFor(idle_groups_.load(std::memory_order_relaxed) * group_pages_ * kPageBytes);
  if (base_ != 0) os_->Free(reinterpret_cast<void*>(base_), bytes_, committed(), ready_bytes);
  if (entries_ != nullptr)
    os_->Free(entries_, shape.entry_bytes, used.entry_bytes, used.entry_bytes);
  if (spans_ != nullptr)
    os_->Free(spans_, shape.span_bytes, used.span_bytes, used.span_bytes - idle.span_bytes);
  for (auto& b : bits_) {
    if (b != nullptr)
      os_->Free(b, shape.bit_bytes, used.bit_bytes, used.bit_bytes - idle.bit_bytes);
    b = nullptr;
  }
  if (idle_bits_ != nullptr)
    os_->Free(idle_bits_, IdleBitsBytes(), IdleBitsBytes(), IdleBitsBytes());
  idle_bits_ = nullptr;
  idle_groups_.store(0, std::memory_order_relaxed);
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
  const size_t unit = os_->PhysicalPageBytes();
  const auto discard = [&](void* table, size_t offset, size_t bytes) {
    if (IsAligned(offset | bytes, unit)) os_->Discard(static_cast<char*>(table) + offset, bytes);
  };
  const size_t end = first_page + npages;
  discard(entries_, ShapeFor(first_page * kPageBytes).entry_bytes,
          ShapeFor(npages * kPageBytes).entry_bytes);
  ForRuns(first_page / group_pages_, DivideUp(end, group_pages_), /*idle=*/false,
          [&](size_t first, size_t groups) {
            const size_t from = std::max(first_page, first * group_pages_);
            const size_t to = std::min(end, (first + groups) * group_pages_);
            const TableShape at = ShapeFor(from * kPageBytes);
            const TableShape len = ShapeFor((to - from) * kPageBytes);
            discard(spans_, at.span_bytes, len.span_bytes);
            for (auto& b : bits_) discard(b, at.bit_bytes, len.bit_bytes);
            return true;
          });
}

// --- Idle tables ---

size_t Cage::IdleBitsBytes() const {
  return RoundUp(DivideUp(bytes_ / kPageBytes / group_pages_, 8), os_->PhysicalPageBytes());
}

void Cage::PrepareIdleTables(size_t npages) {
  if (idle_bits_ != nullptr || npages <= group_pages_)
    return;  // no whole group is behind the first page
  idle_bits_ = static_cast<std::atomic<uint64_t>*>(AllocateReady(*os_, IdleBitsBytes()));
}

bool Cage::IsIdle(size_t group) const {
  return (idle_bits_[group / 64].load(std::memory_order_relaxed) >> (group % 64)) & 1;
}

void Cage::SetIdle(size_t first_group, size_t groups, bool idle) {
  for (size_t g = first_group; g < first_group + groups; ++g) {
    const uint64_t bit = uint64_t{1} << (g % 64);
    if (idle) {
      idle_bits_[g / 64].fetch_or(bit, std::memory_order_relaxed);
    } else {
      idle_bits_[g / 64].fetch_and(~bit, std::memory_order_relaxed);
    }
  }
  if (idle) {
    idle_groups_.fetch_add(groups, std::memory_order_relaxed);
  } else {
    idle_groups_.fetch_sub(groups, std::memory_order_relaxed);
  }
}

template <class F>
void Cage::ForRuns(size_t first, size_t end, bool idle, F&& f) const {
  if (idle_groups_.load(std::memory_order_relaxed) == 0) {
    if (!idle && first < end) f(first, end - first);
    return;
  }
  while (first < end) {
    size_t to = first;
    while (to < end && IsIdle(to) == idle) ++to;
    if (to != first && !f(first, to - first)) return;
    first = std::max(to, first + 1);
  }
}

template <class F>
bool Cage::ForTables(size_t first_group, size_t groups, F&& f) const {
  const TableShape at = ShapeFor(first_group * group_pages_ * kPageBytes);
  const TableShape len = ShapeFor(groups * group_pages_ * kPageBytes);
  const auto part = [&](void* table, size_t offset, size_t bytes) {
    return f(static_cast<char*>(table) + offset, bytes);
  };
  return part(spans_, at.span_bytes, len.span_bytes) &&
         part(bits_[0], at.bit_bytes, len.bit_bytes) && part(bits_[1], at.bit_bytes, len.bit_bytes);
}

// keeps I2
void Cage::IdleTables(size_t first_page, size_t npages) {
  const size_t end = (first_page + npages) / group_pages_;
  if (idle_bits_ == nullptr) return;
  ForRuns(DivideUp(first_page + 1, group_pages_), end, /*idle=*/false,
          [this](size_t first, size_t groups) {
            ForTables(first, groups, [this](char* p, size_t bytes) {
              os_->Unused(p, bytes, bytes);
              return true;
            });
            SetIdle(first, groups, true);
            return true;
          });
}

// keeps I2
bool Cage::UseTables(size_t first_page, size_t npages) {
  bool ok = true;
  ForRuns(first_page / group_pages_, DivideUp(first_page + npages, group_pages_), /*idle=*/true,
          [&](size_t first, size_t groups) {
            size_t done = 0;
            ok = ForTables(first, groups, [&](char* p, size_t bytes) {
              if (!os_->Used(p, bytes, bytes)) return false;
              ++done;
              return true;
            });
            if (ok) {
              SetIdle(first, groups, false);
            } else {
              ForTables(first, groups, [&](char* p, size_t bytes) {
                if (done-- == 0) return false;
                os_->Unused(p, bytes, bytes);
                return true;
              });
            }
            return ok;
          });
  return ok;
}

void Cage::AdviseAnew(void* p, size_t bytes) {
  if (huge_pages_ == HugePages::kWanted) os_->HugePage(p, bytes);
  if (huge_pages_ == HugePages::kUnwanted) os_->NoHugePage(p, bytes);
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

void Cage::SetEntries(size_t first_page, size_t from, size_t to, uint16_t span_class, bool noscan) {
  for (size_t i = to; i-- > from;) {
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
