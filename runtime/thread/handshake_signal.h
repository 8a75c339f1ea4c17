// The signal that interrupts a thread for a handshake: its number, its handler, and the handler
// that the program had before.
// Not here: what a thread does when interrupted (AnswerSlow in runtime_scope.h).
// I1 A signal is tarn's if it carries the cookie; every other one goes to the previous handler.
//    Whoever sent it, a waiting handshake is answered.
// I2 errno is preserved; every asynchronous signal is blocked while the handler runs, so that no
//    handler of the program can leave it by a long jump.
// I3 A signal is sent to a thread only while it is in the registry; it may arrive later.
// Locking: one lock for installing, taken by nothing that runs in the handler.
//
// Signals merge: if the program's signal of this number and tarn's are pending in one thread at the
// same time, the kernel delivers one of them, and the program's handler misses its own. A program
// that counts on every delivery chooses another number for tarn, a real-time one if need be.
//
// The handler runs on the interrupted stack (no SA_ONSTACK) by default: alternate stacks are
// commonly as small as 8 KiB, of which the kernel's frame takes 3 KiB and more, and the scan is
// shortest when the frame lies on the stack itself. kAlternate is for programs whose coroutine
// stacks are too small for a signal frame (below 16 KiB). Scanning copes with both, and with
// threads interrupted on an alternate stack.
//
// Under TSan a signal reaches the handler only when the thread next calls a function that TSan
// wraps or uses an atomic: a thread that spins without either, or waits in read(), answers late or
// never.
#ifndef TARN_RUNTIME_THREAD_HANDSHAKE_SIGNAL_H_
#define TARN_RUNTIME_THREAD_HANDSHAKE_SIGNAL_H_

#include "absl/status/status.h"

namespace tarn::rt {

enum class SignalStack { kCurrent, kAlternate };

// SIGURG unless set. Errors: FailedPrecondition after the first attach; InvalidArgument for numbers
// that cannot be caught or that report faults.
absl::Status SetHandshakeSignal(int signo, SignalStack stack = SignalStack::kCurrent);
int HandshakeSignal();
// What tarn's signals carry in si_value.
void* HandshakeCookie();

// Installs the handler, once; later calls reinstall it if the program has replaced it (then
// chaining to the replacement). False when the system refuses.
bool InstallHandshakeHandler();
// True if the handler is in place; one system call.
bool IsHandshakeHandlerInstalled();

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_THREAD_HANDSHAKE_SIGNAL_H_
