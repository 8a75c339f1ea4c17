// What the program does with a mapping: unmap it early, read it safely, and the calls of the system about
// ranges of memory.
// I1 Whoever uses a record keeps its mapping alive: by a pointer on the stack until the end of the
//    method, and for a thread with precise roots by MutatorGc::fresh, which no method replaces. For
//    the program may drop what it held meanwhile, on another thread.
// I2 Only what would make memory accessible again must not overlap with Unmap: Protect. The others do
//    nothing to what is unmapped.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "gc/api/instance.h"
#include "gc/api/life_slots.h"
#include "gc/api/mapping_errors.h"
#include "gc/life/mappings.h"
#include "runtime/base/bits.h"
#include "runtime/base/futex.h"
#include "runtime/os/resident_linux.h"
#include "runtime/os/safe_read_linux.h"
#include "runtime/thread/runtime_scope.h"
#include "tarn/gc_mmap.h"
#include "tarn/keep_alive.h"

namespace tarn {

using rt::Instance;
using rt::Mapping;

absl::Status MappingError(const char* what, int error, const char* why) {
  const std::string text = "tarn: " + std::string(what) + ": ";
  switch (error) {
    case EBADF:
      return absl::InvalidArgumentError(text + (why ? why : "the descriptor is not open"));
    case EINVAL:
      return absl::InvalidArgumentError(
          text + (why ? why : "the system calls an argument invalid (EINVAL)"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(
          text + (why ? why : "how the file was opened, or a seal, forbids it"));
    case ENODEV:
      return absl::FailedPreconditionError(text + (why ? why : "this file cannot be mapped"));
    case ENOMEM:
    case EAGAIN:
    case ENFILE:
      return absl::ResourceExhaustedError(
          text + (why ? why
                      : "no room: in the heap's address space, or under a limit of the system "
                        "(addresses, mappings, locked memory, huge pages)"));
    default:
      return absl::ErrnoToStatus(error, text + (why ? why : "the system refuses"));
  }
}

namespace {

absl::Status NotMapped(const char* what) {
  return absl::FailedPreconditionError("tarn: " + std::string(what) +
                                       (": there is no mapping, or not any more"));
}

// The record of the mapping that `p` points into, which stays alive as long as the caller holds `p`
// (I1); null if it points into none that is alive. Nobody need have kept it so far: the address may
// be a number from anywhere. keeps I5 of mappings.h
Mapping* RecordOf(const void* p) {
  if (p == nullptr) return nullptr;
  const auto address = reinterpret_cast<uintptr_t>(p);
  rt::LifeScope scope;
  rt::Mappings& mappings = scope.collector().mappings();
  rt::WeakGate& gate = scope.collector().weak_gate();
  for (;;) {
    const rt::WeakGate::State state = gate.Get();  // before the look: I1 of weak_gate.h
    const rt::ObjectRef object = rt::FindLive(scope.heap(), address);
    if (!object) return nullptr;
    rt::Span* const span = scope.SlotOf(object).span;
    Mapping* const m = mappings.Find(span, address);
    if (m == nullptr) return nullptr;
    if (scope.IsMarking() && !mappings.IsMarked(span)) {
      if (state == rt::WeakGate::kClosing) {
        rt::RunBlocked([&] { gate.WaitWhileClosing(); });
        continue;
      }
      if (state == rt::WeakGate::kFinal || mappings.IsDecided()) return nullptr;
      scope.ShadeIfMarking(address);
    }
    scope.Fresh(address);
    return m;
  }
}

bool IsUnmapped(const Mapping& m) {
  // relaxed: who unmaps beside a call has to expect either outcome.
  return m.state.load(std::memory_order_relaxed) == Mapping::kUnmapped;
}

// A range of a mapping, as addresses of whole pages: outward, or inward for what destroys.
struct Pages {
  void* begin;
  size_t bytes;
};
enum class Rounding { kOutward, kInward, kInwardButAtEnds };

absl::Status ToPages(const char* what, const Mapping& m, size_t offset, size_t length,
                     Rounding rounding, Pages& out) {
  if (length == gc_mapping::kToEnd && offset <= m.length) length = m.length - offset;
  if (offset > m.length || length > m.length - offset) {
    return absl::OutOfRangeError("tarn: " + std::string(what) + ": " + std::to_string(length) +
                                 " bytes at " + std::to_string(offset) +
                                 " are not inside a mapping of " + std::to_string(m.length));
  }
  const size_t page = Instance::Get().heap().os().PhysicalPageBytes();
  const uintptr_t from = m.base + m.delta + offset;
  const uintptr_t to = from + length;
  uintptr_t begin = rt::RoundDown(from, page);
  uintptr_t end = rt::RoundUp(to, page);
  const bool to_ends = rounding == Rounding::kInwardButAtEnds;
  if (rounding != Rounding::kOutward) {
    if (!(to_ends && offset == 0)) begin = rt::RoundUp(from, page);
    if (!(to_ends && offset + length == m.length)) end = rt::RoundDown(to, page);
  }
  out = {reinterpret_cast<void*>(begin), end > begin ? end - begin : 0};
  return absl::OkStatus();
}

// call(pages) as a blocked thread; 0 or an errno.
template <class F>
int Blocked(F&& call) {
  int error = 0;
  rt::RunBlocked([&] { error = call() == 0 ? 0 : errno; });
  return error;
}

// Runs body(), which returns 0 or -1 and sets errno, with the state kBusy or kClosing, and then
// moves it on to `next` or back. All as a blocked thread, which is not stopped: nobody waits for a
// thread that is. -1: it is unmapped.
template <class F>
int Exclusively(Mapping& m, Mapping::State next, F&& body) {
  int error = -1;
  const Mapping::State busy = next == Mapping::kUnmapped ? Mapping::kClosing : Mapping::kBusy;
  rt::RunBlocked([&] {
    for (;;) {
      uint32_t seen = Mapping::kMapped;
      // acquire: pairs with the release below; one call of the system comes behind the other.
      if (m.state.compare_exchange_strong(seen, busy, std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
        break;
      }
      if (seen == Mapping::kUnmapped) return;
      rt::FutexWait(m.state, seen);
    }
    error = body() == 0 ? 0 : errno;
    // release: pairs with the acquire above.
    m.state.store(error == 0 ? next : Mapping::kMapped, std::memory_order_release);
    rt::FutexWake(m.state, 1 << 30);
  });
  return error;
}

#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

struct Advice {
  int value;
  Rounding rounding = Rounding::kOutward;
};

Advice AdviceOf(MappingAdvice advice) {
  switch (advice) {
    case MappingAdvice::kNormal:
      return {MADV_NORMAL};
    case MappingAdvice::kRandom:
      return {MADV_RANDOM};
    case MappingAdvice::kSequential:
      return {MADV_SEQUENTIAL};
    case MappingAdvice::kWillNeed:
      return {MADV_WILLNEED};
    case MappingAdvice::kDontNeed:
      return {MADV_DONTNEED, Rounding::kInwardButAtEnds};
    case MappingAdvice::kFree:
      return {MADV_FREE, Rounding::kInwardButAtEnds};
    case MappingAdvice::kRemove:  // the rest of a page at the end belongs to the file
      return {MADV_REMOVE, Rounding::kInward};
    case MappingAdvice::kCold:
      return {MADV_COLD};
    case MappingAdvice::kPageOut:
      return {MADV_PAGEOUT};
    case MappingAdvice::kPopulateRead:
      return {MADV_POPULATE_READ};
    case MappingAdvice::kPopulateWrite:
      return {MADV_POPULATE_WRITE};
    case MappingAdvice::kHugePage:
      return {MADV_HUGEPAGE};
    case MappingAdvice::kNoHugePage:
      return {MADV_NOHUGEPAGE};
    case MappingAdvice::kCollapse:
      return {MADV_COLLAPSE};
    case MappingAdvice::kMergeable:
      return {MADV_MERGEABLE};
    case MappingAdvice::kUnmergeable:
      return {MADV_UNMERGEABLE};
    case MappingAdvice::kDontDump:
      return {MADV_DONTDUMP};
    case MappingAdvice::kDoDump:
      return {MADV_DODUMP};
    case MappingAdvice::kWipeOnFork:
      return {MADV_WIPEONFORK};
    case MappingAdvice::kKeepOnFork:
      return {MADV_KEEPONFORK};
  }
  return {-1};
}

// f(pages) for a range of the mapping, as a blocked thread.
template <class F>
absl::Status OnPages(const char* what, std::byte* data, size_t offset, size_t length,
                     Rounding rounding, F&& f) {
  const Mapping* m = RecordOf(data);
  if (m == nullptr || IsUnmapped(*m)) return NotMapped(what);
  Pages pages;
  if (absl::Status s = ToPages(what, *m, offset, length, rounding, pages); !s.ok()) return s;
  const int error = pages.bytes == 0 ? 0 : Blocked([&] { return f(pages); });
  KeepAlive(data);  // keeps I1
  return error == 0 ? absl::OkStatus() : MappingError(what, error);
}

}  // namespace

bool gc_mapping::is_mapped() const {
  const std::byte* p = data();
  const Mapping* m = RecordOf(p);
  const bool yes = m != nullptr && !IsUnmapped(*m);
  KeepAlive(p);
  return yes;
}

absl::Status gc_mapping::Unmap() const {
  std::byte* const p = data();
  Mapping* m = RecordOf(p);
  if (m == nullptr) return NotMapped("Unmap");
  rt::Collector& collector = Instance::Get().collector();
  rt::PageHeap& pages = Instance::Get().heap().pages();
  const int error = Exclusively(*m, Mapping::kUnmapped,
                                [&] { return pages.CloseLent(m->span, m->bytes) ? 0 : -1; });
  if (error == -1) return NotMapped("Unmap");
  if (error != 0) return MappingError("Unmap", error);
  {
    rt::RuntimeScope scope;  // a child of fork() finds all of it done, or none
    collector.mappings().NoteUnmapped(*m);
  }
  KeepAlive(p);
  return absl::OkStatus();
}

absl::Status gc_mapping::Read(size_t offset, absl::Span<std::byte> to) const {
  std::byte* const p = data();
  const Mapping* m = RecordOf(p);
  if (m == nullptr || IsUnmapped(*m)) return NotMapped("Read");
  Pages unused;
  absl::Status s = ToPages("Read", *m, offset, to.size(), Rounding::kOutward, unused);
  if (!s.ok()) return s;
  size_t n = 0;
  const auto* from = reinterpret_cast<const void*>(m->base + m->delta + offset);
  rt::RunBlocked([&] { n = rt::SafeRead(to.data(), from, to.size()); });
  KeepAlive(p);
  if (n == to.size()) return absl::OkStatus();
  return absl::DataLossError("tarn: Read: only " + std::to_string(n) + " of " +
                             std::to_string(to.size()) + " bytes at " + std::to_string(offset) +
                             " can be read: the file is shorter than its mapping, or damaged, or "
                             "the mapping must not be read");
}

absl::Status gc_mapping::Advise(MappingAdvice advice, size_t offset, size_t length) const {
  const Advice a = AdviceOf(advice);
  return OnPages("Advise", data(), offset, length, a.rounding,
                 [&](const Pages& r) { return madvise(r.begin, r.bytes, a.value); });
}

absl::Status gc_mapping::Sync(SyncMode mode, size_t offset, size_t length) const {
  const int flags = mode == SyncMode::kWait    ? MS_SYNC
                    : mode == SyncMode::kStart ? MS_ASYNC
                                               : MS_INVALIDATE;
  return OnPages("Sync", data(), offset, length, Rounding::kOutward,
                 [&](const Pages& r) { return msync(r.begin, r.bytes, flags); });
}

absl::Status gc_mapping::Lock() const {
  return OnPages("Lock", data(), 0, kToEnd, Rounding::kOutward,
                 [&](const Pages& r) { return mlock(r.begin, r.bytes); });
}

absl::Status gc_mapping::Unlock() const {
  return OnPages("Unlock", data(), 0, kToEnd, Rounding::kOutward,
                 [&](const Pages& r) { return munlock(r.begin, r.bytes); });
}

absl::Status gc_mapping::Protect(int prot) const {
  std::byte* const p = data();
  Mapping* m = RecordOf(p);
  if (m == nullptr) return NotMapped("Protect");
  if ((prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)) != 0) return MappingError("Protect", EINVAL);
  const int error = Exclusively(*m, Mapping::kMapped, [&] {
    return mprotect(reinterpret_cast<void*>(m->base), m->bytes, prot);
  });
  // relaxed: see Mapping.
  if (error == 0 && (prot & PROT_WRITE) != 0) m->may_write.store(true, std::memory_order_relaxed);
  KeepAlive(p);
  if (error == -1) return NotMapped("Protect");
  return error == 0 ? absl::OkStatus() : MappingError("Protect", error);
}

absl::StatusOr<size_t> gc_mapping::ResidentBytes() const {
  size_t bytes = 0;
  absl::Status s =
      OnPages("ResidentBytes", data(), 0, kToEnd, Rounding::kOutward, [&](const Pages& r) {
        const rt::PageMap map;
        if (!map.ok()) return -1;
        bytes = map.Count(r.begin, r.bytes).all;
        return 0;
      });
  if (!s.ok()) return s;
  return bytes;
}

absl::StatusOr<gc_mapping> FindMapping(const void* p) {
  const Mapping* m = RecordOf(p);
  if (m == nullptr) return absl::NotFoundError("tarn: FindMapping: no pointer into a mapping");
  gc_mapping mapping = MakeMapping(reinterpret_cast<std::byte*>(m->base + m->delta), m->length);
  KeepAlive(p);
  return mapping;
}

}  // namespace tarn
