#include "runtime/base/raw_log.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace tarn::rt {

RawLine& RawLine::Str(std::string_view s) {
  const size_t room = sizeof(buf_) - 1 - len_;  // one byte is kept for the newline
  const size_t n = std::min(room, s.size());
  std::memcpy(buf_ + len_, s.data(), n);
  len_ += n;
  return *this;
}

RawLine& RawLine::Dec(int64_t v) {
  char tmp[24];
  size_t i = sizeof(tmp);
  uint64_t u = v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
  do {
    tmp[--i] = static_cast<char>('0' + u % 10);
    u /= 10;
  } while (u != 0);
  if (v < 0) tmp[--i] = '-';
  return Str({tmp + i, sizeof(tmp) - i});
}

RawLine& RawLine::Hex(uint64_t v) {
  char tmp[20];
  size_t i = sizeof(tmp);
  do {
    tmp[--i] = "0123456789abcdef"[v & 15];
    v >>= 4;
  } while (v != 0);
  tmp[--i] = 'x';
  tmp[--i] = '0';
  return Str({tmp + i, sizeof(tmp) - i});
}

RawLine& RawLine::Fixed3(double v) {
  if (v < 0) {
    Str("-");
    v = -v;
  }
  const uint64_t thousandths = static_cast<uint64_t>(v * 1000 + 0.5);
  Dec(static_cast<int64_t>(thousandths / 1000)).Str(".");
  const uint64_t frac = thousandths % 1000;
  if (frac < 100) Str("0");
  if (frac < 10) Str("0");
  return Dec(static_cast<int64_t>(frac));
}

void RawLine::WriteTo(int fd) {
  buf_[len_] = '\n';
  const ssize_t written = write(fd, buf_, len_ + 1);
  static_cast<void>(written);
}

}  // namespace tarn::rt
