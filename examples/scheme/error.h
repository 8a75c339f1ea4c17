// Raising Scheme conditions from C++.
// A builtin that fails calls one of these; they do not return. They leave the condition in the VM
// and throw SchemeThrow, which only the VM's dispatch loop catches: it continues as if the program
// had called (raise condition) at the call of the builtin. So C++ code between holds no resources
// it must release, or releases them by destructors. I1 The condition travels in the VM (a root),
// never inside the C++ exception, whose memory is not scanned.
#ifndef EXAMPLES_SCHEME_ERROR_H_
#define EXAMPLES_SCHEME_ERROR_H_

#include <initializer_list>
#include <string_view>

#include "examples/scheme/objects.h"
#include "examples/scheme/value.h"

namespace scheme {

struct SchemeThrow {};

// As (raise obj).
[[noreturn]] void Raise(Value obj);

// As (error message irritant ...). The name of the running builtin becomes the condition's `who`,
// so that Error("index out of range:", {i}) is reported as "vector-ref: index out of range: 7".
[[noreturn]] void Error(std::string_view message, std::initializer_list<Value> irritants = {});
[[noreturn]] void ErrorWithList(std::string_view message, Value irritants);

// "not a pair: 5". `expected` has its article: "a pair", "an exact integer".
[[noreturn]] void WrongType(Value got, std::string_view expected);
[[noreturn]] void OutOfRange(Value got);  // "index out of range: 7"

[[noreturn]] void FileError(std::string_view message, Value file_name);  // file-error? is true
[[noreturn]] void ReadError(std::string_view message);                   // read-error? is true

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_ERROR_H_
