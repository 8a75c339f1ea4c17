// Invariants I1 to I4 of the pacer over random programs: no numbers are expected, only what must hold
// whatever the counters say.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>

#include "gc/control/pacer.h"
#include "gtest/gtest.h"
#include "tests/support/test_seed.h"

namespace tarn::rt {
namespace {

class RandomProgram {
 public:
  explicit RandomProgram(uint64_t seed) : rng_(seed) {}

  // Of any order of magnitude below 2^bits; often 0.
  uint64_t Bytes(unsigned bits) {
    if (Below(8) == 0) return 0;
    return rng_() >> (64 - 1 - Below(bits));
  }
  uint64_t Below(uint64_t n) { return rng_() % n; }
  int Percent() {
    constexpr int kValues[] = {-1, 0, 1, 10, 50, 100, 200, 1500, 1000000, 2147483647};
    return kValues[Below(std::size(kValues))];
  }
  uint64_t Limit() { return Below(2) == 0 ? kNoMemoryLimit : Bytes(50); }
  MemoryReading Memory() { return {Bytes(50), Bytes(49), Bytes(49)}; }

 private:
  std::mt19937_64 rng_;
};

void CheckInvariants(const Pacer& pacer, const MemoryReading& memory) {
  const TriggerPoint point = pacer.Trigger(memory);
  ASSERT_GE(point.goal, pacer.marked());
  ASSERT_LE(point.trigger, point.goal);
  ASSERT_GE(point.trigger, pacer.marked());
  ASSERT_TRUE(std::isfinite(pacer.cons_mark()));
  ASSERT_GE(pacer.cons_mark(), 0);
}

void CheckRatio(const AssistRatio& ratio) {
  ASSERT_TRUE(std::isfinite(ratio.work_per_byte) && std::isfinite(ratio.bytes_per_work));
  ASSERT_GT(ratio.work_per_byte, 0);
  ASSERT_GT(ratio.bytes_per_work, 0);
}

void Grow(RandomProgram* program, MarkProgress* p) {
  p->live += program->Bytes(40);
  p->scan += program->Bytes(40);
  p->max_stack = program->Bytes(40);
  p->globals += program->Bytes(20);
  p->heap_work += program->Bytes(42);
  p->stack_work += program->Bytes(36);
  p->globals_work += program->Bytes(36);
}

void RandomCycle(RandomProgram* program, Pacer* pacer) {
  MarkProgress p;
  // Often at the trigger, as in life; sometimes anywhere.
  p.live = program->Below(2) == 0
               ? program->Bytes(45)
               : std::min(pacer->Trigger(program->Memory()).trigger, uint64_t{1} << 50);
  p.scan = program->Bytes(45);
  p.globals = program->Bytes(30);
  const auto kind = static_cast<CycleKind>(program->Below(4));
  const int procs = 1 + static_cast<int>(program->Below(256));
  pacer->StartCycle(p, program->Memory(), procs, kind);
  ASSERT_NO_FATAL_FAILURE(CheckRatio(pacer->assist_ratio()));
  for (uint64_t step = program->Below(20); step > 0; --step) {
    Grow(program, &p);
    if (program->Below(10) == 0) {
      pacer->SetGcPercent(program->Percent());
      pacer->SetMemoryLimit(program->Limit());
      pacer->Commit(program->Below(2) == 0, p.live);
    }
    ASSERT_NO_FATAL_FAILURE(CheckRatio(pacer->Revise(p, program->Memory())));
    ASSERT_NO_FATAL_FAILURE(CheckInvariants(*pacer, program->Memory()));
  }
  const auto duration = static_cast<int64_t>(program->Bytes(40));
  const MarkTimes times{duration, static_cast<int64_t>(program->Bytes(48)),
                        static_cast<int64_t>(program->Bytes(48))};
  const CycleReport report = pacer->EndCycle(p, program->Memory(), times, procs);
  ASSERT_GE(report.utilization, 0);
  ASSERT_LE(report.utilization, 1);
  const uint64_t marked = program->Bytes(45);
  pacer->ResetLive(marked, p);
  pacer->Commit(program->Below(2) == 0, marked + program->Bytes(30));
  ASSERT_EQ(pacer->triggered(), kNoGoal);
  ASSERT_NO_FATAL_FAILURE(CheckInvariants(*pacer, program->Memory()));
}

TEST(PacerPropertyTest, InvariantsHoldWhateverTheCountersSay) {
  RandomProgram program(TestSeed());
  for (int i = 0; i < 300; ++i) {
    Pacer pacer(program.Percent(), program.Limit());
    for (int cycle = 0; cycle < 30; ++cycle) {
      ASSERT_NO_FATAL_FAILURE(RandomCycle(&program, &pacer))
          << "program " << i << ", cycle " << cycle;
    }
  }
}

TEST(PacerPropertyTest, GoalAndTriggerRiseWithThePercentage) {
  RandomProgram program(TestSeed());
  for (int i = 0; i < 1000; ++i) {
    Pacer pacer(100, kNoMemoryLimit);
    for (int cycle = 0; cycle < 3; ++cycle) {
      ASSERT_NO_FATAL_FAILURE(RandomCycle(&program, &pacer));
    }
    pacer.SetMemoryLimit(kNoMemoryLimit);
    const bool sweep_done = program.Below(2) == 0;
    const uint64_t live = pacer.marked() + program.Bytes(40);
    TriggerPoint last{0, 0};
    for (int percent : {0, 1, 5, 10, 50, 99, 100, 101, 150, 400, 1000, 100000}) {
      pacer.SetGcPercent(percent);
      pacer.Commit(sweep_done, live);
      const TriggerPoint point = pacer.Trigger({});
      ASSERT_GE(point.goal, last.goal) << percent;
      ASSERT_GE(point.trigger, last.trigger) << percent;
      last = point;
    }
  }
}

TEST(PacerPropertyTest, ALowerLimitNeverRaisesTheLimitGoal) {
  RandomProgram program(TestSeed());
  for (int i = 0; i < 20000; ++i) {
    const MemoryReading memory = program.Memory();
    const uint64_t marked = program.Bytes(45);
    const uint64_t a = program.Bytes(50);
    const uint64_t b = a + program.Bytes(50);
    // The headroom is truncated to 3 bytes per 100; near zero the goal is the headroom alone.
    ASSERT_LE(MemoryLimitGoal(a, memory, marked),
              std::max(MemoryLimitGoal(b, memory, marked) + 3, 2 * kMinLimitHeadroomBytes))
        << a << " " << b;
  }
}

}  // namespace
}  // namespace tarn::rt
