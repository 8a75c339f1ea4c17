// PiController: moves an output so that an input comes to a set point: a part in proportion to the
// error, and a part that sums it up and corrects itself while the output is at its bounds (back
// calculation against wind-up).
// I1 The output is finite and within [min, max], whatever comes in.
// I2 After an error that is no finite number the sum is zero and the output `min`.
// Locking: the owner's. Cost: a few floating-point operations.
#ifndef TARN_GC_CONTROL_PI_CONTROLLER_H_
#define TARN_GC_CONTROL_PI_CONTROLLER_H_

#include <algorithm>
#include <cmath>

namespace tarn::rt {

class PiController {
 public:
  // All finite and positive; min <= max. Times are in the unit of `period`.
  struct Tuning {
    double gain = 0;           // output per unit of error
    double integral_time = 0;  // the error's sum equals its proportional part after this time
    double reset_time = 0;     // how fast the sum follows an output that is at its bounds
    double min = 0, max = 0;
  };

  explicit PiController(const Tuning& tuning) : tuning_(tuning) {}

  struct Result {
    double output;
    bool ok;  // false: reset (I2)
  };
  // `period`: time since the last call.
  Result Next(double input, double set_point, double period) {
    const double error = set_point - input;
    const double raw = tuning_.gain * error + sum_;
    if (!std::isfinite(raw)) return Reset();
    const double output = std::clamp(raw, tuning_.min, tuning_.max);  // keeps I1
    sum_ += tuning_.gain * period / tuning_.integral_time * error +
            period / tuning_.reset_time * (output - raw);
    if (!std::isfinite(sum_)) return Reset();
    return {output, true};
  }

 private:
  Result Reset() {
    sum_ = 0;
    return {tuning_.min, false};
  }

  const Tuning tuning_;
  double sum_ = 0;
};

}  // namespace tarn::rt

#endif  // TARN_GC_CONTROL_PI_CONTROLLER_H_
