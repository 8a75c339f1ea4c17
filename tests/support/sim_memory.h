// SimMemory: an OsMemory that knows the state of every region, aborts on an illegal move or a wrong
// byte count, counts calls, and refuses those that its plan names. Reserved regions are backed by
// real address space, accessible exactly while Ready; adopted regions are addresses only, of any
// size anywhere, for tests of sparse layouts. Not here: injection into the real memory
// (faulty_memory.h). I1 Pieces do not overlap; neighbours that agree in state and backing are one
// piece. Locking: its own. Cost: a map operation and real system calls per call.
#ifndef TARN_TESTS_SUPPORT_SIM_MEMORY_H_
#define TARN_TESTS_SUPPORT_SIM_MEMORY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

#include "absl/base/thread_annotations.h"
#include "runtime/base/lock.h"
#include "runtime/os/os_memory.h"
#include "tests/support/failure_plan.h"

namespace tarn::rt {

enum class MemoryState { kNone, kReserved, kPrepared, kReady, kLent };

class SimMemory final : public OsMemory {
 public:
  struct Options {
    size_t physical_page_bytes = 4096;  // a multiple of the real one
    size_t huge_page_bytes = size_t{2} << 20;
    // False: memory keeps its contents through Unused, as MADV_FREE may do.
    bool released_is_zero = true;
    // Unused says kLazily, as with MADV_FREE, for so many calls; then the system refuses it.
    uint64_t lazy_releases = 0;
  };

  SimMemory() : SimMemory(Options{}) {}
  explicit SimMemory(const Options& options) : options_(options) {}
  // Unmaps what is left.
  ~SimMemory() override;
  SimMemory(const SimMemory&) = delete;
  SimMemory& operator=(const SimMemory&) = delete;

  FailurePlan& plan() { return plan_; }

  // Makes [base, base + bytes) Reserved without any real address space behind it.
  void Adopt(uintptr_t base, size_t bytes);

  MemoryState StateAt(const void* p) const;
  // Bytes of [p, p + bytes) in `state`.
  size_t BytesIn(const void* p, size_t bytes, MemoryState state) const;
  // Bytes of [p, p + bytes) that core dumps leave out, and in how many pieces they are in all.
  size_t BytesLeftOut(const void* p, size_t bytes) const;
  size_t PiecesLeftOut() const;
  // Bytes of all regions in `state` (not kNone).
  size_t TotalBytes(MemoryState state) const;

  size_t PhysicalPageBytes() const override { return options_.physical_page_bytes; }
  size_t HugePageBytes() const override { return options_.huge_page_bytes; }
  [[nodiscard]] void* Reserve(size_t bytes, size_t align) override;
  [[nodiscard]] bool Map(void* p, size_t bytes) override;
  [[nodiscard]] bool Used(void* p, size_t bytes, size_t prepared) override;
  Release Unused(void* p, size_t bytes, size_t ready) override;
  void Fault(void* p, size_t bytes, size_t ready) override;
  void Free(void* p, size_t bytes, size_t mapped, size_t ready) override;
  [[nodiscard]] int Lend(void* p, size_t bytes, void* staged) override;
  [[nodiscard]] bool CloseLent(void* p, size_t bytes) override;
  // Refused: the range is None from then on.
  [[nodiscard]] bool TakeBack(void* p, size_t bytes) override;
  Holes FillHoles(void*, size_t) override { return Holes::kWhole; }
  void HugePage(void* p, size_t bytes) override;
  void NoHugePage(void* p, size_t bytes) override;
  void CollapseHugePage(void* p, size_t bytes) override;
  // Ready memory only; its contents become zero.
  void Discard(void* p, size_t bytes) override;
  bool Dump(void* p, size_t bytes, bool wanted) override;
  bool ReleasedIsZero() const override { return options_.released_is_zero; }
  size_t ReadyBytes() const override { return TotalBytes(MemoryState::kReady); }
  int LastError() const override;

 private:
  struct Piece {
    uintptr_t end;
    MemoryState state;
    bool is_backed;
  };
  using Pieces = std::map<uintptr_t, Piece>;  // by start
  // Bytes of a range per state.
  using Tally = std::array<size_t, 5>;

  // Aborts unless the range is whole units.
  void CheckRange(const char* call, uintptr_t start, size_t bytes, size_t unit) const;
  Tally TallyLocked(uintptr_t start, uintptr_t end) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void SplitAtLocked(uintptr_t at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void JoinAtLocked(uintptr_t at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  // Moves every piece of the range to `state` (kNone: forgets it), and calls `real(p, bytes)` for
  // those that are backed.
  template <typename Fn>
  void MoveLocked(uintptr_t start, size_t bytes, MemoryState state, Fn real)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);

  const Options options_;
  FailurePlan plan_;
  mutable Lock lock_;
  void TakeInLocked(uintptr_t start, uintptr_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);

  Pieces pieces_ ABSL_GUARDED_BY(lock_);
  std::map<uintptr_t, uintptr_t> left_out_ ABSL_GUARDED_BY(lock_);  // start -> end, do not touch
};

}  // namespace tarn::rt

#endif  // TARN_TESTS_SUPPORT_SIM_MEMORY_H_
