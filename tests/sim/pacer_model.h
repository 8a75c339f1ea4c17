// PacerModel: a program and its collector as rates, driven through the real Pacer cycle by cycle.
// In each step of half a millisecond all CPUs allocate and mark. Assists take from the program what
// the pacer's ratio asks for, background markers a quarter at least.
// Not here: what must hold in a scenario (pacer_scenarios_test.cc).
// Nothing but the heap uses memory, so a memory limit is met by its headroom alone.
// I1 The work of a cycle is done when all roots, all stacks and the scannable part of what will be
//    found alive are scanned, in this order.
#ifndef TARN_TESTS_SIM_PACER_MODEL_H_
#define TARN_TESTS_SIM_PACER_MODEL_H_

#include <cstdint>
#include <string>

#include "gc/control/pacer.h"
#include "tests/sim/stream.h"

namespace tarn::rt {

// A program. Rates are in KiB per millisecond of one CPU.
struct Workload {
  int gc_percent = 100;
  uint64_t memory_limit = kNoMemoryLimit;
  uint64_t globals = 32 << 10;
  int procs = 8;
  Stream alloc_rate = Constant(33);
  Stream scan_rate = Constant(1024);
  Stream growth = Constant(2.0) + Ramp(-1.0, 12);  // of the live heap, from cycle to cycle
  Stream scannable = Constant(1.0);
  Stream stacks = Constant(8192);
  int cycles = 50;
  // Work per byte allocated that one thread may be made to do; negative: no bound.
  double max_assist_ratio = -1;
};

struct CycleResult {
  int cycle = 0;  // from 1
  uint64_t marked = 0;
  uint64_t trigger = 0;
  uint64_t peak = 0;
  uint64_t goal = 0;
  double utilization = 0;
  uint64_t work = 0;
  double max_ratio = 0;  // the highest assist ratio of the cycle

  double GoalRatio() const { return static_cast<double>(peak) / static_cast<double>(goal); }
  double TriggerRatio() const {
    return static_cast<double>(trigger - marked) / static_cast<double>(goal - marked);
  }
  int64_t Runway() const { return static_cast<int64_t>(goal - trigger); }
  std::string Text() const;
};

class PacerModel {
 public:
  explicit PacerModel(Workload workload)
      : w_(std::move(workload)), pacer_(w_.gc_percent, w_.memory_limit) {}

  // One cycle, from its trigger to the commit after it.
  CycleResult RunCycle();
  Pacer& pacer() { return pacer_; }

 private:
  struct Rates {
    double alloc;
    double scan;
  };
  struct WorkLeft {
    uint64_t globals;
    uint64_t stacks;
    uint64_t heap;
  };

  // Does up to `work`; returns what was done, counted in progress_.
  uint64_t Work(uint64_t work, WorkLeft* left);
  void Step(const Rates& rates, double scannable, WorkLeft* left, MarkTimes* times);

  Workload w_;
  Pacer pacer_;
  const MemoryReading memory_;
  MarkProgress progress_;
  int cycle_ = 0;
  uint64_t black_ = 0;       // allocated while the cycle runs
  uint64_t last_black_ = 0;  // the same of the last cycle
};

}  // namespace tarn::rt

#endif  // TARN_TESTS_SIM_PACER_MODEL_H_
