// gc_mmap: mappings that the collector owns. A file (or anything that mmap(2) maps) is at addresses of the
// collected heap: it stays mapped as long as any pointer into it is reachable, and is unmapped by the
// collection that finds none. Nobody unmaps by hand, and nobody reads what is unmapped.
//
//   absl::StatusOr<tarn::gc_mapping> file = tarn::gc_mmap(fd, 0, size, PROT_READ, MAP_SHARED);
//   if (!file.ok()) ...
//   close(fd);                                   the mapping needs it no more
//   std::string_view line = file->text().substr(begin, n);   keeps the whole file mapped
//
// Pointers into a mapping are like those into any object: on stacks and in heap objects they keep it; in
// memory that the collector does not scan (malloc's, so in a std::vector) they do not: use
// gc_root<std::byte> there. A pointer to the end of a mapping is not one into it. The bytes of a mapping
// are not scanned: pointers stored in it keep nothing alive. Weak pointers, finalizers and cleanups work on
// mapped addresses; a finalizer sees the mapping whole.
//
// What differs from memory:
// - A file that becomes shorter takes its pages along: touching them raises SIGBUS, as with mmap. So does
//   an error of the disk. Read() returns an error instead.
// - After Unmap(), access raises SIGSEGV, until the last pointer has gone: the addresses are nobody else's.
// - fork(): the child has the mapping as mmap's MAP_SHARED and MAP_PRIVATE say, and its own collector
//   unmaps it there.
// - munmap, mremap or MAP_FIXED on the addresses of a mapping destroy the heap; use the methods.
//   madvise(MADV_DONTFORK) is not among the advice. Who gives it all the same, to a mapping or a
//   part of it, has the whole mapping count as unmapped in the child; what is gone there faults,
//   and stays the heap's.
// - It costs a span of whole 8 KiB pages of address space, a kernel mapping (or two) of the 65530 that a
//   process has by default, and a record of some 150 bytes. A collection begins when 1024 mappings
//   have been made since the last one, and as many as that one left, at most 8192; when they have
//   taken an eighth of the heap's address space; and when anonymous memory and memory files
//   (kResident) of more bytes than the heap may grow by, and 64 MiB, have been mapped. One is
//   waited for at twice as much, and when the system refuses.
#ifndef TARN_GC_MMAP_H_
#define TARN_GC_MMAP_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "tarn/describe.h"
#include "tarn/gc_ptr.h"

namespace tarn {

// What a mapping counts as for the heap goal and for memory limits, like AdjustExternalMemory.
enum class MappingAccounting : uint8_t {
  // The memory that the system cannot take back by itself: pages of anonymous memory, of memfd, tmpfs and
  // hugetlb files, and pages that a private mapping has changed (or anonymous ones that were only read); as
  // many as were found (or estimated, if the mapping is large) at the end of the last collection,
  // or of an earlier one, if there are thousands. Pages of a file on disk never count: the
  // system drops them when it needs the memory, as it does with its page cache, so they are no reason to
  // collect less often, nor to fail. Hence the default: a 20 GB file on an 8 GB machine changes no goal,
  // and 2 GB of anonymous memory behind a few pointers are not overlooked.
  // Under a memory limit, anonymous memory that may be written and memory files count as whole until
  // they are looked at, unless they are longer than the limit; gc_mmap waits for room under the soft
  // one. What is filled later than that is seen by the next collection.
  kResident,
  // The whole length, from the beginning (Go's gcmmap does so): the goal grows by a multiple of it. For
  // memory that the program will fill at once.
  kVirtual,
  // Nothing.
  kNone,
};

// Advice of madvise(2), by its name there.
enum class MappingAdvice : uint8_t {
  kNormal,
  kRandom,
  kSequential,
  kWillNeed,
  kDontNeed,  // private changes are lost, also of the rest of the pages at both ends of the mapping
  kFree,      // likewise, when the system wants the memory; private anonymous memory only
  kRemove,    // punches a hole into the file; shared and writable only
  kCold,
  kPageOut,
  kPopulateRead,
  kPopulateWrite,
  kHugePage,
  kNoHugePage,
  kCollapse,
  kMergeable,
  kUnmergeable,
  kDontDump,
  kDoDump,
  kWipeOnFork,  // private anonymous memory only
  kKeepOnFork,
};

enum class SyncMode : uint8_t { kWait, kStart, kInvalidate };  // MS_SYNC, MS_ASYNC, MS_INVALIDATE

// A pointer and a length, to be copied and stored like a gc_ptr: in heap objects and on the stack.
// The methods below return FailedPrecondition if there is no mapping, or not any more (Unmap).
// Offsets are from data(), in bytes; ranges outside the mapping are OutOfRange.
// Thread-safety of methods: any number of threads at once. May collect: no. Blocks: for the system call;
// collections go on meanwhile.
class gc_mapping {
 public:
  static constexpr size_t kToEnd = ~size_t{0};

  constexpr gc_mapping() = default;

  // The byte at the offset that was asked for. Null for a default one.
  std::byte* data() const noexcept { return data_.get(); }
  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  absl::Span<std::byte> bytes() const noexcept { return {data(), size_}; }
  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data()), size_}; }

  // Ends the mapping now, for all that refer to it: afterwards access raises SIGSEGV, until they are gone.
  // Threads that read at that moment get the signal: it is the program's to see that none does, or to use
  // Read(). The file and its pages are given up; the addresses when the last pointer has gone.
  absl::Status Unmap() const;
  bool is_mapped() const;

  // Copies [offset, offset + to.size()) without ever raising a signal. DataLoss, with what comes before
  // copied, where the file has become shorter or cannot be read.
  absl::Status Read(size_t offset, absl::Span<std::byte> to) const;

  // madvise over the pages of the range; kDontNeed, kFree and kRemove act on whole pages inside it.
  absl::Status Advise(MappingAdvice advice, size_t offset = 0, size_t length = kToEnd) const;
  // Reads ahead without waiting.
  absl::Status Prefetch(size_t offset = 0, size_t length = kToEnd) const {
    return Advise(MappingAdvice::kWillNeed, offset, length);
  }
  // msync: changes of a shared mapping go to the file.
  absl::Status Sync(SyncMode mode = SyncMode::kWait, size_t offset = 0,
                    size_t length = kToEnd) const;
  // mprotect of the whole mapping: PROT_READ, PROT_WRITE, PROT_EXEC, PROT_NONE.
  absl::Status Protect(int prot) const;
  // mlock, munlock of the whole mapping. Its end unlocks it.
  absl::Status Lock() const;
  absl::Status Unlock() const;
  // Bytes of its pages that this process has in memory. Reads 8 bytes for each page.
  absl::StatusOr<size_t> ResidentBytes() const;

 private:
  friend gc_mapping MakeMapping(std::byte* data, size_t size);
  gc_ptr<std::byte> data_;
  size_t size_ = 0;

 public:
  static constexpr auto tarn_layout = fields(&gc_mapping::data_);
};

// Where a call stands, for those that have one as their last argument. (std::source_location is
// missing where clang 14 uses the library of gcc.)
struct CallSite {
  static constexpr CallSite Current(const char* file = __builtin_FILE(),
                                    uint32_t line = __builtin_LINE()) {
    return {file, line};
  }
  const char* file;
  uint32_t line;
};

// Maps [offset, offset + length) of `fd` as mmap(2) with these `prot` and `flags` does; for MAP_ANONYMOUS
// `fd` is -1. Offset and length need not be multiples of a page. `site` is for ListMappings.
// Errors: InvalidArgument for length 0, a negative offset, a range beyond 2^63, a descriptor that is not
// open, flags that name an address (MAP_FIXED and its kin, MAP_GROWSDOWN, MAP_32BIT), an offset inside a
// page of hugetlbfs, or what else the system calls invalid; PermissionDenied if the descriptor's mode or a
// seal forbids `prot`; FailedPrecondition for a file that cannot be mapped; ResourceExhausted when there is
// no room in the heap's address space, RLIMIT_AS, the kernel's table of mappings, the pool of huge pages,
// or, for kVirtual, under the hard memory limit, also after a collection (of which there is none
// for what is longer than the heap's address space). Nothing is lost then.
// Thread-safety: any thread; attaches it.
// May collect: yes. Blocks: for the system calls; and for a collection, when mappings are made faster than
// collections end them, or before it fails for want of room.
absl::StatusOr<gc_mapping> gc_mmap(int fd, int64_t offset, size_t length, int prot, int flags,
                                   MappingAccounting accounting = MappingAccounting::kResident,
                                   CallSite site = CallSite::Current());

// The mapping that `p` points into, whole. NotFound if it points into none, or if a collection has
// found that nothing refers to it. `p` may come from anywhere, a number of ListMappings for one:
// what is found is alive, and the result keeps it.
// Thread-safety: any thread; attaches it. May collect: no. Blocks: while the end of marking is
// being decided.
absl::StatusOr<gc_mapping> FindMapping(const void* p);

struct MappingStats {
  uint64_t num_active = 0;     // mapped now
  uint64_t bytes_active = 0;   // of them, whole pages
  uint64_t charged_bytes = 0;  // what they count as (MappingAccounting)
  uint64_t num_unmapped = 0;   // ended by Unmap(), and still referred to
  // Cumulative: made = num_active + num_unmapped + died.
  uint64_t made = 0;
  uint64_t died = 0;  // found dead by a collection
  // Part of died: the system refused to unmap, or a part was not there in a child of fork(). Their
  // addresses are not used again.
  uint64_t lost = 0;
};
// Thread-safety: any thread. May collect, blocks: no. The numbers are read one after the other.
MappingStats ReadMappingStats();

struct MappingInfo {
  uintptr_t address = 0;  // of data(); keeps nothing alive
  size_t length = 0;
  std::string file;  // as the system names it now ("/path", "/memfd:x (deleted)"); anonymous: empty
  int64_t offset = 0;  // in it
  std::string site;    // "file.cc:12", the end of it if it is long
  MappingAccounting accounting = MappingAccounting::kResident;
  size_t charged_bytes = 0;
};
// All that are mapped, in the order of their addresses. Reads /proc/self/maps for the names.
// Thread-safety: any thread. May collect: no. Blocks: no.
std::vector<MappingInfo> ListMappings();

}  // namespace tarn

#endif  // TARN_GC_MMAP_H_
