#include "runtime/base/check.h"

#include <cstdlib>

#include "runtime/base/raw_log.h"

namespace tarn::rt {

void Fatal(const char* message) {
  RawLine().Str("tarn: fatal: ").Str(message).WriteTo();
  std::abort();
}

void FatalValue(const char* message, uint64_t value) {
  RawLine().Str("tarn: fatal: ").Str(message).Str(" ").Hex(value).WriteTo();
  std::abort();
}

void CheckFailed(const char* file, int line, const char* condition) {
  RawLine()
      .Str("tarn: fatal: ")
      .Str(file)
      .Str(":")
      .Dec(line)
      .Str(": check failed: ")
      .Str(condition)
      .WriteTo();
  std::abort();
}

}  // namespace tarn::rt
