// The recursive-descent reader. Lists of any length are read in a loop; nesting is limited by
// CheckNativeStack.
#include "examples/scheme/reader.h"

#include <array>
#include <string>

#include "examples/scheme/builtins.h"
#include "examples/scheme/code.h"
#include "examples/scheme/native_stack.h"
#include "examples/scheme/number.h"
#include "examples/scheme/symbol_table.h"

namespace scheme {
namespace {

constexpr int32_t kEnd = -1;

// Results of ReadItem that are no data; no program can have them.
constexpr Value kClose = Value::Constant(100);
constexpr Value kDot = Value::Constant(101);

bool IsSpace(int32_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xA0 || c == 0xFEFF || c == 0x2028;
}
bool IsDelimiter(int32_t c) {
  return c == kEnd || IsSpace(c) || c == '(' || c == ')' || c == '[' || c == ']' || c == '"' ||
         c == ';' || c == '\'' || c == '`' || c == ',';
}
bool IsDigit(int32_t c) { return c >= '0' && c <= '9'; }
int HexDigit(int32_t c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

struct CharName {
  std::string_view name;
  uint32_t code;
};
constexpr std::array<CharName, 16> kCharNames = {{{"space", ' '},
                                                  {"newline", '\n'},
                                                  {"tab", '\t'},
                                                  {"return", '\r'},
                                                  {"null", 0},
                                                  {"nul", 0},
                                                  {"altmode", 27},
                                                  {"escape", 27},
                                                  {"esc", 27},
                                                  {"backspace", 8},
                                                  {"delete", 127},
                                                  {"rubout", 127},
                                                  {"alarm", 7},
                                                  {"linefeed", '\n'},
                                                  {"page", 12},
                                                  {"vtab", 11}}};

class Parser {
 public:
  Parser(CharSource& in, SourceReader* program) : in_(in), program_(program) {
    fold_case_ = program != nullptr && program->fold_case;
  }

  Value ReadTop() {
    const Value v = ReadItem();
    if (v == kClose) Fail("unexpected )");
    if (v == kDot) Fail("unexpected .");
    if (program_ != nullptr) program_->fold_case = fold_case_;
    if (labels_ != nullptr) Patch(v);
    return v;
  }

 private:
  [[noreturn]] void Fail(std::string message) {
    if (program_ != nullptr) {
      const std::string where = std::string(program_->file_name) + ":" +
                                std::to_string(program_->text->line()) + ":" +
                                std::to_string(program_->text->column());
      Condition* c = NewCondition(ConditionKind::kRead, MakeString(message), kNull, kFalse);
      c->where.Set(MakeString(where));
      Raise(Value::Of(c));
    }
    ReadError(message);
  }
  [[noreturn]] void FailAtEnd(const char* inside) {
    if (program_ != nullptr) program_->incomplete = true;
    Fail(std::string("end of input inside ") + inside);
  }

  int Line() const { return program_ != nullptr ? program_->text->line() : 0; }

  // Skips white space and comments other than #; and #|.
  int32_t SkipBlanks() {
    for (;;) {
      const int32_t c = in_.Peek();
      if (c == ';') {
        while (in_.Peek() != '\n' && in_.Peek() != kEnd) in_.Next();
      } else if (IsSpace(c)) {
        in_.Next();
      } else {
        return c;
      }
    }
  }

  Value ReadItem() {
    CheckNativeStack();
    for (;;) {
      const int32_t c = SkipBlanks();
      const int line = Line();
      switch (c) {
        case kEnd:
          return kEof;
        case '(':
        case '[':
          in_.Next();
          return ReadList(c == '(' ? ')' : ']', line);
        case ')':
        case ']':
          in_.Next();
          close_ = c;
          return kClose;
        case '\'':
          in_.Next();
          return ReadQuoted(Known::kQuote, line);
        case '`':
          in_.Next();
          return ReadQuoted(Known::kQuasiquote, line);
        case ',':
          in_.Next();
          if (in_.Peek() == '@') {
            in_.Next();
            return ReadQuoted(Known::kUnquoteSplicing, line);
          }
          return ReadQuoted(Known::kUnquote, line);
        case '"':
          in_.Next();
          return ReadString();
        case '#': {
          in_.Next();
          Value v{0};
          if (ReadHash(line, &v)) return v;
          continue;  // a comment
        }
        default:
          return ReadAtom("");
      }
    }
  }

  // A string in program text is a literal, which no program may change.
  Value ReadString() {
    const Value v = MakeString(ReadDelimited('"', "a string"));
    if (program_ != nullptr) v.AsHeader()->flags |= String::kImmutable;
    return v;
  }

  // A datum inside something: neither the end, nor ) nor a dot.
  Value ReadInner(const char* inside) {
    const Value v = ReadItem();
    if (v == kEof) FailAtEnd(inside);
    if (v == kClose) Fail("unexpected )");
    if (v == kDot) Fail("unexpected .");
    return v;
  }

  void Mark(Value pair, int line) {
    if (program_ == nullptr) return;
    const auto place = static_cast<uint32_t>(line) | program_->file_number << kLineBits;
    program_->lines->Put(pair, Value::Fixnum(place));
  }

  Value ReadQuoted(Known k, int line) {
    const Value datum = ReadInner("a quotation");
    const Value form = Cons(KnownSymbol(k), Cons(datum, kNull));
    Mark(form, line);
    return form;
  }

  void CheckClose(int32_t expected) {
    if (close_ != expected) Fail(expected == ')' ? "expected )" : "expected ]");
  }

  Value ReadList(int32_t close, int line) {
    Value head = kNull, last = kNull;
    for (;;) {
      const Value v = ReadItem();
      if (v == kEof) FailAtEnd("a list");
      if (v == kClose) {
        CheckClose(close);
        return head;
      }
      if (v == kDot) {
        if (head.IsNull()) Fail("unexpected .");
        last.AsPair()->cdr.Set(ReadInner("a list"));
        const Value end = ReadItem();
        if (end == kEof) FailAtEnd("a list");
        if (end != kClose) Fail("expected ) after the datum that follows a dot");
        CheckClose(close);
        return head;
      }
      const Value cell = Cons(v, kNull);
      if (head.IsNull()) {
        head = cell;
        Mark(head, line);
      } else {
        last.AsPair()->cdr.Set(cell);
      }
      last = cell;
    }
  }

  Value ReadVector() {
    ValueList* items = ValueList::New();
    for (;;) {
      const Value v = ReadItem();
      if (v == kEof) FailAtEnd("a vector");
      if (v == kDot) Fail("unexpected .");
      if (v == kClose) break;
      items->Add(v);
    }
    CheckClose(')');
    Vector* vec = NewVector(items->size(), kFalse);
    for (size_t i = 0; i < items->size(); i++) vec->items()[i].Set((*items)[i]);
    return Value::Of(vec);
  }

  Value ReadBytevector() {
    ValueList* items = ValueList::New();
    for (;;) {
      const Value v = ReadItem();
      if (v == kEof) FailAtEnd("a bytevector");
      if (v == kClose) break;
      if (!v.IsFixnum() || v.AsFixnum() < 0 || v.AsFixnum() > 255) {
        Fail("not a byte: " + WriteForMessage(v));
      }
      items->Add(v);
    }
    CheckClose(')');
    Bytevector* b = NewBytevector(items->size());
    for (size_t i = 0; i < items->size(); i++) {
      b->bytes()[i] = static_cast<uint8_t>((*items)[i].AsFixnum());
    }
    return Value::Of(b);
  }

  static std::string WriteForMessage(Value v) {
    return IsNumber(v) ? NumberToString(v) : std::string("a datum that is no number");
  }

  // Text up to `end` with escapes resolved, for strings and |symbols|.
  std::string ReadDelimited(int32_t end, const char* inside) {
    std::string out;
    for (;;) {
      int32_t c = in_.Next();
      if (c == kEnd) FailAtEnd(inside);
      if (c == end) return out;
      if (c == '\r') {  // line endings inside strings are \n
        if (in_.Peek() == '\n') in_.Next();
        c = '\n';
      }
      if (c != '\\') {
        AppendUtf8(&out, static_cast<uint32_t>(c));
        continue;
      }
      ReadEscape(&out, inside);
    }
  }

  void ReadEscape(std::string* out, const char* inside) {
    const int32_t c = in_.Next();
    switch (c) {
      case kEnd:
        FailAtEnd(inside);
      case 'a':
        out->push_back('\a');
        return;
      case 'b':
        out->push_back('\b');
        return;
      case 't':
        out->push_back('\t');
        return;
      case 'n':
        out->push_back('\n');
        return;
      case 'r':
        out->push_back('\r');
        return;
      case '0':
        out->push_back('\0');
        return;
      case '"':
      case '\\':
      case '|':
      case '\'':
        out->push_back(static_cast<char>(c));
        return;
      case 'x':
      case 'X':
        AppendUtf8(out, ReadHexEscape(inside));
        return;
      default:
        if (!IsSpace(c)) {
          std::string text = "unknown escape \\";
          AppendUtf8(&text, static_cast<uint32_t>(c));
          Fail(text);
        }
        SkipLineContinuation(c);
    }
  }

  uint32_t ReadHexEscape(const char* inside) {
    uint32_t code = 0;
    for (;;) {
      const int32_t c = in_.Next();
      if (c == kEnd) FailAtEnd(inside);
      if (c == ';') return CheckCodePoint(code);
      const int d = HexDigit(c);
      if (d < 0 || code > 0x10FFFF) Fail("bad \\x escape");
      code = code * 16 + static_cast<uint32_t>(d);
    }
  }

  uint32_t CheckCodePoint(uint32_t code) {
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) Fail("no such character");
    return code;
  }

  // "\" blanks newline blanks: nothing.
  void SkipLineContinuation(int32_t c) {
    while (c != '\n' && c != kEnd && IsSpace(c)) c = in_.Next();
    if (c != '\n') Fail("bad line continuation in a string");
    while (in_.Peek() == ' ' || in_.Peek() == '\t') in_.Next();
  }

  // Number or symbol. `prefix` was consumed already.
  Value ReadAtom(std::string text) {
    bool quoted = false;
    while (!IsDelimiter(in_.Peek())) {
      const int32_t c = in_.Next();
      if (c == '|') {
        quoted = true;
        text += ReadDelimited('|', "a symbol");
      } else {
        AppendUtf8(&text, static_cast<uint32_t>(c));
      }
    }
    if (!quoted) {
      if (text == ".") return kDot;
      const char c0 = text.empty() ? ' ' : text[0];
      if (IsDigit(c0) || c0 == '+' || c0 == '-' || c0 == '.' || c0 == '#') {
        const Value n = ParseNumber(text);
        if (!n.IsFalse()) return n;
        if (c0 == '#') Fail("unknown syntax " + text);
      }
      if (fold_case_) FoldCase(&text);
    }
    return Sym(text);
  }

  static void FoldCase(std::string* text) {
    for (char& c : *text) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
  }

  // After #. False: it was a comment or directive.
  bool ReadHash(int line, Value* v) {
    const int32_t c = in_.Peek();
    switch (c) {
      case kEnd:
        FailAtEnd("a # form");
      case '(':
        in_.Next();
        *v = ReadVector();
        return true;
      case ';':
        in_.Next();
        ReadInner("a #; comment");
        return false;
      case '|':
        in_.Next();
        SkipBlockComment();
        return false;
      case '!':
        in_.Next();
        return ReadDirective(line, v);
      case '\\':
        in_.Next();
        *v = ReadChar();
        return true;
      default:
        if (IsDigit(c)) {
          *v = ReadLabel();
          return true;
        }
        *v = ReadHashWord();
        return true;
    }
  }

  // #t #f #true #false #u8( and numbers with a radix or exactness prefix.
  Value ReadHashWord() {
    std::string text = "#";
    while (!IsDelimiter(in_.Peek())) AppendUtf8(&text, static_cast<uint32_t>(in_.Next()));
    std::string folded = text;
    FoldCase(&folded);
    if (folded == "#t" || folded == "#true") return kTrue;
    if (folded == "#f" || folded == "#false") return kFalse;
    if (folded == "#u8" && in_.Peek() == '(') {
      in_.Next();
      return ReadBytevector();
    }
    const Value n = ParseNumber(text);
    if (n.IsFalse()) Fail("unknown syntax " + text);
    return n;
  }

  void SkipBlockComment() {
    for (int depth = 1; depth > 0;) {
      const int32_t c = in_.Next();
      if (c == kEnd) FailAtEnd("a #| comment");
      if (c == '|' && in_.Peek() == '#') {
        in_.Next();
        depth--;
      } else if (c == '#' && in_.Peek() == '|') {
        in_.Next();
        depth++;
      }
    }
  }

  bool ReadDirective(int line, Value* v) {
    if (line == 1 && (in_.Peek() == '/' || in_.Peek() == ' ')) {  // #!/usr/bin/env scheme
      while (in_.Peek() != '\n' && in_.Peek() != kEnd) in_.Next();
      return false;
    }
    std::string text;
    while (!IsDelimiter(in_.Peek())) AppendUtf8(&text, static_cast<uint32_t>(in_.Next()));
    if (text == "fold-case") {
      fold_case_ = true;
    } else if (text == "no-fold-case") {
      fold_case_ = false;
    } else if (text == "eof") {
      *v = kEof;
      return true;
    } else if (text == "default" || text == "optional" || text == "rest") {
      *v = kDefault;
      return true;
    } else {
      Fail("unknown directive #!" + text);
    }
    return false;
  }

  Value ReadChar() {
    std::string text;
    const int32_t first = in_.Next();
    if (first == kEnd) FailAtEnd("a character");
    AppendUtf8(&text, static_cast<uint32_t>(first));
    size_t characters = 1;
    for (; !IsDelimiter(in_.Peek()); characters++) {
      AppendUtf8(&text, static_cast<uint32_t>(in_.Next()));
    }
    if (characters == 1) return Value::Char(static_cast<uint32_t>(first));
    if (first == 'x' || first == 'U' || first == 'u') {
      uint32_t code = 0;
      bool ok = true;
      for (size_t i = 1; i < text.size() && ok; i++) {
        const int d = HexDigit(text[i]);
        ok = d >= 0 && code <= 0x10FFFF;
        code = code * 16 + static_cast<uint32_t>(d < 0 ? 0 : d);
      }
      if (ok) return Value::Char(CheckCodePoint(code));
    }
    std::string folded = text;
    FoldCase(&folded);
    for (const CharName& n : kCharNames) {
      if (n.name == folded) return Value::Char(n.code);
    }
    Fail("unknown character name #\\" + text);
  }

  // #n= and #n#. A reference inside its own datum reads as a placeholder box, replaced by Patch.
  Value ReadLabel() {
    int64_t n = 0;
    while (IsDigit(in_.Peek())) {
      n = n * 10 + (in_.Next() - '0');
      if (n > 1000000000) Fail("label too large");
    }
    const int32_t c = in_.Next();
    if (c == '#') {
      Slot* slot = labels_ != nullptr ? labels_->Find(Value::Fixnum(n)) : nullptr;
      if (slot == nullptr)
        Fail(std::string("unknown label #").append(std::to_string(n)).append("#"));
      const Value known = slot->Get().As<Box>()->value;
      return known.IsNothing() ? slot->Get() : known;
    }
    if (c != '=') Fail("bad label");
    if (labels_ == nullptr) labels_ = IdentityMap::New();
    Box* box = NewBox(Value{0});
    labels_->Put(Value::Fixnum(n), Value::Of(box));
    const Value v = ReadInner("a labelled datum");
    if (v == Value::Of(box)) Fail("a label that names itself");
    box->value.Set(v);
    return v;
  }

  // Replaces placeholder boxes in v, which may be circular already.
  static void Patch(Value v) {
    IdentityMap* seen = IdentityMap::New();
    ValueList* todo = ValueList::New();
    todo->Add(v);
    auto fix = [&](Slot* s) {
      if (s->Get().Is<Box>()) s->Set(s->Get().As<Box>()->value);
      todo->Add(s->Get());
    };
    while (!todo->empty()) {
      const Value x = todo->Pop();
      if (!x.IsPair() && !x.Is<Vector>()) continue;
      if (seen->Find(x) != nullptr) continue;
      seen->Put(x, kTrue);
      if (x.IsPair()) {
        fix(&x.AsPair()->car);
        fix(&x.AsPair()->cdr);
      } else {
        auto* vec = x.As<Vector>();
        for (size_t i = 0; i < vec->length; i++) fix(&vec->items()[i]);
      }
    }
  }

  CharSource& in_;
  SourceReader* program_;
  IdentityMap* labels_ = nullptr;  // fixnum -> box of the datum
  int32_t close_ = 0;              // which bracket the last kClose was
  bool fold_case_ = false;
};

}  // namespace

Value ReadDatum(CharSource& source) { return Parser(source, nullptr).ReadTop(); }

Value SourceReader::Read() {
  incomplete = false;
  return Parser(*text, this).ReadTop();
}

int32_t TextSource::Peek() {
  if (pos_ >= text_.size()) return kEnd;
  size_t p = pos_;
  return static_cast<int32_t>(DecodeUtf8(text_, &p));
}

int32_t TextSource::Next() {
  if (pos_ >= text_.size()) return kEnd;
  const auto c = static_cast<int32_t>(DecodeUtf8(text_, &pos_));
  if (c == '\n') {
    line_++;
    column_ = 1;
  } else {
    column_++;
  }
  return c;
}

}  // namespace scheme
