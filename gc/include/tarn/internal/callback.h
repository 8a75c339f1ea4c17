// CallbackType: how the runtime calls, drops and scans a function object that it keeps for the program
// (finalizers, cleanups), and how it destroys objects.
// I1 A function object of one word lives in the record itself, a larger one in a box of its own, from
//    malloc. It is not changed between its registration and its call: the collector reads its words
//    without barriers.
// I2 `run` moves the function object to its own frame, where a scan of the stack finds what it refers
//    to, before it calls it, and shades its words there: the stack may have been scanned before. The box
//    stays readable until it is freed.
// I3 While a box may hold what is on no stack, and is not yet, or no more, in a chain, its thread holds its
//    words (HeldWords): they are scanned with the stack, at one moment. Whoever puts it in a chain lets go
//    of it before the next handshake: from then on another thread may free it.
#ifndef TARN_INTERNAL_CALLBACK_H_
#define TARN_INTERNAL_CALLBACK_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <new>
#include <type_traits>
#include <utility>

#include "tarn/internal/config.h"

namespace tarn::internal {

struct CallbackType {
  // Calls the function object `data` for `object`, once; destroys `data` elements.
  void (*run)(uintptr_t data, void* object);
  void (*destroy)(uintptr_t data);  // ends the function object, after a call or without one
  uint32_t words;                   // of the box, which is left; 0: `data` is the function object
  uint32_t trace_bytes;  // of a destructor: the size of an object with a Trace method, else 0
  bool has_no_padding;   // every byte of the function object is part of a value
  bool at_sweep;         // of a destructor: runs on the collector's thread
  const char* name;      // for messages; tells the type. Static storage.
};

// Shades those of the `n` words at `words` that are pointers to the heap, while marking runs.
// Thread-safety: the calling thread's own words. May collect: no. Blocks: no.
void ShadeWords(const uintptr_t* words, size_t n) noexcept;

// Words outside the stack that a thread's own scan looks at, until it ends. On the stack of the thread.
struct HeldWords {
  HeldWords() = default;
  ~HeldWords();
  HeldWords(const HeldWords&) = delete;
  HeldWords& operator=(const HeldWords&) = delete;

  const uintptr_t* words = nullptr;
  size_t count = 0;
  HeldWords* next = nullptr;
  bool is_listed = false;
};
// Lists and unlists the calling thread's words. May collect: no. Blocks: no.
void Hold(HeldWords& held) noexcept;
void Release(HeldWords& held) noexcept;
inline HeldWords::~HeldWords() {
  if (is_listed) Release(*this);
}

// Zeroed memory from operator new, so that padding holds no stale pointer. A leak checker does not report it:
// it does not look into tarn's memory.
void* NewBox(size_t bytes);

// Ends a function object that is in no record; `held` may hold its words.
inline void EndFunction(const CallbackType& type, uintptr_t data, HeldWords& held) noexcept {
  type.destroy(data);
  if (held.is_listed) Release(held);
  if (type.words != 0) ::operator delete(reinterpret_cast<void*>(data));
}

template <class F>
inline constexpr bool kIsStdFunction = false;
template <class F>
inline constexpr bool kIsStdFunction<std::function<F>> = true;

// A function object F as one word.
template <class F>
struct Boxed {
  static_assert(
      !kIsStdFunction<F>,
      "std::function may keep what it captures in memory that the collector does not see: pass "
      "the lambda itself");
  static_assert(alignof(F) <= 16, "function objects are aligned to 16 at most");
  static constexpr bool kInline = sizeof(F) <= sizeof(uintptr_t) &&
                                  std::is_trivially_copyable_v<F> &&
                                  std::is_trivially_destructible_v<F>;
  static constexpr size_t kBytes = (sizeof(F) + kWordBytes - 1) / kWordBytes * kWordBytes;
  static constexpr uint32_t kWords = kInline ? 0 : kBytes / kWordBytes;

  // Padding would be scanned, and often holds a stale pointer to the very object.
  static void ClearPadding([[maybe_unused]] F* f) {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
    if constexpr (std::is_trivially_copyable_v<F>) __builtin_clear_padding(f);
#endif
#endif
  }

  // `held` holds the box from before the move.
  static uintptr_t Make(F&& f, HeldWords& held) {
    if constexpr (kInline) {
      ClearPadding(&f);
      uintptr_t data = 0;
      if constexpr (!std::is_empty_v<F>) std::memcpy(&data, &f, sizeof(F));
      return data;
    } else {
      void* box = NewBox(kBytes);
      held.words = static_cast<const uintptr_t*>(box);
      held.count = kWords;
      Hold(held);
      try {
        ::new (box) F(std::move(f));
      } catch (...) {
        internal::Release(held);
        ::operator delete(box);
        throw;
      }
      ClearPadding(static_cast<F*>(box));
      return reinterpret_cast<uintptr_t>(box);
    }
  }
  static F Take(uintptr_t data) {
    if constexpr (kInline) {
      alignas(F) unsigned char bytes[sizeof(F)];
      std::memcpy(bytes, &data, sizeof(F));
      return *reinterpret_cast<F*>(bytes);
    } else {
      return F(std::move(*reinterpret_cast<F*>(data)));
    }
  }
  // Of one that has just been taken. A word was copied: it is still in the record.
  static void Shade([[maybe_unused]] const F& f) {
    if constexpr (!kInline && alignof(F) >= kWordBytes) {
      ShadeWords(reinterpret_cast<const uintptr_t*>(&f), sizeof(F) / kWordBytes);
    }
  }
  static void Destroy(uintptr_t data) {
    if constexpr (!kInline) reinterpret_cast<F*>(data)->~F();
  }
};

// A function object on its way into a record: ends with this, unless it was kept.
template <class F>
class NewFunction {
 public:
  NewFunction(F&& f, const CallbackType& type)
      : type_(type), data_(Boxed<F>::Make(std::move(f), held_)) {}
  ~NewFunction() {
    if (!is_kept_) EndFunction(type_, data_, held_);
  }
  NewFunction(const NewFunction&) = delete;
  NewFunction& operator=(const NewFunction&) = delete;

  uintptr_t data() const { return data_; }
  HeldWords& held() { return held_; }
  void Keep() { is_kept_ = true; }

 private:
  const CallbackType& type_;
  HeldWords held_;
  const uintptr_t data_;
  bool is_kept_ = false;
};

// f(arg), without padding if F is empty.
template <class F, class A>
struct BoundCall {
  [[no_unique_address]] F f;
  A arg;

  void operator()() { std::invoke(f, arg); }
};

// The compiler's spelling of a function that names F.
template <class F>
constexpr const char* TypeNameOf() {
  return __PRETTY_FUNCTION__;
}

// F(T*), for a finalizer.
template <class T, class F>
inline constexpr CallbackType kFinalizerType{[](uintptr_t data, void* object) {
                                               F f = Boxed<F>::Take(data);
                                               Boxed<F>::Shade(f);
                                               f(static_cast<T*>(object));
                                             },
                                             &Boxed<F>::Destroy,
                                             Boxed<F>::kWords,
                                             0,
                                             std::has_unique_object_representations_v<F>,
                                             false,
                                             TypeNameOf<F>()};

// F(), for a cleanup.
template <class F>
inline constexpr CallbackType kCleanupType{[](uintptr_t data, void*) {
                                             F f = Boxed<F>::Take(data);
                                             Boxed<F>::Shade(f);
                                             f();
                                           },
                                           &Boxed<F>::Destroy,
                                           Boxed<F>::kWords,
                                           0,
                                           std::has_unique_object_representations_v<F>,
                                           false,
                                           TypeNameOf<F>()};

}  // namespace tarn::internal

#endif  // TARN_INTERNAL_CALLBACK_H_
