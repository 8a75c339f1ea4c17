#include "examples/scheme/objects.h"

#include <cstring>

#include "examples/scheme/symbol_table.h"

namespace scheme {

Value Cons(Value car, Value cdr) {
  auto* p = make_gc<Pair>();
  p->car.Init(car);
  p->cdr.Init(cdr);
  return Value::Of(p);
}

Value MakeFlonum(double d) {
  auto* f = make_gc<Flonum>();
  InitHeader(f);
  f->value = d;
  return Value::Of(f);
}

Vector* NewVector(size_t length, Value fill) {
  auto* v = make_gc_tail<Vector, Slot>(length);
  InitHeader(v);
  v->length = length;
  Slot* items = v->items();
  for (size_t i = 0; i < length; i++) items[i].Init(fill);
  return v;
}

Bytevector* NewBytevector(size_t length) {
  auto* b = make_gc_tail<Bytevector, uint8_t>(length);
  InitHeader(b);
  b->length = length;
  return b;
}

Box* NewBox(Value v) {
  auto* b = make_gc<Box>();
  InitHeader(b);
  b->value.Init(v);
  return b;
}

Parameter* NewParameter(Value initial, Value converter) {
  auto* p = make_gc<Parameter>();
  InitHeader(p);
  p->value.Init(initial);
  p->converter.Init(converter);
  return p;
}

Condition* NewCondition(ConditionKind kind, Value message, Value irritants, Value who) {
  auto* c = make_gc<Condition>();
  InitHeader(c);
  c->header.flags = static_cast<uint8_t>(kind);
  c->message.Init(message);
  c->irritants.Init(irritants);
  c->who.Init(who);
  c->where.Init(kFalse);
  return c;
}

RecordType* NewRecordType(Symbol* name, Vector* fields) {
  auto* t = make_gc<RecordType>();
  InitHeader(t);
  t->header.word = static_cast<uint32_t>(fields->length);
  t->name = name;
  t->fields = fields;
  return t;
}

Value MakeValues(const Value* v, size_t n) {
  if (n == 1) return v[0];
  auto* m = make_gc_tail<Values, Slot>(n);
  InitHeader(m);
  m->header.word = static_cast<uint32_t>(n);
  for (size_t i = 0; i < n; i++) m->items()[i].Init(v[i]);
  return Value::Of(m);
}

Value MakeList(const Value* v, size_t n, Value tail) {
  while (n > 0) tail = Cons(v[--n], tail);
  return tail;
}

int64_t ListLength(Value list) {
  int64_t n = 0;
  Value slow = list;
  while (list.IsPair()) {
    list = Cdr(list);
    if ((++n & 1) == 0) slow = Cdr(slow);
    if (list == slow && list.IsPair()) return -1;  // the fast pointer caught up: circular
  }
  return list.IsNull() ? n : -1;
}

// ---- strings ----

String* NewString(size_t length, bool wide) {
  auto* s = make_gc<String>();
  InitHeader(s);
  s->header.flags = wide ? String::kWide : 0;
  s->length = length;
  if (length > 0) {
    s->buffer =
        static_cast<uint8_t*>(tarn::AllocateBytes(wide ? length * 4 : length, tarn::Scan::kNone));
  }
  return s;
}

uint32_t DecodeUtf8(std::string_view s, size_t* pos) {
  constexpr uint32_t kBad = 0xFFFD;
  const auto lead = static_cast<uint8_t>(s[(*pos)++]);
  if (lead < 0x80) return lead;
  const int extra = lead >= 0xF0 && lead < 0xF8 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC2 ? 1 : 0;
  if (extra == 0 || lead >= 0xF8) return kBad;
  uint32_t c = lead & (0x3F >> extra);
  size_t p = *pos;
  for (int i = 0; i < extra; i++, p++) {
    if (p >= s.size() || (static_cast<uint8_t>(s[p]) & 0xC0) != 0x80) return kBad;
    c = c << 6 | (static_cast<uint8_t>(s[p]) & 0x3F);
  }
  constexpr uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
  if (c < kSmallest[extra] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return kBad;
  *pos = p;
  return c;
}

void AppendUtf8(std::string* out, uint32_t c) {
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out->push_back(static_cast<char>(0xC0 | c >> 6));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | c >> 12));
    out->push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else {
    out->push_back(static_cast<char>(0xF0 | c >> 18));
    out->push_back(static_cast<char>(0x80 | (c >> 12 & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

Value MakeString(std::string_view utf8) {
  size_t length = 0;
  bool wide = false;
  for (size_t pos = 0; pos < utf8.size(); length++) wide |= DecodeUtf8(utf8, &pos) > 0xFF;
  String* s = NewString(length, wide);
  uint8_t* bytes = s->buffer;
  size_t pos = 0;
  for (size_t i = 0; i < length; i++) {
    const uint32_t c = DecodeUtf8(utf8, &pos);
    if (wide) {
      reinterpret_cast<uint32_t*>(bytes)[i] = c;
    } else {
      bytes[i] = static_cast<uint8_t>(c);
    }
  }
  return Value::Of(s);
}

std::string ToUtf8(const String* s) {
  std::string out;
  out.reserve(s->length);
  for (size_t i = 0; i < s->length; i++) AppendUtf8(&out, s->At(i));
  return out;
}

void StringPut(String* s, size_t i, uint32_t c) {
  if (!s->IsWide() && c > 0xFF) {
    auto* wide = static_cast<uint32_t*>(tarn::AllocateBytes(s->length * 4, tarn::Scan::kNone));
    for (size_t k = 0; k < s->length; k++) wide[k] = s->At(k);
    s->buffer = reinterpret_cast<uint8_t*>(wide);
    s->header.flags |= String::kWide;
  }
  uint8_t* bytes = s->buffer;
  if (s->IsWide()) {
    reinterpret_cast<uint32_t*>(bytes)[i] = c;
  } else {
    bytes[i] = static_cast<uint8_t>(c);
  }
}

}  // namespace scheme
