#include "examples/scheme/source_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "examples/scheme/builtins.h"
#include "examples/scheme/reader.h"
#include "examples/scheme/vm.h"

namespace scheme {

std::string ReadFileBytes(const std::string& path) {
  std::FILE* f = std::fopen(path.c_str(), "rb");
  if (f == nullptr) {
    FileError(std::string("cannot open file (") + std::strerror(errno) + "):", MakeString(path));
  }
  std::string text;
  char buffer[65536];
  size_t n;
  while ((n = std::fread(buffer, 1, sizeof buffer, f)) > 0) text.append(buffer, n);
  const bool failed = std::ferror(f) != 0;
  std::fclose(f);
  if (failed) FileError("cannot read file:", MakeString(path));
  return text;
}

std::string ResolveInclude(const std::string& includer, const std::string& name) {
  const size_t slash = includer.rfind('/');
  if (name.empty() || name[0] == '/' || slash == std::string::npos) return name;
  return includer.substr(0, slash + 1) + name;
}

void ReadAllFormsFromText(std::string_view text, std::string_view file_name, IdentityMap* lines,
                          ValueList* out, uint32_t file_number) {
  TextSource source(text);
  SourceReader reader{&source, file_name, lines, file_number};
  for (;;) {
    const Value v = reader.Read();
    if (v == kEof) return;
    out->Add(v);
  }
}

void ReadAllForms(const std::string& path, IdentityMap* lines, ValueList* out,
                  uint32_t file_number) {
  const std::string text = ReadFileBytes(path);
  ReadAllFormsFromText(text, path, lines, out, file_number);
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

namespace {

void PrepareName(Value name, Environment* env) {
  while (name.IsPair()) name = Car(name);
  if (!name.Is<Symbol>()) return;
  const Value b = env->Lookup(name);
  if (b.Is<Cell>()) env->CellForDefinition(name);
}

}  // namespace

void PrepareDefinitions(ValueList* forms, Environment* env) {
  if (env == SystemEnvironment()) return;
  for (size_t i = 0; i < forms->size(); i++) {
    const Value form = (*forms)[i];
    if (ListLength(form) < 2 || !Car(form).Is<Symbol>()) continue;
    const std::string_view head = Car(form).As<Symbol>()->Name();
    if (head == "define") {
      PrepareName(Car(Cdr(form)), env);
    } else if (head == "define-values") {
      for (Value f = Car(Cdr(form)); f.IsPair(); f = Cdr(f)) PrepareName(Car(f), env);
    } else if (head == "define-record-type") {
      Value rest = Cdr(Cdr(form));
      for (int k = 0; rest.IsPair(); rest = Cdr(rest), k++) {
        if (k < 2) {
          PrepareName(Car(rest), env);
          continue;
        }
        if (!Car(rest).IsPair()) continue;
        for (Value a = Cdr(Car(rest)); a.IsPair(); a = Cdr(a)) PrepareName(Car(a), env);
      }
    } else if (head == "begin") {
      ValueList* inner = ValueList::New();
      for (Value b = Cdr(form); b.IsPair(); b = Cdr(b)) inner->Add(Car(b));
      PrepareDefinitions(inner, env);
    }
  }
}

}  // namespace scheme
