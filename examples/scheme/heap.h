// The only door between the interpreter and the tarn heap: the value codec and the names used
// elsewhere. Not here: what the objects look like (objects.h). I1 Every Scheme object, symbol table
// and compile-time structure lives on the tarn heap; C++ containers
//    never hold the only reference to a heap object.
// I2 Raw pointers and Values are kept in locals and arguments only; the native stack is scanned
//    conservatively. Members of heap objects are tarn::gc_ptr or Slot.
// Locking: none; the interpreter is one cooperative thread.
#ifndef EXAMPLES_SCHEME_HEAP_H_
#define EXAMPLES_SCHEME_HEAP_H_

#ifdef SCHEME_HEAP_STUB
#include "examples/scheme/heap_stub.h"
#else
#include <tarn/tarn.h>
#endif

namespace scheme {

using tarn::gc_ptr;
using tarn::gc_tail;
using tarn::make_gc;
using tarn::make_gc_tail;

// Words whose bits 0 and 2 are clear hold pointers: tag 000 is an object with a header, 010 a pair
// (an interior pointer, two bytes into it). See value.h.
using ValueCodec = tarn::low_bit_codec<5, 0>;
using ValueWord = tarn::gc_word<ValueCodec>;

}  // namespace scheme

#endif  // EXAMPLES_SCHEME_HEAP_H_
