// Codegen: one procedure's Nodes to instructions. Split over codegen.cc (variables, control,
// closures), codegen_calls.cc (calls, primitives, branches), codegen_loops.cc (letrec, loops),
// assembler.cc (output). I1 depth_ is the number of words above fp at run time, known at each
// instruction. I2 Only variables that are not assigned live in slots; so evaluating an expression
// never changes a slot
//    (jumps do, and they are never inside an operand).
#ifndef EXAMPLES_SCHEME_CODEGEN_H_
#define EXAMPLES_SCHEME_CODEGEN_H_

#include <cstdint>
#include <vector>

#include "examples/scheme/ast.h"
#include "examples/scheme/code.h"
#include "examples/scheme/opcodes.h"
#include "examples/scheme/primitives.h"

namespace scheme {

// Collects instructions, constants and lines of one procedure, and resolves branches.
class Assembler {
 public:
  using Label = size_t;

  void Emit(Op op) {
    last_op_ = last_start_ = units_.size();
    units_.push_back(static_cast<uint16_t>(op));
  }
  void Emit(Op op, int64_t a) {
    Emit(op);
    Operand(a);
  }
  void Emit(Op op, int64_t a, int64_t b) {
    Emit(op, a);
    Operand(b);
  }
  void Emit(Op op, int64_t a, int64_t b, int64_t c) {
    Emit(op, a, b);
    Operand(c);
  }
  // Raise an error when v does not fit 16 bits: as a number with a sign, or with or without one.
  void SignedOperand(int64_t v);
  void Operand(int64_t v);
  void Drop(int64_t n) {
    if (n > 0) Emit(Op::kDrop, n);
  }
  // Push, merged into the instruction before where that has such a form.
  void EmitPush();

  Label NewLabel();
  void Bind(Label label);
  // Appends the branch offset to a label, bound or not.
  void Target(Label label);
  void EmitJump(Label label);  // Jump forwards, Loop backwards

  int64_t Constant(Value v);  // its index
  void MarkLine(uint32_t line);
  // The instruction that was emitted last came from this primitive.
  void MarkAlias(int primitive);

  Code* Finish(Lambda* lambda, const CodegenUnit& unit, int64_t frame_words);

 private:
  static constexpr size_t kNone = SIZE_MAX;
  void Patch(size_t at, size_t target);

  std::vector<uint16_t> units_;
  std::vector<LineEntry> lines_;
  std::vector<AliasEntry> aliases_;
  std::vector<size_t> labels_;  // position, kNone while unbound
  struct Use {
    size_t at;
    Label label;
  };
  std::vector<Use> uses_;  // of unbound labels
  ValueList* constants_ = ValueList::New();
  IdentityMap* constant_index_ = IdentityMap::New();
  size_t last_op_ = kNone;  // the instruction before, if it may still take its push form
  size_t last_start_ = 0;   // the instruction before
};

// The VM keeps at least this much stack free when it enters a procedure.
inline constexpr int64_t kMaxFrameWords = 32000;

class Codegen {
 public:
  Codegen(Lambda* fn, const CodegenUnit& unit) : fn_(fn), unit_(unit) {}
  Code* Run();

 private:
  enum Ctx : uint8_t { kEffect, kValue, kTail };
  using Label = Assembler::Label;

  // codegen.cc
  void Gen(Node* n, Ctx ctx);
  void GenPush(Node* n);
  void GenReference(Var* var);
  void GenSet(Node* n, Ctx ctx);
  void GenIf(Node* n, Ctx ctx);
  void GenSeq(Node* n, Ctx ctx);
  void GenAndOr(Node* n, Ctx ctx);
  void GenLet(Node* n, Ctx ctx);
  void GenLambda(Lambda* lambda);
  void GenCaseLambda(Node* n);
  Code* Compile(Lambda* lambda) { return Codegen(lambda, unit_).Run(); }
  void EmitSources(Lambda* lambda);
  void Leave(Ctx ctx);  // after the accumulator got the value: Return when kTail
  void Unspecified(Ctx ctx);
  void Push(int64_t n = 1);
  void EndScope(int64_t depth, Ctx ctx);
  bool IsSlot(Node* n, int64_t* slot) const;  // a reference to a variable in this frame, not boxed

  // codegen_calls.cc
  void GenCall(Node* n, Ctx ctx);
  void GenPrim(Node* n);
  void GenFive(Node* n, const Primitive& p, Label* unless);
  void GenWithImmediate(Op family, Node* a, int64_t i, Label* unless);
  void GenTwo(Node* n, const Primitive& p);
  void GenUnary(Node* n, const Primitive& p);
  // Jumps to the label if the truth of n is `when`, else falls through.
  void GenBranch(Node* n, bool when, Label label);
  bool GenPrimUnless(Node* n, Label label);
  void EmitBranch(bool when, Label label);

  // codegen_loops.cc
  void GenLetrec(Node* n, Ctx ctx);
  void GenFixGroup(Node* n, size_t begin, size_t end);
  void GenLoop(Node* n, Ctx ctx);
  void GenJump(Node* n);

  Lambda* const fn_;
  const CodegenUnit unit_;
  Assembler out_;
  int64_t depth_ = 0;
  int64_t max_depth_ = 0;
};

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_CODEGEN_H_
