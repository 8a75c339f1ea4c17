// A test environment without automatic collections: else a slot that a test drops may be in use
// again before the test looks. Register it with testing::AddGlobalTestEnvironment.
#ifndef TARN_TESTS_GC_MANUAL_COLLECTIONS_H_
#define TARN_TESTS_GC_MANUAL_COLLECTIONS_H_

#include "gtest/gtest.h"
#include "tarn/heap.h"

namespace tarn::rt {

class ManualCollections : public testing::Environment {
 public:
  void SetUp() override { SetGcPercent(-1); }
};

}  // namespace tarn::rt

#endif  // TARN_TESTS_GC_MANUAL_COLLECTIONS_H_
