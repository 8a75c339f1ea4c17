#include "runtime/thread/thread_registry.h"

#include <pthread.h>
#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <string>

#include "runtime/base/bits.h"
#include "runtime/base/check.h"
#include "runtime/thread/handshake_impl.h"
#include "runtime/thread/handshake_signal.h"

namespace tarn::rt {
namespace {

constexpr size_t kRecordChunkBytes = size_t{64} << 10;
constexpr size_t kRecordBytes = RoundUp(sizeof(Mutator), 128);  // no false sharing of state words

// A thread's pthread keys are destroyed in up to PTHREAD_DESTRUCTOR_ITERATIONS (4) rounds.
// Detaching waits for the third: destructors of other keys that use the heap then rarely attach the
// thread again, and if they do, one more round is left.
constexpr int kDetachRound = 3;
constinit thread_local int t_exit_round TARN_TLS_INITIAL_EXEC = 0;

// Created with the first attach and never deleted.
constinit pthread_key_t exit_key = 0;

constinit ThreadRegistry registry;

// keeps I3; in_runtime is left to the caller, who is inside the runtime.
void ResetBlock(internal::MutatorBlock& block) {
  block.runs = const_cast<internal::Run*>(internal::kEmptyRuns);
  // relaxed (all): only this thread looks at the block of a thread that has left the registry.
  block.hazard_slot.store(0, std::memory_order_relaxed);
  block.hazard_value.store(0, std::memory_order_relaxed);
  block.barrier_on.store(1, std::memory_order_relaxed);
  block.poll.store(0, std::memory_order_relaxed);
  block.mutator = nullptr;
}

}  // namespace

ThreadRegistry& ThreadRegistry::Get() { return registry; }

// relaxed: see count_.
size_t ThreadRegistry::count() const { return count_.load(std::memory_order_relaxed); }

void SetThreadHooks(const ThreadHooks& hooks) {
  LockHolder hold(registry.lock_);
  if (registry.head_ != nullptr) Fatal("thread hooks set after the first attach");
  registry.hooks_ = hooks;
}

absl::Status AttachCurrentThread(const ThreadOptions& options) {
  RuntimeScope scope;
  return registry.Attach(options);
}

absl::Status DetachCurrentThread() {
  Mutator* m = Mutator::Current();
  if (m == nullptr) return absl::FailedPreconditionError("tarn: this thread is not attached");
  if (internal::t_block.in_runtime.load(std::memory_order_relaxed) != 0) {
    return absl::FailedPreconditionError(
        "tarn: a thread cannot detach inside a BlockedScope or the runtime");
  }
  if (m->has_fibers()) {
    return absl::FailedPreconditionError("tarn: a thread cannot detach with registered fibers");
  }
  registry.Detach(*m);
  return absl::OkStatus();
}

Mutator& EnsureAttached() {
  if (Mutator* m = Mutator::Current(); m != nullptr) [[likely]]
    return *m;
  const absl::Status status = AttachCurrentThread();
  if (!status.ok()) Fatal(std::string(status.message()).c_str());
  return *Mutator::Current();
}

absl::Status ThreadRegistry::SetUpProcess() {
  LockHolder hold(set_up_lock_);
  if (is_process_set_up_) return absl::OkStatus();
  if (!InstallHandshakeHandler()) {
    return absl::ResourceExhaustedError("tarn: cannot install the handshake signal's handler");
  }
  if (pthread_key_create(&exit_key, &ThreadRegistry::OnThreadExit) != 0) {
    return absl::ResourceExhaustedError("tarn: no thread-specific key is left for thread exit");
  }
  is_process_set_up_ = true;
  return absl::OkStatus();
}

Mutator* ThreadRegistry::TakeRecord() {
  if (free_ == nullptr) {
    void* chunk = mmap(nullptr, kRecordChunkBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (chunk == MAP_FAILED) return nullptr;
    auto* records = static_cast<std::byte*>(chunk);
    for (size_t at = 0; at + kRecordBytes <= kRecordChunkBytes; at += kRecordBytes) {
      auto* m = new (records + at) Mutator();
      m->next_ = free_;
      free_ = m;
    }
  }
  Mutator* m = free_;
  free_ = m->next_;
  return m;
}

void ThreadRegistry::Link(Mutator& m) {
  m.prev_ = nullptr;
  m.next_ = head_;
  if (head_ != nullptr) head_->prev_ = &m;
  head_ = &m;
  count_.fetch_add(1, std::memory_order_relaxed);
}

void ThreadRegistry::Unlink(Mutator& m) {
  (m.prev_ != nullptr ? m.prev_->next_ : head_) = m.next_;
  if (m.next_ != nullptr) m.next_->prev_ = m.prev_;
  m.prev_ = nullptr;
  count_.fetch_sub(1, std::memory_order_relaxed);
}

// The lock, at a moment when the world is not stopped.
void ThreadRegistry::LockUnstopped() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  for (;;) {
    lock_.Acquire();
    if (!HandshakeImpl::IsWorldStopped()) return;
    lock_.Release();
    HandshakeImpl::WaitUntilResumed();
  }
}

absl::Status ThreadRegistry::Attach(const ThreadOptions& options) {
  internal::MutatorBlock& block = internal::t_block;
  if (block.mutator != nullptr) {
    return absl::AlreadyExistsError("tarn: this thread is already attached");
  }
  if (HandshakeImpl::IsStoppedByCaller()) {
    return absl::FailedPreconditionError("tarn: a thread that stopped the world cannot attach");
  }
  const StackBounds stack = NativeStackBounds();
  if (!stack.Contains(reinterpret_cast<uintptr_t>(__builtin_frame_address(0)))) {
    return absl::FailedPreconditionError(
        "tarn: a thread can attach only on its own stack, not on a fiber or signal stack");
  }
  if (absl::Status status = SetUpProcess(); !status.ok()) return status;
  // What may call malloc comes before the lock: a stopped thread may hold malloc's.
  if (pthread_setspecific(exit_key, &block) != 0) {
    return absl::ResourceExhaustedError("tarn: no memory for a thread-specific value");
  }
  // For the hook, which may scan the stack: what the callers hold is in registers or lies above.
  uintptr_t registers[internal::kCapturedRegisters];
  const uintptr_t sp = tarn_internal_capture_registers(registers);
  if (!LinkCurrent(block, stack, options, sp, registers)) {
    pthread_setspecific(exit_key, nullptr);
    return absl::ResourceExhaustedError("tarn: no memory for a thread's record");
  }
  if (!options.cooperative && options.unblock_signal) UnblockSignal(HandshakeSignal());
  return absl::OkStatus();
}

bool ThreadRegistry::LinkCurrent(internal::MutatorBlock& block, StackBounds stack,
                                 const ThreadOptions& options, uintptr_t sp,
                                 const uintptr_t* registers) {
  LockUnstopped();
  Mutator* m = TakeRecord();
  if (m == nullptr) {
    lock_.Release();
    return false;
  }
  m->tid_ = CurrentThreadId();
  GetThreadName(m->name_);
  m->block_ = &block;
  m->native_stack_ = stack;
  m->options_ = options;
  HandshakeImpl::SaveContext(*m, sp, registers);
  m->blocked_depth_ = 0;
  m->signal_due_.store(0, std::memory_order_relaxed);
  // relaxed: askers look under the lock.
  m->state_.store(Mutator::kRunning, std::memory_order_relaxed);
  block.mutator = m;
  if (hooks_.attached != nullptr) hooks_.attached(*m);
  Link(*m);
  lock_.Release();
  return true;
}

void ThreadRegistry::Detach(Mutator& m) {
  RuntimeScope scope;
  for (;;) {
    lock_.Acquire();
    if (!HandshakeImpl::IsPending(m)) break;
    lock_.Release();
    HandshakeImpl::AnswerHere(m);
  }
  if (hooks_.detaching != nullptr) hooks_.detaching(m);
  Unlink(m);
  // relaxed: askers look under the lock.
  m.state_.store(Mutator::kGone, std::memory_order_relaxed);
  ResetBlock(internal::t_block);
  m.cache = nullptr;
  m.gc = nullptr;
  m.block_ = nullptr;
  m.next_ = free_;
  free_ = &m;
  lock_.Release();
  pthread_setspecific(exit_key, nullptr);
}

void ThreadRegistry::OnThreadExit(void* arg) {
  Mutator* m = Mutator::Current();
  if (m == nullptr) return;
  if (++t_exit_round < kDetachRound) {
    pthread_setspecific(exit_key, arg);  // called again in the next round
    return;
  }
  // A thread may end inside a scope, by pthread_exit() from C code that no destructor follows.
  if (HandshakeImpl::BlockedDepth(*m) != 0) {
    HandshakeImpl::BlockedDepth(*m) = 0;
    HandshakeImpl::LeaveBlocked(*m);
  }
  internal::t_block.in_runtime.store(0, std::memory_order_relaxed);
  m->current_fiber_ = nullptr;
  m->fibers_ = nullptr;
  registry.Detach(*m);
}

void ThreadRegistry::PrepareFork() {
  RuntimeScope::Enter();
  if (HandshakeImpl::IsStoppedByCaller()) Fatal("fork() while the world is stopped by this thread");
  HandshakeImpl::AcquireTurn();
  set_up_lock_.Acquire();
  lock_.Acquire();
}

void ThreadRegistry::ParentAfterFork() {
  lock_.Release();
  set_up_lock_.Release();
  HandshakeImpl::ReleaseTurn();
  RuntimeScope::Exit();
}

void ThreadRegistry::ChildAfterFork(void (*abandoned)(Mutator&)) {
  Mutator* self = Mutator::Current();
  for (Mutator* m = head_; m != nullptr;) {
    Mutator* next = m->next_;
    if (m != self) {
      if (abandoned != nullptr) abandoned(*m);
      Unlink(*m);
      m->state_.store(Mutator::kGone, std::memory_order_relaxed);
      m->cache = nullptr;
      m->gc = nullptr;
      m->block_ = nullptr;
      m->fibers_ = nullptr;
      m->current_fiber_ = nullptr;
      m->next_ = free_;
      free_ = m;
    }
    m = next;
  }
  if (self != nullptr) {
    self->tid_ = CurrentThreadId();
    self->signal_due_.store(0, std::memory_order_relaxed);  // the child starts with none pending
  }
  lock_.Release();
  set_up_lock_.Release();
  HandshakeImpl::ReleaseTurn();
  RuntimeScope::Exit();
}

}  // namespace tarn::rt
