// The numeric tower behind the VM: fixnums and flonums are handled inline there, everything else
// here. All functions raise "not a number: ..." for other arguments.
#ifndef EXAMPLES_SCHEME_NUMBER_H_
#define EXAMPLES_SCHEME_NUMBER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

bool IsNumber(Value v);
Value MakeInteger(int64_t n);  // a fixnum, or a bignum when it does not fit

Value Add(Value a, Value b);
Value Subtract(Value a, Value b);
Value Multiply(Value a, Value b);
Value Divide(Value a, Value b);
bool NumEqual(Value a, Value b);
bool NumLess(Value a, Value b);
bool NumLessEqual(Value a, Value b);  // not !NumLess(b, a): NaN
Value Quotient(Value a, Value b);
Value Remainder(Value a, Value b);
Value Modulo(Value a, Value b);

// Same exactness and value: eqv? for two numbers that are not both fixnums.
bool NumEqv(Value a, Value b);
uint64_t HashNumber(Value v);  // equal for NumEqv numbers

// The number that `text` spells (prefixes #x #e ... included), #f when it spells none.
Value ParseNumber(std::string_view text, int radix = 10);
std::string NumberToString(Value v, int radix = 10);

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_NUMBER_H_
