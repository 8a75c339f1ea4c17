// The seed of a randomised test: TARN_TEST_SEED if set, else fresh; printed, so that a failure can
// be replayed.
#ifndef TARN_TESTS_SUPPORT_TEST_SEED_H_
#define TARN_TESTS_SUPPORT_TEST_SEED_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace tarn::rt {

inline uint64_t TestSeed() {
  uint64_t seed = 0;
  if (const char* text = std::getenv("TARN_TEST_SEED")) {
    seed = std::strtoull(text, nullptr, 0);
  } else {
    seed = std::random_device()();
  }
  std::printf("TARN_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  return seed;
}

}  // namespace tarn::rt

#endif  // TARN_TESTS_SUPPORT_TEST_SEED_H_
