// Calls, primitives, branches. See codegen.h.
#include "examples/scheme/codegen.h"

namespace scheme {
namespace {

bool IsImmediate(Node* n, int64_t* i) {
  if (n->kind() != NodeKind::kConst) return false;
  const Value v = n->datum;
  if (!v.IsFixnum()) return false;
  *i = v.AsFixnum();
  return *i >= INT16_MIN && *i <= INT16_MAX;
}

// The S form of the family that means the same with its operands exchanged; kUnderflow: none.
Op Exchanged(Op family) {
  switch (family) {
    case Op::kAddS:
    case Op::kMulS:
    case Op::kNumEqS:
    case Op::kEqS:
    case Op::kUnlessNumEqS:
    case Op::kUnlessEqS:
      return family;
    case Op::kLtS:
      return Op::kGtS;
    case Op::kGtS:
      return Op::kLtS;
    case Op::kLeS:
      return Op::kGeS;
    case Op::kGeS:
      return Op::kLeS;
    case Op::kUnlessLtS:
      return Op::kUnlessGtS;
    case Op::kUnlessGtS:
      return Op::kUnlessLtS;
    case Op::kUnlessLeS:
      return Op::kUnlessGeS;
    case Op::kUnlessGeS:
      return Op::kUnlessLeS;
    default:
      return Op::kUnderflow;
  }
}

}  // namespace

// ---- calls ----

void Codegen::GenCall(Node* n, Ctx ctx) {
  const auto count = static_cast<int64_t>(n->ItemCount());
  for (int64_t i = 0; i < count; i++) GenPush(n->Item(static_cast<size_t>(i)));
  Node* f = n->a;
  const auto params = static_cast<int64_t>(fn_->params->size());
  if (f->kind() == NodeKind::kGlobalRef) {
    auto* cell = f->datum.Get().As<Cell>();
    const int64_t k = out_.Constant(f->datum);
    out_.MarkLine(n->line());
    // Procedures that never return are called with the caller's frame kept, for the line in the
    // message.
    if (ctx == kTail && (cell->header.flags & Cell::kNeverReturns) == 0) {
      out_.Emit(Op::kTailCallGlobal, k, count, params);
    } else {
      out_.Emit(Op::kCallGlobal, k, count);
      Leave(ctx);
    }
  } else {
    Gen(f, kValue);
    out_.MarkLine(n->line());
    if (ctx == kTail) {
      out_.Emit(Op::kTailCall, count, params);
    } else {
      out_.Emit(Op::kCall, count);
    }
  }
  depth_ -= count;
}

// ---- primitives ----

void Codegen::GenPrim(Node* n) {
  const Primitive& p = PrimitiveAt(n->header.small);
  switch (p.shape) {
    case PrimShape::kUnary:
      return GenUnary(n, p);
    case PrimShape::kTwo:
      return GenTwo(n, p);
    case PrimShape::kFive:
      out_.MarkLine(n->line());
      return GenFive(n, p, nullptr);
    case PrimShape::kWithZero:
      GenWithImmediate(p.op, n->Item(0), 0, nullptr);
      return out_.MarkAlias(n->header.small);
    case PrimShape::kMany:
      for (size_t i = 0; i + 1 < n->ItemCount(); i++) GenPush(n->Item(i));
      Gen(n->Item(n->ItemCount() - 1), kValue);
      out_.MarkLine(n->line());
      out_.Emit(p.op);
      depth_ -= static_cast<int64_t>(n->ItemCount()) - 1;
  }
}

void Codegen::GenUnary(Node* n, const Primitive& p) {
  int64_t slot;
  if ((p.op == Op::kCar || p.op == Op::kCdr) && IsSlot(n->Item(0), &slot)) {
    out_.MarkLine(n->line());
    out_.Emit(p.op == Op::kCar ? Op::kCarL : Op::kCdrL, slot);
    return;
  }
  Gen(n->Item(0), kValue);
  out_.MarkLine(n->line());
  out_.Emit(p.op);
}

void Codegen::GenTwo(Node* n, const Primitive& p) {
  int64_t slot;
  if (IsSlot(n->Item(0), &slot)) {
    Gen(n->Item(1), kValue);
    out_.MarkLine(n->line());
    out_.Emit(Plus(p.op, kModeL), slot);
  } else {
    GenPush(n->Item(0));
    Gen(n->Item(1), kValue);
    out_.MarkLine(n->line());
    out_.Emit(p.op);
    depth_--;
  }
  if (IsAlias(p)) out_.MarkAlias(n->header.small);
}

void Codegen::GenWithImmediate(Op family, Node* a, int64_t i, Label* unless) {
  int64_t slot;
  if (IsSlot(a, &slot)) {
    out_.Emit(Plus(family, kModeLI), slot, i);
  } else {
    Gen(a, kValue);
    out_.Emit(Plus(family, kModeI), i);
  }
  if (unless != nullptr) out_.Target(*unless);
}

// With `unless`: the branching form.
void Codegen::GenFive(Node* n, const Primitive& p, Label* unless) {
  Node *a = n->Item(0), *b = n->Item(1);
  const Op family = unless != nullptr ? p.unless : p.op;
  const Op exchanged = Exchanged(family);
  int64_t i, slot_a, slot_b;
  if (IsImmediate(b, &i)) return GenWithImmediate(family, a, i, unless);
  if (exchanged != Op::kUnderflow && IsImmediate(a, &i)) {
    GenWithImmediate(exchanged, b, i, unless);
    if (exchanged != family) out_.MarkAlias(n->header.small);
    return;
  }
  if (IsSlot(a, &slot_a)) {
    if (IsSlot(b, &slot_b)) {
      out_.Emit(Plus(family, kModeLL), slot_a, slot_b);
    } else {
      Gen(b, kValue);
      out_.Emit(Plus(family, kModeL), slot_a);
    }
  } else if (exchanged != Op::kUnderflow && IsSlot(b, &slot_b)) {
    Gen(a, kValue);
    out_.Emit(Plus(exchanged, kModeL), slot_b);
    if (unless != nullptr) out_.Target(*unless);
    if (exchanged != family) out_.MarkAlias(n->header.small);
    return;
  } else {
    GenPush(a);
    Gen(b, kValue);
    out_.Emit(family);
    depth_--;
  }
  if (unless != nullptr) out_.Target(*unless);
}

// ---- branches ----

void Codegen::EmitBranch(bool when, Label label) {
  out_.Emit(when ? Op::kWhen : Op::kUnless);
  out_.Target(label);
}

// Jumps to the label when primitive n is false. False: it has no branching form.
bool Codegen::GenPrimUnless(Node* n, Label label) {
  const Primitive& p = PrimitiveAt(n->header.small);
  int64_t slot;
  if (p.op == Op::kNullP || p.op == Op::kPairP) {
    const bool null = p.op == Op::kNullP;
    if (IsSlot(n->Item(0), &slot)) {
      out_.Emit(null ? Op::kUnlessNullL : Op::kUnlessPairL, slot);
    } else {
      Gen(n->Item(0), kValue);
      out_.Emit(null ? Op::kUnlessNull : Op::kUnlessPair);
    }
    out_.Target(label);
    return true;
  }
  if (p.unless == Op::kUnderflow) return false;
  out_.MarkLine(n->line());
  if (p.shape == PrimShape::kWithZero) {
    GenWithImmediate(p.unless, n->Item(0), 0, &label);
    out_.MarkAlias(n->header.small);
  } else {
    GenFive(n, p, &label);
  }
  return true;
}

void Codegen::GenBranch(Node* n, bool when, Label label) {
  switch (n->kind()) {
    case NodeKind::kConst:
      if (n->datum.Get().IsTrue() == when) out_.EmitJump(label);
      return;
    case NodeKind::kPrim: {
      if (PrimitiveAt(n->header.small).op == Op::kNot) return GenBranch(n->Item(0), !when, label);
      if (!when) {
        if (GenPrimUnless(n, label)) return;
        break;
      }
      const Label skip = out_.NewLabel();
      if (!GenPrimUnless(n, skip)) break;
      out_.EmitJump(label);
      out_.Bind(skip);
      return;
    }
    case NodeKind::kAnd:
    case NodeKind::kOr: {
      // `decides`: the truth of an item that settles the whole.
      const bool decides = n->kind() == NodeKind::kOr;
      const size_t last = n->ItemCount() - 1;
      const Label skip = out_.NewLabel();
      for (size_t i = 0; i < last; i++) {
        GenBranch(n->Item(i), decides, decides == when ? label : skip);
      }
      GenBranch(n->Item(last), when, label);
      out_.Bind(skip);
      return;
    }
    case NodeKind::kIf: {
      const Label other = out_.NewLabel(), end = out_.NewLabel();
      GenBranch(n->a, false, other);
      GenBranch(n->b, when, label);
      out_.EmitJump(end);
      out_.Bind(other);
      GenBranch(n->c, when, label);
      out_.Bind(end);
      return;
    }
    default:
      break;
  }
  Gen(n, kValue);
  EmitBranch(when, label);
}

}  // namespace scheme
