// What the expander makes of a program and codegen turns into instructions.
// Not here: scopes and macros (expander.h).
// I1 The passes run in the order expander, analyzer (loops, captured variables), codegen; each
// fills the
//    fields named after it and reads the earlier ones.
#ifndef EXAMPLES_SCHEME_AST_H_
#define EXAMPLES_SCHEME_AST_H_

#include "examples/scheme/containers.h"
#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

struct Lambda;

// A local variable.
struct Var {
  static constexpr Type kType = Type::kInternal;
  static constexpr uint8_t kAssigned =
      1;                                  // by set!, or seen before its letrec init: lives in a Box
  static constexpr uint8_t kPending = 2;  // analyzer: its letrec init has not been reached
  static constexpr uint8_t kIsLoop = 4;   // analyzer: names a loop, has no value
  Header header;                          // word: number of references (expander)
  Slot name;
  gc_ptr<Lambda> owner;   // analyzer: the procedure whose frame holds it
  gc_ptr<Lambda> lambda;  // analyzer: of a loop
  int64_t slot;           // codegen: frame slot; of a loop: the first parameter's
  int64_t label;          // codegen: of a loop, where its body starts

  bool Is(uint8_t flag) const { return (header.flags & flag) != 0; }
  void Set(uint8_t flag) { header.flags |= flag; }
  void Clear(uint8_t flag) { header.flags &= static_cast<uint8_t>(~flag); }
};

enum class NodeKind : uint8_t {
  kConst,         // datum
  kLocalRef,      // var
  kLocalSet,      // var = a
  kGlobalRef,     // datum: Cell
  kGlobalSet,     // datum = a
  kGlobalDefine,  // datum = a
  kIf,            // a ? b : c
  kLambda,        // lambda
  kCaseLambda,    // items: kLambda nodes
  kSeq,           // items, at least one
  kAnd,           // items, at least two
  kOr,
  kCall,    // a (items...)
  kPrim,    // primitive number header.small (items...)
  kLet,     // vars, items: inits; a: body
  kLetrec,  // vars (#f: item evaluated for effect), items; a: body. In order, as letrec*.
  kLoop,    // analyzer, from kLetrec: var, lambda; a: body that enters the loop by kJump
  kJump,    // analyzer, from kCall: var, items
};

struct Node {
  static constexpr Type kType = Type::kInternal;
  Header header;  // flags: NodeKind; word: line; small: primitive
  Slot datum;
  gc_ptr<Var> var;
  gc_ptr<Lambda> lambda;
  gc_ptr<Node> a;
  gc_ptr<Node> b;
  gc_ptr<Node> c;
  gc_ptr<ValueList> items;
  gc_ptr<ValueList> vars;

  NodeKind kind() const { return static_cast<NodeKind>(header.flags); }
  void set_kind(NodeKind k) { header.flags = static_cast<uint8_t>(k); }
  uint32_t line() const { return header.word; }
  Node* Item(size_t i) const { return items->At<Node>(i); }
  size_t ItemCount() const { return items->size(); }
};

struct Lambda {
  static constexpr Type kType = Type::kInternal;
  static constexpr uint8_t kRest = 1;
  static constexpr uint8_t kAsLoop =
      2;  // analyzer: its body runs in the frame of the enclosing one
  Header header;
  gc_ptr<Symbol> name;  // may be null
  gc_ptr<ValueList> params;
  gc_ptr<Node> body;
  gc_ptr<Lambda> parent;   // analyzer
  gc_ptr<ValueList> free;  // analyzer: captured variables of enclosing procedures

  bool HasRest() const { return (header.flags & kRest) != 0; }
};

// The passes after the expander. Analyze marks variables under `top`, a procedure without
// parameters.
void Analyze(Lambda* top);
// The end of the run of letrec items from i on that are procedures bound to unassigned variables:
// their closures are made together, so that they may capture each other.
size_t FixGroupEnd(Node* letrec, size_t i);

struct CodegenUnit {
  String* file;
  ValueList* included;  // see code.h
  bool library;
};
Closure* GenerateThunk(Lambda* top, const CodegenUnit& unit);

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_AST_H_
