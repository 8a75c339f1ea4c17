// The program of verify_test: runs a collection with GODEBUG=verify=1 and damages the heap between two
// phases.
//   verify_child WHERE WHAT     all_swept or marked; see Damage
// A cooperative thread does it: it answers handshakes only when it wants to, so that it knows which one
// comes next. Ends with a signal if the walk at WHERE notices, else with exit code kMissed.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "gc/api/instance.h"
#include "runtime/heap/thread_cache.h"
#include "runtime/thread/handshake.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/thread_registry.h"
#include "tarn/tarn.h"
#include "tests/gc/answer_once.h"

namespace tarn::rt {
namespace {

constexpr int kMissed = 7;
constexpr int kUsage = 2;

std::atomic<bool> g_is_over{false};  // the collection

struct Node {
  uint64_t value = 0;
  gc_ptr<Node> next;
};

Collector& TheCollector() { return Instance::Get().collector(); }
Heap& TheHeap() { return Instance::Get().heap(); }

// The next question to this thread, which is not answered yet.
void AwaitRequest() {
  while (!IsAsked()) {
    if (g_is_over) std::_Exit(kMissed);
    std::this_thread::yield();
  }
}

// Answers until the next question is the stop for the walk at `where`.
void AnswerUntil(std::string_view where) {
  const auto answer = [] {
    AwaitRequest();
    AnswerOnce();
  };
  answer();  // H0
  AwaitRequest();
  if (where == "all_swept") return;
  AnswerOnce();
  for (int i = 0; i < 3; ++i) answer();  // H1, H1b, H2
  // Rounds of F, as many as it takes, and stops for a second trace come before the walk.
  if (where != "marked") std::_Exit(kUsage);
}

// The walk is over when this returns.
void AnswerTheWalk(std::string_view where) {
  if (where == "marked") {
    for (;; AnswerOnce()) {
      AwaitRequest();
      if (TheCollector().phase().Get() != Phase::kMark) return;
    }
  }
  AnswerOnce();
}

// A span of small objects that this thread owns, with the rest of a run.
Span* OwnSpan(internal::Run*& run) {
  Span* found = nullptr;
  Mutator::Current()->cache->ForEachOwned([&](Span* s, internal::Run& r) {
    if (r.cursor.load(std::memory_order_relaxed) + s->elem_bytes32 >= r.limit) return;
    found = s;
    run = &r;
  });
  if (found == nullptr) std::_Exit(kUsage);
  return found;
}

// The span of an object.
Span* SpanOf(const void* object) {
  const auto p = reinterpret_cast<uintptr_t>(object);
  Cage& cage = TheHeap().cage();
  const size_t page = cage.PageOf(p);
  return cage.SpanAt(page - cage.Entry(page).offset_pages());
}

void FlipBit(Span* span, unsigned table, size_t index) {
  TheHeap().cage().Bits(table, TheHeap().cage().FirstPage(span))[index / 64].fetch_xor(
      uint64_t{1} << (index % 64));
}

bool Damage(std::string_view what, const void* large) {
  internal::Run* run = nullptr;
  Span* own = OwnSpan(run);
  const uint32_t gen = own->sweepgen.load(std::memory_order_relaxed);
  const uintptr_t cursor = run->cursor.load(std::memory_order_relaxed);
  const size_t next = (cursor - TheHeap().cage().BaseOf(own)) / own->elem_bytes32;
  Span* listed = SpanOf(large);
  if (what == "nothing") return true;
  if (what == "count") return ++own->alloc_count, true;
  if (what == "ledger") return HeapStats::Add(TheHeap().stats().allocated_bytes, 8), true;
  if (what == "free_slot_in_run") return FlipBit(own, Heap::AllocTable(gen), next), true;
  // Set where no mark may be, cleared where one must be.
  if (what == "mark_of_run") return FlipBit(own, Heap::MarkTable(gen), next), true;
  if (what == "mark_of_large") {
    const uint32_t of_large = listed->sweepgen.load(std::memory_order_relaxed);
    return FlipBit(listed, Heap::MarkTable(of_large), 0), true;
  }
  if (what == "used_memory") return *reinterpret_cast<uintptr_t*>(cursor) = 1, true;
  if (what == "unlisted") return listed->owned.store(1, std::memory_order_relaxed), true;
  if (what == "barrier") {
    std::atomic<uint32_t>& on = internal::t_block.barrier_on;
    return on.store(on.load(std::memory_order_relaxed) ^ 1, std::memory_order_relaxed), true;
  }
  if (what == "colour") {
    ThreadCache& cache = *Mutator::Current()->cache;
    const uint32_t now = TheHeap().sweepgen();
    return cache.SetBlack(cache.black_gen() == now ? 0 : now), true;
  }
  if (what == "unswept") {
    return listed->sweepgen.store(TheHeap().sweepgen() - 2, std::memory_order_relaxed), true;
  }
  return false;
}

int Run(std::string_view where, std::string_view what) {
  SetGcPercent(-1);
  gc_root<char> large(static_cast<char*>(AllocateBytes(100'000, Scan::kNone)));
  // Else a thread that has answered may sleep as a blocked one, and the next rounds pass without it.
  SetGiveUpSlice(false);
  std::atomic<bool> is_ready{false};
  std::thread cooperative([&] {
    tarn::ThreadOptions options;
    options.cooperative = true;
    ThreadScope scope(options);
    gc_root<Node> node = make_gc<Node>();
    is_ready = true;
    AnswerUntil(where);
    if (!Damage(what, large.get())) std::_Exit(kUsage);
    AnswerTheWalk(where);
    if (what != "nothing") std::_Exit(kMissed);
    while (!g_is_over) Safepoint();
  });
  while (!is_ready) std::this_thread::yield();
  Collect();
  g_is_over = true;
  cooperative.join();
  std::puts("ok");
  return 0;
}

}  // namespace
}  // namespace tarn::rt

int main(int argc, char** argv) { return argc == 3 ? tarn::rt::Run(argv[1], argv[2]) : 2; }
