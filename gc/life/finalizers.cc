#include "gc/life/finalizers.h"

#include <cxxabi.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/futex.h"
#include "runtime/base/raw_log.h"
#include "runtime/os/os_thread_linux.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/thread_registry.h"

namespace tarn::rt {
namespace {

constinit thread_local bool t_is_finalizer_thread TARN_TLS_INITIAL_EXEC = false;

}  // namespace

// --- The driver ---

void Finalizers::Publish(Deaths& deaths, uint64_t bytes) {
  const uint64_t n = deaths.calls.size() + deaths.destructors.size() + deaths.traced.size();
  // What was revived for gc_queues is not tarn-fin's: the share by number.
  const uint64_t all = n + ready_count() + deaths.guarded.size();
  bytes_each_.store(all == 0 ? 0 : bytes / all, std::memory_order_relaxed);
  if (deaths.Empty()) return;
  SpecialList unused;
  {
    LockHolder hold(lock_);
    calls_.Splice(deaths.calls);
    destructors_.Splice(deaths.destructors);
    traced_count_.fetch_add(deaths.traced.size(), std::memory_order_relaxed);
    traced_.Splice(deaths.traced);
    // seq_cst: pairs with ThreadLife, by Kick.
    const uint64_t ready = ready_count_.fetch_add(n, std::memory_order_seq_cst);
    if (ready == 0 && running_count() == 0) {
      progress_.store(MonotonicNanos(), std::memory_order_relaxed);
    }
  }
  deaths.guarded.Splice(deaths.gone);
  while (!deaths.guarded.Empty()) {
    LockHolder hold(lock_);
    for (size_t i = 0; i < kWalkPiece; ++i) {
      Special* s = deaths.guarded.Pop();
      if (s == nullptr) break;
      Guardian* g = s->guardian;
      if (g->is_gone.load(std::memory_order_relaxed) == 0) {
        g->ready.Append(s);
      } else {
        --g->registered;
        ReleaseIfUnused(g);
        unused.Append(s);
      }
    }
  }
  while (Special* s = unused.Pop()) specials_.pool().Delete(specials_.driver_records(), s);
}

void Finalizers::Kick() {
  // relaxed (both): a count that is changed now leads to a kick of its own.
  if (ready_count_.load(std::memory_order_relaxed) == 0 ||
      thread_wanted_.load(std::memory_order_relaxed) == 0) {
    return;
  }
  // seq_cst: pairs with ThreadLife. The thread that ends sees what has become ready, or it is seen to have
  // ended here.
  if (has_thread_.load(std::memory_order_seq_cst) == 0) StartThread();
  // release: pairs with the acquire in Loop; the thread sees what is ready.
  wakes_.fetch_add(1, std::memory_order_release);
  FutexWake(wakes_, 1);
}

void Finalizers::StartThread() {
  uint32_t expected = 0;
  // seq_cst: as in Kick. Only who changes it starts a thread.
  if (!has_thread_.compare_exchange_strong(expected, 1, std::memory_order_seq_cst)) return;
  InstallExitHandler();
  if (SpawnRuntimeThread("tarn-fin", &Finalizers::ThreadMain, this) != 0) {
    has_thread_.store(0, std::memory_order_seq_cst);
  }
}

// Objects with static storage that functions of the program use, and that were there before the first
// function ran, end after this handler.
void Finalizers::InstallExitHandler() {
  static Finalizers* at_exit = nullptr;
  // relaxed: who comes meanwhile goes on without the handler, which is about to be there.
  if (has_exit_handler_.load(std::memory_order_relaxed) != 0) return;
  // It takes a lock of the C library's. The child of a fork() has both, flag and handler, or neither.
  const auto install = [](void* self) {
    auto* f = static_cast<Finalizers*>(self);
    // relaxed: only who changes it installs the handler.
    if (f->has_exit_handler_.exchange(1, std::memory_order_relaxed) != 0) return;
    at_exit = f;
    std::atexit([] { at_exit->StopForExit(); });
  };
  RunOutsideFork(install, this);
}

void Finalizers::StopForExit() {
  constexpr int64_t kMaxWaitNanos = 1'000'000'000;
  // seq_cst: pairs with RunReady and BeginDestroying; they see this, or are seen busy here.
  is_exiting_.store(1, std::memory_order_seq_cst);
  const int64_t until = MonotonicNanos() + kMaxWaitNanos;
  for (std::atomic<uint32_t>* who : {&busy_thread_, &busy_driver_}) {
    for (;;) {
      const uint32_t busy = who->load(std::memory_order_seq_cst);  // seq_cst: as above
      const int64_t left = until - MonotonicNanos();
      // It may be a function of the program that ends the process.
      if (busy == 0 || busy == static_cast<uint32_t>(CurrentThreadId()) || left <= 0) break;
      RunBlocked([&] { FutexWait(*who, busy, left); });
    }
  }
}

bool Finalizers::BeginDestroying() {
  InstallExitHandler();
  SetBusy(busy_driver_, static_cast<uint32_t>(CurrentThreadId()));
  // seq_cst: pairs with StopForExit.
  if (is_exiting_.load(std::memory_order_seq_cst) == 0) return true;
  EndDestroying();
  return false;
}

void Finalizers::Visit(const Special& s, LifeVisitor& visitor) {
  if (s.kind != SpecialKind::kCleanup) visitor.Object(s.address);
  if (s.has_function()) s.ForEachWord([&](uintptr_t word) { visitor.Word(word); });
}

void Finalizers::VisitRoots(LifeVisitor& visitor) {
  const auto visit = [&](const Special& s) { Visit(s, visitor); };
  {
    LockHolder hold(lock_);
    for (const Running* r = running_; r != nullptr; r = r->next) visit(*r->special);
    calls_.StartWalk();
    for (Guardian* g = guardians_; g != nullptr; g = g->next) g->ready.StartWalk();
  }
  for (bool more = true; more;) {
    LockHolder hold(lock_);
    size_t left = kWalkPiece;
    more = calls_.Walk(left, visit);
    for (Guardian* g = guardians_; g != nullptr && !more; g = g->next) {
      more = g->ready.Walk(left, visit) || left == 0;
    }
  }
}

void Finalizers::VisitDestructors(LifeVisitor& visitor) {
  const auto visit = [&](const Special& s) { Visit(s, visitor); };
  {
    LockHolder hold(lock_);
    destructors_.StartWalk();
    traced_.StartWalk();
  }
  for (bool more = true; more;) {
    {
      LockHolder hold(lock_);
      size_t left = kWalkPiece;
      more = destructors_.Walk(left, visit) || traced_.Walk(left, visit);
    }
    visitor.PieceDone();
  }
}

void Finalizers::WarnIfSlow(int64_t now) {
  for (;;) {
    const char* name = nullptr;  // static storage
    int64_t seconds = 0;
    {
      LockHolder hold(lock_);
      for (Running* r = running_; r != nullptr && name == nullptr; r = r->next) {
        if (r->is_reported || now - r->since < kSlowNanos) continue;
        r->is_reported = true;
        name = r->special->type->name;
        seconds = (now - r->since) / 1'000'000'000;
      }
    }
    if (name == nullptr) return;
    RawLine()
        .Str("tarn: a finalizer or destructor has been running for ")
        .Dec(seconds)
        .Str(" s and keeps others waiting: ")
        .Str(name)
        .WriteTo();
  }
}

// --- Running ---

void Finalizers::ShadeRecord(const Special& s) {
  // relaxed: the thread's own flag, inside the runtime.
  if (internal::t_block.barrier_on.load(std::memory_order_relaxed) == 0) return;
  Mutator& m = *Mutator::Current();
  if (s.kind != SpecialKind::kCleanup) hooks_.shade(hooks_.arg, m, s.address);
  if (!s.has_function()) return;
  s.ForEachWord([&](uintptr_t word) { hooks_.shade(hooks_.arg, m, word); });
}

// Of a record that is in no chain: markers do not see it.
void Finalizers::Recycle(Special* s) {
  specials_.pool().Delete(hooks_.records(*Mutator::Current()), s);
}

// The list whose first record runs next: I3. Null if there is none, but for those that have to wait.
ReadyList* Finalizers::NextList() {
  // relaxed: the thread's own flag, inside the runtime.
  const bool is_marking = internal::t_block.barrier_on.load(std::memory_order_relaxed) != 0;
  const bool is_deciding = is_marking && !hooks_.is_open(hooks_.arg);
  ReadyList* first = nullptr;
  for (ReadyList* list : {&calls_, &destructors_, &traced_}) {
    if (list->head() == nullptr) continue;
    if (list == &traced_ && is_marking) continue;        // I4
    if (list == &destructors_ && is_deciding) continue;  // I6
    if (first == nullptr || list->head()->id < first->head()->id) first = list;
  }
  return first;
}

bool Finalizers::TakeOne(Running& running) {
  EnsureAttached();
  RuntimeScope scope;
  LockHolder hold(lock_);
  ReadyList* list = NextList();
  if (list == nullptr) return false;
  Special* s = list->Pop();
  if (list == &traced_) {
    traced_count_.fetch_sub(1, std::memory_order_relaxed);
    running.traced_bytes = s->type->trace_bytes;
    running.destruction.emplace();
    running.destruction->Begin(reinterpret_cast<void*>(s->address), running.traced_bytes);  // I4
  }
  ready_count_.fetch_sub(1, std::memory_order_relaxed);
  ShadeRecord(*s);  // keeps I2
  running.special = s;
  running.thread = Mutator::Current();
  if (s->has_function() && s->type->words != 0) {
    running.box.words = reinterpret_cast<const uintptr_t*>(s->word());
    running.box.count = s->type->words;
  }
  hooks_.begin(*running.thread, running.box);
  running_count_.fetch_add(1, std::memory_order_relaxed);
  running.since = MonotonicNanos();
  progress_.store(running.since, std::memory_order_relaxed);
  running.next = running_;
  running_ = &running;
  return true;
}

void Finalizers::Finish(Running& running) {
  const internal::CallbackType* type = running.special->type;
  const uintptr_t data = running.special->word();
  type->destroy(data);  // while the record and the box keep alive what it refers to
  {
    RuntimeScope scope;
    {
      LockHolder hold(lock_);
      for (Running** link = &running_; *link != nullptr; link = &(*link)->next) {
        if (*link != &running) continue;
        *link = running.next;
        break;
      }
      run_count_.fetch_add(1, std::memory_order_relaxed);
      running_count_.fetch_sub(1, std::memory_order_relaxed);
    }
    Recycle(running.special);
    hooks_.end(*running.thread, running.box);
  }
  if (type->words != 0) ::operator delete(reinterpret_cast<void*>(data));  // nobody walks over it
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
  s->type->run(s->word(), reinterpret_cast<void*>(s->address));
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
    owner_.SetBusy(owner_.busy_thread_, 0);
    // seq_cst (both): pairs with Kick.
    owner_.has_thread_.store(0, std::memory_order_seq_cst);
    if (owner_.ready_count_.load(std::memory_order_seq_cst) != 0 &&
        owner_.is_exiting_.load(std::memory_order_relaxed) == 0) {
      RunBlocked([this] { owner_.StartThread(); });
    }
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

void Finalizers::SetBusy(std::atomic<uint32_t>& who, uint32_t thread) {
  // seq_cst: pairs with StopForExit.
  who.store(thread, std::memory_order_seq_cst);
  if (thread == 0 && is_exiting_.load(std::memory_order_seq_cst) != 0) FutexWake(who, 1 << 30);
}

void Finalizers::RunReady() {
  SetBusy(busy_thread_, static_cast<uint32_t>(CurrentThreadId()));
  // seq_cst: pairs with StopForExit.
  while (IsThreadWanted() && is_exiting_.load(std::memory_order_seq_cst) == 0 && RunOneHere()) {
  }
  SetBusy(busy_thread_, 0);
}

void Finalizers::Loop() {
  t_is_finalizer_thread = true;
  ThreadLife life(*this);
  for (;;) {
    // acquire: pairs with the release in Kick. Read before the look at the list: a wake that comes later
    // ends the wait below.
    const uint32_t seen = wakes_.load(std::memory_order_acquire);
    RunReady();
    RunBlocked([&] { FutexWait(wakes_, seen); });
  }
}

// --- Guardians ---

Guardian* Finalizers::NewGuardian() {
  Guardian* g = guardians_pool_.New();
  if (g == nullptr) return nullptr;
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
  if (g->is_gone.load(std::memory_order_relaxed) == 0 || g->registered != 0) return;
  for (Guardian** link = &guardians_; *link != nullptr; link = &(*link)->next) {
    if (*link != g) continue;
    *link = g->next;
    return guardians_pool_.Delete(g);
  }
}

void Finalizers::Drop(Guardian* g) {
  SpecialList waiting;
  {
    LockHolder hold(lock_);
    g->is_gone.store(1, std::memory_order_relaxed);
    waiting = g->ready.Take();
    g->registered -= waiting.size();
    ReleaseIfUnused(g);
  }
  while (Special* s = waiting.Pop()) Recycle(s);
}

uintptr_t Finalizers::Poll(Guardian* g) {
  Special* s;
  {
    LockHolder hold(lock_);
    s = g->ready.Pop();
    if (s == nullptr) return 0;
    --g->registered;
    ShadeRecord(*s);  // keeps I2
  }
  const uintptr_t address = s->address;
  Recycle(s);
  return address;
}

void Finalizers::ChildAfterFork() {
  // Of the functions that ran only the caller's goes on. What another thread has half destroyed is
  // cleared, as at the end of its destructor: Trace may see it.
  for (Running** link = &running_; *link != nullptr;) {
    Running& r = **link;
    if (r.thread == Mutator::Current()) {
      link = &r.next;
      continue;
    }
    std::memset(reinterpret_cast<void*>(r.special->address), 0, r.traced_bytes);
    *link = r.next;
    running_count_.fetch_sub(1, std::memory_order_relaxed);
  }
  // relaxed (all): the child has one thread. It may be tarn-fin, in a function that forked.
  has_thread_.store(t_is_finalizer_thread, std::memory_order_relaxed);
  busy_thread_.store(t_is_finalizer_thread ? static_cast<uint32_t>(CurrentThreadId()) : 0,
                     std::memory_order_relaxed);
  busy_driver_.store(0, std::memory_order_relaxed);
  is_exiting_.store(0, std::memory_order_relaxed);  // the parent may be
  progress_.store(MonotonicNanos(), std::memory_order_relaxed);
  lock_.Release();
}

}  // namespace tarn::rt
