#include "gc/collect/scavenger.h"

#include <time.h>

#include <algorithm>

#include "gc/observe/scav_trace.h"
#include "runtime/base/clock.h"
#include "runtime/base/futex.h"
#include "runtime/base/raw_log.h"
#include "runtime/heap/thread_cache.h"
#include "runtime/os/os_thread_linux.h"
#include "runtime/thread/handshake.h"
#include "runtime/thread/runtime_scope.h"

namespace tarn::rt {

void Scavenger::CycleMarked() {
  const uint64_t pages = HeapStats::Get(pages_.stats().in_use_pages);
  in_use_at_mark_.store(pages * internal::kPageBytes, std::memory_order_relaxed);
  pages_.NextScavengeGeneration();
}

void Scavenger::SetGoal(uint64_t goal, uint64_t last_goal, uint64_t limit, uint64_t mapped_ready) {
  const uint64_t retained = pages_.RetainedBytes();
  RetainInput in;
  in.in_use = in_use_at_mark_.load(std::memory_order_relaxed);
  in.goal = goal;
  in.last_goal = last_goal;
  retain_goal_.store(std::min(PercentRetainGoal(in, retained, options_.page_bytes),
                              LimitRetainGoal(limit, mapped_ready, retained)),
                     std::memory_order_relaxed);
}

void Scavenger::CycleSwept() {
  pages_.LeaveFreeOutOfDumps();
  if (options_.trace) PrintTrace(/*forced=*/false, 0);
  if (!HasWork() && !options_.collapse) return;
  if (!has_thread_) {
    has_thread_ = SpawnRuntimeThread("tarn-scav", &Scavenger::ThreadMain, this) == 0;
  }
  Wake();
}

void Scavenger::Wake() {
  // release: pairs with the acquire in Loop; the thread sees the goal that it is woken for.
  wakes_.fetch_add(1, std::memory_order_release);
  FutexWake(wakes_, 1);
}

// --- The thread ---

void Scavenger::ThreadMain(void* self) { static_cast<Scavenger*>(self)->Loop(); }

void Scavenger::Loop() {
  uint32_t collapsed_for = 0;
  for (;;) {
    // acquire: pairs with the release in Wake. Read before the look at the goal: a wake that comes
    // later ends the wait below.
    const uint32_t seen = wakes_.load(std::memory_order_acquire);
    ScavengeBurst burst = ReleaseBurst();
    if (burst.released == 0 && options_.collapse) {
      if (collapsed_for != seen) collapse_chunk_ = 0;
      collapsed_for = seen;
      burst = CollapseBurst();
    }
    if (burst.worked == 0) {
      FutexWait(wakes_, seen);
      continue;
    }
    background_nanos_.fetch_add(burst.worked, std::memory_order_relaxed);
    Pause(burst.worked);
  }
}

ScavengeBurst Scavenger::ReleaseBurst() {
  const auto release = [this](uint64_t bytes) {
    LockHolder work(work_lock_);  // keeps I1
    const int64_t start = ThreadCpuNanos();
    ScavengeBurst step;
    step.released = pages_.Scavenge(bytes, ScavengeMode::kBackground);
    step.worked = ThreadCpuNanos() - start;
    background_bytes_.fetch_add(step.released, std::memory_order_relaxed);
    return step;
  };
  const ScavengeBurst burst = ScavengePacer::RunBurst(
      options_.page_bytes, [this] { return !HasWork(); }, release);
  // A search that found nothing was no work.
  return burst.released == 0 ? ScavengeBurst{} : burst;
}

ScavengeBurst Scavenger::CollapseBurst() {
  ScavengeBurst burst;
  while (burst.worked < ScavengePacer::kBurstNanos) {
    LockHolder work(work_lock_);  // keeps I1
    if (collapse_chunk_ >= pages_.EndChunk()) break;
    const int64_t start = ThreadCpuNanos();
    pages_.CollapseNext(&collapse_chunk_);
    burst.worked += ThreadCpuNanos() - start;
  }
  return burst;
}

void Scavenger::Pause(int64_t worked) {
  const int64_t nanos = pacer_.SleepNanos(worked);
  const timespec ts{nanos / 1'000'000'000, static_cast<long>(nanos % 1'000'000'000)};
  const int64_t start = MonotonicNanos();
  nanosleep(&ts, nullptr);
  if (!pacer_.Adapt(worked, MonotonicNanos() - start, options_.procs)) {
    was_reset_.store(1, std::memory_order_relaxed);
  }
}

// --- All of it ---

uint64_t Scavenger::ReleaseAll() {
  Handshake(
      [](Mutator& m, void*) {
        if (m.cache != nullptr) m.cache->FlushPages();
      },
      nullptr);
  // Pieces, so that the thread answers handshakes between them.
  constexpr uint64_t kPieceBytes = internal::kChunkBytes;
  uint64_t released = 0;
  for (;;) {
    RuntimeScope scope;
    const uint64_t n = pages_.Scavenge(kPieceBytes, ScavengeMode::kForced);
    released += n;
    if (n < kPieceBytes) break;
  }
  forced_bytes_.fetch_add(released, std::memory_order_relaxed);
  if (options_.trace) PrintTrace(/*forced=*/true, released);
  return released;
}

void Scavenger::PrintTrace(bool forced, uint64_t forced_bytes) {
  const HeapStats& stats = pages_.stats();
  ScavRecord r;
  r.released = HeapStats::Get(stats.released_pages) * internal::kPageBytes;
  r.in_use = HeapStats::Get(stats.in_use_pages) * internal::kPageBytes;
  r.retained = pages_.RetainedBytes();
  r.forced = forced;
  if (forced) {
    r.eager = forced_bytes;
  } else {
    // What neither the thread nor FreeOsMemory released was released by threads that allocate.
    const uint64_t background = background_bytes();
    const uint64_t all = HeapStats::Get(stats.scavenged_pages) * internal::kPageBytes;
    const uint64_t others = background + forced_bytes_.load(std::memory_order_relaxed);
    // The counters are read one after the other: what is missed now is in the next line.
    const uint64_t eager = std::max(traced_eager_, SaturatingSub(all, others));
    r.background = background - traced_background_;
    r.eager = eager - traced_eager_;
    r.was_reset = was_reset_.exchange(0, std::memory_order_relaxed) != 0;
    traced_background_ = background;
    traced_eager_ = eager;
  }
  RawLine().Str(ScavTraceLine(r)).WriteTo();
}

void Scavenger::ChildAfterFork() {
  has_thread_ = false;
  work_lock_.Release();
}

}  // namespace tarn::rt
