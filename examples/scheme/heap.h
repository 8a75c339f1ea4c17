// The only door between the interpreter and the tarn heap: the value codec, the two kinds of members that
// heap objects have, and the names used elsewhere.
// Not here: what the objects look like (objects.h).
// I1 Every Scheme object, symbol table and compile-time structure lives on the tarn heap; C++ containers
//    never hold the only reference to a heap object.
// I2 Raw pointers and Values are kept in locals and arguments only; the native stack is scanned
//    conservatively. Members of heap objects are gc_ptr or Slot (value.h).
// I3 Both have the same codec, so that every object has an exact layout.
// Locking: none; the interpreter is one cooperative thread.
#ifndef EXAMPLES_SCHEME_HEAP_H_
#define EXAMPLES_SCHEME_HEAP_H_

#include <tarn/tarn.h>

#include <cstdint>

namespace scheme {

using tarn::gc_tail;
using tarn::make_gc;
using tarn::make_gc_tail;

// Even words are references: to an object that starts with a header (low bits 000), or two bytes into a pair
// (010). Constants and characters are even too (100, 110), but decode to addresses far below any heap; for
// tarn they are pointers to nowhere. See value.h.
using ValueCodec = tarn::low_bit_codec<1, 0>;
using ValueWord = tarn::gc_word<ValueCodec>;

// A typed reference in a member of a heap object. tarn::gc_ptr would do; but an object with members of two
// codecs is scanned conservatively.
template <class T>
struct gc_ptr {
  ValueWord word;

  T* get() const { return reinterpret_cast<T*>(word.load()); }
  operator T*() const { return get(); }
  T* operator->() const { return get(); }
  gc_ptr& operator=(T* p) {
    word.store(reinterpret_cast<uintptr_t>(p));
    return *this;
  }
  // Only while no other reference to the object exists (right after its allocation).
  void Init(T* p) { word.init(reinterpret_cast<uintptr_t>(p)); }
};

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_HEAP_H_
