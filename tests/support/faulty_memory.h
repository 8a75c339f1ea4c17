// FaultyMemory: passes calls on to another OsMemory, usually the real one, and refuses those that
// its plan names. Not here: checks of region states (sim_memory.h).
#ifndef TARN_TESTS_SUPPORT_FAULTY_MEMORY_H_
#define TARN_TESTS_SUPPORT_FAULTY_MEMORY_H_

#include <cerrno>
#include <cstddef>

#include "runtime/os/os_memory.h"
#include "tests/support/failure_plan.h"

namespace tarn::rt {

class FaultyMemory final : public OsMemory {
 public:
  explicit FaultyMemory(OsMemory& base) : base_(base) {}

  FailurePlan& plan() { return plan_; }

  size_t PhysicalPageBytes() const override { return base_.PhysicalPageBytes(); }
  size_t HugePageBytes() const override { return base_.HugePageBytes(); }
  [[nodiscard]] void* Reserve(size_t bytes, size_t align) override {
    return plan_.Take(OsCall::kReserve) ? nullptr : base_.Reserve(bytes, align);
  }
  [[nodiscard]] bool Map(void* p, size_t bytes) override {
    return !plan_.Take(OsCall::kMap) && base_.Map(p, bytes);
  }
  [[nodiscard]] bool Used(void* p, size_t bytes, size_t prepared) override {
    return !plan_.Take(OsCall::kUsed) && base_.Used(p, bytes, prepared);
  }
  Release Unused(void* p, size_t bytes, size_t ready) override {
    plan_.Take(OsCall::kUnused);
    return base_.Unused(p, bytes, ready);
  }
  void Fault(void* p, size_t bytes, size_t ready) override {
    plan_.Take(OsCall::kFault);
    base_.Fault(p, bytes, ready);
  }
  void Free(void* p, size_t bytes, size_t mapped, size_t ready) override {
    plan_.Take(OsCall::kFree);
    base_.Free(p, bytes, mapped, ready);
  }
  [[nodiscard]] int Lend(void* p, size_t bytes, void* staged) override {
    return plan_.Take(OsCall::kLend) ? ENOMEM : base_.Lend(p, bytes, staged);
  }
  [[nodiscard]] bool CloseLent(void* p, size_t bytes) override {
    return !plan_.Take(OsCall::kCloseLent) && base_.CloseLent(p, bytes);
  }
  [[nodiscard]] bool TakeBack(void* p, size_t bytes) override {
    return !plan_.Take(OsCall::kTakeBack) && base_.TakeBack(p, bytes);
  }
  Holes FillHoles(void* p, size_t bytes) override { return base_.FillHoles(p, bytes); }
  void HugePage(void* p, size_t bytes) override {
    plan_.Take(OsCall::kHugePage);
    base_.HugePage(p, bytes);
  }
  void NoHugePage(void* p, size_t bytes) override {
    plan_.Take(OsCall::kNoHugePage);
    base_.NoHugePage(p, bytes);
  }
  void CollapseHugePage(void* p, size_t bytes) override {
    plan_.Take(OsCall::kCollapseHugePage);
    base_.CollapseHugePage(p, bytes);
  }
  void Discard(void* p, size_t bytes) override {
    plan_.Take(OsCall::kDiscard);
    base_.Discard(p, bytes);
  }
  bool Dump(void* p, size_t bytes, bool wanted) override {
    return !plan_.Take(OsCall::kDump) && base_.Dump(p, bytes, wanted);
  }
  bool ReleasedIsZero() const override { return base_.ReleasedIsZero(); }
  size_t ReadyBytes() const override { return base_.ReadyBytes(); }
  int LastError() const override { return plan_.RefusedCount() != 0 ? ENOMEM : base_.LastError(); }

 private:
  OsMemory& base_;
  FailurePlan plan_;
};

}  // namespace tarn::rt

#endif  // TARN_TESTS_SUPPORT_FAULTY_MEMORY_H_
