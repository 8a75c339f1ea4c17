// Start of the VM, errors, locations. See vm.h.
#include "examples/scheme/vm.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <new>

#include "examples/scheme/builtins.h"
#include "examples/scheme/codegen.h"
#include "examples/scheme/environment.h"
#include "examples/scheme/opcodes.h"

namespace scheme {

Vm g_vm;

namespace {

// Room above the soft limit: for one procedure's frame, and for handling a stack overflow.
constexpr size_t kHandlerWords = size_t{1} << 20;
constexpr size_t kFrameSlackWords = static_cast<size_t>(kMaxFrameWords) + 256;

void ScanRoots(tarn::RootVisitor& visitor, void*) {
  visitor.Words(reinterpret_cast<const uintptr_t*>(g_vm.base),
                reinterpret_cast<const uintptr_t*>(g_vm.sp));
  const auto* roots = reinterpret_cast<const uintptr_t*>(&g_vm.roots);
  visitor.Words(roots, roots + sizeof(Vm::Roots) / sizeof(uintptr_t));
}

// The procedure whose only instruction is Underflow.
Closure* NewUnderflowClosure() {
  auto* units =
      static_cast<uint16_t*>(tarn::AllocateBytes(2 * sizeof(uint16_t), tarn::Scan::kNone));
  units[0] = units[1] = static_cast<uint16_t>(Op::kUnderflow);
  auto* code = make_gc_tail<Code, Slot>(0);
  InitHeader(code);
  code->header.flags = Code::kLibrary;
  code->instructions = units;
  code->instruction_count = 2;
  auto* closure = make_gc_tail<Closure, Slot>(0);
  InitHeader(closure);
  closure->code = code;
  return closure;
}

Value* ReserveStack(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    std::fprintf(stderr, "scheme: cannot reserve %zu MiB for the stack\n", bytes >> 20);
    std::exit(70);
  }
  return static_cast<Value*>(p);
}

}  // namespace

void InitVm(const VmOptions& options) {
  const size_t words = options.stack_bytes / sizeof(Value);
  g_vm.base = ReserveStack((words + kHandlerWords + 2 * kFrameSlackWords) * sizeof(Value));
  g_vm.soft_limit = g_vm.base + words;
  g_vm.hard_limit = g_vm.soft_limit + kHandlerWords;
  g_vm.sp = g_vm.base;
  tarn::AddThreadRoots(ScanRoots, nullptr);
  g_vm.roots.underflow = NewUnderflowClosure();
  g_vm.roots.out_of_memory =
      NewCondition(ConditionKind::kError, MakeString("out of memory"), kNull, kFalse);
  g_vm.roots.raise = SystemEnvironment()->CellForDefinition(Sym("raise"));
  g_vm.roots.rewind = SystemEnvironment()->CellForDefinition(Sym("%rewind"));
  g_vm.Reset();
}

// An empty stack and no dynamic state.
void Vm::Reset() {
  sp = base;
  fp = base;
  limit = soft_limit;
  roots.acc = kUnspecified;
  roots.closure = roots.underflow;
  pc = roots.underflow->code->instructions;
  roots.next = nullptr;
  roots.winders = kNull;
  roots.handlers = kNull;
  roots.params = kNull;
  roots.thrown = kFalse;
  roots.who = kFalse;
}

Value Vm::Run(Closure* thunk) {
  Reset();
  roots.acc = Value::Of(thunk);
  size_t args = 0;
  for (;;) {
    try {
      return Dispatch(args);
    } catch (const SchemeThrow&) {
    } catch (const std::bad_alloc&) {
      roots.thrown = Value::Of(roots.out_of_memory);
    }
    // As a call of (raise condition) from where the registers are. The words that the failed instruction had
    // on the stack stay below it.
    const Value raise_procedure = roots.raise->value;
    if (raise_procedure == kUnbound) throw SchemeUncaught{CurrentLocation()};
    *sp++ = roots.thrown;
    roots.acc = raise_procedure;
    args = 1;
  }
}

// ---- raising ----

void Raise(Value obj) {
  if (obj.Is<Condition>() && obj.As<Condition>()->where.Get().IsFalse()) {
    const std::string where = CurrentLocation();
    if (!where.empty()) obj.As<Condition>()->where.Set(MakeString(where));
  }
  g_vm.roots.thrown = obj;
  throw SchemeThrow{};
}

namespace {

// A builtin %name serves lib/*.scm; what programs call is `name`.
Value CurrentWho() {
  const Value who = g_vm.roots.who;
  if (!who.Is<Builtin>()) return who;
  const std::string_view name = who.As<Builtin>()->name->Name();
  return name.size() > 1 && name[0] == '%' ? Sym(name.substr(1))
                                           : Value::Of(who.As<Builtin>()->name.get());
}

[[noreturn]] void RaiseCondition(ConditionKind kind, std::string_view message, Value irritants) {
  Raise(Value::Of(NewCondition(kind, MakeString(message), irritants, CurrentWho())));
}

}  // namespace

void Error(std::string_view message, std::initializer_list<Value> irritants) {
  RaiseCondition(ConditionKind::kError, message, MakeList(irritants.begin(), irritants.size()));
}
void ErrorWithList(std::string_view message, Value irritants) {
  RaiseCondition(ConditionKind::kError, message, irritants);
}
void WrongType(Value got, std::string_view expected) {
  Error("not " + std::string(expected) + ":", {got});
}
void OutOfRange(Value got) { Error("index out of range:", {got}); }
void FileError(std::string_view message, Value file_name) {
  RaiseCondition(ConditionKind::kFile, message, MakeList(&file_name, 1));
}
void ReadError(std::string_view message) { RaiseCondition(ConditionKind::kRead, message, kNull); }

void Vm::StackOverflow() {
  if (limit == hard_limit) {  // handling the overflow overflowed as well
    roots.handlers = kNull;
    roots.next = nullptr;
    roots.closure = roots.underflow;
    sp = base;
    fp = base;
  }
  limit = hard_limit;
  roots.who = kFalse;
  Error("stack overflow");
}

// ---- locations ----

namespace {

uint32_t LineAt(const Code* code, const uint16_t* pc) {
  // pc is past the instruction that was running.
  const auto at = static_cast<uint32_t>(pc - code->instructions.get());
  uint32_t line = 0;
  const LineEntry* lines = code->lines;
  for (uint32_t i = 0; i < code->line_count && lines[i].pc < at; i++) line = lines[i].line;
  return line;
}

bool PcInside(const Code* code, const uint16_t* pc) {
  const uint16_t* begin = code->instructions;
  return pc >= begin && pc <= begin + code->instruction_count;
}

// Calls fn(code, line) for each frame, innermost first, until it returns true.
template <class Fn>
void WalkFrames(Fn fn) {
  const Closure* closure = g_vm.roots.closure;
  const uint16_t* pc = g_vm.pc;
  const Value* fp = g_vm.fp;
  while (closure != g_vm.roots.underflow) {
    const Code* code = closure->code;
    if (PcInside(code, pc) && fn(code, LineAt(code, pc))) return;
    closure = fp[-3].As<Closure>();
    pc = reinterpret_cast<const uint16_t*>(fp[-1].w);
    fp -= fp[-2].AsFixnum();
  }
  for (const Continuation* k = g_vm.roots.next; k != nullptr; k = k->next) {
    uint64_t at = k->fp;
    closure = k->closure;
    pc = reinterpret_cast<const uint16_t*>(k->pc);
    while (k->length > 0 && closure != g_vm.roots.underflow) {
      const Code* code = closure->code;
      if (PcInside(code, pc) && fn(code, LineAt(code, pc))) return;
      closure = k->Word(at - 3).As<Closure>();
      pc = reinterpret_cast<const uint16_t*>(k->Word(at - 1).w);
      at -= static_cast<uint64_t>(k->Word(at - 2).AsFixnum());
    }
  }
}

std::string FrameText(const Code* code, uint32_t line) {
  return PlaceText(code->file, code->included, line);
}

}  // namespace

std::string CurrentLocation() {
  std::string where;
  WalkFrames([&](const Code* code, uint32_t line) {
    if ((code->header.flags & Code::kLibrary) != 0 || line == 0) return false;
    where = FrameText(code, line);
    return true;
  });
  return where;
}

std::string Backtrace(int max_frames) {
  std::string text;
  WalkFrames([&](const Code* code, uint32_t line) {
    if (code->file == nullptr) return false;
    text += "  " + FrameText(code, line);
    if (code->name != nullptr) text += " in " + std::string(code->name->Name());
    text += "\n";
    return --max_frames <= 0;
  });
  return text;
}

}  // namespace scheme
