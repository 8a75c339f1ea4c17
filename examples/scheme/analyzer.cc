// Analyzer: between expander and codegen. Decides which local procedures are loops that run inside
// the frame of their caller, and which variables each closure captures. Not here: instructions
// (codegen*.cc). I1 A letrec procedure is a loop iff it is bound alone, never assigned, takes no
// rest argument, and every
//    reference is a call in tail position of the letrec body or of its own body, with the right
//    number of arguments, in the same procedure. Then a call is an assignment of the parameters and
//    a jump.
// I2 A variable that closures capture is copied into them unless assigned; assigned variables live
// in boxes
//    (also those not captured: a continuation that is entered again must see the newest value).
// I3 A letrec variable that may be seen before its init has run counts as assigned.
#include "examples/scheme/ast.h"
#include "examples/scheme/builtins.h"
#include "examples/scheme/native_stack.h"

namespace scheme {
namespace {

// ---- loops ----

// Counts the references to `var` that are calls in tail position of n. With `rewrite`, turns them
// into jumps.
uint32_t TailCalls(Node* n, Var* var, size_t args, bool rewrite) {
  CheckNativeStack();
  switch (n->kind()) {
    case NodeKind::kCall: {
      const Node* f = n->a;
      if (f->kind() != NodeKind::kLocalRef || f->var.get() != var || n->ItemCount() != args)
        return 0;
      if (rewrite) {
        n->set_kind(NodeKind::kJump);
        n->var = var;
        n->a = nullptr;
      }
      return 1;
    }
    case NodeKind::kIf:
      return TailCalls(n->b, var, args, rewrite) + TailCalls(n->c, var, args, rewrite);
    case NodeKind::kSeq:
    case NodeKind::kAnd:
    case NodeKind::kOr:
      return TailCalls(n->Item(n->ItemCount() - 1), var, args, rewrite);
    case NodeKind::kLet:
    case NodeKind::kLetrec:
      return TailCalls(n->a, var, args, rewrite);
    case NodeKind::kLoop:
      return TailCalls(n->a, var, args, rewrite) + TailCalls(n->lambda->body, var, args, rewrite);
    default:
      return 0;
  }
}

void MaybeMakeLoop(Node* n) {
  if (n->ItemCount() != 1 || !(*n->vars)[0].IsObject()) return;
  auto* var = n->vars->At<Var>(0);
  Node* init = n->Item(0);
  if (init->kind() != NodeKind::kLambda || var->Is(Var::kAssigned)) return;
  Lambda* lambda = init->lambda;
  const size_t args = lambda->params->size();
  if (lambda->HasRest()) return;
  const uint32_t calls =
      TailCalls(n->a, var, args, false) + TailCalls(lambda->body, var, args, false);
  if (calls != var->header.word) return;
  TailCalls(n->a, var, args, true);
  TailCalls(lambda->body, var, args, true);
  var->Set(Var::kIsLoop);
  lambda->header.flags |= Lambda::kAsLoop;
  n->set_kind(NodeKind::kLoop);
  n->var = var;
  n->lambda = lambda;
  var->lambda = lambda;
}

void FindLoops(Node* n) {
  CheckNativeStack();
  if (n == nullptr) return;
  FindLoops(n->a);
  FindLoops(n->b);
  FindLoops(n->c);
  if (n->lambda != nullptr) FindLoops(n->lambda->body);
  if (n->items != nullptr) {
    for (size_t i = 0; i < n->ItemCount(); i++) FindLoops(n->Item(i));
  }
  if (n->kind() == NodeKind::kLetrec) MaybeMakeLoop(n);
}

// ---- captured variables ----

void Own(ValueList* vars, Lambda* owner) {
  for (size_t i = 0; i < vars->size(); i++) {
    if ((*vars)[i].IsObject()) vars->At<Var>(i)->owner = owner;
  }
}

void Note(Var* var, Lambda* f) {
  if (var->Is(Var::kPending)) var->Set(Var::kAssigned);  // keeps I3
  for (; f != var->owner.get(); f = f->parent) {
    if (f->free->IndexOf(Value::Of(var)) >= 0) return;
    f->free->Add(Value::Of(var));
  }
}

void Visit(Node* n, Lambda* f);

void VisitItems(Node* n, Lambda* f) {
  for (size_t i = 0; i < n->ItemCount(); i++) Visit(n->Item(i), f);
}

void VisitLambda(Lambda* lambda, Lambda* f) {
  lambda->parent = f;
  Own(lambda->params, lambda);
  Visit(lambda->body, lambda);
}

void VisitLetrec(Node* n, Lambda* f) {
  Own(n->vars, f);
  const size_t count = n->ItemCount();
  for (size_t i = 0; i < count; i++) {
    if ((*n->vars)[i].IsObject()) n->vars->At<Var>(i)->Set(Var::kPending);
  }
  for (size_t i = 0; i < count;) {
    const size_t end = FixGroupEnd(n, i);
    for (size_t k = i; k < end; k++) n->vars->At<Var>(k)->Clear(Var::kPending);
    if (end == i) {
      Visit(n->Item(i), f);
      if ((*n->vars)[i].IsObject()) n->vars->At<Var>(i)->Clear(Var::kPending);
      i++;
      continue;
    }
    for (; i < end; i++) VisitLambda(n->Item(i)->lambda, f);
  }
  Visit(n->a, f);
}

void Visit(Node* n, Lambda* f) {
  CheckNativeStack();
  switch (n->kind()) {
    case NodeKind::kConst:
    case NodeKind::kGlobalRef:
      return;
    case NodeKind::kLocalRef:
      return Note(n->var, f);
    case NodeKind::kLocalSet:
      Visit(n->a, f);
      return Note(n->var, f);
    case NodeKind::kGlobalSet:
    case NodeKind::kGlobalDefine:
      return Visit(n->a, f);
    case NodeKind::kIf:
      Visit(n->a, f);
      Visit(n->b, f);
      return Visit(n->c, f);
    case NodeKind::kLambda:
      return VisitLambda(n->lambda, f);
    case NodeKind::kCall:
      Visit(n->a, f);
      return VisitItems(n, f);
    case NodeKind::kCaseLambda:
    case NodeKind::kSeq:
    case NodeKind::kAnd:
    case NodeKind::kOr:
    case NodeKind::kPrim:
    case NodeKind::kJump:
      return VisitItems(n, f);
    case NodeKind::kLet:
      VisitItems(n, f);
      Own(n->vars, f);
      return Visit(n->a, f);
    case NodeKind::kLetrec:
      return VisitLetrec(n, f);
    case NodeKind::kLoop:
      Own(n->lambda->params, f);
      Visit(n->lambda->body, f);
      return Visit(n->a, f);
  }
}

}  // namespace

size_t FixGroupEnd(Node* letrec, size_t i) {
  while (i < letrec->ItemCount() && (*letrec->vars)[i].IsObject() &&
         letrec->Item(i)->kind() == NodeKind::kLambda &&
         !letrec->vars->At<Var>(i)->Is(Var::kAssigned)) {
    i++;
  }
  return i;
}

void Analyze(Lambda* top) {
  FindLoops(top->body);
  Visit(top->body, top);
}

}  // namespace scheme
