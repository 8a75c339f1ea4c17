#include "gc/life/finalizers.h"

#include <cxxabi.h>

#include <exception>

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/futex.h"
#include "runtime/base/raw_log.h"
#include "runtime/os/os_thread_linux.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/thread_registry.h"

namespace tarn::rt {

// --- The driver ---

void Finalizers::Publish(SpecialList& ready) {
  if (ready.Empty()) return;
  LockHolder hold(lock_);
  uint64_t n = 0;
  while (Special* s = ready.Pop()) {
    if (s->kind != SpecialKind::kGuardian) {
      ready_.Append(s);
      ++n;
    } else if (!s->guardian->is_gone) {
      s->guardian->ready.Append(s);
    } else {
      Guardian* g = s->guardian;
      --g->registered;
      ReleaseIfUnused(g);
      specials_.Recycle(s);
    }
  }
  ready_count_.fetch_add(n, std::memory_order_relaxed);
}

void Finalizers::Kick() {
  // relaxed (all): a count that is changed now leads to a kick of its own.
  if (ready_count_.load(std::memory_order_relaxed) == 0 ||
      thread_wanted_.load(std::memory_order_relaxed) == 0) {
    return;
  }
  if (has_thread_.load(std::memory_order_relaxed) == 0) StartThread();
  // release: pairs with the acquire in Loop; the thread sees what is ready.
  wakes_.fetch_add(1, std::memory_order_release);
  FutexWake(wakes_, 1);
}

void Finalizers::StartThread() {
  uint32_t expected = 0;
  // relaxed: only who changes it starts a thread.
  if (!has_thread_.compare_exchange_strong(expected, 1, std::memory_order_relaxed)) return;
  if (SpawnRuntimeThread("tarn-fin", &Finalizers::ThreadMain, this) != 0) {
    has_thread_.store(0, std::memory_order_relaxed);
  }
}

void Finalizers::Visit(const Special& s, LifeVisitor& visitor) {
  if (s.kind != SpecialKind::kCleanup) visitor.Object(s.address);
  if (s.has_function()) visitor.Words(s.words(), s.words() + s.word_count());
}

void Finalizers::VisitRoots(LifeVisitor& visitor) {
  const auto visit = [&](const Special& s) { Visit(s, visitor); };
  {
    LockHolder hold(lock_);
    for (const Running* r = running_; r != nullptr; r = r->next) visit(*r->special);
    ready_.StartWalk();
    for (Guardian* g = guardians_; g != nullptr; g = g->next) g->ready.StartWalk();
  }
  for (bool more = true; more;) {
    LockHolder hold(lock_);
    more = ready_.Walk(kWalkPiece, visit);
    for (Guardian* g = guardians_; g != nullptr && !more; g = g->next) {
      more = g->ready.Walk(kWalkPiece, visit);
    }
  }
}

void Finalizers::WarnIfSlow(int64_t now) {
  LockHolder hold(lock_);
  for (Running* r = running_; r != nullptr; r = r->next) {
    if (r->is_reported || now - r->since < kSlowNanos) continue;
    r->is_reported = true;
    RawLine()
        .Str("tarn: a finalizer or destructor has been running for ")
        .Dec((now - r->since) / 1'000'000'000)
        .Str(" s and keeps others waiting: ")
        .Str(r->special->type->name)
        .WriteTo();
  }
}

// --- Running ---

void Finalizers::ShadeRecord(const Special& s) {
  // relaxed: the thread's own flag, inside the runtime.
  if (internal::t_block.barrier_on.load(std::memory_order_relaxed) == 0) return;
  Mutator& m = *Mutator::Current();
  if (s.kind != SpecialKind::kCleanup) shade_(shade_arg_, m, s.address);
  if (!s.has_function()) return;
  for (size_t i = 0; i < s.word_count(); ++i) shade_(shade_arg_, m, s.words()[i]);
}

bool Finalizers::TakeOne(Running& running) {
  EnsureAttached();
  RuntimeScope scope;
  LockHolder hold(lock_);
  Special* s = ready_.head();
  if (s == nullptr) return false;
  const uint32_t trace_bytes = s->kind == SpecialKind::kDestructor ? s->type->trace_bytes : 0;
  if (trace_bytes != 0) {
    // relaxed: the thread's own flag, inside the runtime.
    if (internal::t_block.barrier_on.load(std::memory_order_relaxed) != 0) return false;
    running.destruction.emplace();
    running.destruction->Begin(reinterpret_cast<void*>(s->address), trace_bytes);  // keeps I4
  }
  ready_.Pop();
  ready_count_.fetch_sub(1, std::memory_order_relaxed);
  ShadeRecord(*s);  // keeps I2
  running.special = s;
  running.thread = Mutator::Current();
  running.since = MonotonicNanos();
  running.next = running_;
  running_ = &running;
  return true;
}

void Finalizers::Finish(Running& running) {
  const internal::CallbackType* type = running.special->type;
  const uintptr_t data = running.special->data;
  {
    RuntimeScope scope;
    LockHolder hold(lock_);
    for (Running** link = &running_; *link != nullptr; link = &(*link)->next) {
      if (*link != &running) continue;
      *link = running.next;
      break;
    }
    run_count_.fetch_add(1, std::memory_order_relaxed);
    specials_.Recycle(running.special);
  }
  type->drop(data);  // now that nobody walks over it
}

// Also when the function throws, or ends the thread.
class Finalizers::RunningScope {
 public:
  explicit RunningScope(Finalizers& owner) : owner_(owner), took_(owner.TakeOne(running_)) {}
  ~RunningScope() {
    running_.destruction.reset();
    if (took_) owner_.Finish(running_);
  }
  RunningScope(const RunningScope&) = delete;
  RunningScope& operator=(const RunningScope&) = delete;
  const Special* special() const { return took_ ? running_.special : nullptr; }

 private:
  Finalizers& owner_;
  Running running_;
  const bool took_;
};

bool Finalizers::RunOne() {
  RunningScope scope(*this);
  const Special* s = scope.special();
  if (s == nullptr) return false;
  s->type->run(s->data, reinterpret_cast<void*>(s->address));
  return true;
}

// --- The thread ---

void Finalizers::WantThread(bool wanted) {
  thread_wanted_.store(wanted ? 1 : 0, std::memory_order_relaxed);
  // The thread is started by the driver, after the next cycle, if it was never wanted before.
  // release: pairs with the acquire in Loop.
  wakes_.fetch_add(1, std::memory_order_release);
  FutexWake(wakes_, 1);
}

void Finalizers::ThreadMain(void* self) { static_cast<Finalizers*>(self)->Loop(); }

// A function of the program may end the thread: then there is another one for what is left.
class Finalizers::ThreadLife {
 public:
  explicit ThreadLife(Finalizers& owner) : owner_(owner) {}
  ~ThreadLife() {
    // relaxed (both): see Kick.
    owner_.has_thread_.store(0, std::memory_order_relaxed);
    if (owner_.ready_count() != 0) RunBlocked([this] { owner_.StartThread(); });
  }
  ThreadLife(const ThreadLife&) = delete;
  ThreadLife& operator=(const ThreadLife&) = delete;

 private:
  Finalizers& owner_;
};

// What a function throws ends there: one line, and the next one runs.
bool Finalizers::RunOneHere() {
  const auto complain = [](const char* what) {
    RawLine().Str("tarn: a finalizer threw an exception, which is dropped: ").Str(what).WriteTo();
    return true;
  };
  try {
    return RunOne();
  } catch (const abi::__forced_unwind&) {  // the thread ends
    throw;
  } catch (const std::exception& e) {
    return complain(e.what());
  } catch (...) {
    return complain("(no std::exception)");
  }
}

void Finalizers::Loop() {
  ThreadLife life(*this);
  for (;;) {
    // acquire: pairs with the release in Kick. Read before the look at the list: a wake that comes later
    // ends the wait below.
    const uint32_t seen = wakes_.load(std::memory_order_acquire);
    while (thread_wanted_.load(std::memory_order_relaxed) != 0 && RunOneHere()) {
    }
    RunBlocked([&] { FutexWait(wakes_, seen); });
  }
}

// --- Guardians ---

Guardian* Finalizers::NewGuardian() {
  Guardian* g = guardians_pool_.New();
  if (g == nullptr) Fatal("out of memory for a gc_queue");
  LockHolder hold(lock_);
  g->next = guardians_;
  guardians_ = g;
  return g;
}

void Finalizers::NoteRegistered(Guardian* g) {
  LockHolder hold(lock_);
  ++g->registered;
}

void Finalizers::NoteUnregistered(Guardian* g) {
  LockHolder hold(lock_);
  --g->registered;
  ReleaseIfUnused(g);
}

void Finalizers::ReleaseIfUnused(Guardian* g) {
  if (!g->is_gone || g->registered != 0) return;
  for (Guardian** link = &guardians_; *link != nullptr; link = &(*link)->next) {
    if (*link != g) continue;
    *link = g->next;
    return guardians_pool_.Delete(g);
  }
}

void Finalizers::Drop(Guardian* g) {
  LockHolder hold(lock_);
  g->is_gone = true;
  while (Special* s = g->ready.Pop()) {
    --g->registered;
    specials_.Recycle(s);
  }
  ReleaseIfUnused(g);
}

uintptr_t Finalizers::Poll(Guardian* g) {
  LockHolder hold(lock_);
  Special* s = g->ready.Pop();
  if (s == nullptr) return 0;
  ShadeRecord(*s);  // keeps I2
  --g->registered;
  const uintptr_t address = s->address;
  specials_.Recycle(s);
  return address;
}

void Finalizers::ChildAfterFork() {
  // Of the functions that ran only the caller's goes on.
  for (Running** link = &running_; *link != nullptr;) {
    if ((*link)->thread == Mutator::Current()) {
      link = &(*link)->next;
    } else {
      *link = (*link)->next;
    }
  }
  has_thread_.store(0, std::memory_order_relaxed);  // relaxed: the child has one thread
  lock_.Release();
}

}  // namespace tarn::rt
