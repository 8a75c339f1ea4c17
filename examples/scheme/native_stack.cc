#include "examples/scheme/native_stack.h"

#include <sys/resource.h>

#include <algorithm>

#include "examples/scheme/error.h"

namespace scheme {

uintptr_t g_native_stack_limit = 0;

void InitNativeStackLimit() {
  // The limit of the main thread counts from its first frame, a little above this one.
  constexpr uintptr_t kDefaultBytes = uintptr_t{8} << 20, kMaxBytes = uintptr_t{256} << 20;
  rlimit limit{};
  uintptr_t bytes = kDefaultBytes;
  if (getrlimit(RLIMIT_STACK, &limit) == 0) {
    bytes = limit.rlim_cur == RLIM_INFINITY ? kMaxBytes
                                            : std::min<uintptr_t>(limit.rlim_cur, kMaxBytes);
  }
  // A quarter stays for leaf calls, the environment and the collector.
  g_native_stack_limit = reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) - bytes / 4 * 3;
}

void NestingTooDeep() { Error("nesting too deep"); }

}  // namespace scheme
