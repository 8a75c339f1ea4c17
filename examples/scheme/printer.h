// Text of a value, as display and write make it.
// Neither long nor deeply nested structure overflows the native stack.
#ifndef EXAMPLES_SCHEME_PRINTER_H_
#define EXAMPLES_SCHEME_PRINTER_H_

#include <string>

#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

enum class PrintMode {
  kDisplay,      // no quotes; datum labels for cycles
  kWrite,        // datum labels for cycles only
  kWriteShared,  // datum labels for all shared structure
  kWriteSimple,  // no datum labels: does not end on circular structure
};

void Print(std::string* out, Value v, PrintMode mode);
std::string WriteToString(Value v);
// "who: message irritant ...".
std::string ConditionText(const Condition* c);

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_PRINTER_H_
