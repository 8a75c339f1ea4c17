// Reader: characters to data. Used by the compiler (with source lines) and by the `read` builtin
// (without). Not here: where the characters come from (CharSource), number syntax (number.h).
#ifndef EXAMPLES_SCHEME_READER_H_
#define EXAMPLES_SCHEME_READER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "examples/scheme/value.h"

namespace scheme {

class SourceMap;  // source_map.h

// A source of code points; -1 is the end of input.
class CharSource {
 public:
  virtual ~CharSource() = default;
  virtual int32_t Peek() = 0;
  virtual int32_t Next() = 0;
};

// Reads one datum; kEof when only white space and comments are left. Raises a read error otherwise
// ("unexpected )", "end of input inside a list"). For ports: keeps no state between calls.
Value ReadDatum(CharSource& source);

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_READER_H_
