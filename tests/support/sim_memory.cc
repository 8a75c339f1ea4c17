#include "tests/support/sim_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "runtime/base/bits.h"
#include "runtime/base/check.h"

namespace tarn::rt {
namespace {

// What the real calls behind the simulation need.
constexpr size_t kRealPageBytes = 4096;

uintptr_t Address(const void* p) { return reinterpret_cast<uintptr_t>(p); }
void* Pointer(uintptr_t a) { return reinterpret_cast<void*>(a); }
size_t Index(MemoryState s) { return static_cast<size_t>(s); }

[[noreturn]] void Illegal(const char* call, uintptr_t start, size_t bytes, const char* why) {
  std::fprintf(stderr, "SimMemory: illegal %s of %#zx bytes at %#zx: %s\n", call, bytes, start,
               why);
  std::abort();
}

// A real call that must succeed for the simulation to go on.
void Real(int result) { TARN_CHECK(result == 0); }

void RealHide(void* p, size_t bytes, bool drop) {
  Real(mprotect(p, bytes, PROT_NONE));
  if (drop) Real(madvise(p, bytes, MADV_DONTNEED));
}

// Inaccessible memory instead of whatever is mapped there.
void RealFresh(void* p, size_t bytes) {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  Real(mmap(p, bytes, PROT_NONE, kFlags, -1, 0) == p ? 0 : -1);
}

}  // namespace

SimMemory::~SimMemory() {
  LockHolder hold(lock_);
  for (const auto& [start, piece] : pieces_) {
    if (piece.is_backed) munmap(Pointer(start), piece.end - start);
  }
}

void SimMemory::CheckRange(const char* call, uintptr_t start, size_t bytes, size_t unit) const {
  if (bytes == 0) Illegal(call, start, bytes, "empty range");
  if (!IsAligned(start | bytes, unit)) {
    Illegal(call, start, bytes, "not whole pages");
  }
  if (start + bytes < start) Illegal(call, start, bytes, "range wraps around");
}

SimMemory::Tally SimMemory::TallyLocked(uintptr_t start, uintptr_t end) const {
  Tally tally{};
  auto it = pieces_.upper_bound(start);
  if (it != pieces_.begin()) --it;
  size_t known = 0;
  for (; it != pieces_.end() && it->first < end; ++it) {
    const uintptr_t lo = std::max(start, it->first);
    const uintptr_t hi = std::min(end, it->second.end);
    if (lo >= hi) continue;
    tally[Index(it->second.state)] += hi - lo;
    known += hi - lo;
  }
  tally[Index(MemoryState::kNone)] = end - start - known;
  return tally;
}

void SimMemory::SplitAtLocked(uintptr_t at) {
  auto it = pieces_.upper_bound(at);
  if (it == pieces_.begin()) return;
  --it;
  if (it->first == at || it->second.end <= at) return;
  const Piece upper = it->second;
  it->second.end = at;
  pieces_[at] = upper;
}

// keeps I1
void SimMemory::JoinAtLocked(uintptr_t at) {
  const auto upper = pieces_.find(at);
  if (upper == pieces_.end() || upper == pieces_.begin()) return;
  const auto lower = std::prev(upper);
  if (lower->second.end != at || lower->second.state != upper->second.state ||
      lower->second.is_backed != upper->second.is_backed) {
    return;
  }
  lower->second.end = upper->second.end;
  pieces_.erase(upper);
}

template <typename Fn>
void SimMemory::MoveLocked(uintptr_t start, size_t bytes, MemoryState state, Fn real) {
  const uintptr_t end = start + bytes;
  SplitAtLocked(start);
  SplitAtLocked(end);
  for (auto it = pieces_.lower_bound(start); it != pieces_.end() && it->first < end;) {
    if (it->second.is_backed) real(Pointer(it->first), it->second.end - it->first);
    if (state == MemoryState::kNone) {
      it = pieces_.erase(it);
    } else {
      it->second.state = state;
      ++it;
    }
  }
  // Inner borders first, so that each look-up still finds its piece.
  for (auto it = pieces_.upper_bound(start); it != pieces_.end() && it->first <= end;) {
    const uintptr_t border = it->first;
    ++it;
    JoinAtLocked(border);
  }
  JoinAtLocked(start);
}

void SimMemory::Adopt(uintptr_t base, size_t bytes) {
  CheckRange("Adopt", base, bytes, options_.physical_page_bytes);
  LockHolder hold(lock_);
  if (TallyLocked(base, base + bytes)[Index(MemoryState::kNone)] != bytes) {
    Illegal("Adopt", base, bytes, "overlaps a region");
  }
  pieces_[base] = {base + bytes, MemoryState::kReserved, false};
  JoinAtLocked(base);
  JoinAtLocked(base + bytes);
}

void* SimMemory::Reserve(size_t bytes, size_t align) {
  if (plan_.Take(OsCall::kReserve)) return nullptr;
  CheckRange("Reserve", 0, bytes, options_.physical_page_bytes);
  if (align == 0 || (align & (align - 1)) != 0) Illegal("Reserve", 0, bytes, "bad alignment");
  const size_t slack = std::max(align, options_.physical_page_bytes);
  void* const raw =
      mmap(nullptr, bytes + slack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  const uintptr_t start = Address(raw);
  const uintptr_t base = RoundUp(start, slack);
  if (base != start) Real(munmap(raw, base - start));
  if (base != start + slack) Real(munmap(Pointer(base + bytes), start + slack - base));
  LockHolder hold(lock_);
  pieces_[base] = {base + bytes, MemoryState::kReserved, true};
  JoinAtLocked(base);
  JoinAtLocked(base + bytes);
  return Pointer(base);
}

bool SimMemory::Map(void* p, size_t bytes) {
  CheckRange("Map", Address(p), bytes, options_.physical_page_bytes);
  LockHolder hold(lock_);
  const Tally tally = TallyLocked(Address(p), Address(p) + bytes);
  if (tally[Index(MemoryState::kReserved)] != bytes) {
    Illegal("Map", Address(p), bytes, "not all Reserved");
  }
  if (plan_.Take(OsCall::kMap)) return false;
  MoveLocked(Address(p), bytes, MemoryState::kPrepared, [](void*, size_t) {});
  return true;
}

bool SimMemory::Used(void* p, size_t bytes, size_t prepared) {
  CheckRange("Used", Address(p), bytes, kRealPageBytes);
  LockHolder hold(lock_);
  const Tally tally = TallyLocked(Address(p), Address(p) + bytes);
  const size_t is_prepared = tally[Index(MemoryState::kPrepared)];
  if (is_prepared + tally[Index(MemoryState::kReady)] != bytes) {
    Illegal("Used", Address(p), bytes, "not all Prepared or Ready");
  }
  if (is_prepared != prepared) Illegal("Used", Address(p), bytes, "wrong number of Prepared bytes");
  if (plan_.Take(OsCall::kUsed)) return false;
  MoveLocked(Address(p), bytes, MemoryState::kReady,
             [](void* q, size_t n) { Real(mprotect(q, n, PROT_READ | PROT_WRITE)); });
  return true;
}

Release SimMemory::Unused(void* p, size_t bytes, size_t ready) {
  CheckRange("Unused", Address(p), bytes, options_.physical_page_bytes);
  plan_.Take(OsCall::kUnused);
  LockHolder hold(lock_);
  const Tally tally = TallyLocked(Address(p), Address(p) + bytes);
  if (tally[Index(MemoryState::kPrepared)] + tally[Index(MemoryState::kReady)] != bytes) {
    Illegal("Unused", Address(p), bytes, "not all Prepared or Ready");
  }
  if (tally[Index(MemoryState::kReady)] != ready) {
    Illegal("Unused", Address(p), bytes, "wrong number of Ready bytes");
  }
  MoveLocked(Address(p), bytes, MemoryState::kPrepared,
             [this](void* q, size_t n) { RealHide(q, n, options_.released_is_zero); });
  return plan_.Count(OsCall::kUnused) <= options_.lazy_releases ? Release::kLazily : Release::kNow;
}

void SimMemory::Fault(void* p, size_t bytes, size_t ready) {
  CheckRange("Fault", Address(p), bytes, options_.physical_page_bytes);
  plan_.Take(OsCall::kFault);
  LockHolder hold(lock_);
  const Tally tally = TallyLocked(Address(p), Address(p) + bytes);
  if (tally[Index(MemoryState::kPrepared)] + tally[Index(MemoryState::kReady)] != bytes) {
    Illegal("Fault", Address(p), bytes, "not all Prepared or Ready");
  }
  if (tally[Index(MemoryState::kReady)] != ready) {
    Illegal("Fault", Address(p), bytes, "wrong number of Ready bytes");
  }
  MoveLocked(Address(p), bytes, MemoryState::kReserved,
             [](void* q, size_t n) { RealHide(q, n, true); });
}

void SimMemory::Free(void* p, size_t bytes, size_t mapped, size_t ready) {
  CheckRange("Free", Address(p), bytes, options_.physical_page_bytes);
  plan_.Take(OsCall::kFree);
  LockHolder hold(lock_);
  const Tally tally = TallyLocked(Address(p), Address(p) + bytes);
  if (tally[Index(MemoryState::kNone)] != 0) Illegal("Free", Address(p), bytes, "not all ours");
  if (tally[Index(MemoryState::kReady)] != ready) {
    Illegal("Free", Address(p), bytes, "wrong number of Ready bytes");
  }
  if (tally[Index(MemoryState::kPrepared)] + ready != mapped) {
    Illegal("Free", Address(p), bytes, "wrong number of mapped bytes");
  }
  MoveLocked(Address(p), bytes, MemoryState::kNone, [](void* q, size_t n) { Real(munmap(q, n)); });
  TakeInLocked(Address(p), Address(p) + bytes);
}

int SimMemory::Lend(void* p, size_t bytes, void* staged) {
  CheckRange("Lend", Address(p), bytes, options_.physical_page_bytes);
  LockHolder hold(lock_);
  if (TallyLocked(Address(p), Address(p) + bytes)[Index(MemoryState::kPrepared)] != bytes) {
    Illegal("Lend", Address(p), bytes, "not all Prepared");
  }
  if (plan_.Take(OsCall::kLend)) return ENOMEM;
  MoveLocked(Address(p), bytes, MemoryState::kLent, [](void*, size_t) {});
  Real(mremap(staged, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p ? 0 : -1);
  return 0;
}

bool SimMemory::CloseLent(void* p, size_t bytes) {
  CheckRange("CloseLent", Address(p), bytes, options_.physical_page_bytes);
  LockHolder hold(lock_);
  if (TallyLocked(Address(p), Address(p) + bytes)[Index(MemoryState::kLent)] != bytes) {
    Illegal("CloseLent", Address(p), bytes, "not all Lent");
  }
  if (plan_.Take(OsCall::kCloseLent)) return false;
  RealFresh(p, bytes);
  return true;
}

bool SimMemory::TakeBack(void* p, size_t bytes) {
  CheckRange("TakeBack", Address(p), bytes, options_.physical_page_bytes);
  LockHolder hold(lock_);
  if (TallyLocked(Address(p), Address(p) + bytes)[Index(MemoryState::kLent)] != bytes) {
    Illegal("TakeBack", Address(p), bytes, "not all Lent");
  }
  if (plan_.Take(OsCall::kTakeBack)) {
    MoveLocked(Address(p), bytes, MemoryState::kNone, [](void*, size_t) {});
    return false;
  }
  MoveLocked(Address(p), bytes, MemoryState::kPrepared, [](void* q, size_t n) { RealFresh(q, n); });
  return true;
}

void SimMemory::HugePage(void*, size_t) { plan_.Take(OsCall::kHugePage); }
void SimMemory::NoHugePage(void*, size_t) { plan_.Take(OsCall::kNoHugePage); }
void SimMemory::CollapseHugePage(void*, size_t) { plan_.Take(OsCall::kCollapseHugePage); }

void SimMemory::Discard(void* p, size_t bytes) {
  CheckRange("Discard", Address(p), bytes, options_.physical_page_bytes);
  plan_.Take(OsCall::kDiscard);
  LockHolder hold(lock_);
  const Tally tally = TallyLocked(Address(p), Address(p) + bytes);
  if (tally[Index(MemoryState::kReady)] != bytes) {
    Illegal("Discard", Address(p), bytes, "not all Ready");
  }
  Real(madvise(p, bytes, MADV_DONTNEED));
}

bool SimMemory::Dump(void* p, size_t bytes, bool wanted) {
  CheckRange("Dump", Address(p), bytes, options_.physical_page_bytes);
  if (plan_.Take(OsCall::kDump)) return false;
  LockHolder hold(lock_);
  uintptr_t start = Address(p);
  uintptr_t end = start + bytes;
  TakeInLocked(start, end);
  if (wanted) return true;
  const auto above = left_out_.find(end);
  if (above != left_out_.end()) {
    end = above->second;
    left_out_.erase(above);
  }
  const auto next = left_out_.upper_bound(start);
  if (next != left_out_.begin() && std::prev(next)->second == start) {
    std::prev(next)->second = end;
  } else {
    left_out_[start] = end;
  }
  return true;
}

void SimMemory::TakeInLocked(uintptr_t start, uintptr_t end) {
  auto it = left_out_.upper_bound(start);
  if (it != left_out_.begin() && std::prev(it)->second > start) --it;
  while (it != left_out_.end() && it->first < end) {
    const auto [from, to] = *it;
    it = left_out_.erase(it);
    if (from < start) left_out_[from] = start;
    if (to > end) left_out_[end] = to;
  }
}

size_t SimMemory::BytesLeftOut(const void* p, size_t bytes) const {
  LockHolder hold(lock_);
  const uintptr_t start = Address(p);
  size_t sum = 0;
  for (const auto& [from, to] : left_out_) {
    const uintptr_t lo = std::max(from, start);
    const uintptr_t hi = std::min(to, start + bytes);
    if (lo < hi) sum += hi - lo;
  }
  return sum;
}

size_t SimMemory::PiecesLeftOut() const {
  LockHolder hold(lock_);
  return left_out_.size();
}

int SimMemory::LastError() const { return plan_.RefusedCount() != 0 ? ENOMEM : 0; }

MemoryState SimMemory::StateAt(const void* p) const {
  LockHolder hold(lock_);
  auto it = pieces_.upper_bound(Address(p));
  if (it == pieces_.begin()) return MemoryState::kNone;
  --it;
  return Address(p) < it->second.end ? it->second.state : MemoryState::kNone;
}

size_t SimMemory::BytesIn(const void* p, size_t bytes, MemoryState state) const {
  LockHolder hold(lock_);
  return TallyLocked(Address(p), Address(p) + bytes)[Index(state)];
}

size_t SimMemory::TotalBytes(MemoryState state) const {
  LockHolder hold(lock_);
  return TallyLocked(0, ~uintptr_t{0})[Index(state)];
}

}  // namespace tarn::rt
