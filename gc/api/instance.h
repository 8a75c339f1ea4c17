// Instance: the one heap of the process. Built on first use and never destroyed, because threads
// may allocate until the very end of the process.
// I1 Everything a thread hook or slow path needs is set before the first thread attaches.
// Locking: EnsureStarted is thread-safe; afterwards the pointer is constant.
#ifndef TARN_GC_API_INSTANCE_H_
#define TARN_GC_API_INSTANCE_H_

#include <atomic>

#include "absl/status/status.h"
#include "gc/api/environment.h"
#include "gc/api/limiter_notifier.h"
#include "gc/collect/cycle.h"
#include "gc/types/layout_table.h"
#include "runtime/heap/heap.h"
#include "runtime/heap/persistent_alloc.h"
#include "tarn/options.h"

namespace tarn::rt {

class Instance {
 public:
  // The heap, started from the environment if need be. Fatal when it cannot start.
  static Instance& Get() {
    // acquire: pairs with the release in Start; the instance is complete.
    Instance* i = instance_.load(std::memory_order_acquire);
    return i != nullptr ? *i : StartFromEnvironment();
  }
  // Null before the start.
  static Instance* IfStarted() {
    // acquire: pairs with the release in Start, as above.
    return instance_.load(std::memory_order_acquire);
  }
  static absl::Status Start(const Options& options);

  Heap& heap() { return heap_; }
  LayoutTable& layouts() { return layouts_; }
  Collector& collector() { return *collector_; }
  LimiterNotifier& notifier() { return *notifier_; }
  const Settings& settings() const { return settings_; }

  // The noscan class of 16-byte slots, for tiny blocks.
  uint16_t tiny_class() const { return tiny_class_; }
  // The span class of (size class, layout); 0 if the system refuses memory for a new one.
  uint16_t SpanClassFor(size_t size_class, uint16_t layout);

 private:
  Instance(OsMemory& os, const Settings& settings)
      : settings_(settings), memory_(os), layouts_(memory_) {}
  static Instance& StartFromEnvironment();
  absl::Status SetUp(OsMemory& os);
  bool AdviseHugePages();

  static std::atomic<Instance*> instance_;

  Settings settings_;
  PersistentAlloc memory_;
  Heap heap_;
  LayoutTable layouts_;
  Collector* collector_ = nullptr;
  LimiterNotifier* notifier_ = nullptr;
  uint16_t tiny_class_ = 0;
};

}  // namespace tarn::rt

#endif  // TARN_GC_API_INSTANCE_H_
