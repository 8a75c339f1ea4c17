// Guardian: what a gc_queue is to the collector: the dead objects that wait for it. It lives as long as the
// queue or any object registered with it. ReadyList: a list of records that can be walked in pieces
// while some are taken from its head.
// Locking: the owner's (finalizers.h), but for is_gone.
#ifndef TARN_GC_LIFE_GUARDIAN_H_
#define TARN_GC_LIFE_GUARDIAN_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "gc/life/special.h"

namespace tarn::rt {

class ReadyList {
 public:
  Special* head() const { return list_.head(); }
  uint64_t size() const { return list_.size(); }
  void Append(Special* s) { list_.Append(s); }
  void Splice(SpecialList& other) { list_.Splice(other); }
  Special* Pop() {
    Special* s = list_.Pop();
    if (s != nullptr && s == walked_to_) walked_to_ = list_.head();
    return s;
  }
  // All of it.
  SpecialList Take() {
    const SpecialList all = list_;
    list_ = SpecialList();
    walked_to_ = nullptr;
    return all;
  }
  void StartWalk() { walked_to_ = list_.head(); }
  // f(const Special&) for at most `n` more, which counts down; false when all were visited.
  template <class F>
  bool Walk(size_t& n, F&& f) {
    for (; n != 0 && walked_to_ != nullptr; --n) {
      f(*walked_to_);
      walked_to_ = walked_to_->Next();
    }
    return walked_to_ != nullptr;
  }

 private:
  SpecialList list_;
  Special* walked_to_ = nullptr;
};

struct Guardian {
  ReadyList ready;
  uint64_t registered = 0;  // records that name it
  // The queue is. relaxed: seen late, its objects come back to life once more.
  std::atomic<uint32_t> is_gone{0};
  Guardian* next = nullptr;
};

}  // namespace tarn::rt

#endif  // TARN_GC_LIFE_GUARDIAN_H_
