// Special: one side record of an object: what is to happen when it dies, or what knows it weakly.
// Records hang on the object's slot (specials.h) until the death of the object is decided; those that
// call the program then go to a list of what is ready (finalizers.h).
// I1 A record is in one chain or list, or in one thread's hands.
#ifndef TARN_GC_LIFE_SPECIAL_H_
#define TARN_GC_LIFE_SPECIAL_H_

#include <cstddef>
#include <cstdint>

#include "tarn/internal/callback.h"

namespace tarn::rt {

struct Guardian;   // finalizers.h
struct WeakTable;  // weak_table.h

//              while the object lives           when it is found dead
//  kFinalizer  what it refers to stays alive    the object comes back to life and is finalized
//  kGuardian   likewise                         likewise, and is handed to a gc_queue
//  kCleanup    -                                a function is called that does not see the object
//  kDestructor -                                its memory stays until it is destroyed
//  kWeak       its handle stays alive           the handle is cleared
//  kEphemeron  the value stays alive            the entry is gone
// A finalizer or guardian comes alone: cleanups and destructors wait for the next death.
enum class SpecialKind : uint8_t {
  kFinalizer,
  kGuardian,
  kCleanup,
  kDestructor,
  kWeak,
  kEphemeron
};

struct Special {
  Special* next = nullptr;
  uintptr_t address = 0;  // as the program gave it: the object's, or inside
  union {
    const internal::CallbackType* type = nullptr;
    Guardian* guardian;  // kGuardian
    WeakTable* table;    // kEphemeron
  };
  uintptr_t data = 0;  // function object, number of elements, WeakHandle* or the ephemeron's value
  uint64_t id : 56 = 0;  // of a cleanup: by which it is stopped
  SpecialKind kind = SpecialKind::kCleanup;

  // The words of the function object. For kFinalizer and kCleanup.
  const uintptr_t* words() const {
    return type->words == 0 ? &data : reinterpret_cast<const uintptr_t*>(data);
  }
  size_t word_count() const { return type->words == 0 ? 1 : type->words; }
  bool has_function() const {
    return kind == SpecialKind::kFinalizer || kind == SpecialKind::kCleanup;
  }
};

// First in, first out.
class SpecialList {
 public:
  bool Empty() const { return head_ == nullptr; }
  Special* head() const { return head_; }
  void Append(Special* s) {
    s->next = nullptr;
    if (head_ == nullptr) {
      head_ = s;
    } else {
      tail_->next = s;
    }
    tail_ = s;
  }
  Special* Pop() {
    Special* s = head_;
    if (s != nullptr) head_ = s->next;
    return s;
  }

 private:
  Special* head_ = nullptr;
  Special* tail_ = nullptr;  // meaningful while head_ is not null
};

// Told what the records keep alive.
class LifeVisitor {
 public:
  virtual void Object(uintptr_t p) = 0;
  // What the object refers to, and not the object itself.
  virtual void Contents(uintptr_t object) = 0;
  // Each word may be a pointer.
  virtual void Words(const uintptr_t* begin, const uintptr_t* end) = 0;

 protected:
  ~LifeVisitor() = default;
};

}  // namespace tarn::rt

#endif  // TARN_GC_LIFE_SPECIAL_H_
