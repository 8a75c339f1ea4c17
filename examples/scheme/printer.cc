// The printer: one pass that finds what needs a datum label, one that writes, both with explicit
// stacks. I1 Nothing is allocated on the tarn heap while printing and nothing is mutated, so values
// in C++
//    containers stay alive through the value being printed.
#include "examples/scheme/printer.h"

#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "examples/scheme/code.h"
#include "examples/scheme/number.h"
#include "examples/scheme/objects.h"
#include "examples/scheme/symbol_table.h"

namespace scheme {
namespace {

bool IsCompound(Value v) { return v.IsPair() || v.Is<Vector>(); }

template <class Fn>
void ForEachChild(Value v, Fn fn) {  // last to first, for use with a stack
  if (v.IsPair()) {
    fn(Cdr(v));
    fn(Car(v));
  } else {
    auto* vec = v.As<Vector>();
    for (size_t i = vec->length; i > 0; i--) fn(vec->items()[i - 1]);
  }
}

// True if v is a tree of few nodes, which needs no labels.
bool IsSmallTree(Value v) {
  std::vector<Value> todo{v};
  for (int budget = 200; budget > 0; budget--) {
    if (todo.empty()) return true;
    const Value x = todo.back();
    todo.pop_back();
    if (!IsCompound(x)) continue;
    if (x.Is<Vector>() && x.As<Vector>()->length > 200) return false;
    ForEachChild(x, [&](Value c) { todo.push_back(c); });
  }
  return false;
}

// The compound values in v that need a label, with -1 as the not yet assigned number.
std::unordered_map<uintptr_t, int> FindLabels(Value v, bool shared) {
  enum State : char { kOpen, kDone };
  struct Step {
    Value v;
    bool leave;
  };
  std::unordered_map<uintptr_t, int> labels;
  std::unordered_map<uintptr_t, State> state;
  std::vector<Step> todo{{v, false}};
  while (!todo.empty()) {
    const Step s = todo.back();
    todo.pop_back();
    if (s.leave) {
      state[s.v.w] = kDone;
      continue;
    }
    if (!IsCompound(s.v)) continue;
    const auto [it, fresh] = state.try_emplace(s.v.w, kOpen);
    if (!fresh) {
      if (shared || it->second == kOpen) labels.emplace(s.v.w, -1);
      continue;
    }
    todo.push_back({s.v, true});
    ForEachChild(s.v, [&](Value c) { todo.push_back({c, false}); });
  }
  return labels;
}

void AppendHex(std::string* out, uint32_t c) {
  char buf[16];
  std::snprintf(buf, sizeof buf, "x%x", c);
  *out += buf;
}

void WriteChar(std::string* out, uint32_t c) {
  struct Name {
    uint32_t code;
    const char* name;
  };
  constexpr std::array<Name, 9> kNames = {{{' ', "space"},
                                           {'\n', "newline"},
                                           {'\t', "tab"},
                                           {'\r', "return"},
                                           {0, "null"},
                                           {7, "alarm"},
                                           {8, "backspace"},
                                           {27, "escape"},
                                           {127, "delete"}}};
  *out += "#\\";
  for (const Name& n : kNames) {
    if (n.code == c) {
      *out += n.name;
      return;
    }
  }
  if (c < 32 || (c >= 128 && c < 160)) {
    AppendHex(out, c);
  } else {
    AppendUtf8(out, c);
  }
}

void WriteEscaped(std::string* out, std::string_view utf8, char quote) {
  out->push_back(quote);
  for (size_t pos = 0; pos < utf8.size();) {
    const uint32_t c = DecodeUtf8(utf8, &pos);
    switch (c) {
      case '\n':
        *out += "\\n";
        break;
      case '\t':
        *out += "\\t";
        break;
      case '\r':
        *out += "\\r";
        break;
      case '\a':
        *out += "\\a";
        break;
      case '\\':
        *out += "\\\\";
        break;
      default:
        if (c == static_cast<uint32_t>(quote)) {
          out->push_back('\\');
          out->push_back(quote);
        } else if (c < 32 || c == 127) {
          out->push_back('\\');
          AppendHex(out, c);
          out->push_back(';');
        } else {
          AppendUtf8(out, c);
        }
    }
  }
  out->push_back(quote);
}

bool NeedsBars(std::string_view name) {
  if (name.empty() || name == ".") return true;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) <= ' ') return true;
    if (std::string_view("()[]\"';`,|\\").find(c) != std::string_view::npos) return true;
  }
  if (name[0] == '#') return true;
  const char c0 = name[0];
  return ((c0 >= '0' && c0 <= '9') || c0 == '+' || c0 == '-' || c0 == '.') &&
         !ParseNumber(name).IsFalse();
}

void PrintConstant(std::string* out, Value v) {
  if (v == kFalse) {
    *out += "#f";
  } else if (v == kTrue) {
    *out += "#t";
  } else if (v == kNull) {
    *out += "()";
  } else if (v == kEof) {
    *out += "#<eof>";
  } else if (v == kDefault) {
    *out += "#!default";
  } else {
    *out += "#<unspecified>";
  }
}

void PrintNamed(std::string* out, const char* what, const Symbol* name) {
  *out += "#<";
  *out += what;
  if (name != nullptr) {
    out->push_back(' ');
    *out += name->Name();
  }
  out->push_back('>');
}

class Printer {
 public:
  Printer(std::string* out, PrintMode mode) : out_(*out), mode_(mode) {}

  void Run(Value v) {
    if (IsCompound(v) && mode_ != PrintMode::kWriteSimple && !IsSmallTree(v)) {
      labels_ = FindLabels(v, mode_ == PrintMode::kWriteShared);
    } else if (IsCompound(v) && mode_ == PrintMode::kWriteShared) {
      labels_ = FindLabels(v, true);
    }
    todo_.push_back({Step::kValue, v, 0});
    while (!todo_.empty()) {
      const Step s = todo_.back();
      todo_.pop_back();
      switch (s.kind) {
        case Step::kValue:
          PrintValue(s.v);
          break;
        case Step::kTail:
          PrintTail(s.v);
          break;
        case Step::kItems:
          PrintItems(s.v, s.index);
          break;
        case Step::kClose:
          out_.push_back(')');
      }
    }
  }

 private:
  struct Step {
    enum Kind : char { kValue, kTail, kItems, kClose } kind;
    Value v;
    size_t index;
  };

  void PrintValue(Value v) {
    if (!IsCompound(v)) {
      PrintAtom(v);
      return;
    }
    if (PrintLabel(v)) return;
    if (v.IsPair()) {
      if (const char* prefix = Abbreviation(v)) {
        out_ += prefix;
        todo_.push_back({Step::kValue, Car(Cdr(v)), 0});
        return;
      }
      out_.push_back('(');
      todo_.push_back({Step::kTail, Cdr(v), 0});
      todo_.push_back({Step::kValue, Car(v), 0});
    } else {
      out_ += "#(";
      todo_.push_back({Step::kItems, v, 0});
    }
  }

  // Writes #n= before a labelled value; #n# instead of it the second time (then true).
  bool PrintLabel(Value v) {
    if (labels_.empty()) return false;
    const auto it = labels_.find(v.w);
    if (it == labels_.end()) return false;
    const bool again = it->second >= 0;
    if (!again) it->second = next_label_++;
    out_.push_back('#');
    out_ += std::to_string(it->second);
    out_.push_back(again ? '#' : '=');
    return again;
  }

  // What follows the car of a list.
  void PrintTail(Value v) {
    if (v.IsNull()) {
      out_.push_back(')');
    } else if (v.IsPair() && (labels_.empty() || labels_.count(v.w) == 0)) {
      out_.push_back(' ');
      todo_.push_back({Step::kTail, Cdr(v), 0});
      todo_.push_back({Step::kValue, Car(v), 0});
    } else {
      out_ += " . ";
      todo_.push_back({Step::kClose, kNull, 0});
      todo_.push_back({Step::kValue, v, 0});
    }
  }

  void PrintItems(Value v, size_t i) {
    auto* vec = v.As<Vector>();
    if (i == vec->length) {
      out_.push_back(')');
      return;
    }
    if (i > 0) out_.push_back(' ');
    todo_.push_back({Step::kItems, v, i + 1});
    todo_.push_back({Step::kValue, vec->items()[i], 0});
  }

  const char* Abbreviation(Value v) const {
    const Value rest = Cdr(v);
    if (!Car(v).Is<Symbol>() || !rest.IsPair() || !Cdr(rest).IsNull()) return nullptr;
    if (!labels_.empty() && labels_.count(rest.w) != 0) return nullptr;
    const Value head = Car(v);
    if (head == KnownSymbol(Known::kQuote)) return "'";
    if (head == KnownSymbol(Known::kQuasiquote)) return "`";
    if (head == KnownSymbol(Known::kUnquote)) return ",";
    if (head == KnownSymbol(Known::kUnquoteSplicing)) return ",@";
    return nullptr;
  }

  void PrintAtom(Value v) {
    if (IsNumber(v)) {
      out_ += NumberToString(v);
    } else if (v.IsChar()) {
      if (mode_ == PrintMode::kDisplay) {
        AppendUtf8(&out_, v.AsChar());
      } else {
        WriteChar(&out_, v.AsChar());
      }
    } else if (v.IsConstant()) {
      PrintConstant(&out_, v);
    } else if (v.IsObject()) {
      PrintObject(v);
    } else {
      out_ += "#<nothing>";
    }
  }

  void PrintObject(Value v) {
    switch (v.AsHeader()->type) {
      case Type::kString:
        if (mode_ == PrintMode::kDisplay) {
          out_ += ToUtf8(v.As<String>());
        } else {
          WriteEscaped(&out_, ToUtf8(v.As<String>()), '"');
        }
        return;
      case Type::kSymbol: {
        const std::string_view name = v.As<Symbol>()->Name();
        if (mode_ != PrintMode::kDisplay && NeedsBars(name)) {
          WriteEscaped(&out_, name, '|');
        } else {
          out_ += name;
        }
        return;
      }
      case Type::kBytevector: {
        auto* b = v.As<Bytevector>();
        out_ += "#u8(";
        for (size_t i = 0; i < b->length; i++) {
          if (i > 0) out_.push_back(' ');
          out_ += std::to_string(b->bytes()[i]);
        }
        out_.push_back(')');
        return;
      }
      case Type::kIdentifier:  // only in messages about macro uses
        PrintValue(v.As<Identifier>()->name);
        return;
      case Type::kCondition:
        out_ += "#<error ";
        out_ += ConditionText(v.As<Condition>());
        out_.push_back('>');
        return;
      default:
        PrintOpaque(v);
    }
  }

  void PrintOpaque(Value v) {
    switch (v.AsHeader()->type) {
      case Type::kClosure:
        return PrintNamed(&out_, "procedure", v.As<Closure>()->code->name);
      case Type::kBuiltin:
        return PrintNamed(&out_, "procedure", v.As<Builtin>()->name);
      case Type::kRecordType:
        return PrintNamed(&out_, "record-type", v.As<RecordType>()->name);
      case Type::kRecord:
        return PrintNamed(&out_, "record", v.As<Record>()->type->name);
      case Type::kContinuation:
        return PrintNamed(&out_, "continuation", nullptr);
      case Type::kParameter:
        return PrintNamed(&out_, "parameter", nullptr);
      case Type::kPromise:
        return PrintNamed(&out_, "promise", nullptr);
      case Type::kEnvironment:
        return PrintNamed(&out_, "environment", nullptr);
      case Type::kHashTable:
        return PrintNamed(&out_, "hash-table", nullptr);
      case Type::kPort:
        return PrintNamed(&out_, "port", nullptr);
      case Type::kValues:
        return PrintNamed(&out_, "values", nullptr);
      default:
        return PrintNamed(&out_, "object", nullptr);
    }
  }

  std::string& out_;
  const PrintMode mode_;
  std::vector<Step> todo_;
  std::unordered_map<uintptr_t, int> labels_;
  int next_label_ = 0;
};

}  // namespace

void Print(std::string* out, Value v, PrintMode mode) { Printer(out, mode).Run(v); }

std::string WriteToString(Value v) {
  std::string s;
  Print(&s, v, PrintMode::kWrite);
  return s;
}

std::string ConditionText(const Condition* c) {
  std::string text;
  if (c->who.Get().IsTrue()) {
    Print(&text, c->who, PrintMode::kDisplay);
    text += ": ";
  }
  Print(&text, c->message, PrintMode::kDisplay);
  Value rest = c->irritants;
  for (; rest.IsPair(); rest = Cdr(rest)) {
    text.push_back(' ');
    Print(&text, Car(rest), PrintMode::kWrite);
  }
  return text;
}

}  // namespace scheme
