// Environment: the bindings of top-level names. A binding is a Cell (variable), a Macro or a
// SpecialForm. Not here: local scopes (expander.h). There is one system environment (the standard
// library); a program's environment has it as parent, so that a program may define any name without
// disturbing library procedures that use it. I1 A cell, once in a table, is replaced only by a
// macro of the same name (and the reverse).
#ifndef EXAMPLES_SCHEME_ENVIRONMENT_H_
#define EXAMPLES_SCHEME_ENVIRONMENT_H_

#include "examples/scheme/containers.h"
#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

struct Environment {
  static constexpr Type kType = Type::kEnvironment;
  Header header;
  gc_ptr<Environment> parent;
  gc_ptr<IdentityMap> table;  // Symbol -> binding
  gc_ptr<ValueList> exports;  // of a library: pairs (external . internal); null for others

  static Environment* New(Environment* parent);
  // The binding of the symbol here or in an ancestor; nothing (Value{0}) when there is none.
  Value Lookup(Value symbol) const;
  // The cell that a reference compiles to; makes an unbound one here when there is no binding.
  Cell* CellForReference(Value symbol);
  // The cell that a definition or an assignment compiles to: always in this environment. A library
  // binding is copied, with its present value, when it is first redefined.
  Cell* CellForDefinition(Value symbol);
  void Bind(Value symbol, Value binding) { table->Put(symbol, binding); }
};

Environment* SystemEnvironment();
Environment* UserEnvironment();  // the program's, and the REPL's
void InitEnvironments();

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_ENVIRONMENT_H_
