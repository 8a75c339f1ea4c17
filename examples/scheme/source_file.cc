#include "examples/scheme/source_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "examples/scheme/builtins.h"
#include "examples/scheme/reader.h"
#include "examples/scheme/vm.h"

namespace scheme {
namespace {

struct CloseFile {
  void operator()(std::FILE* f) const { std::fclose(f); }
};

}  // namespace

std::string ReadFileBytes(const std::string& path) {
  std::string text;
  int error = 0;
  bool opened = false, failed = false;
  tarn::Blocked([&] {  // the file may be a terminal or a FIFO
    const std::unique_ptr<std::FILE, CloseFile> f(std::fopen(path.c_str(), "rb"));
    error = errno;
    opened = f != nullptr;
    if (!opened) return;
    char buffer[65536];
    size_t n;
    while ((n = std::fread(buffer, 1, sizeof buffer, f.get())) > 0) text.append(buffer, n);
    failed = std::ferror(f.get()) != 0;
  });
  if (!opened) {
    FileError(std::string("cannot open file (") + std::strerror(error) + "):", MakeString(path));
  }
  if (failed) FileError("cannot read file:", MakeString(path));
  return text;
}

std::string ResolveInclude(const std::string& includer, const std::string& name) {
  const size_t slash = includer.rfind('/');
  if (name.empty() || name[0] == '/' || slash == std::string::npos) return name;
  return includer.substr(0, slash + 1) + name;
}

void ReadAllFormsFromText(std::string_view text, std::string_view file_name, IdentityMap* lines,
                          ValueList* out, uint32_t file_number, bool fold_case) {
  TextSource source(text);
  SourceReader reader{&source, file_name, lines, file_number, fold_case};
  for (;;) {
    const Value v = reader.Read();
    if (v == kEof) return;
    out->Add(v);
  }
}

void ReadAllForms(const std::string& path, IdentityMap* lines, ValueList* out, uint32_t file_number,
                  bool fold_case) {
  const std::string text = ReadFileBytes(path);
  ReadAllFormsFromText(text, path, lines, out, file_number, fold_case);
}

Closure* CompileTop(Value form, const SourceInfo& source, Environment* env) {
  g_vm.roots.who = kFalse;  // errors of the compiler name no builtin
  Expander expander(source, env);
  Lambda* top = expander.ExpandTop(form);
  Analyze(top);
  return GenerateThunk(top, {source.file, expander.included(), source.library});
}

std::string PlaceText(const String* file, const ValueList* included, uint32_t place) {
  const uint32_t number = place >> kLineBits;
  if (number > 0 && included != nullptr) file = included->At<String>(number - 1);
  return ToUtf8(file) + ":" + std::to_string(place & kLineMask);
}

}  // namespace scheme
