// tarn/limits.h: limits and external memory.
#include "tarn/limits.h"

#include "gc/api/instance.h"
#include "gc/api/limiter_notifier.h"
#include "runtime/thread/thread_registry.h"

namespace tarn {

using rt::Instance;

static_assert(static_cast<uint64_t>(kNoLimit) == rt::kNoMemoryLimit);

int64_t SetMemoryLimit(int64_t bytes) {
  rt::Collector& collector = Instance::Get().collector();
  rt::EnsureAttached();
  return static_cast<int64_t>(collector.SetMemoryLimit(bytes));
}

int SetGcCpuLimit(int percent) {
  rt::Collector& collector = Instance::Get().collector();
  rt::EnsureAttached();
  return collector.SetCpuLimit(percent);
}

int64_t SetHardLimit(int64_t bytes) {
  rt::Collector& collector = Instance::Get().collector();
  rt::EnsureAttached();
  return static_cast<int64_t>(collector.SetHardLimit(bytes));
}

bool SetLimiterCallback(LimiterCallback fn, void* arg) {
  Instance& instance = Instance::Get();
  rt::EnsureAttached();
  return instance.notifier().Set(fn, arg);
}

void AdjustExternalMemory(int64_t bytes) { Instance::Get().collector().AdjustExternal(bytes); }

}  // namespace tarn
