// syntax-rules macros: matching a use against patterns and filling in the template.
// Not here: which identifier means what (scope.h), where macros are bound (expander.cc).
// I1 Every symbol that a template inserts becomes a fresh Identifier, the same one for equal
// symbols of one
//    expansion.
#ifndef EXAMPLES_SCHEME_SYNTAX_RULES_H_
#define EXAMPLES_SCHEME_SYNTAX_RULES_H_

#include "examples/scheme/containers.h"
#include "examples/scheme/scope.h"

namespace scheme {

struct Macro {
  static constexpr Type kType = Type::kMacro;
  Header header;
  Slot scope;                  // where it was defined
  Slot ellipsis;               // the identifier that means ...
  gc_ptr<ValueList> literals;  // identifiers
  gc_ptr<ValueList> rules;     // pairs (pattern . template)

  bool IsEllipsis(Value v) const;
};

// From a (syntax-rules ...) form. Returns null and sets *problem when it is malformed.
Macro* ParseSyntaxRules(Value form, Value scope, const char** problem);
// The expansion of a use; nothing when no rule matches.
Value ExpandMacro(Macro* macro, Value form, Value use_scope);

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_SYNTAX_RULES_H_
