// The library procedures that the compiler turns into instructions.
// A Cell of the system environment whose header.small is not 0 holds primitive number header.small.
#ifndef EXAMPLES_SCHEME_PRIMITIVES_H_
#define EXAMPLES_SCHEME_PRIMITIVES_H_

#include <cstdint>
#include <span>

#include "examples/scheme/opcodes.h"

namespace scheme {

enum class PrimShape : uint8_t {
  kUnary,     // acc
  kFive,      // five modes
  kTwo,       // two modes
  kMany,      // all operands but the last on the stack
  kWithZero,  // unary: a five-mode comparison with 0
};

struct Primitive {
  const char* name;
  PrimShape shape;
  Op op;      // the S form of a family; messages name the first primitive that has it
  Op unless;  // five-mode comparisons: the S form of the branch; else kUnderflow
  uint8_t operands;
  bool folds;  // (+ a b c) = (+ (+ a b) c)
};

std::span<const Primitive> Primitives();
inline const Primitive& PrimitiveAt(int number) {
  return Primitives()[static_cast<size_t>(number) - 1];
}
// Do messages of the instruction name another primitive?
bool IsAlias(const Primitive& p);
// Marks the cells; after all builtins are defined.
void MarkPrimitiveCells();

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_PRIMITIVES_H_
