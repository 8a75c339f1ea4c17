// RawLine: formats one line into a fixed buffer and writes it with a single write(2).
// Async-signal-safe: no allocation, no lock, no stdio. Longer lines are cut at the buffer's end.
#ifndef TARN_RUNTIME_BASE_RAW_LOG_H_
#define TARN_RUNTIME_BASE_RAW_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tarn::rt {

class RawLine {
 public:
  RawLine& Str(std::string_view s);
  RawLine& Dec(int64_t v);
  RawLine& Hex(uint64_t v);
  // Three digits after the point, as "1.250".
  RawLine& Fixed3(double v);
  std::string_view view() const { return {buf_, len_}; }
  // Appends a newline and writes the line to `fd`. A failing write is ignored: there is nobody to
  // tell.
  void WriteTo(int fd = 2);

 private:
  char buf_[512];
  size_t len_ = 0;
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_BASE_RAW_LOG_H_
