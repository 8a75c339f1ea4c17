// Part of life_stress: objects whose pointers are written without barriers, with finalizers and
// destructors that take apart what they refer to. Trees of them hang in tables which are themselves
// scanned conservatively, so that an object may be found, changed and dropped without any barrier.
#ifndef TARN_TESTS_STRESS_LIFE_RAW_OBJECTS_H_
#define TARN_TESTS_STRESS_LIFE_RAW_OBJECTS_H_

#include <atomic>
#include <cstdint>

#include "tarn/tarn.h"
#include "tests/stress/stress_rng.h"

namespace stress {

struct RawCounters {
  std::atomic<uint64_t> made{0}, destroyed{0};
  std::atomic<uint64_t> finalizers{0}, finalized{0};
  std::atomic<uint64_t> registered{0}, polled{0};
  std::atomic<uint64_t> links{0}, moved{0};
};
extern RawCounters g_raw;

struct RawThing;

// 8 KiB and more: it is scanned in pieces.
struct RawTable {
  static constexpr size_t kSlots = 2048;
  RawThing* slots[kSlots] = {};
};

class RawWorker {
 public:
  explicit RawWorker(uint64_t seed);
  void Step();

 private:
  RawThing* Make(int depth);
  void Move();

  Rng rng_;
  tarn::gc_root<RawTable> table_;
  tarn::gc_queue<RawThing> queue_;
};

}  // namespace stress

#endif  // TARN_TESTS_STRESS_LIFE_RAW_OBJECTS_H_
