// Which library names a sequence of top-level forms defines, found before any of them is expanded,
// so that uses in front of the definition mean the program's own procedure. See expander.h.
// Macros are not expanded: a definition that one of them makes is not found here.
#include "examples/scheme/builtins.h"
#include "examples/scheme/expander.h"
#include "examples/scheme/native_stack.h"
#include "examples/scheme/source_file.h"

namespace scheme {
namespace {

// Included files are read ahead only up to this number: files may include each other in circles.
constexpr int kMaxFilesAhead = 100;

class Finder {
 public:
  Finder(Environment* env, const Expander* expander) : env_(env), expander_(expander) {}

  // `file`: where the forms are from; empty: the expander knows.
  void Search(Value forms, const std::string& file) {
    if (ListLength(forms) < 0) return;
    for (; forms.IsPair(); forms = Cdr(forms)) {
      const Value form = Car(forms);
      if (ListLength(form) < 2 || !IsIdentifier(Car(form))) continue;
      try {
        SearchForm(form, file);
      } catch (const SchemeThrow&) {
        // A missing file or a malformed form: reported when the form is expanded, if it ever is.
      }
    }
  }

 private:
  void SearchForm(Value form, const std::string& file) {
    CheckNativeStack();
    const BodyForms& k = GetBodyForms();
    const Value d = Resolve(Car(form), Value::Of(env_)).denotation;
    const Value rest = Cdr(form);
    if (d == k.begin) {
      Search(rest, file);
    } else if (d == k.define) {
      Name(Car(rest));
    } else if (d == k.define_values) {
      Value formals = Car(rest);
      for (; formals.IsPair(); formals = Cdr(formals)) Name(Car(formals));
      Name(formals);
    } else if (d == k.define_record_type) {
      SearchRecordType(rest);
    } else if (d == k.include || d == k.include_ci) {
      SearchIncluded(form, file, d == k.include_ci);
    } else if (d == k.cond_expand) {
      Search(ChosenClause(form), file);
    }
  }

  // (type constructor predicate field ...)
  void SearchRecordType(Value rest) {
    for (int i = 0; rest.IsPair(); rest = Cdr(rest), i++) {
      if (i < 3) {
        Name(Car(rest));
      } else if (Car(rest).IsPair()) {
        for (Value a = Cdr(Car(rest)); a.IsPair(); a = Cdr(a)) Name(Car(a));
      }
    }
  }

  // The places of these forms are not kept: the files are read again when they are expanded.
  void SearchIncluded(Value form, const std::string& file, bool fold_case) {
    for (Value names = Cdr(form); names.IsPair(); names = Cdr(names)) {
      if (!Car(names).Is<String>() || ++files_ > kMaxFilesAhead) return;
      const std::string path = ResolveInclude(file.empty() ? expander_->FileOf(form) : file,
                                              ToUtf8(Car(names).As<String>()));
      ValueList* forms = ValueList::New();
      ReadAllForms(path, IdentityMap::New(256), forms, 0, fold_case);
      Search(forms->ToList(), path);
    }
  }

  // `name` or a curried (((name a) b) c).
  void Name(Value name) {
    while (name.IsPair()) name = Car(name);
    if (!IsIdentifier(name)) return;
    name = BaseSymbol(name);
    if (env_->Lookup(name).Is<Cell>()) env_->CellForDefinition(name);
  }

  Environment* const env_;
  const Expander* const expander_;
  int files_ = 0;
};

}  // namespace

void Expander::PrepareDefinitions(Value forms, Environment* env) const {
  if (env == SystemEnvironment()) return;
  Finder(env, this).Search(forms, "");
}

}  // namespace scheme
