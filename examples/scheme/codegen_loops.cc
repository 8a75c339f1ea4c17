// letrec and loops. See codegen.h.
#include <algorithm>
#include <vector>

#include "examples/scheme/codegen.h"
#include "examples/scheme/native_stack.h"

namespace scheme {
namespace {

// Does n refer to var? Gives up (true) after *budget nodes.
bool Mentions(Node* n, const Var* var, int* budget) {
  CheckNativeStack();
  if (n == nullptr) return false;
  if (--*budget <= 0) return true;
  if (n->var.get() == var) return true;
  if (Mentions(n->a, var, budget) || Mentions(n->b, var, budget) || Mentions(n->c, var, budget)) {
    return true;
  }
  if (n->lambda != nullptr && Mentions(n->lambda->body, var, budget)) return true;
  if (n->items == nullptr) return false;
  for (size_t i = 0; i < n->ItemCount(); i++) {
    if (Mentions(n->Item(i), var, budget)) return true;
  }
  return false;
}

bool MentionsVar(Node* n, const Var* var) {
  int budget = 300;
  return Mentions(n, var, &budget);
}

}  // namespace

void Codegen::GenLetrec(Node* n, Ctx ctx) {
  const int64_t depth = depth_;
  const size_t count = n->ItemCount();
  for (size_t i = 0; i < count; i++) {
    if (!(*n->vars)[i].IsObject()) continue;
    auto* var = n->vars->At<Var>(i);
    if (!var->Is(Var::kAssigned)) continue;
    out_.Emit(Op::kPushBox);
    Push();
    var->slot = depth_ - 1;
  }
  for (size_t i = 0; i < count;) {
    const size_t end = FixGroupEnd(n, i);
    if (end > i) {
      GenFixGroup(n, i, end);
      i = end;
      continue;
    }
    if (!(*n->vars)[i].IsObject()) {
      Gen(n->Item(i), kEffect);
    } else if (auto* var = n->vars->At<Var>(i); var->Is(Var::kAssigned)) {
      Gen(n->Item(i), kValue);
      out_.Emit(Op::kSetBoxLocal, var->slot);
    } else {
      GenPush(n->Item(i));
      var->slot = depth_ - 1;
    }
    i++;
  }
  Gen(n->a, ctx);
  EndScope(depth, ctx);
}

void Codegen::GenFixGroup(Node* n, size_t begin, size_t end) {
  // Slots first: the procedures capture each other's.
  const int64_t base = depth_;
  for (size_t i = begin; i < end; i++) {
    n->vars->At<Var>(i)->slot = base + static_cast<int64_t>(i - begin);
  }
  std::vector<size_t> to_fill;
  for (size_t i = begin; i < end; i++) {
    Lambda* lambda = n->Item(i)->lambda;
    if (lambda->free->empty()) {
      GenLambda(lambda);
      out_.EmitPush();
    } else {
      out_.Emit(Op::kEmptyClosure, out_.Constant(Value::Of(Compile(lambda))));
      to_fill.push_back(i);
    }
    Push();
  }
  for (const size_t i : to_fill) {
    Lambda* lambda = n->Item(i)->lambda;
    out_.Emit(Op::kFillClosure, n->vars->At<Var>(i)->slot,
              static_cast<int64_t>(lambda->free->size()));
    EmitSources(lambda);
  }
}

void Codegen::GenLoop(Node* n, Ctx ctx) {
  const int64_t depth = depth_;
  Lambda* lambda = n->lambda;
  Var* name = n->var;
  const size_t count = lambda->params->size();
  const Label start = out_.NewLabel(), end = out_.NewLabel();
  name->slot = depth_;
  name->label = static_cast<int64_t>(start);
  for (size_t i = 0; i < count; i++) {
    lambda->params->At<Var>(i)->slot = depth_ + static_cast<int64_t>(i);
  }
  Node* entry = n->a;
  const bool direct = entry->kind() == NodeKind::kJump && entry->var.get() == name;
  if (direct) {
    for (size_t i = 0; i < count; i++) GenPush(entry->Item(i));
  } else {
    for (size_t i = 0; i < count; i++) {
      out_.Emit(Op::kPushFix, 0);
      Push();
    }
    Gen(entry, ctx);  // jumps to start, or has a value of its own
    if (ctx != kTail) out_.EmitJump(end);
  }
  out_.Bind(start);
  for (size_t i = 0; i < count; i++) {
    auto* var = lambda->params->At<Var>(i);
    if (var->Is(Var::kAssigned)) out_.Emit(Op::kMakeBox, var->slot);
  }
  Gen(lambda->body, ctx);
  out_.Bind(end);
  EndScope(depth, ctx);
}

// Assigns the loop's parameters as if all at once, then jumps. An argument goes straight into its
// slot if no argument still to be evaluated mentions that parameter.
void Codegen::GenJump(Node* n) {
  const int64_t depth = depth_;
  Var* name = n->var;
  const int64_t base = name->slot;
  const size_t count = n->ItemCount();
  std::vector<size_t> pending, pushed;
  for (size_t i = 0; i < count; i++) {
    int64_t slot;
    const bool unchanged = IsSlot(n->Item(i), &slot) && slot == base + static_cast<int64_t>(i);
    if (!unchanged) pending.push_back(i);
  }
  ValueList* params = name->lambda->params;
  while (!pending.empty()) {
    size_t chosen = SIZE_MAX;
    for (size_t k = 0; k < pending.size() && chosen == SIZE_MAX; k++) {
      const Var* param = params->At<Var>(pending[k]);
      const bool needed = std::any_of(pending.begin(), pending.end(), [&](size_t j) {
        return j != pending[k] && MentionsVar(n->Item(j), param);
      });
      if (!needed) chosen = k;
    }
    const bool direct = chosen != SIZE_MAX;
    if (!direct) chosen = 0;
    const size_t i = pending[chosen];
    pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(chosen));
    if (direct) {
      Gen(n->Item(i), kValue);
      out_.Emit(Op::kSetLocal, base + static_cast<int64_t>(i));
    } else {
      GenPush(n->Item(i));
      pushed.push_back(i);
    }
  }
  for (; !pushed.empty(); pushed.pop_back()) {
    out_.Emit(Op::kPopLocal, base + static_cast<int64_t>(pushed.back()));
    depth_--;
  }
  out_.Drop(depth_ - (base + static_cast<int64_t>(count)));
  out_.EmitJump(static_cast<Label>(name->label));
  depth_ = depth;  // for what follows, which a jump never reaches
}

}  // namespace scheme
