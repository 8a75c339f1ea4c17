// gc_mmap: making a mapping.
//
//   stage    the system maps it at an address of its own choice: all that it may refuse it refuses here
//   take     pages of the heap for a span; nobody knows of them yet
//   lend     the mapping is moved there; then the inner page entries are written
//   publish  the span becomes an object, and the record is in the list
// The steps that call the system are done as a blocked thread, for a file system may take its time.
// I1 A collection begins before anything is taken (allocate.cc), or when everything was given back.
// I2 Until it is published the span has no object: a scan that meets its address finds nothing, and
//    so does a look at the bytes.
// I3 No status is made inside the runtime: messages are malloc's.
#include "tarn/gc_mmap.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <string>

#include "gc/api/instance.h"
#include "gc/api/mapping_errors.h"
#include "gc/collect/mutator_gc.h"
#include "gc/life/mappings.h"
#include "gc/types/layout_table.h"
#include "runtime/base/bits.h"
#include "runtime/base/check.h"
#include "runtime/heap/lent_span.h"
#include "runtime/heap/thread_cache.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/thread_registry.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace tarn {

using internal::kPageBytes;
using rt::HeldMemory;
using rt::Instance;
using rt::Mapping;

namespace {

constexpr const char* kWhat = "gc_mmap";
// Types of file systems, as fstatfs(2) tells them.
constexpr uint32_t kTmpfsMagic = 0x01021994, kRamfsMagic = 0x858458f6, kHugetlbfsMagic = 0x958458f6;

// What is to be mapped.
struct Plan {
  int fd;
  int prot;
  int flags;
  size_t unit;     // bytes of a page of it
  int64_t offset;  // a multiple of the unit
  size_t delta;    // what was asked for begins there
  size_t length;   // what was asked for
  size_t bytes;    // a multiple of the unit
  HeldMemory held;
  MappingAccounting accounting;
  size_t charge;  // what it counts as until a cycle has looked
  const CallSite* site;

  size_t align() const { return std::max(unit, kPageBytes); }
  size_t npages() const { return rt::RoundUp(bytes, align()) / kPageBytes; }
  bool is_anonymous() const { return (flags & MAP_ANONYMOUS) != 0; }
  bool is_unseen_memory() const {
    return Mapping::IsUnseenMemory(accounting, held, is_anonymous());
  }
};

size_t DefaultHugePageBytes() {
  std::FILE* f = std::fopen("/proc/meminfo", "re");
  if (f == nullptr) return 0;
  char line[128];
  size_t kib = 0;
  while (kib == 0 && std::fgets(line, sizeof(line), f) != nullptr) {
    if (std::sscanf(line, "Hugepagesize: %zu kB", &kib) != 1) kib = 0;
  }
  std::fclose(f);
  return kib << 10;
}

// The unit, and what of the mapping is memory of its own.
absl::Status LookAtFile(Plan& plan) {
  plan.unit = Instance::Get().heap().os().PhysicalPageBytes();
  plan.held = (plan.flags & MAP_PRIVATE) != 0 ? HeldMemory::kAnonymous : HeldMemory::kNone;
  if ((plan.flags & MAP_ANONYMOUS) != 0) {
    if ((plan.flags & MAP_PRIVATE) == 0) plan.held = HeldMemory::kAll;
    if ((plan.flags & MAP_HUGETLB) == 0) return absl::OkStatus();
    plan.held = HeldMemory::kAll;
    const unsigned log = static_cast<unsigned>(plan.flags >> MAP_HUGE_SHIFT) & MAP_HUGE_MASK;
    plan.unit = log != 0 ? size_t{1} << log : DefaultHugePageBytes();
  } else {
    struct statfs fs;
    struct stat file;
    int error = 0;
    rt::RunBlocked([&] {  // a network file system takes its time
      if (fstatfs(plan.fd, &fs) != 0 || fstat(plan.fd, &file) != 0) error = errno;
    });
    if (error != 0) return MappingError(kWhat, error);
    // The devices of a tmpfs at /dev are none of its memory.
    const uint32_t type = S_ISREG(file.st_mode) ? static_cast<uint32_t>(fs.f_type) : 0;
    const bool is_huge = type == kHugetlbfsMagic;
    if (is_huge || type == kTmpfsMagic || type == kRamfsMagic) plan.held = HeldMemory::kAll;
    if (is_huge) plan.unit = static_cast<size_t>(fs.f_bsize);
  }
  if (std::has_single_bit(plan.unit)) return absl::OkStatus();
  return MappingError(kWhat, EINVAL, "the system has no huge pages of that size");
}

absl::StatusOr<Plan> MakePlan(int fd, int64_t offset, size_t length, int prot, int flags) {
  const auto invalid = [](const char* why) { return MappingError(kWhat, EINVAL, why); };
  constexpr int kNamesAddress = MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_GROWSDOWN
#ifdef MAP_32BIT
                                | MAP_32BIT
#endif
      ;
  if (length == 0) return invalid("the length is 0");
  if ((flags & kNamesAddress) != 0) {
    return invalid(
        "MAP_FIXED and other flags about addresses are not for mappings of the collector");
  }
  if ((flags & (MAP_SHARED | MAP_PRIVATE)) == 0)
    return invalid("neither MAP_SHARED nor MAP_PRIVATE");
  if (offset < 0) return invalid("the offset is negative");
  if (length > static_cast<uint64_t>(INT64_MAX - offset)) {
    return invalid("offset and length go beyond 2^63");
  }
  Plan plan{};
  plan.fd = fd;
  plan.prot = prot;
  plan.flags = flags;
  plan.length = length;
  if (absl::Status s = LookAtFile(plan); !s.ok()) return s;
  const bool is_huge = plan.unit != Instance::Get().heap().os().PhysicalPageBytes();
  plan.delta = static_cast<size_t>(offset) & (plan.unit - 1);
  plan.offset = offset - static_cast<int64_t>(plan.delta);
  if (is_huge && plan.delta != 0) return invalid("the offset is inside a huge page");
  const size_t cage = Instance::Get().heap().cage().bytes();
  constexpr const char* kTooLong = "longer than the heap's address space";
  if (length > cage) return MappingError(kWhat, ENOMEM, kTooLong);
  plan.bytes = rt::RoundUp(plan.delta + length, plan.unit);
  if (plan.bytes > cage) return MappingError(kWhat, ENOMEM, kTooLong);
  return plan;
}

void FillRecord(Mapping& m, const Plan& plan, uintptr_t base) {
  m.base = base;
  m.bytes = plan.bytes;
  m.delta = plan.delta;
  m.length = plan.length;
  m.offset = plan.offset + static_cast<int64_t>(plan.delta);
  m.accounting = plan.accounting;
  m.held = plan.held;
  m.is_anonymous = plan.is_anonymous();
  m.charged = plan.charge;
  m.may_write.store((plan.prot & PROT_WRITE) != 0, std::memory_order_relaxed);
  m.site_line = plan.site->line;
  const char* file = plan.site->file;
  const size_t n = std::strlen(file);
  const size_t keep = std::min(n, Mapping::kSiteBytes - 1);
  std::memcpy(m.site_file, file + (n - keep), keep);
}

// The record, and pages for the span; false, and nothing is taken, if there is no room.
bool Take(Instance& instance, rt::Mutator& m, const Plan& plan, Mapping** record,
          rt::LentPages& pages) {
  rt::RuntimeScope scope;
  if (m.cache == nullptr) return false;
  instance.collector().SlowPathTaken(m, 0);
  *record = instance.collector().mappings().New();
  if (*record == nullptr) return false;
  if (instance.heap().pages().TakeForLending(plan.npages(), plan.align(), pages)) return true;
  instance.collector().mappings().Recycle(*record);
  return false;
}

void GiveUp(Instance& instance, Mapping* record, const rt::LentPages& pages) {
  rt::RuntimeScope scope;
  instance.heap().pages().GiveUpLent(pages);
  instance.collector().mappings().Recycle(record);
}

rt::Span* MakeSpan(rt::Heap& heap, const rt::LentPages& pages, uint16_t span_class) {
  rt::RuntimeScope scope;
  return heap.pages().MakeLentSpan(pages, heap.classes().Info(span_class), span_class,
                                   heap.sweepgen());
}

std::byte* Publish(Instance& instance, rt::Mutator& m, const Plan& plan, Mapping* record,
                   rt::Span* span) {
  rt::RuntimeScope scope;
  rt::Heap& heap = instance.heap();
  record->span = span;
  FillRecord(*record, plan, heap.cage().BaseOf(span));
  rt::PublishLentSpan(heap, span, m.cache->black_gen());
  instance.collector().mappings().Add(record);  // behind the mark: the driver goes by it
  auto* const p = reinterpret_cast<std::byte*>(record->base + plan.delta);
  if (m.options().precise_roots) m.gc->fresh = p;
  return p;
}

// Null, and nothing is left, if the system or the heap refuses; the reason is an errno.
std::byte* TryMap(const Plan& plan, int* reason) {
  Instance& instance = Instance::Get();
  rt::Mutator& m = rt::EnsureAttached();
  const uint16_t span_class = [&] {
    rt::RuntimeScope scope;
    return instance.SpanClassFor(0, rt::LayoutTable::kNoScanId);
  }();
  *reason = ENOMEM;
  if (span_class == 0) return nullptr;
  void* staged = nullptr;
  rt::RunBlocked([&] {
    staged = mmap(nullptr, plan.bytes, plan.prot, plan.flags, plan.fd, plan.offset);
    if (staged == MAP_FAILED) *reason = errno;
  });
  if (staged == MAP_FAILED) return nullptr;
  const auto unstage = [&] { rt::RunBlocked([&] { munmap(staged, plan.bytes); }); };
  Mapping* record = nullptr;
  rt::LentPages pages;
  if (!Take(instance, m, plan, &record, pages)) {
    unstage();
    return nullptr;
  }
  int error = 0;
  rt::RunBlocked([&] { error = instance.heap().pages().Lend(pages, plan.bytes, staged); });
  if (error != 0) {
    *reason = error;
    GiveUp(instance, record, pages);
    unstage();
    return nullptr;
  }
  rt::Span* const span = MakeSpan(instance.heap(), pages, span_class);
  if (rt::PageHeap::OuterPages(span) < span->npages) {
    rt::RunBlocked([&] { instance.heap().pages().SetInnerEntries(span, /*noscan=*/true); });
  }
  return Publish(instance, m, plan, record, span);
}

// kVirtual counts from the beginning. So does, under a limit, what the program may fill before any
// cycle has looked: else the limit would not see it. What the limit could never hold is not meant to
// be filled.
size_t ChargeFor(const Plan& plan, uint64_t limit) {
  if (plan.accounting == MappingAccounting::kVirtual) return plan.bytes;
  const bool may_fill = plan.held == HeldMemory::kAll || (plan.prot & PROT_WRITE) != 0;
  const bool has_limit = limit != rt::MemoryLimits::kNone;
  return has_limit && plan.is_unseen_memory() && may_fill && plan.bytes <= limit ? plan.bytes : 0;
}

// Before there is a mapping, for others look at the limits meanwhile. False if the hard limit
// refuses, which it does for kVirtual only: the rest is a guess.
bool Charge(const Plan& plan) {
  if (plan.charge == 0) return true;
  rt::RuntimeScope scope;
  rt::Heap& heap = Instance::Get().heap();
  if (plan.accounting == MappingAccounting::kVirtual) {
    return heap.pages().ChargeBelowHard(plan.charge);
  }
  rt::HeapStats::Add(heap.stats().external_bytes, plan.charge);
  return true;
}

void Discharge(const Plan& plan) {
  rt::HeapStats::SubToZero(Instance::Get().heap().stats().external_bytes, plan.charge);
}

}  // namespace

gc_mapping MakeMapping(std::byte* data, size_t size) {
  gc_mapping m;
  m.data_ = data;
  m.size_ = size;
  return m;
}

absl::StatusOr<gc_mapping> gc_mmap(int fd, int64_t offset, size_t length, int prot, int flags,
                                   MappingAccounting accounting, CallSite site) {
  rt::Collector& collector = Instance::Get().collector();
  rt::EnsureAttached();
  absl::StatusOr<Plan> plan = MakePlan(fd, offset, length, prot, flags);
  if (!plan.ok()) return plan.status();
  plan->accounting = accounting;
  plan->site = &site;
  // relaxed: a limit that is set meanwhile starts a collection if it has to.
  plan->charge = ChargeFor(
      *plan, Instance::Get().heap().pages().limits().soft.load(std::memory_order_relaxed));
  collector.PaceMappings(plan->bytes, plan->is_unseen_memory());
  if (plan->charge != 0) collector.WaitForMappingRoom(plan->charge);
  for (bool has_collected = false;; has_collected = true) {
    int reason = ENOMEM;
    const char* why = nullptr;
    if (Charge(*plan)) {
      if (std::byte* p = TryMap(*plan, &reason)) {
        if (plan->charge != 0) collector.ExternalHasGrown(plan->charge);
        return MakeMapping(p, length);
      }
      Discharge(*plan);
    } else {
      why = "the hard memory limit";
    }
    // Dead mappings hold addresses, huge pages, and the kernel's mappings.
    const bool may_help = reason == ENOMEM || reason == EAGAIN || reason == ENFILE;
    if (has_collected || !may_help) return MappingError(kWhat, reason, why);
    collector.CollectNow();
  }
}

}  // namespace tarn
