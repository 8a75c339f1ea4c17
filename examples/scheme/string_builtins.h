// The parts that RegisterStringBuiltins is made of.
#ifndef EXAMPLES_SCHEME_STRING_BUILTINS_H_
#define EXAMPLES_SCHEME_STRING_BUILTINS_H_

namespace scheme {

void RegisterStringExtras();  // string_extras.cc

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_STRING_BUILTINS_H_
