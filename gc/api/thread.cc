// tarn/thread.h, on top of runtime/thread.
#include "tarn/thread.h"

#include "gc/api/instance.h"
#include "runtime/base/check.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/thread_registry.h"

namespace tarn::internal {

absl::Status AttachThread(const ThreadOptions& options) {
  rt::Instance::Get();
  if (options.precise_roots && !options.cooperative) {
    return absl::InvalidArgumentError(
        "precise_roots needs cooperative: a signal would come while frames hold pointers");
  }
  rt::ThreadOptions low;
  low.cooperative = options.cooperative;
  low.precise_roots = options.precise_roots;
  low.unblock_signal = options.unblock_signal;
  return rt::AttachCurrentThread(low);
}

void DetachThread() {
  const absl::Status status = rt::DetachCurrentThread();
  if (!status.ok()) rt::Fatal("a ThreadScope ended on another thread or inside a BlockedScope");
}

void SafepointSlow() { rt::AnswerSlow(); }

rt::Mutator* EnterBlocked(uintptr_t sp, const uintptr_t* registers) {
  return rt::EnterBlocked(sp, registers);
}

void LeaveBlocked(rt::Mutator* mutator) { rt::LeaveBlocked(mutator); }

void RunBlocked(void (*body)(void*), void* arg) { rt::RunBlockedWith(body, arg); }

}  // namespace tarn::internal
