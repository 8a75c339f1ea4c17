// The Scheme part of the standard library, lib/*.scm, as text inside the program. prelude.cc is
// made by embed_prelude.cmake.
#ifndef EXAMPLES_SCHEME_PRELUDE_H_
#define EXAMPLES_SCHEME_PRELUDE_H_

#include <span>
#include <string_view>

namespace scheme {

struct PreludeFile {
  const char* name;
  std::string_view text;
};
std::span<const PreludeFile> PreludeFiles();  // in load order

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_PRELUDE_H_
