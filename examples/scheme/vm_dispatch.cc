// The dispatch loop. Registers live in C++ locals; SYNC() stores them before anything that may
// allocate, raise or look at frames. Instructions: opcodes.h. I1 Between SYNC() and the end of an
// instruction the stack below sp holds every live value but acc, which
//    is on the native stack.
#include "examples/scheme/opcodes.h"
#include "examples/scheme/vm.h"
#include "examples/scheme/vm_operands.h"
#include "examples/scheme/vm_slow.h"

namespace scheme {
namespace {

bool IsRecordOf(Value v, Value type) {
  return v.Is<Record>() && Value::Of(v.As<Record>()->type.get()) == type;
}

}  // namespace

#if defined(__GNUC__)
#define SCHEME_COMPUTED_GOTO 1
#else
#define SCHEME_COMPUTED_GOTO 0
#endif

#if SCHEME_COMPUTED_GOTO
#define CASE(name) L_##name:
#define NEXT() __extension__({ goto* kLabels[*pc++]; })
#else
#define CASE(name) case Op::k##name:
#define NEXT() goto next
#endif

#define SYNC() (this->pc = pc, this->sp = sp, this->fp = fp)
#define S16(i) static_cast<int16_t>(pc[i])
#define LOCAL(i) fp[S16(i)]
#define CONSTANT(i) constants[pc[i]].Get()
#define ENTER_CODE(closure_value)           \
  do {                                      \
    closure = (closure_value);              \
    roots.closure = closure;                \
    constants = closure->code->constants(); \
  } while (0)

// Runs until the bottom of the stack is left. Starts with a call of roots.acc with `call_args`
// arguments on the stack, the other registers being in the Vm.
Value Vm::Dispatch(size_t call_args) {
#if SCHEME_COMPUTED_GOTO
#define SCHEME_LABEL(name) __extension__ &&L_##name,
  static const void* const kLabels[] = {SCHEME_OPCODES(SCHEME_LABEL)};
#undef SCHEME_LABEL
#endif
  // The locals shadow the members that they are copies of, on purpose.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
  const uint16_t* pc = this->pc;
  Value* sp = this->sp;
  Value* fp = this->fp;
#pragma GCC diagnostic pop
  Closure* closure = roots.closure;
  Slot* constants = closure->code->constants();
  Value acc = roots.acc;
  size_t n = call_args;

  // ---- calls: acc is the procedure, n arguments are on the stack ----
call:
  if (IsClosure(acc)) {
    auto* f = acc.As<Closure>();
    Code* code = f->code;
    if (n != code->required || (code->header.flags & (Code::kRest | Code::kCase)) != 0)
        [[unlikely]] {
      SYNC();
      if (code->IsCase()) {
        acc = Value::Of(SelectClause(f, n));
        goto call;
      }
      if (n < code->required || !code->HasRest()) ArityError(acc, n);
      this->roots.acc = acc;
      CollectRest(code, n);
      sp = this->sp;
    }
    sp[0] = Value::Of(closure);
    sp[1] = Value::Fixnum(sp + 3 - fp);
    sp[2] = Value{reinterpret_cast<uintptr_t>(pc)};
    sp += 3;
    fp = sp;
    closure = f;
    roots.closure = f;
    constants = code->constants();
    pc = code->instructions;
    if (sp >= limit) [[unlikely]] {
      SYNC();
      StackOverflow();
    }
    SYNC();
    tarn::Safepoint();
    NEXT();
  }
  if (acc.Is<Builtin>()) {
    auto* b = acc.As<Builtin>();
    SYNC();
    if (b->fn == 0) {
      n = Control(b, n);
      goto control;
    }
    if (static_cast<int32_t>(n) < b->min_args ||
        (b->max_args >= 0 && static_cast<int32_t>(n) > b->max_args)) [[unlikely]] {
      ArityError(acc, n);
    }
    roots.who = acc;
    acc = reinterpret_cast<BuiltinFn>(b->fn)(Args{sp - n, n});
    sp -= n;
    NEXT();
  }
  SYNC();
  if (acc.Is<Parameter>()) {
    if (n != 0) FailApply(acc);
    acc = CurrentValue(acc.As<Parameter>());
    NEXT();
  }
  if (!acc.Is<Continuation>()) FailApply(acc);
  roots.acc = acc;
  n = EnterContinuation(n);

control
    :  // the registers are in the Vm; at the bottom of an empty stack acc goes to the piece below
  pc = this->pc;
  sp = this->sp;
  fp = this->fp;
  acc = roots.acc;
  ENTER_CODE(roots.closure);
  if (n == kNoCall) goto underflow;
  goto call;

underflow:
  roots.acc = acc;
  SYNC();
  if (!Underflow()) return acc;
  pc = this->pc;
  sp = this->sp;
  fp = this->fp;
  acc = roots.acc;
  ENTER_CODE(roots.closure);
  NEXT();

tail_call : {
  const size_t params = pc[0];
  pc += 1;
  if (IsClosure(acc)) {
    const Code* code = acc.As<Closure>()->code;
    if (n != code->required || code->header.flags != 0) [[unlikely]] {
      SYNC();
      CheckArity(acc, n);
    }
  } else if (acc.Is<Builtin>() && acc.As<Builtin>()->fn != 0) {
    auto* b = acc.As<Builtin>();
    SYNC();
    if (static_cast<int32_t>(n) < b->min_args ||
        (b->max_args >= 0 && static_cast<int32_t>(n) > b->max_args)) [[unlikely]] {
      ArityError(acc, n);
    }
    roots.who = acc;
    acc = reinterpret_cast<BuiltinFn>(b->fn)(Args{sp - n, n});
    sp = fp - 3 - params;
    pc = reinterpret_cast<const uint16_t*>(fp[-1].w);
    ENTER_CODE(fp[-3].As<Closure>());
    fp -= fp[-2].AsFixnum();
    NEXT();
  } else if (!IsProcedure(acc)) {
    SYNC();
    FailApply(acc);
  }
  // Give up the frame: the call is made from the caller's.
  Value* to = fp - 3 - params;
  const Value* from = sp - n;
  pc = reinterpret_cast<const uint16_t*>(fp[-1].w);
  ENTER_CODE(fp[-3].As<Closure>());
  Value* const caller_fp = fp - fp[-2].AsFixnum();
  for (size_t i = 0; i < n; i++) to[i] = from[i];
  sp = to + n;
  fp = caller_fp;
  goto call;
}

#if SCHEME_COMPUTED_GOTO
  {
#else
next:
  switch (static_cast<Op>(*pc++)) {
#endif
    // ---- loads ----
    CASE(Const) {
      acc = CONSTANT(0);
      pc += 1;
      NEXT();
    }
    CASE(Fix) {
      acc = Value::Fixnum(S16(0));
      pc += 1;
      NEXT();
    }
    CASE(Local) {
      acc = LOCAL(0);
      pc += 1;
      NEXT();
    }
    CASE(Free) {
      acc = closure->captured()[pc[0]];
      pc += 1;
      NEXT();
    }
    CASE(Global) {
      auto* cell = CONSTANT(0).As<Cell>();
      pc += 1;
      acc = cell->value;
      if (acc == kUnbound) [[unlikely]] {
        SYNC();
        FailUnbound(cell);
      }
      NEXT();
    }
    CASE(BoxLocal) {
      acc = LOCAL(0).As<Box>()->value;
      pc += 1;
      goto check_assigned;
    }
    CASE(BoxFree) {
      acc = closure->captured()[pc[0]].Get().As<Box>()->value;
      pc += 1;
    check_assigned:
      if (acc == kUnassigned) [[unlikely]] {
        SYNC();
        FailUnassigned();
      }
      NEXT();
    }
    CASE(PushConst) {
      *sp++ = CONSTANT(0);
      pc += 1;
      NEXT();
    }
    CASE(PushFix) {
      *sp++ = Value::Fixnum(S16(0));
      pc += 1;
      NEXT();
    }
    CASE(PushLocal) {
      *sp++ = LOCAL(0);
      pc += 1;
      NEXT();
    }
    CASE(PushFree) {
      *sp++ = closure->captured()[pc[0]];
      pc += 1;
      NEXT();
    }
    CASE(PushGlobal) {
      auto* cell = CONSTANT(0).As<Cell>();
      pc += 1;
      const Value v = cell->value;
      if (v == kUnbound) [[unlikely]] {
        SYNC();
        FailUnbound(cell);
      }
      *sp++ = v;
      NEXT();
    }
    CASE(Push) {
      *sp++ = acc;
      NEXT();
    }
    CASE(Drop) {
      sp -= pc[0];
      pc += 1;
      NEXT();
    }

    // ---- stores ----
    CASE(SetLocal) {
      LOCAL(0) = acc;
      pc += 1;
      NEXT();
    }
    CASE(PopLocal) {
      LOCAL(0) = *--sp;
      pc += 1;
      NEXT();
    }
    CASE(SetBoxLocal) {
      LOCAL(0).As<Box>()->value.Set(acc);
      pc += 1;
      NEXT();
    }
    CASE(SetBoxFree) {
      closure->captured()[pc[0]].Get().As<Box>()->value.Set(acc);
      pc += 1;
      NEXT();
    }
    CASE(SetGlobal) {
      auto* cell = CONSTANT(0).As<Cell>();
      pc += 1;
      if (cell->value.Get() == kUnbound) [[unlikely]] {
        SYNC();
        FailUnbound(cell);
      }
      cell->value.Set(acc);
      NEXT();
    }
    CASE(DefineGlobal) {
      CONSTANT(0).As<Cell>()->value.Set(acc);
      pc += 1;
      NEXT();
    }
    CASE(MakeBox) {
      SYNC();
      LOCAL(0) = Value::Of(NewBox(LOCAL(0)));
      pc += 1;
      NEXT();
    }
    CASE(PushBox) {
      SYNC();
      *sp = Value::Of(NewBox(kUnassigned));
      sp++;
      NEXT();
    }

    // ---- branches ----
    CASE(Jump) {
      pc += 2 + ReadOffset(pc);
      NEXT();
    }
    CASE(Loop) {
      pc += 2 + ReadOffset(pc);
      SYNC();
      tarn::Safepoint();
      NEXT();
    }
    // clang-format off
    CASE(Unless) BRANCH_UNLESS(acc != kFalse)
    CASE(When) BRANCH_UNLESS(acc == kFalse)
    CASE(UnlessNull) BRANCH_UNLESS(acc == kNull)
    CASE(UnlessNullL) {
      const Value a = LOCAL(0);
      pc += 1;
      BRANCH_UNLESS(a == kNull)
    }
    CASE(UnlessPair) BRANCH_UNLESS(acc.IsPair())
    CASE(UnlessPairL) {
      const Value a = LOCAL(0);
      pc += 1;
      BRANCH_UNLESS(a.IsPair())
    }
    // clang-format on

    // ---- closures ----
    CASE(Closure) {
      auto* code = CONSTANT(0).As<Code>();
      const uint16_t count = pc[1];
      SYNC();
      auto* f = make_gc_tail<Closure, Slot>(count);
      InitHeader(f);
      f->header.word = count;
      f->code = code;
      pc += 2;
      for (uint16_t i = 0; i < count; i++) {
        const int source = S16(i);
        f->captured()[i].Init((source & 1) != 0 ? closure->captured()[source >> 1].Get()
                                                : fp[source >> 1]);
      }
      pc += count;
      acc = Value::Of(f);
      NEXT();
    }
    CASE(EmptyClosure) {
      auto* code = CONSTANT(0).As<Code>();
      SYNC();
      auto* f = make_gc_tail<Closure, Slot>(code->captured);
      InitHeader(f);
      f->header.word = code->captured;
      f->code = code;
      pc += 1;
      *sp++ = Value::Of(f);
      NEXT();
    }
    CASE(FillClosure) {
      auto* f = LOCAL(0).As<Closure>();
      const uint16_t count = pc[1];
      pc += 2;
      for (uint16_t i = 0; i < count; i++) {
        const int source = S16(i);
        f->captured()[i].Set((source & 1) != 0 ? closure->captured()[source >> 1].Get()
                                               : fp[source >> 1]);
      }
      pc += count;
      NEXT();
    }
    CASE(CaseClosure) {
      auto* code = CONSTANT(0).As<Code>();
      const uint16_t count = pc[1];
      SYNC();
      auto* f = make_gc_tail<Closure, Slot>(count);
      InitHeader(f);
      f->header.word = count;
      f->code = code;
      pc += 2;
      sp -= count;
      for (uint16_t i = 0; i < count; i++) f->captured()[i].Init(sp[i]);
      acc = Value::Of(f);
      NEXT();
    }

    // ---- calls and returns ----
    CASE(Call) {
      n = pc[0];
      pc += 1;
      goto call;
    }
    CASE(TailCall) {
      n = pc[0];
      pc += 1;
      goto tail_call;
    }
    CASE(CallGlobal) {
      auto* cell = CONSTANT(0).As<Cell>();
      n = pc[1];
      pc += 2;
      acc = cell->value;
      if (acc == kUnbound) [[unlikely]] {
        SYNC();
        FailUnbound(cell);
      }
      goto call;
    }
    CASE(TailCallGlobal) {
      auto* cell = CONSTANT(0).As<Cell>();
      n = pc[1];
      pc += 2;
      acc = cell->value;
      if (acc == kUnbound) [[unlikely]] {
        SYNC();
        FailUnbound(cell);
      }
      goto tail_call;
    }
    CASE(Return) {
      sp = fp - 3 - pc[0];
      pc = reinterpret_cast<const uint16_t*>(fp[-1].w);
      ENTER_CODE(fp[-3].As<Closure>());
      fp -= fp[-2].AsFixnum();
      NEXT();
    }
    CASE(Underflow) { goto underflow; }

    // ---- arithmetic and comparison ----
    FIVE(Add, ARITHMETIC(AddFast, SlowAdd))
    FIVE(Sub, ARITHMETIC(SubFast, SlowSub))
    FIVE(Mul, ARITHMETIC(MulFast, SlowMul))
    FIVE(Lt, COMPARE(<, SlowLt(a, b, "<")))
    FIVE(Gt, COMPARE(>, SlowLt(b, a, ">")))
    FIVE(Le, COMPARE(<=, SlowLe(a, b, "<=")))
    FIVE(Ge, COMPARE(>=, SlowLe(b, a, ">=")))
    FIVE(NumEq, COMPARE(==, SlowNumEq(a, b)))
    FIVE(Eq, {
      acc = Value::Bool(a == b);
      NEXT();
    })
    FIVE(UnlessLt, BRANCH_UNLESS(COMPARED(<, SlowLt(a, b, "<"))))
    FIVE(UnlessGt, BRANCH_UNLESS(COMPARED(>, SlowLt(b, a, ">"))))
    FIVE(UnlessLe, BRANCH_UNLESS(COMPARED(<=, SlowLe(a, b, "<="))))
    FIVE(UnlessGe, BRANCH_UNLESS(COMPARED(>=, SlowLe(b, a, ">="))))
    FIVE(UnlessNumEq, BRANCH_UNLESS(COMPARED(==, SlowNumEq(a, b))))
    FIVE(UnlessEq, BRANCH_UNLESS(a == b))
    CASE(AddLIPush) {
      const Value a = LOCAL(0), b = Value::Fixnum(S16(1));
      pc += 2;
      bool ok;
      Value sum = AddFast(a, b, &ok);
      if (!ok) [[unlikely]] {
        SYNC();
        sum = SlowAdd(a, b);
      }
      *sp++ = sum;
      NEXT();
    }
    CASE(SubLIPush) {
      const Value a = LOCAL(0), b = Value::Fixnum(S16(1));
      pc += 2;
      bool ok;
      Value difference = SubFast(a, b, &ok);
      if (!ok) [[unlikely]] {
        SYNC();
        difference = SlowSub(a, b);
      }
      *sp++ = difference;
      NEXT();
    }
    TWO(Quotient, {
      if (BothFixnums(a, b) && b.AsFixnum() != 0 && b.AsFixnum() != -1) [[likely]] {
        acc = Value::Fixnum(a.AsFixnum() / b.AsFixnum());
      } else {
        SYNC();
        acc = SlowQuotient(a, b);
      }
      NEXT();
    })
    TWO(Remainder, {
      if (BothFixnums(a, b) && b.AsFixnum() != 0) [[likely]] {
        acc = Value::Fixnum(b.AsFixnum() == -1 ? 0 : a.AsFixnum() % b.AsFixnum());
      } else {
        SYNC();
        acc = SlowRemainder(a, b);
      }
      NEXT();
    })
    TWO(Modulo, {
      if (BothFixnums(a, b) && b.AsFixnum() > 0) [[likely]] {
        const int64_t r = a.AsFixnum() % b.AsFixnum();
        acc = Value::Fixnum(r < 0 ? r + b.AsFixnum() : r);
      } else {
        SYNC();
        acc = SlowModulo(a, b);
      }
      NEXT();
    })

    // ---- pairs ----
    TWO(Cons, {
      SYNC();
      acc = Cons(a, b);
      NEXT();
    })
    CASE(CarL) {
      acc = LOCAL(0);
      pc += 1;
      goto car;
    }
    CASE(Car) {
    car:
      if (!acc.IsPair()) [[unlikely]] {
        SYNC();
        FailType("car", acc, "a pair");
      }
      acc = Car(acc);
      NEXT();
    }
    CASE(CdrL) {
      acc = LOCAL(0);
      pc += 1;
      goto cdr;
    }
    CASE(Cdr) {
    cdr:
      if (!acc.IsPair()) [[unlikely]] {
        SYNC();
        FailType("cdr", acc, "a pair");
      }
      acc = Cdr(acc);
      NEXT();
    }
    CASE(CarLPush) {
      const Value a = LOCAL(0);
      pc += 1;
      if (!a.IsPair()) [[unlikely]] {
        SYNC();
        FailType("car", a, "a pair");
      }
      *sp++ = Car(a);
      NEXT();
    }
    CASE(CdrLPush) {
      const Value a = LOCAL(0);
      pc += 1;
      if (!a.IsPair()) [[unlikely]] {
        SYNC();
        FailType("cdr", a, "a pair");
      }
      *sp++ = Cdr(a);
      NEXT();
    }
#define TWICE(name, Outer, Inner, text)                       \
  CASE(name) {                                                \
    if (!acc.IsPair() || !Inner(acc).IsPair()) [[unlikely]] { \
      SYNC();                                                 \
      FailType(text, acc, "a list of the required shape");    \
    }                                                         \
    acc = Outer(Inner(acc));                                  \
    NEXT();                                                   \
  }
    TWICE(Caar, Car, Car, "caar")
    TWICE(Cadr, Car, Cdr, "cadr")
    TWICE(Cdar, Cdr, Car, "cdar")
    TWICE(Cddr, Cdr, Cdr, "cddr")
#undef TWICE
    TWO(SetCar, {
      if (!a.IsPair()) [[unlikely]] {
        SYNC();
        FailType("set-car!", a, "a pair");
      }
      a.AsPair()->car.Set(b);
      acc = kUnspecified;
      NEXT();
    })
    TWO(SetCdr, {
      if (!a.IsPair()) [[unlikely]] {
        SYNC();
        FailType("set-cdr!", a, "a pair");
      }
      a.AsPair()->cdr.Set(b);
      acc = kUnspecified;
      NEXT();
    })

    // ---- predicates ----
    TWO(Eqv, {
      acc = Value::Bool(a == b || EqvValues(a, b));
      NEXT();
    })
#define PREDICATE(name, condition) \
  CASE(name) {                     \
    acc = Value::Bool(condition);  \
    NEXT();                        \
  }
    PREDICATE(Not, acc == kFalse)
    PREDICATE(NullP, acc == kNull)
    PREDICATE(PairP, acc.IsPair())
    PREDICATE(SymbolP, acc.Is<Symbol>())
    PREDICATE(StringP, acc.Is<String>())
    PREDICATE(VectorP, acc.Is<Vector>())
    PREDICATE(CharP, acc.IsChar())
    PREDICATE(ProcedureP, IsProcedure(acc))
    PREDICATE(EofP, acc == kEof)
#undef PREDICATE
    CASE(CharToInteger) {
      if (!acc.IsChar()) [[unlikely]] {
        SYNC();
        FailType("char->integer", acc, "a character");
      }
      acc = Value::Fixnum(acc.AsChar());
      NEXT();
    }
    TWO(CharEq, {
      if (!a.IsChar() || !b.IsChar()) [[unlikely]] {
        SYNC();
        FailChars("char=?", a, b);
      }
      acc = Value::Bool(a == b);
      NEXT();
    })
    TWO(CharLt, {
      if (!a.IsChar() || !b.IsChar()) [[unlikely]] {
        SYNC();
        FailChars("char<?", a, b);
      }
      acc = Value::Bool(a.w < b.w);
      NEXT();
    })

    // ---- vectors, strings, records ----
    TWO(VectorRef, {
      // A negative index is huge as an unsigned one.
      if (!a.Is<Vector>() || !b.IsFixnum() ||
          static_cast<uint64_t>(b.AsFixnum()) >= a.As<Vector>()->length) [[unlikely]] {
        SYNC();
        FailVectorRef("vector-ref", a, b);
      }
      acc = a.As<Vector>()->items()[b.AsFixnum()];
      NEXT();
    })
    CASE(VectorSet) {
      const Value a = sp[-2], b = sp[-1];
      sp -= 2;
      if (!a.Is<Vector>() || !b.IsFixnum() ||
          static_cast<uint64_t>(b.AsFixnum()) >= a.As<Vector>()->length) [[unlikely]] {
        SYNC();
        FailVectorRef("vector-set!", a, b);
      }
      a.As<Vector>()->items()[b.AsFixnum()].Set(acc);
      acc = kUnspecified;
      NEXT();
    }
    CASE(VectorLength) {
      if (!acc.Is<Vector>()) [[unlikely]] {
        SYNC();
        FailType("vector-length", acc, "a vector");
      }
      acc = Value::Fixnum(static_cast<int64_t>(acc.As<Vector>()->length));
      NEXT();
    }
    TWO(StringRef, {
      if (!a.Is<String>() || !b.IsFixnum() ||
          static_cast<uint64_t>(b.AsFixnum()) >= a.As<String>()->length) [[unlikely]] {
        SYNC();
        FailStringRef(a, b);
      }
      acc = Value::Char(a.As<String>()->At(static_cast<size_t>(b.AsFixnum())));
      NEXT();
    })
    TWO(RecordIs, {
      acc = Value::Bool(IsRecordOf(a, b));
      NEXT();
    })
    CASE(RecordRef) {  // record, type; acc: index
      const Value record = sp[-2], type = sp[-1];
      sp -= 2;
      if (!IsRecordOf(record, type)) [[unlikely]] {
        SYNC();
        FailRecord(record, type);
      }
      acc = record.As<Record>()->fields()[acc.AsFixnum()];
      NEXT();
    }
    CASE(RecordSet) {  // record, type, index; acc: value
      const Value record = sp[-3], type = sp[-2], index = sp[-1];
      sp -= 3;
      if (!IsRecordOf(record, type)) [[unlikely]] {
        SYNC();
        FailRecord(record, type);
      }
      record.As<Record>()->fields()[index.AsFixnum()].Set(acc);
      acc = kUnspecified;
      NEXT();
    }
  }
#if !SCHEME_COMPUTED_GOTO
  __builtin_unreachable();
#endif
}

}  // namespace scheme
