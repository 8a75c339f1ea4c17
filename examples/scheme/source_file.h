// Program text: files read into data with their lines, and compiling one top-level form.
#ifndef EXAMPLES_SCHEME_SOURCE_FILE_H_
#define EXAMPLES_SCHEME_SOURCE_FILE_H_

#include <string>
#include <string_view>

#include "examples/scheme/containers.h"
#include "examples/scheme/environment.h"
#include "examples/scheme/expander.h"

namespace scheme {

// The bytes of a file; raises a file error.
std::string ReadFileBytes(const std::string& path);
// `name` as an include in file `includer` names it: relative to the includer's folder.
std::string ResolveInclude(const std::string& includer, const std::string& name);
// Appends every datum of the file to `out` and the places of its lists to `lines`. `fold_case`: as
// if the file began with #!fold-case.
void ReadAllForms(const std::string& path, IdentityMap* lines, ValueList* out,
                  uint32_t file_number = 0, bool fold_case = false);
void ReadAllFormsFromText(std::string_view text, std::string_view file_name, IdentityMap* lines,
                          ValueList* out, uint32_t file_number = 0, bool fold_case = false);

// One top-level form to a procedure without parameters.
Closure* CompileTop(Value form, const SourceInfo& source, Environment* env);

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_SOURCE_FILE_H_
