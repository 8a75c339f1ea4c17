// Mappings seen from the cycle: when one ends them, and when one begins because of them.
// They are no part of the heap's live bytes, so allocation alone would not start a cycle in a program that
// does nothing but map files.
#include "gc/collect/cycle.h"
#include "gc/control/heap_goal.h"
#include "runtime/base/clock.h"
#include "runtime/thread/runtime_scope.h"

namespace tarn::rt {

// Marking is over and nothing is shaded any more that counts; the marks are not yet allocation bits. What is
// dead is ordinary memory before anybody can sweep it, and no longer charged when the goal is set.
// What the pacer learns of the cycle ends before: neither the system's time for unmapping nor what
// is found about mappings is the work of markers or the growth of the heap.
void Collector::EndDeadMappings(CycleRecord& record) {
  record.mark_end = MonotonicNanos();
  const uint64_t before = HeapStats::Get(heap_.stats().external_bytes);
  mappings_.EndDead();
  const uint64_t after = HeapStats::Get(heap_.stats().external_bytes);
  record.external_dropped = static_cast<int64_t>(before) - static_cast<int64_t>(after);
}

void Collector::PaceMappings(size_t bytes, bool is_unseen_memory) {
  // relaxed: as IsPastGoal. Without a goal collections are the program's affair.
  const uint64_t goal = goal_.load(std::memory_order_relaxed);
  if (goal == kNoGoal) return;
  const uint64_t room = SaturatingSub(goal, heap_.stats().LiveBytes());
  const Mappings::Pressure pressure = mappings_.PressureFor(bytes, is_unseen_memory, room);
  if (pressure == Mappings::Pressure::kNone) return;
  if (pressure == Mappings::Pressure::kWait) return CollectNow();
  if (phase_.Get() != Phase::kOff) return;
  {
    RuntimeScope scope;
    LockHolder hold(lock_);
    Request(completed_.load(std::memory_order_relaxed) + 1);
  }
  EnsureDriver();
}

// As a span that the soft limit refuses: free pages go back first, then the thread waits for cycles.
void Collector::WaitForMappingRoom(uint64_t bytes) {
  // relaxed: as in MakeRoomBelowSoft.
  if (bytes > heap_.pages().limits().soft.load(std::memory_order_relaxed)) return;
  const auto has_room = [&] {
    RuntimeScope scope;
    return heap_.pages().MakeRoomBelowSoft(bytes, SoftLimit::kRefuse);
  };
  for (int waits = 0; !has_room() && WaitForRoom(waits);) {
  }
}

}  // namespace tarn::rt
