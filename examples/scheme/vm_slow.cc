#include "examples/scheme/vm_slow.h"

#include <algorithm>
#include <string>

#include "examples/scheme/primitives.h"

namespace scheme {
namespace {

// The procedure that the program called, where the running instruction has another name.
const char* SourceName(const char* name) {
  const Code* code = g_vm.roots.closure->code;
  const AliasEntry* aliases = code->aliases;
  const auto at = static_cast<uint32_t>(g_vm.pc - code->instructions.get());
  // pc is past the operation code of the instruction, but not yet at the next one.
  const AliasEntry* end = aliases + code->alias_count;
  const AliasEntry* next = std::lower_bound(
      aliases, end, at, [](const AliasEntry& e, uint32_t pc) { return e.pc < pc; });
  if (next == aliases || at > (next - 1)->pc + (next - 1)->units) return name;
  return PrimitiveAt((next - 1)->primitive).name;
}

void SetWho(const char* name) { g_vm.roots.who = Sym(SourceName(name)); }

// Both as doubles when at least one is a flonum and the other a flonum or fixnum.
bool AsDoubles(Value a, Value b, double* x, double* y) {
  if (a.Is<Flonum>()) {
    *x = a.As<Flonum>()->value;
    if (b.Is<Flonum>()) {
      *y = b.As<Flonum>()->value;
      return true;
    }
    *y = static_cast<double>(b.AsFixnum());
    return b.IsFixnum();
  }
  if (!b.Is<Flonum>() || !a.IsFixnum()) return false;
  *x = static_cast<double>(a.AsFixnum());
  *y = b.As<Flonum>()->value;
  return true;
}

}  // namespace

Value SlowAdd(Value a, Value b) {
  double x, y;
  if (AsDoubles(a, b, &x, &y)) return MakeFlonum(x + y);
  SetWho("+");
  return Add(a, b);
}

Value SlowSub(Value a, Value b) {
  double x, y;
  if (AsDoubles(a, b, &x, &y)) return MakeFlonum(x - y);
  SetWho("-");
  return Subtract(a, b);
}

Value SlowMul(Value a, Value b) {
  double x, y;
  // An exact zero makes an exact product in number_tower.cc; leave the decision to it.
  if (a != Value::Fixnum(0) && b != Value::Fixnum(0) && AsDoubles(a, b, &x, &y)) {
    return MakeFlonum(x * y);
  }
  SetWho("*");
  return Multiply(a, b);
}

bool SlowLt(Value a, Value b, const char* who) {
  if (a.Is<Flonum>() && b.Is<Flonum>()) return a.As<Flonum>()->value < b.As<Flonum>()->value;
  SetWho(who);
  return NumLess(a, b);
}

bool SlowLe(Value a, Value b, const char* who) {
  if (a.Is<Flonum>() && b.Is<Flonum>()) return a.As<Flonum>()->value <= b.As<Flonum>()->value;
  SetWho(who);
  return NumLessEqual(a, b);
}

bool SlowNumEq(Value a, Value b) {
  if (a.Is<Flonum>() && b.Is<Flonum>()) return a.As<Flonum>()->value == b.As<Flonum>()->value;
  SetWho("=");
  return NumEqual(a, b);
}

Value SlowQuotient(Value a, Value b) {
  SetWho("quotient");
  return Quotient(a, b);
}
Value SlowRemainder(Value a, Value b) {
  SetWho("remainder");
  return Remainder(a, b);
}
Value SlowModulo(Value a, Value b) {
  SetWho("modulo");
  return Modulo(a, b);
}

void FailType(const char* who, Value got, const char* expected) {
  SetWho(who);
  WrongType(got, expected);
}

void FailVectorRef(const char* who, Value vector, Value index) {
  SetWho(who);
  if (!vector.Is<Vector>()) WrongType(vector, "a vector");
  if (!index.IsFixnum()) WrongType(index, "an exact integer");
  OutOfRange(index);
}

void FailStringRef(Value string, Value index) {
  SetWho("string-ref");
  if (!string.Is<String>()) WrongType(string, "a string");
  if (!index.IsFixnum()) WrongType(index, "an exact integer");
  OutOfRange(index);
}

void FailChars(const char* who, Value a, Value b) {
  SetWho(who);
  WrongType(a.IsChar() ? b : a, "a character");
}

// Accessors are procedures that the program names; the message uses the running one's name.
void FailRecord(Value got, Value type) {
  const Code* code = g_vm.roots.closure->code;
  g_vm.roots.who = code->name != nullptr ? Value::Of(code->name.get()) : kFalse;
  if (!type.Is<RecordType>()) WrongType(type, "a record type");
  std::string expected = "a ";
  expected += type.As<RecordType>()->name->Name();
  WrongType(got, expected);
}

void FailUnbound(Cell* cell) {
  g_vm.roots.who = kFalse;
  Error("unbound variable:", {Value::Of(cell->name.get())});
}

void FailUnassigned() {
  g_vm.roots.who = kFalse;
  Error("letrec: variable used before its initialization");
}

void FailApply(Value f) {
  g_vm.roots.who = kFalse;
  Error("not a procedure:", {f});
}

}  // namespace scheme
