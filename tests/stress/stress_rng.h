// The random numbers of the stress programs: splitmix64, one generator per thread, from the seed.
#ifndef TARN_TESTS_STRESS_STRESS_RNG_H_
#define TARN_TESTS_STRESS_STRESS_RNG_H_

#include <cstdint>

namespace stress {

inline uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}
  uint64_t Next() { return Mix(state_ += 0x9e3779b97f4a7c15u); }
  uint64_t Below(uint64_t n) { return Next() % n; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

 private:
  uint64_t state_;
};

}  // namespace stress

#endif  // TARN_TESTS_STRESS_STRESS_RNG_H_
