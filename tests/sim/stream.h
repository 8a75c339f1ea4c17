// Stream: a sequence of numbers, one per simulated cycle.
// Not here: what the numbers mean (pacer_model.h).
// A stream is consumed by being read; copies continue on their own from where the original was.
#ifndef TARN_TESTS_SIM_STREAM_H_
#define TARN_TESTS_SIM_STREAM_H_

#include <cmath>
#include <cstdint>
#include <functional>
#include <random>

namespace tarn::rt {

using Stream = std::function<double()>;

inline Stream Constant(double v) {
  return [v] { return v; };
}

// 0, rising linearly to `height` over `steps` values, then `height`.
inline Stream Ramp(double height, int steps) {
  return [height, steps, i = 0]() mutable {
    const double v = height * i / steps;
    if (i < steps) ++i;
    return v;
  };
}

// `v` once, then 0.
inline Stream Unit(double v) {
  return [v, first = true]() mutable {
    const double now = first ? v : 0;
    first = false;
    return now;
  };
}

// `zeros` zeros first.
inline Stream Delay(int zeros, Stream stream) {
  return [zeros, stream]() mutable {
    if (zeros == 0) return stream();
    --zeros;
    return 0.0;
  };
}

inline Stream Oscillate(double amplitude, int period) {
  return [amplitude, period, i = 0]() mutable {
    const double v = amplitude * std::sin(2 * M_PI * i / period);
    i = (i + 1) % period;
    return v;
  };
}

// Uniform in [-amplitude, amplitude).
inline Stream Random(double amplitude, uint64_t seed) {
  return [amplitude, rng = std::mt19937_64(seed)]() mutable {
    return std::uniform_real_distribution<double>(-amplitude, amplitude)(rng);
  };
}

inline Stream operator+(Stream a, Stream b) {
  return [a, b]() mutable {
    const double v = a();
    return v + b();
  };
}

}  // namespace tarn::rt

#endif  // TARN_TESTS_SIM_STREAM_H_
