// OsMemory: the one seam between tarn and the operating system's memory calls.
// A region is in one of four states:
//
//   None --Reserve--> Reserved --Map--> Prepared <--Unused/Used--> Ready
//     ^                  ^               |  |  ^                     |
//     |                  +------Fault----|--+--|---------------------+
//     +---Free (from any state)        Lend  TakeBack
//                                        v  |
//                                        Lent
//
//   None      not ours.
//   Reserved  address space only: access faults, no footprint.
//   Prepared  mapped, not backed: not to be accessed before Used.
//   Ready     safe to access.
//   Lent      the addresses belong to a mapping of the program's (a file, say): not to be accessed, given
//             back or advised; what is mapped there was not mapped by this seam.
//
// Implementations: LinuxMemory (os_memory_linux.h), and in tests SimMemory, which checks every move
// and can fail the n-th call.
// Not here: which pages of a region are in which state. The caller knows, and passes the number of
// bytes that a call over a mixed range really moves, so that the accounting is exact.
//
// Ranges are multiples of PhysicalPageBytes(), except those of Used, which releases nothing and may
// name any part. All calls are thread-safe for disjoint ranges.
#ifndef TARN_RUNTIME_OS_OS_MEMORY_H_
#define TARN_RUNTIME_OS_OS_MEMORY_H_

#include <cstddef>
#include <cstdint>

namespace tarn::rt {

// What became of memory that was given back.
enum class Release : uint8_t {
  kNow,     // it is not resident any more
  kLazily,  // it stays resident until the system wants it (MADV_FREE)
};

class OsMemory {
 public:
  virtual ~OsMemory() = default;

  virtual size_t PhysicalPageBytes() const = 0;
  // Size of a transparent huge page, 0 if the system has none.
  virtual size_t HugePageBytes() const = 0;

  // None -> Reserved: `bytes` of inaccessible address space aligned to `align` (a power of two).
  // Null when the system refuses.
  [[nodiscard]] virtual void* Reserve(size_t bytes, size_t align) = 0;
  // Reserved -> Prepared. False when the system refuses (nothing has changed then).
  [[nodiscard]] virtual bool Map(void* p, size_t bytes) = 0;
  // Prepared -> Ready. The range may mix Ready and Prepared memory; `prepared` is the exact number
  // of Prepared bytes in it. False when the system refuses (nothing has changed then).
  [[nodiscard]] virtual bool Used(void* p, size_t bytes, size_t prepared) = 0;
  // Ready -> Prepared: gives the pages back. The range may mix Ready and Prepared memory; `ready`
  // is the exact number of Ready bytes in it. Later contents: see ReleasedIsZero(). Never fails: it
  // falls back from MADV_FREE to MADV_DONTNEED to a fresh mapping, and at worst keeps the memory.
  virtual Release Unused(void* p, size_t bytes, size_t ready) = 0;
  // Prepared or Ready -> Reserved; `ready` is the exact number of Ready bytes in the range. Never
  // fails: at worst the memory stays accessible, but it is no longer counted.
  virtual void Fault(void* p, size_t bytes, size_t ready) = 0;
  // Any -> None; `mapped` is the exact number of Prepared and Ready bytes in the range, `ready`
  // that of Ready bytes alone.
  virtual void Free(void* p, size_t bytes, size_t mapped, size_t ready) = 0;

  // Prepared -> Lent: the range becomes what is mapped at `staged` (as many bytes, outside all regions),
  // which is there no more. 0, or the errno with which the system refuses: nothing has changed
  // then, but for advice on the range.
  [[nodiscard]] virtual int Lend(void* p, size_t bytes, void* staged) = 0;
  // Lent, and stays so: what is mapped there ends, and access faults. False when the system refuses;
  // nothing has changed then. Any time, any thread.
  [[nodiscard]] virtual bool CloseLent(void* p, size_t bytes) = 0;
  // Lent -> Prepared: what is mapped there ends; afterwards the memory is as if freshly mapped. False
  // when the system refuses: the range is lost then and must never be used again, not even freed.
  [[nodiscard]] virtual bool TakeBack(void* p, size_t bytes) = 0;

  // The child of fork(), for Lent memory: what the program has kept from the child (MADV_DONTFORK)
  // is a hole there, in which any mapping may land. Holes become inaccessible memory, and are Lent
  // like the rest.
  //   kWhole  there is none   kGone  all was one   kTorn  some of it, or somebody was faster
  enum class Holes : uint8_t { kWhole, kGone, kTorn };
  virtual Holes FillHoles(void* p, size_t bytes) = 0;

  // Hints; errors are ignored. The first and the last act on the whole huge pages inside the range.
  virtual void HugePage(void* p, size_t bytes) = 0;
  virtual void NoHugePage(void* p, size_t bytes) = 0;
  virtual void CollapseHugePage(void* p, size_t bytes) = 0;
  // Ready memory whose contents are no longer wanted: it stays Ready, and reads as zero or as it was.
  virtual void Discard(void* p, size_t bytes) = 0;
  // The range, in whatever state, is left out of core dumps, or is `wanted` in them as at first. It stays
  // so until it is Free. False when the system refuses (a part of it may have changed then).
  virtual bool Dump(void* p, size_t bytes, bool wanted) = 0;

  // True if memory that went through Unused (or was freshly mapped) reads as zero after Used.
  virtual bool ReleasedIsZero() const = 0;
  // Bytes of all regions in state Ready.
  virtual size_t ReadyBytes() const = 0;
  // errno of the last refused call, for messages only: another thread's failure may have replaced
  // it.
  virtual int LastError() const = 0;
};

// None -> Ready in one step: `bytes` of zeroed memory for the runtime's own tables. Null when the system
// refuses; nothing has changed then.
[[nodiscard]] inline void* AllocateReady(OsMemory& os, size_t bytes) {
  void* p = os.Reserve(bytes, os.PhysicalPageBytes());
  if (p == nullptr) return nullptr;
  if (!os.Map(p, bytes)) {
    os.Free(p, bytes, 0, 0);
    return nullptr;
  }
  if (!os.Used(p, bytes, bytes)) {
    os.Free(p, bytes, bytes, 0);
    return nullptr;
  }
  return p;
}

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_OS_OS_MEMORY_H_
