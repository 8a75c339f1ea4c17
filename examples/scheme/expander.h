// Expander: source data to Nodes. Expands macros, resolves identifiers, checks the syntax of
// special forms. Split over expander.cc (dispatch, references, calls, definitions),
// expander_body.cc (bodies with internal definitions), expander_forms.cc (conditionals and binding
// forms), expander_rewrite.cc (forms rewritten into simpler source), quasiquote.cc, library.cc
// (import, define-library, cond-expand), definitions.cc (what forms will define), expander_nodes.cc
// (helpers). I1 A form may contain
// Identifiers anywhere; data that leaves the expander (quote) does not. I2 line_ is the line of the
// innermost form that the reader knows.
#ifndef EXAMPLES_SCHEME_EXPANDER_H_
#define EXAMPLES_SCHEME_EXPANDER_H_

#include <string>

#include "examples/scheme/ast.h"
#include "examples/scheme/scope.h"

namespace scheme {

// Where program text came from.
struct SourceInfo {
  String* file;
  IdentityMap* lines;  // first pair of a list -> fixnum place
  bool library;        // part of the standard library
};

class Expander {
 public:
  Expander(const SourceInfo& source, Environment* env) : source_(source), env_(env) {}

  // Files that include forms brought in; complete after ExpandTop.
  ValueList* included() const { return included_; }

  // One top-level form, as a procedure without parameters. Definitions go to the environment.
  Lambda* ExpandTop(Value form);

  // definitions.cc
  // Gives `env` its own cells for the library names that the list of top-level forms defines, so
  // that uses before the definition mean the program's own. Looks into included files and the
  // clauses that cond-expand chooses.
  void PrepareDefinitions(Value forms, Environment* env) const;
  // The path of the file that a form was read from.
  std::string FileOf(Value form) const;

 private:
  friend struct SpecialForms;  // the table of special forms (expander.cc)
  using Handler = Node* (Expander::*)(Value form, Value scope);

  // expander.cc
  Node* Expand(Value form, Value scope);
  Node* ExpandPair(Value form, Value scope);
  Node* ExpandCall(Value form, Value scope);
  Node* ExpandReference(Value id, Value scope);
  Node* ExpandPrimitive(int number, Value args, Value scope, Node* call);
  Node* ExpandSequence(Value forms, Value scope);
  Node* ExpandTopSequence(Value forms, Value scope);  // the definitions are prepared first
  Node* ExpandLambda(Value params, Value body, Value scope, Value name);
  Value ExpandUse(Value macro, Value form, Value scope);  // one macro step
  Value ParseMacro(Value form, Value scope);
  Node* Quote(Value form, Value scope);
  Node* LambdaForm(Value form, Value scope);
  Node* NamedLambda(Value form, Value scope);
  Node* CaseLambda(Value form, Value scope);
  Node* If(Value form, Value scope);
  Node* Set(Value form, Value scope);
  Node* Begin(Value form, Value scope);
  Node* Define(Value form, Value scope);
  Node* DefineSyntax(Value form, Value scope);
  Node* SyntaxRulesOutOfPlace(Value form, Value scope);
  Node* AuxiliaryOutOfPlace(Value form, Value scope);
  Node* SyntaxErrorForm(Value form, Value scope);

  // expander_body.cc
  Node* ExpandBody(Value forms, Value scope);
  Node* FinishBody(ValueList* vars, ValueList* forms, Value scope);
  Node* LetSyntax(Value form, Value scope);
  Node* LetrecSyntax(Value form, Value scope);
  Node* ExpandLetSyntax(Value form, Value scope, bool recursive);

  // expander_forms.cc
  Node* Let(Value form, Value scope);
  Node* NamedLet(Value form, Value scope);
  Node* LetStar(Value form, Value scope);
  Node* ExpandLetStar(Value bindings, Value body, Value scope);
  Node* Letrec(Value form, Value scope);
  Node* Do(Value form, Value scope);
  Node* MakeLoop(Var* name, Lambda* lambda, ValueList* inits);
  Node* And(Value form, Value scope);
  Node* Or(Value form, Value scope);
  Node* AndOr(Value form, Value scope, NodeKind kind, Value empty);
  Node* When(Value form, Value scope);
  Node* Unless(Value form, Value scope);
  Node* Cond(Value form, Value scope);
  Node* ExpandCond(Value clauses, Value scope, Value form);
  Node* Case(Value form, Value scope);
  Node* ExpandCase(Value clauses, Var* key, Value scope, Value form);
  Node* CaseTest(Value data, Var* key, Value form);

  // expander_rewrite.cc
  Node* DefineRecordType(Value form, Value scope);
  Node* DefineValues(Value form, Value scope);
  Value RewriteRecordType(Value form, Value scope);
  Value RewriteDefineValues(Value form, Value scope);
  Node* Include(Value form, Value scope);
  Node* IncludeCi(Value form, Value scope);
  Value ReadIncluded(Value form, bool fold_case);

  // quasiquote.cc
  Node* Quasiquote(Value form, Value scope);
  Node* QuasiTemplate(Value t, int depth, Value scope);
  Node* QuasiList(Value t, int depth, Value scope);
  Node* QuasiRun(ValueList* run, Node* tail);

  // library.cc
  Node* Import(Value form, Value scope);
  Node* DefineLibrary(Value form, Value scope);
  void AddExports(Value declaration, Environment* env);
  Node* CondExpand(Value form, Value scope);
  void SetPlace(Value form);

  // expander_nodes.cc
  // Makers.
  Node* New(NodeKind kind);
  Node* Const(Value datum);
  Node* RefVar(Var* var);
  Node* MakeIf(Node* test, Node* then, Node* other);
  Node* MakeSeq(ValueList* items);  // of one item: the item
  Node* MakeCall(Node* f, ValueList* args);
  Node* MakePrim(const char* name, ValueList* args);
  Node* SystemCall(const char* name, ValueList* args);
  Node* MakeLet(ValueList* vars, ValueList* inits, Node* body);
  Var* NewVar(Value id);
  Lambda* NewLambda(Value name);
  Value SystemId(const char* name) const;  // what `name` means in the standard library

  // Syntax checks.
  [[noreturn]] void SyntaxError(Value form, const std::string& message);
  [[noreturn]] void BadSyntax(Value form);
  void CheckLength(Value form, int64_t min, int64_t max);  // max -1: any
  void CheckIdentifier(Value id, Value form);
  void CheckDistinct(ValueList* ids, Value form);
  std::string Where() const;

  SourceInfo source_;
  Environment* const env_;
  ValueList* const included_ = ValueList::New();
  uint32_t line_ = 0;  // a place, see code.h
};

// Numbers of the special forms, as denotations; BindSpecialForms puts them into the system
// environment.
void BindSpecialForms();
// The special form numbers that bodies treat themselves.
struct BodyForms {
  Value begin, define, define_values, define_record_type, define_syntax, include, include_ci,
      cond_expand;
};
const BodyForms& GetBodyForms();
// The forms of the first clause of (cond-expand (requirement form ...) ...) that holds; () if none
// does. Raises an error when a requirement is malformed.
Value ChosenClause(Value form);

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_EXPANDER_H_
