// Variables, control, closures. See codegen.h.
#include "examples/scheme/codegen.h"

#include <algorithm>

#include "examples/scheme/builtins.h"
#include "examples/scheme/native_stack.h"

namespace scheme {

Closure* GenerateThunk(Lambda* top, const CodegenUnit& unit) {
  Code* code = Codegen(top, unit).Run();
  auto* closure = make_gc_tail<Closure, Slot>(0);
  InitHeader(closure);
  closure->code = code;
  return closure;
}

Code* Codegen::Run() {
  CheckNativeStack();
  const auto count = static_cast<int64_t>(fn_->params->size());
  for (int64_t i = 0; i < count; i++) {
    auto* var = fn_->params->At<Var>(static_cast<size_t>(i));
    var->slot = i - count - 3;
    if (var->Is(Var::kAssigned)) out_.Emit(Op::kMakeBox, var->slot);
  }
  // A top-level form keeps its frame during calls, so that errors below have a line to name.
  if (fn_->parent == nullptr) {
    Gen(fn_->body, kValue);
    Leave(kTail);
  } else {
    Gen(fn_->body, kTail);
  }
  return out_.Finish(fn_, unit_, max_depth_);
}

void Codegen::Push(int64_t n) {
  depth_ += n;
  max_depth_ = std::max(max_depth_, depth_);
}

void Codegen::Leave(Ctx ctx) {
  if (ctx == kTail) out_.Emit(Op::kReturn, static_cast<int64_t>(fn_->params->size()));
}

void Codegen::Unspecified(Ctx ctx) {
  if (ctx == kEffect) return;
  out_.Emit(Op::kConst, out_.Constant(kUnspecified));
  Leave(ctx);
}

void Codegen::EndScope(int64_t depth, Ctx ctx) {
  if (ctx != kTail) out_.Drop(depth_ - depth);
  depth_ = depth;
}

void Codegen::GenPush(Node* n) {
  Gen(n, kValue);
  out_.EmitPush();
  Push();
}

bool Codegen::IsSlot(Node* n, int64_t* slot) const {
  if (n->kind() != NodeKind::kLocalRef) return false;
  const Var* var = n->var;
  if (var->owner.get() != fn_ || var->Is(Var::kAssigned)) return false;
  *slot = var->slot;
  return true;
}

void Codegen::Gen(Node* n, Ctx ctx) {
  CheckNativeStack();
  switch (n->kind()) {
    case NodeKind::kConst: {
      if (ctx == kEffect) return;
      const Value v = n->datum;
      if (v.IsFixnum() && v.AsFixnum() >= INT16_MIN && v.AsFixnum() <= INT16_MAX) {
        out_.Emit(Op::kFix, v.AsFixnum());
      } else {
        out_.Emit(Op::kConst, out_.Constant(v));
      }
      return Leave(ctx);
    }
    case NodeKind::kLocalRef:
      GenReference(n->var);
      return Leave(ctx);
    case NodeKind::kGlobalRef:
      out_.MarkLine(n->line());
      out_.Emit(Op::kGlobal, out_.Constant(n->datum));
      return Leave(ctx);
    case NodeKind::kLocalSet:
    case NodeKind::kGlobalSet:
    case NodeKind::kGlobalDefine:
      return GenSet(n, ctx);
    case NodeKind::kIf:
      return GenIf(n, ctx);
    case NodeKind::kLambda:
      GenLambda(n->lambda);
      return Leave(ctx);
    case NodeKind::kCaseLambda:
      GenCaseLambda(n);
      return Leave(ctx);
    case NodeKind::kSeq:
      return GenSeq(n, ctx);
    case NodeKind::kAnd:
    case NodeKind::kOr:
      return GenAndOr(n, ctx);
    case NodeKind::kCall:
      return GenCall(n, ctx);
    case NodeKind::kPrim:
      GenPrim(n);
      return Leave(ctx);
    case NodeKind::kLet:
      return GenLet(n, ctx);
    case NodeKind::kLetrec:
      return GenLetrec(n, ctx);
    case NodeKind::kLoop:
      return GenLoop(n, ctx);
    case NodeKind::kJump:
      return GenJump(n);
  }
}

// ---- variables ----

void Codegen::GenReference(Var* var) {
  const bool boxed = var->Is(Var::kAssigned);
  if (var->owner.get() == fn_) {
    out_.Emit(boxed ? Op::kBoxLocal : Op::kLocal, var->slot);
  } else {
    out_.Emit(boxed ? Op::kBoxFree : Op::kFree, fn_->free->IndexOf(Value::Of(var)));
  }
}

void Codegen::GenSet(Node* n, Ctx ctx) {
  Gen(n->a, kValue);
  out_.MarkLine(n->line());
  if (n->kind() == NodeKind::kLocalSet) {
    Var* var = n->var;
    if (var->owner.get() == fn_) {
      out_.Emit(Op::kSetBoxLocal, var->slot);
    } else {
      out_.Emit(Op::kSetBoxFree, fn_->free->IndexOf(Value::Of(var)));
    }
  } else {
    const bool define = n->kind() == NodeKind::kGlobalDefine;
    out_.Emit(define ? Op::kDefineGlobal : Op::kSetGlobal, out_.Constant(n->datum));
  }
  Unspecified(ctx);
}

void Codegen::GenLet(Node* n, Ctx ctx) {
  const int64_t depth = depth_;
  for (size_t i = 0; i < n->ItemCount(); i++) {
    GenPush(n->Item(i));
    auto* var = n->vars->At<Var>(i);
    var->slot = depth_ - 1;
  }
  for (size_t i = 0; i < n->ItemCount(); i++) {
    auto* var = n->vars->At<Var>(i);
    if (var->Is(Var::kAssigned)) out_.Emit(Op::kMakeBox, var->slot);
  }
  Gen(n->a, ctx);
  EndScope(depth, ctx);
}

// ---- control ----

void Codegen::GenIf(Node* n, Ctx ctx) {
  const Label other = out_.NewLabel(), end = out_.NewLabel();
  GenBranch(n->a, false, other);
  Gen(n->b, ctx);
  if (ctx == kTail) {
    out_.Bind(other);
    Gen(n->c, ctx);
    return;
  }
  if (ctx == kEffect && n->c->kind() == NodeKind::kConst) {
    out_.Bind(other);
    return;
  }
  out_.EmitJump(end);
  out_.Bind(other);
  Gen(n->c, ctx);
  out_.Bind(end);
}

void Codegen::GenSeq(Node* n, Ctx ctx) {
  const size_t last = n->ItemCount() - 1;
  for (size_t i = 0; i < last; i++) Gen(n->Item(i), kEffect);
  Gen(n->Item(last), ctx);
}

void Codegen::GenAndOr(Node* n, Ctx ctx) {
  const bool is_or = n->kind() == NodeKind::kOr;
  const Label end = out_.NewLabel();
  const size_t last = n->ItemCount() - 1;
  for (size_t i = 0; i < last; i++) {
    if (ctx == kEffect) {
      GenBranch(n->Item(i), is_or, end);
    } else {
      Gen(n->Item(i), kValue);
      out_.Emit(is_or ? Op::kWhen : Op::kUnless);
      out_.Target(end);
    }
  }
  Gen(n->Item(last), ctx);
  out_.Bind(end);
  Leave(ctx);
}

// ---- closures ----

void Codegen::EmitSources(Lambda* lambda) {
  for (size_t i = 0; i < lambda->free->size(); i++) {
    auto* var = lambda->free->At<Var>(i);
    if (var->owner.get() == fn_) {
      out_.SignedOperand(var->slot * 2);
    } else {
      out_.SignedOperand(fn_->free->IndexOf(Value::Of(var)) * 2 + 1);
    }
  }
}

void Codegen::GenLambda(Lambda* lambda) {
  Code* code = Compile(lambda);
  if (lambda->free->empty()) {  // one closure serves all evaluations
    auto* closure = make_gc_tail<Closure, Slot>(0);
    InitHeader(closure);
    closure->code = code;
    out_.Emit(Op::kConst, out_.Constant(Value::Of(closure)));
    return;
  }
  out_.Emit(Op::kClosure, out_.Constant(Value::Of(code)),
            static_cast<int64_t>(lambda->free->size()));
  EmitSources(lambda);
}

void Codegen::GenCaseLambda(Node* n) {
  for (size_t i = 0; i < n->ItemCount(); i++) GenPush(n->Item(i));
  auto* code = make_gc_tail<Code, Slot>(0);
  InitHeader(code);
  code->header.flags = Code::kCase;
  code->file = unit_.file;
  const auto count = static_cast<int64_t>(n->ItemCount());
  out_.Emit(Op::kCaseClosure, out_.Constant(Value::Of(code)), count);
  depth_ -= count;
}

}  // namespace scheme
