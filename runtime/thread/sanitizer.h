// Attributes and flags for code that must know about sanitizers.
// Macros, because attributes cannot be named otherwise.
#ifndef TARN_RUNTIME_THREAD_SANITIZER_H_
#define TARN_RUNTIME_THREAD_SANITIZER_H_

#if defined(__SANITIZE_ADDRESS__)
#define TARN_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TARN_ASAN 1
#endif
#endif
#ifndef TARN_ASAN
#define TARN_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define TARN_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TARN_TSAN 1
#endif
#endif
#ifndef TARN_TSAN
#define TARN_TSAN 0
#endif

// For functions that read other frames of a stack: redzones lie between their variables, and the
// owner of a blocked thread's stack may be writing to its dead part. A function with this attribute
// must not call library functions on that memory: those are checked.
#define TARN_NO_SANITIZE_STACK \
  __attribute__((noinline, no_sanitize("address"), no_sanitize("thread")))

#endif  // TARN_RUNTIME_THREAD_SANITIZER_H_
