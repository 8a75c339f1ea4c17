// Public root registration: handles, ranges, callbacks, objects under construction.
#include <cstring>

#include "gc/api/instance.h"
#include "gc/collect/mutator_gc.h"
#include "runtime/base/check.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/thread_registry.h"
#include "tarn/internal/construction.h"
#include "tarn/root.h"

namespace tarn {
namespace {

// Attaches the thread: whoever holds a lock of the runtime is one that handshakes wait for.
rt::Roots& TheRoots() {
  rt::Roots& roots = rt::Instance::Get().collector().roots();
  rt::EnsureAttached();
  return roots;
}

rt::MutatorGc& ThisThread() {
  rt::Instance::Get();
  rt::Mutator& m = rt::EnsureAttached();
  if (m.gc == nullptr) rt::Fatal("out of memory for a thread's records");
  return *m.gc;
}

}  // namespace

namespace internal {

std::atomic<uintptr_t>* NewRootCell() {
  rt::Roots& roots = TheRoots();
  rt::MutatorGc& gc = ThisThread();
  rt::RuntimeScope scope;
  return roots.cells().New(gc.root_cells);
}

void FreeRootCell(std::atomic<uintptr_t>* cell) {
  rt::Roots& roots = TheRoots();
  rt::MutatorGc& gc = ThisThread();
  rt::RuntimeScope scope;
  roots.cells().Free(gc.root_cells, cell);
}

// The list is changed inside the runtime, so a handshake sees it whole.
Construction::Construction() {
  ThisThread();
  rt::RuntimeScope::Enter();
}

void Construction::Begin(void* p, size_t n) {
  rt::MutatorGc& gc = ThisThread();
  object = p;
  bytes = n;
  next = gc.constructing;
  gc.constructing = this;
  rt::RuntimeScope::Exit();
}

Construction::~Construction() {
  if (object == nullptr) {
    rt::RuntimeScope::Exit();
    return;
  }
  rt::MutatorGc& gc = ThisThread();
  rt::RuntimeScope scope;
  if (!done) std::memset(object, 0, bytes);
  TARN_CHECK(gc.constructing == this);
  gc.constructing = next;
}

}  // namespace internal

void AddRootRange(const void* begin, const void* end) {
  rt::Roots& roots = TheRoots();
  rt::RuntimeScope scope;
  roots.AddRange(reinterpret_cast<uintptr_t>(begin), reinterpret_cast<uintptr_t>(end));
}

void RemoveRootRange(const void* begin) {
  rt::Roots& roots = TheRoots();
  rt::RuntimeScope scope;
  roots.RemoveRange(reinterpret_cast<uintptr_t>(begin));
}

void AddRootCallback(RootCallback callback, void* arg) {
  rt::Roots& roots = TheRoots();
  rt::RuntimeScope scope;
  roots.AddCallback(callback, arg);
}

void RemoveRootCallback(RootCallback callback, void* arg) {
  rt::Roots& roots = TheRoots();
  rt::RuntimeScope scope;
  roots.RemoveCallback(callback, arg);
}

void AddThreadRoots(RootCallback callback, void* arg) {
  rt::MutatorGc& gc = ThisThread();
  rt::RuntimeScope scope;
  TheRoots().AddThreadCallback(gc, callback, arg);
}

void RemoveThreadRoots(RootCallback callback, void* arg) {
  rt::MutatorGc& gc = ThisThread();
  rt::RuntimeScope scope;
  TheRoots().RemoveThreadCallback(gc, callback, arg);
}

}  // namespace tarn
