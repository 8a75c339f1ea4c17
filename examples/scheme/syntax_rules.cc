#include "examples/scheme/syntax_rules.h"

#include "examples/scheme/builtins.h"
#include "examples/scheme/native_stack.h"

namespace scheme {
namespace {

// What a pattern variable matched: a form at depth 0; at depth n, the number of ellipses it is
// under, a ValueList of matches at depth n - 1. `match` is nothing when there is no such variable.
struct Binding {
  Value match{0};
  int64_t depth = 0;
};

struct Bindings {
  const Bindings* outer = nullptr;
  ValueList* ids = ValueList::New();
  ValueList* matches = ValueList::New();
  ValueList* depths = ValueList::New();  // fixnums

  void Add(Value id, Binding b) {
    ids->Add(id);
    matches->Add(b.match);
    depths->Add(Value::Fixnum(b.depth));
  }
  Binding Find(Value id) const {
    const int64_t i = ids->IndexOf(id);
    if (i < 0) return outer == nullptr ? Binding{} : outer->Find(id);
    const auto at = static_cast<size_t>(i);
    return {(*matches)[at], (*depths)[at].AsFixnum()};
  }
};

size_t PairCount(Value v) {
  size_t n = 0;
  for (; v.IsPair(); v = Cdr(v)) n++;
  return n;
}

Value VectorToList(Vector* v) {
  Value list = kNull;
  for (size_t i = v->length; i > 0; i--) list = Cons(v->items()[i - 1], list);
  return list;
}

Value ListToVector(Value list) {
  Vector* v = NewVector(PairCount(list), kFalse);
  for (size_t i = 0; list.IsPair(); list = Cdr(list)) v->items()[i++].Set(Car(list));
  return Value::Of(v);
}

class Matcher {
 public:
  Matcher(Macro* macro, Value use_scope) : macro_(macro), use_scope_(use_scope) {}

  bool Match(Value pattern, Value form, Bindings* out) {
    CheckNativeStack();
    for (;;) {
      if (IsIdentifier(pattern)) return MatchIdentifier(pattern, form, out);
      if (!pattern.IsPair()) break;
      if (IsEllipsisNext(pattern)) return MatchEllipsis(pattern, form, out);
      if (!form.IsPair() || !Match(Car(pattern), Car(form), out)) return false;
      pattern = Cdr(pattern);
      form = Cdr(form);
    }
    if (pattern.Is<Vector>()) {
      return form.Is<Vector>() &&
             Match(VectorToList(pattern.As<Vector>()), VectorToList(form.As<Vector>()), out);
    }
    return EqualValues(pattern, form);
  }

  // Adds a binding without matches for every variable of the pattern, which is under `depth`
  // ellipses.
  void CollectVariables(Value pattern, int64_t depth, Bindings* out) {
    CheckNativeStack();
    for (; pattern.IsPair(); pattern = Cdr(pattern)) {
      CollectVariables(Car(pattern), depth + (IsEllipsisNext(pattern) ? 1 : 0), out);
    }
    if (pattern.Is<Vector>()) {
      CollectVariables(VectorToList(pattern.As<Vector>()), depth, out);
    } else if (IsIdentifier(pattern) && !IsEllipsis(pattern) && !IsLiteral(pattern) &&
               !IsUnderscore(pattern)) {
      out->Add(pattern, {Value::Of(ValueList::New()), depth});
    }
  }

 private:
  bool IsLiteral(Value id) const { return macro_->literals->IndexOf(id) >= 0; }
  bool IsEllipsis(Value id) const { return macro_->IsEllipsis(id) && !IsLiteral(id); }
  bool IsUnderscore(Value id) const { return IsKeyword(id, macro_->scope, Known::kUnderscore); }
  bool IsEllipsisNext(Value pattern) const {
    return Cdr(pattern).IsPair() && IsEllipsis(Car(Cdr(pattern)));
  }

  bool MatchIdentifier(Value pattern, Value form, Bindings* out) {
    if (IsLiteral(pattern)) {
      return IsIdentifier(form) && SameMeaning(form, use_scope_, pattern, macro_->scope);
    }
    if (!IsUnderscore(pattern)) out->Add(pattern, {form, 0});
    return true;
  }

  // (sub ... tail): as many forms as leave enough for the tail.
  bool MatchEllipsis(Value pattern, Value form, Bindings* out) {
    const Value sub = Car(pattern), tail = Cdr(Cdr(pattern));
    const size_t available = PairCount(form), needed = PairCount(tail);
    if (available < needed) return false;
    Bindings columns;
    CollectVariables(sub, 1, &columns);
    for (size_t n = available - needed; n > 0; n--, form = Cdr(form)) {
      Bindings one;
      if (!Match(sub, Car(form), &one)) return false;
      for (size_t i = 0; i < columns.ids->size(); i++) {
        columns.matches->At<ValueList>(i)->Add(one.Find((*columns.ids)[i]).match);
      }
    }
    for (size_t i = 0; i < columns.ids->size(); i++) {
      const Value id = (*columns.ids)[i];
      out->Add(id, columns.Find(id));
    }
    return Match(tail, form, out);
  }

  Macro* const macro_;
  const Value use_scope_;
};

class Filler {
 public:
  explicit Filler(Macro* macro) : macro_(macro) {}

  Value Fill(Value t, const Bindings& b, bool escaped = false) {
    CheckNativeStack();
    if (IsIdentifier(t)) {
      const Binding found = b.Find(t);
      if (found.match.IsNothing()) return Rename(t);
      if (found.depth > 0) Error("syntax-rules: ... is missing after:", {BaseSymbol(t)});
      return found.match;
    }
    if (t.Is<Vector>()) {
      return ListToVector(FillList(VectorToList(t.As<Vector>()), b, escaped));
    }
    return t.IsPair() ? FillList(t, b, escaped) : t;
  }

 private:
  bool IsEllipsis(Value v) const { return macro_->IsEllipsis(v); }

  Value FillList(Value t, const Bindings& b, bool escaped) {
    if (!escaped && t.IsPair() && IsEllipsis(Car(t)) && Cdr(t).IsPair()) {
      return Fill(Car(Cdr(t)), b, true);  // (... template)
    }
    ValueList* out = ValueList::New();
    while (t.IsPair()) {
      if (!escaped && IsEllipsis(Car(t)) && out->size() > 0 && Cdr(t).IsPair() &&
          Cdr(Cdr(t)).IsNull()) {
        break;  // (a . (... template))
      }
      const Value sub = Car(t);
      t = Cdr(t);
      int64_t depth = 0;
      while (!escaped && t.IsPair() && IsEllipsis(Car(t))) {
        depth++;
        t = Cdr(t);
      }
      if (depth == 0) {
        out->Add(Fill(sub, b, escaped));
      } else {
        Repeat(sub, b, depth, out);
      }
    }
    return out->ToList(t.IsNull() ? kNull : Fill(t, b, escaped));
  }

  // Which variables of t an ellipsis iterates, when `inner` ellipses still follow t inside of it.
  // A variable that is deeper than that must be iterated. One that has fewer ellipses in the pattern
  // than in the template is iterated by the outer ones if something else drives the inner ones
  // (`early`), as a in ((a b ...) ...) -> (((a b) ...) ...); else it is the same in every
  // repetition, as b in (a ...) (b ...) -> ((a b ...) ...).
  void CollectRepeated(Value t, const Bindings& b, int64_t inner, bool early, bool escaped,
                       ValueList* ids) const {
    CheckNativeStack();
    if (!escaped && t.IsPair() && IsEllipsis(Car(t)) && Cdr(t).IsPair()) {
      return CollectRepeated(Car(Cdr(t)), b, inner, early, true, ids);  // (... template)
    }
    while (t.IsPair()) {
      const Value sub = Car(t);
      int64_t following = inner;
      for (t = Cdr(t); !escaped && t.IsPair() && IsEllipsis(Car(t)); t = Cdr(t)) following++;
      const bool driven = following == inner || (early && IsDriven(sub, b, following));
      CollectRepeated(sub, b, following, early && driven, escaped, ids);
    }
    if (t.Is<Vector>()) {
      CollectRepeated(VectorToList(t.As<Vector>()), b, inner, early, escaped, ids);
    } else if (IsIdentifier(t) && b.Find(t).depth > (early ? 0 : inner)) {
      ids->Add(t);
    }
  }

  // Has t, followed by `inner` ellipses, a variable for one more?
  bool IsDriven(Value t, const Bindings& b, int64_t inner) const {
    ValueList* drivers = ValueList::New();
    CollectRepeated(t, b, inner, false, false, drivers);
    return !drivers->empty();
  }

  // (sub ...) with `depth` ellipses.
  void Repeat(Value sub, const Bindings& b, int64_t depth, ValueList* out) {
    ValueList* ids = ValueList::New();
    const int64_t inner = depth - 1;
    CollectRepeated(sub, b, inner, inner == 0 || IsDriven(sub, b, inner), false, ids);
    if (ids->empty()) Error("syntax-rules: no variable repeats before ...:", {StripSyntax(sub)});
    size_t length = 0;
    for (size_t i = 0; i < ids->size(); i++) {
      const size_t n = b.Find((*ids)[i]).match.As<ValueList>()->size();
      if (i > 0 && n != length) Error("syntax-rules: repetitions of different lengths");
      length = n;
    }
    for (size_t k = 0; k < length; k++) {
      Bindings one;
      one.outer = &b;
      for (size_t i = 0; i < ids->size(); i++) {
        const Binding all = b.Find((*ids)[i]);
        one.Add((*ids)[i], {(*all.match.As<ValueList>())[k], all.depth - 1});
      }
      if (depth > 1) {
        Repeat(sub, one, depth - 1, out);
      } else {
        out->Add(Fill(sub, one));
      }
    }
  }

  Value Rename(Value id) {
    const int64_t i = from_->IndexOf(id);
    if (i >= 0) return (*to_)[static_cast<size_t>(i)];
    const Value fresh = MakeIdentifier(id, macro_->scope);
    from_->Add(id);
    to_->Add(fresh);
    return fresh;
  }

  Macro* const macro_;
  ValueList* const from_ = ValueList::New();
  ValueList* const to_ = ValueList::New();
};

}  // namespace

bool Macro::IsEllipsis(Value v) const {
  if (v == ellipsis.Get()) return true;
  // A macro that defines macros inserts ... under a fresh name.
  return v.Is<Identifier>() && ellipsis.Get() == KnownSymbol(Known::kEllipsis) &&
         BaseSymbol(v) == ellipsis.Get();
}

Macro* ParseSyntaxRules(Value form, Value scope, const char** problem) {
  auto* m = make_gc<Macro>();
  InitHeader(m);
  m->scope.Init(scope);
  m->literals = ValueList::New();
  m->rules = ValueList::New();
  Value rest = Cdr(form);
  *problem = "syntax-rules: bad syntax:";
  if (ListLength(form) < 2) return nullptr;
  Value ellipsis = KnownSymbol(Known::kEllipsis);
  if (IsIdentifier(Car(rest))) {
    ellipsis = Car(rest);
    rest = Cdr(rest);
    if (!rest.IsPair()) return nullptr;
  }
  m->ellipsis.Init(ellipsis);
  for (Value l = Car(rest); !l.IsNull(); l = Cdr(l)) {
    if (!l.IsPair() || !IsIdentifier(Car(l))) return nullptr;
    m->literals->Add(Car(l));
  }
  for (rest = Cdr(rest); rest.IsPair(); rest = Cdr(rest)) {
    const Value rule = Car(rest);
    if (ListLength(rule) != 2 || !Car(rule).IsPair()) {
      *problem = "syntax-rules: a rule is no (pattern template):";
      return nullptr;
    }
    m->rules->Add(Cons(Car(rule), Car(Cdr(rule))));
  }
  return m;
}

Value ExpandMacro(Macro* macro, Value form, Value use_scope) {
  Matcher matcher(macro, use_scope);
  for (size_t i = 0; i < macro->rules->size(); i++) {
    const Value rule = (*macro->rules)[i];
    Bindings b;
    // The keyword's own position is not matched.
    if (matcher.Match(Cdr(Car(rule)), Cdr(form), &b)) return Filler(macro).Fill(Cdr(rule), b);
  }
  return Value{0};
}

}  // namespace scheme
