// Special: one side record of an object: what is to happen when it dies, or what knows it weakly.
// Records hang on the object's slot (specials.h) until the death of the object is decided; those that
// call the program then go to a list of what is ready (finalizers.h).
// I1 A record is in one chain or list, or in one thread's hands.
// I2 While it is in a chain, markers read its kind, table, data and link without a lock.
#ifndef TARN_GC_LIFE_SPECIAL_H_
#define TARN_GC_LIFE_SPECIAL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/thread/sanitizer.h"
#include "tarn/internal/callback.h"

namespace tarn::rt {

struct Guardian;   // guardian.h
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
  // Relaxed in a list, which one thread or a lock guards; in a chain see specials.h.
  std::atomic<Special*> next{nullptr};
  uintptr_t address = 0;  // as the program gave it: the object's, or inside
  union {
    const internal::CallbackType* type = nullptr;
    Guardian* guardian;  // kGuardian
    WeakTable* table;    // kEphemeron
  };
  // Function object, number of elements, WeakHandle* or the ephemeron's value. relaxed: only the latter
  // changes in a chain, and who changes it shades the new value.
  std::atomic<uintptr_t> data{0};
  // Of a cleanup in a chain: by which it is stopped. Of what is ready: the cycle that found it.
  uint64_t id : 56 = 0;
  SpecialKind kind = SpecialKind::kCleanup;

  uintptr_t word() const { return data.load(std::memory_order_relaxed); }
  Special* Next() const { return next.load(std::memory_order_relaxed); }
  // f(word) for the words of the function object; has_function(). Its box may be the program's already,
  // which runs or ends the function: one load for each word, whatever it is.
  template <class F>
  void ForEachWord(F&& f) const {
    if (type->words == 0) return f(word());
    const auto* box = reinterpret_cast<const uintptr_t*>(word());
    for (size_t i = 0; i < type->words; ++i) f(ReadBox(box + i));
  }
  TARN_NO_SANITIZE_STACK static uintptr_t ReadBox(const uintptr_t* p) {
    return *static_cast<const volatile uintptr_t*>(p);
  }
  bool has_function() const {
    return kind == SpecialKind::kFinalizer || kind == SpecialKind::kCleanup;
  }
  bool comes_alone() const {
    return kind == SpecialKind::kFinalizer || kind == SpecialKind::kGuardian;
  }
};

// First in, first out.
class SpecialList {
 public:
  bool Empty() const { return head_ == nullptr; }
  Special* head() const { return head_; }
  uint64_t size() const { return size_; }
  void Append(Special* s) {
    s->next.store(nullptr, std::memory_order_relaxed);
    if (head_ == nullptr) {
      head_ = s;
    } else {
      tail_->next.store(s, std::memory_order_relaxed);
    }
    tail_ = s;
    ++size_;
  }
  Special* Pop() {
    Special* s = head_;
    if (s == nullptr) return nullptr;
    head_ = s->Next();
    --size_;
    return s;
  }
  // All of `other`, behind what is here.
  void Splice(SpecialList& other) {
    if (other.head_ == nullptr) return;
    if (head_ == nullptr) {
      head_ = other.head_;
    } else {
      tail_->next.store(other.head_, std::memory_order_relaxed);
    }
    tail_ = other.tail_;
    size_ += other.size_;
    other = SpecialList();
  }

 private:
  Special* head_ = nullptr;
  Special* tail_ = nullptr;  // meaningful while head_ is not null
  uint64_t size_ = 0;
};

// Told what the records keep alive.
class LifeVisitor {
 public:
  virtual void Object(uintptr_t p) = 0;
  // What the object refers to, and not the object itself.
  virtual void Contents(uintptr_t object) = 0;
  // It may be a pointer.
  virtual void Word(uintptr_t word) = 0;
  // A piece of a long list has been visited, and no lock is held.
  virtual void PieceDone() {}

 protected:
  ~LifeVisitor() = default;
};

}  // namespace tarn::rt

#endif  // TARN_GC_LIFE_SPECIAL_H_
