// eqv?, equal? and hashes that agree with them.
// EqualValues keeps pairs of values still to compare on an explicit stack. After many steps it
// starts to remember which pairs it has assumed equal, so that circular structures terminate (R7RS
// equal?). I1 Nothing is allocated on the tarn heap and nothing mutated meanwhile, so C++
// containers may hold values.
#include <unordered_set>
#include <utility>
#include <vector>

#include "examples/scheme/builtins.h"
#include "examples/scheme/number.h"

namespace scheme {
namespace {

constexpr uint64_t kStepsBeforeMemory = 100000;

struct HashPair {
  size_t operator()(const std::pair<uintptr_t, uintptr_t>& p) const {
    return (p.first * 0x9E3779B97F4A7C15u) ^ (p.second >> 3);
  }
};

bool SameText(const String* a, const String* b) {
  if (a->length != b->length) return false;
  for (size_t i = 0; i < a->length; i++) {
    if (a->At(i) != b->At(i)) return false;
  }
  return true;
}

bool SameBytes(Bytevector* a, Bytevector* b) {
  return a->length == b->length && __builtin_memcmp(a->bytes(), b->bytes(), a->length) == 0;
}

uint64_t Mix(uint64_t h) {
  h ^= h >> 32;
  h *= 0xD6E8FEB86659FD93u;
  return h ^ h >> 32;
}

}  // namespace

bool EqvValues(Value a, Value b) {
  if (a == b) return true;
  if (!a.IsObject() || !b.IsObject()) return false;
  const Type t = a.AsHeader()->type;
  if (t == Type::kFlonum || t == Type::kBignum || t == Type::kRatnum) {
    return IsNumber(b) && NumEqv(a, b);
  }
  // Empty strings and vectors are made anew each time and stay distinct.
  return false;
}

bool EqualValues(Value a, Value b) {
  std::vector<std::pair<Value, Value>> todo;
  std::unordered_set<std::pair<uintptr_t, uintptr_t>, HashPair> assumed;
  for (uint64_t steps = 0;; steps++) {
    // Compare a and b; lists are walked along the cdr, the rest goes to the stack.
    bool descend = false;
    if (!EqvValues(a, b)) {
      const bool pairs = a.IsPair() && b.IsPair();
      if (!pairs) {
        if (!a.IsObject() || !b.IsObject()) return false;
        const Type t = a.AsHeader()->type;
        if (t != b.AsHeader()->type) return false;
        if (t == Type::kString) {
          if (!SameText(a.As<String>(), b.As<String>())) return false;
        } else if (t == Type::kBytevector) {
          if (!SameBytes(a.As<Bytevector>(), b.As<Bytevector>())) return false;
        } else if (t == Type::kVector) {
          descend = true;
        } else {
          return false;
        }
      }
      descend = descend || pairs;
    }
    if (descend && steps > kStepsBeforeMemory) descend = assumed.insert({a.w, b.w}).second;
    if (descend && a.IsPair()) {
      todo.emplace_back(Cdr(a), Cdr(b));
      a = Car(a);
      b = Car(b);
      continue;
    }
    if (descend) {
      auto *x = a.As<Vector>(), *y = b.As<Vector>();
      if (x->length != y->length) return false;
      for (size_t i = x->length; i > 0; i--) {
        todo.emplace_back(x->items()[i - 1], y->items()[i - 1]);
      }
    }
    if (todo.empty()) return true;
    a = todo.back().first;
    b = todo.back().second;
    todo.pop_back();
  }
}

uint64_t HashEqv(Value v) {
  if (v.IsObject() && IsNumber(v)) return HashNumber(v);
  return Mix(v.w);
}

uint64_t HashEqual(Value v) {
  uint64_t h = 1;
  std::vector<Value> todo{v};
  for (int budget = 64; budget > 0 && !todo.empty(); budget--) {
    const Value x = todo.back();
    todo.pop_back();
    if (x.IsPair()) {
      todo.push_back(Cdr(x));
      todo.push_back(Car(x));
      h = Mix(h + 2);
    } else if (x.Is<String>()) {
      auto* s = x.As<String>();
      for (size_t i = 0; i < s->length; i++) h = (h ^ s->At(i)) * 0x100000001B3u;
      h = Mix(h + 3);
    } else if (x.Is<Bytevector>()) {
      auto* b = x.As<Bytevector>();
      for (size_t i = 0; i < b->length; i++) h = (h ^ b->bytes()[i]) * 0x100000001B3u;
      h = Mix(h + 4);
    } else if (x.Is<Vector>()) {
      auto* vec = x.As<Vector>();
      h = Mix(h + 5 + vec->length);
      for (size_t i = 0; i < vec->length && i < 16; i++) todo.push_back(vec->items()[i]);
    } else {
      h = Mix(h ^ HashEqv(x));
    }
  }
  return h;
}

}  // namespace scheme
