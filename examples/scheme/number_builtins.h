// What the files of numeric builtins share: argument checks, and their registration.
#ifndef EXAMPLES_SCHEME_NUMBER_BUILTINS_H_
#define EXAMPLES_SCHEME_NUMBER_BUILTINS_H_

#include <cstddef>

#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

Value IntegerArg(Args args, size_t i);       // 3 or 3.0
Value ExactIntegerArg(Args args, size_t i);  // 3

// Called by RegisterNumberBuiltins.
void RegisterMathBuiltins();
void RegisterBitBuiltins();

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_NUMBER_BUILTINS_H_
