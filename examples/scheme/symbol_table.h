// The table of interned symbols, and names for the symbols that the reader and the expander look
// for. Not here: bindings of symbols (environment.h). I1 Two symbols of one name are the same
// object unless made by NewUninternedSymbol.
#ifndef EXAMPLES_SCHEME_SYMBOL_TABLE_H_
#define EXAMPLES_SCHEME_SYMBOL_TABLE_H_

#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

enum class Known : uint8_t {
  kQuote,
  kQuasiquote,
  kUnquote,
  kUnquoteSplicing,
  kElse,
  kArrow,
  kEllipsis,
  kUnderscore,
  kDefine,
  kBegin,
  kLambda,
  kCount,
};

// Must run before any symbol is made.
void InitSymbolTable();
Value KnownSymbol(Known k);

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_SYMBOL_TABLE_H_
