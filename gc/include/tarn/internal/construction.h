// Construction: an object with a Trace method whose constructor still runs. Such objects are listed
// per thread and scanned conservatively, so that Trace is never called on a half-built object.
#ifndef TARN_INTERNAL_CONSTRUCTION_H_
#define TARN_INTERNAL_CONSTRUCTION_H_

namespace tarn::internal {

struct Construction {
  explicit Construction(void* p) : object(p) { Link(); }
  ~Construction() { Unlink(); }
  Construction(const Construction&) = delete;
  Construction& operator=(const Construction&) = delete;

  void* object;
  Construction* next = nullptr;

 private:
  void Link();
  void Unlink();
};

}  // namespace tarn::internal

#endif  // TARN_INTERNAL_CONSTRUCTION_H_
