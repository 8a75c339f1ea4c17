// Compile-time scopes: what an identifier means at a place in the program.
// A denotation is a Var (local variable), a Macro, a special form (fixnum, the SpecialForm number)
// or a Cell. Identifiers are symbols, and Identifier objects that macro expansion puts in their
// place: such a one is looked up by identity in the scopes around its use; if no binding form bound
// it there, its name is looked up where the macro was defined. That is all there is to hygiene
// here.
#ifndef EXAMPLES_SCHEME_SCOPE_H_
#define EXAMPLES_SCHEME_SCOPE_H_

#include "examples/scheme/code.h"
#include "examples/scheme/containers.h"
#include "examples/scheme/environment.h"
#include "examples/scheme/symbol_table.h"

namespace scheme {

// A local scope; scopes end in an Environment.
struct Scope {
  static constexpr Type kType = Type::kInternal;
  Header header;
  Slot parent;  // a Scope or an Environment
  gc_ptr<ValueList> ids;
  gc_ptr<ValueList> denotations;

  static Scope* New(Value parent);
  void Bind(Value id, Value denotation);
  // The denotation of id in this scope alone; nothing when it has none.
  Value Find(Value id) const;
};

struct Resolution {
  Value denotation;  // nothing: a top-level name without a binding
  Value symbol;      // of a top-level name
  Environment* env;  // where a top-level name was looked up; null for local ones
};

inline bool IsIdentifier(Value v) { return v.Is<Symbol>() || v.Is<Identifier>(); }
Resolution Resolve(Value id, Value scope);
// Do the two mean the same? (free-identifier=?)
bool SameMeaning(Value id1, Value scope1, Value id2, Value scope2);
// Is id the auxiliary keyword `k` (else, =>, ...)?
bool IsKeyword(Value id, Value scope, Known k);

// An identifier that means what `name` means in `scope`.
Value MakeIdentifier(Value name, Value scope);
// The symbol at the bottom of an identifier.
Value BaseSymbol(Value id);
// A datum with every identifier replaced by its symbol.
Value StripSyntax(Value datum);

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_SCOPE_H_
