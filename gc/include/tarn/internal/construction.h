// Construction: an object with a Trace method whose constructor still runs. Such objects are listed
// per thread and scanned conservatively, so that Trace is never called on a half-built object.
#ifndef TARN_INTERNAL_CONSTRUCTION_H_
#define TARN_INTERNAL_CONSTRUCTION_H_

#include <cstddef>

namespace tarn::internal {

// I1 From the allocation until the object is in the list no handshake comes: one that did would find
//    it on the stack and call Trace.
struct Construction {
  // Handshakes wait from here on.
  Construction();
  // Lists the object; handshakes come again.
  void Begin(void* p, size_t n);
  // The end of the constructor, or of a failed allocation. Unless `done`, the constructor has thrown:
  // the object is cleared, so that Trace never sees what it left.
  ~Construction();
  Construction(const Construction&) = delete;
  Construction& operator=(const Construction&) = delete;

  void* object = nullptr;
  size_t bytes = 0;
  bool done = false;
  Construction* next = nullptr;
};

}  // namespace tarn::internal

#endif  // TARN_INTERNAL_CONSTRUCTION_H_
