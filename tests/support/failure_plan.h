// FailurePlan: which calls of an OsMemory are to be refused, and how often each was made.
// Not here: the memory (sim_memory.h, faulty_memory.h).
// Locking: its own; plans may be changed while other threads make calls.
#ifndef TARN_TESTS_SUPPORT_FAILURE_PLAN_H_
#define TARN_TESTS_SUPPORT_FAILURE_PLAN_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "runtime/base/lock.h"

namespace tarn::rt {

enum class OsCall {
  kReserve,
  kMap,
  kUsed,
  kLend,
  kCloseLent,
  kTakeBack,  // those above can be refused; of those below only kDump, by name
  kUnused,
  kFault,
  kFree,
  kHugePage,
  kNoHugePage,
  kCollapseHugePage,
  kDiscard,
  kDump,
};
inline constexpr size_t kOsCalls = 14;

class FailurePlan {
 public:
  static constexpr uint64_t kForever = ~uint64_t{0};

  // Refuses `count` calls of `call`, from the `nth` after now on (1: the next).
  void FailCall(OsCall call, uint64_t nth, uint64_t count = 1) {
    LockHolder hold(lock_);
    windows_[Index(call)] = Window(counts_[Index(call)], nth, count);
  }
  // The same over all calls of the three that a heap must cope with.
  void FailAny(uint64_t nth, uint64_t count = 1) {
    LockHolder hold(lock_);
    any_ = Window(refusable_, nth, count);
  }
  void Clear() {
    LockHolder hold(lock_);
    windows_ = {};
    any_ = {};
  }

  // Counts the call; true if it is to be refused.
  bool Take(OsCall call) {
    LockHolder hold(lock_);
    const uint64_t n = ++counts_[Index(call)];
    bool is_refused = windows_[Index(call)].Has(n);
    if (call <= OsCall::kTakeBack) {
      is_refused |= any_.Has(++refusable_);
    } else if (call != OsCall::kDump) {
      return false;
    }
    if (!is_refused) return false;
    ++refused_;
    return true;
  }

  uint64_t Count(OsCall call) const {
    LockHolder hold(lock_);
    return counts_[Index(call)];
  }
  uint64_t RefusedCount() const {
    LockHolder hold(lock_);
    return refused_;
  }

 private:
  struct Window {
    Window() = default;
    Window(uint64_t now, uint64_t nth, uint64_t count)
        : first(now + nth), end(count > kForever - first ? kForever : first + count) {}
    bool Has(uint64_t n) const { return first <= n && n < end; }
    uint64_t first = 0;
    uint64_t end = 0;
  };
  static size_t Index(OsCall call) { return static_cast<size_t>(call); }

  mutable Lock lock_;
  std::array<uint64_t, kOsCalls> counts_ ABSL_GUARDED_BY(lock_){};
  std::array<Window, kOsCalls> windows_ ABSL_GUARDED_BY(lock_){};
  Window any_ ABSL_GUARDED_BY(lock_);
  uint64_t refusable_ ABSL_GUARDED_BY(lock_) = 0;
  uint64_t refused_ ABSL_GUARDED_BY(lock_) = 0;
};

}  // namespace tarn::rt

#endif  // TARN_TESTS_SUPPORT_FAILURE_PLAN_H_
