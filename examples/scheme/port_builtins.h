// The parts that RegisterPortBuiltins is made of, and the arguments they share.
#ifndef EXAMPLES_SCHEME_PORT_BUILTINS_H_
#define EXAMPLES_SCHEME_PORT_BUILTINS_H_

#include <cstddef>
#include <cstdint>

#include "examples/scheme/objects.h"
#include "examples/scheme/port.h"

namespace scheme {

// Argument i, or the current port when absent. `binary`: Port::kBinary, or 0 for a textual port.
Port* InputPortArg(Args args, size_t i, uint8_t binary);
Port* OutputPortArg(Args args, size_t i, uint8_t binary);

void RegisterStandardPorts();       // port.cc
void RegisterPortInputBuiltins();   // port_input.cc
void RegisterPortOutputBuiltins();  // port_output.cc

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_PORT_BUILTINS_H_
