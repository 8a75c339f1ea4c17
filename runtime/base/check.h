// Checks at three levels, none of which allocates or takes a lock when it fails.
//   TARN_CHECK   always; a violation means corrupted state or misuse: print one line and abort.
//   TARN_ASSERT  debug builds and TARN_ASSERTS=ON.
//   Verify()     functions of the structures themselves walk all their invariants.
#ifndef TARN_RUNTIME_BASE_CHECK_H_
#define TARN_RUNTIME_BASE_CHECK_H_

#include <cstdint>

namespace tarn::rt {

// Writes "tarn: fatal: <message>" and aborts. Async-signal-safe.
[[noreturn]] void Fatal(const char* message);
// The same with one number appended in hexadecimal ("<message> 0x...").
[[noreturn]] void FatalValue(const char* message, uint64_t value);
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

}  // namespace tarn::rt

#define TARN_CHECK(cond)                                                                  \
  do {                                                                                    \
    if (__builtin_expect(!(cond), 0)) ::tarn::rt::CheckFailed(__FILE__, __LINE__, #cond); \
  } while (0)

#if TARN_ASSERTS_ENABLED
#define TARN_ASSERT(cond) TARN_CHECK(cond)
#else
#define TARN_ASSERT(cond)               \
  do {                                  \
    if (false) static_cast<void>(cond); \
  } while (0)
#endif

#endif  // TARN_RUNTIME_BASE_CHECK_H_
