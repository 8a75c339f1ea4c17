// Reader: characters to data. Used by the compiler (with source lines) and by the `read` builtin
// (without). Not here: where the characters come from (CharSource), number syntax (number.h).
#ifndef EXAMPLES_SCHEME_READER_H_
#define EXAMPLES_SCHEME_READER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "examples/scheme/containers.h"
#include "examples/scheme/value.h"

namespace scheme {

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

// UTF-8 text in memory that knows the line and column of the next character (both from 1).
class TextSource final : public CharSource {
 public:
  // The text must outlive the source. `line` is that of the first character.
  explicit TextSource(std::string_view text, int line = 1) : text_(text), line_(line) {}
  int32_t Peek() override;
  int32_t Next() override;
  int line() const { return line_; }
  int column() const { return column_; }
  size_t position() const { return pos_; }

 private:
  std::string_view text_;
  size_t pos_ = 0;
  int line_;
  int column_ = 1;
};

// Reads program text: records in `lines` the line of the first pair of every list, and puts
// "FILE:LINE:COLUMN" into read errors. fold_case keeps #!fold-case between data.
// *incomplete, when given, is set when the text ends inside a datum (for the REPL).
struct SourceReader {
  TextSource* text;
  std::string_view file_name;
  IdentityMap* lines;        // pair -> fixnum place (code.h)
  uint32_t file_number = 0;  // part of the place
  bool fold_case = false;
  bool incomplete = false;

  Value Read();
};

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_READER_H_
