#include "gc/api/instance.h"

#include <pthread.h>

#include <cstdlib>
#include <new>

#include "gc/collect/mutator_gc.h"
#include "runtime/base/check.h"
#include "runtime/base/raw_log.h"
#include "runtime/heap/thread_cache.h"
#include "runtime/os/cpu_count_linux.h"
#include "runtime/os/os_memory_linux.h"
#include "runtime/os/os_thread_linux.h"
#include "runtime/thread/fork_gate.h"
#include "runtime/thread/handshake_signal.h"
#include "runtime/thread/thread_registry.h"

namespace tarn::rt {

std::atomic<Instance*> Instance::instance_{nullptr};

namespace {

Lock g_start_lock;

// Records of attached threads. Not from malloc: attaching must not wait for its lock, which a
// stopped thread may hold. They are recycled.
struct GcRecord {
  alignas(MutatorGc) unsigned char bytes[sizeof(MutatorGc)];
};
Pool<GcRecord>* g_records = nullptr;  // set before the first attach

// Both hooks run inside the runtime, on the thread. A thread that gets no cache stays attached
// without one: its allocations fail with std::bad_alloc, but it takes part in marking like any other.
// Without a record it could not, and what it holds would be lost.
void OnAttached(Mutator& m) {
  Instance& instance = *Instance::IfStarted();
  GcRecord* record = g_records->New();
  if (record == nullptr) Fatal("out of memory for a thread's records");
  m.gc = ::new (record) MutatorGc(instance.collector().queue());
  const MarkState& state = instance.collector().mark_state();
  m.cache = ThreadCache::New(instance.heap());
  if (m.cache != nullptr) {
    if (instance.settings().gc_stress != 0) m.cache->SetMaxRunSlots(1);
    // relaxed (both): the registry's lock orders these against the rounds (mark_state.h).
    m.cache->SetBlack(state.black_gen.load(std::memory_order_relaxed));
    m.block()->runs = m.cache->runs();
  }
  m.block()->barrier_on.store(state.barrier_on.load(std::memory_order_relaxed),
                              std::memory_order_relaxed);
  // The thread is too late for the round that scans stacks, and whoever gave it a pointer may have
  // dropped it before its own answer. A scan that comes when the round is just over is seen by the next
  // F, which takes the registry's lock.
  if (state.scan_attached.load(std::memory_order_relaxed) != 0) {
    instance.collector().roots().ScanThread(m);
    m.gc->shaded = true;
  }
}

void OnDetaching(Mutator& m) {
  if (m.gc == nullptr) return;
  m.block()->runs = const_cast<internal::Run*>(internal::kEmptyRuns);
  // While threads are being stopped for marking, those that stopped early may have queued what this
  // one owns: then nothing is given back.
  if (m.cache != nullptr) {
    m.cache->Release(Instance::IfStarted()->collector().phase().Get() != Phase::kOff);
  }
  m.cache = nullptr;
  Instance::IfStarted()->collector().roots().ClearThreadCallbacks(*m.gc);
  Instance::IfStarted()->collector().roots().cells().GiveBack(m.gc->root_cells, 0);
  Instance::IfStarted()->collector().specials().pool().GiveBack(m.gc->records, 0);
  // Grey items of a cycle that is over must not reach the next one.
  if (Instance::IfStarted()->collector().phase().Get() != Phase::kMark) m.gc->sink.Drop();
  m.gc->~MutatorGc();
  g_records->Delete(reinterpret_cast<GcRecord*>(m.gc));
  m.gc = nullptr;
}

void Clobber(void*, uintptr_t p, size_t bytes) {
  for (size_t i = 0; i < bytes / 4; ++i) reinterpret_cast<uint32_t*>(p)[i] = 0xdeadbeef;
}

void AtforkPrepare() {
  Instance::IfStarted()->collector().PrepareFork();
  CloseForkGate();
  Instance::IfStarted()->collector().LockForFork();
  Instance::IfStarted()->notifier().PrepareFork();
  ThreadRegistry::Get().PrepareFork();
  CloseThreadStarts();
}
void AtforkParent() {
  OpenThreadStarts();
  ThreadRegistry::Get().ParentAfterFork();
  Instance::IfStarted()->notifier().ParentAfterFork();
  OpenForkGate();
  Instance::IfStarted()->collector().ParentAfterFork();
}
void AtforkChild() {
  OpenThreadStarts();
  // A vanished thread was outside the runtime: its cache is whole and is taken back.
  ThreadRegistry::Get().ChildAfterFork(&OnDetaching);
  Instance::IfStarted()->notifier().ChildAfterFork();
  OpenForkGate();
  Instance::IfStarted()->collector().ChildAfterFork();
}

}  // namespace

uint16_t Instance::SpanClassFor(size_t size_class, uint16_t layout) {
  const bool noscan = layouts_.Get(layout).kind == internal::LayoutKind::kNoScan;
  const uint16_t c = heap_.InternClass(
      size_class, layout, noscan,
      [](SpanClassInfo& info, void* self) {
        static_cast<Instance*>(self)->layouts_.FillMarkWords(info);
      },
      this);
  if (c == 0 && heap_.classes().IsFull()) {
    Fatal("more than 16383 combinations of size and layout are in use");
  }
  return c;
}

// Returns whether the scavenger shall make huge pages. A page fault in advised memory may wait for
// compaction, depending on the system: then the advice is not given, and the scavenger does it.
bool Instance::AdviseHugePages() {
  switch (settings_.huge_pages) {
    case HugePagePolicy::kDefault:
      return false;
    case HugePagePolicy::kNever:
      heap_.cage().AdviseHugePages(false);
      return false;
    case HugePagePolicy::kAlways:
      if (!LinuxMemory::HugePageFaultsMayStall()) heap_.cage().AdviseHugePages(true);
      return true;
    case HugePagePolicy::kCollapse:
      return true;
  }
  return false;
}

absl::Status Instance::SetUp(OsMemory& os) {
  const size_t cage = settings_.cage_bytes != 0 ? settings_.cage_bytes : Cage::DefaultBytes();
  if (!heap_.Init(os, cage)) {
    return absl::ResourceExhaustedError(
        "tarn: cannot reserve 1 GiB of address space and its side tables (is ulimit -v set?)");
  }
  if (settings_.handshake_signal != 0) {
    const absl::Status status = SetHandshakeSignal(settings_.handshake_signal);
    if (!status.ok()) return status;
  }
  if (settings_.clobber_free) heap_.hooks().object_freed = &Clobber;
  tiny_class_ = SpanClassFor(internal::SizeToClass(internal::kTinyBytes), LayoutTable::kNoScanId);
  if (tiny_class_ == 0) return absl::ResourceExhaustedError("tarn: no memory for the first type");
  CollectorOptions options;
  options.procs = settings_.procs != 0 ? settings_.procs : UsableCpus();
  options.gc_percent = settings_.gc_percent;
  options.min_gc_percent = settings_.min_gc_percent;
  options.memory_limit = settings_.memory_limit;
  options.hard_limit = settings_.hard_limit;
  options.markers = settings_.markers;
  options.check_mark = settings_.check_mark;
  options.idle_workers = settings_.idle_workers;
  options.stop_the_world = settings_.stop_the_world;
  options.cpu_limit_percent = settings_.cpu_limit_percent;
  options.trace = settings_.gc_trace;
  options.pacer_trace = settings_.pacer_trace;
  options.verify = settings_.verify;
  options.stress = settings_.gc_stress;
  options.scav_trace = settings_.scav_trace;
  options.collapse_huge_pages = AdviseHugePages();
  collector_ = new Collector(heap_, layouts_, memory_, options);
  notifier_ = new LimiterNotifier(*collector_);
  return absl::OkStatus();
}

absl::Status Instance::Start(const Options& options) {
  LockHolder hold(g_start_lock);
  if (instance_.load(std::memory_order_relaxed) != nullptr) {
    return absl::AlreadyExistsError("tarn: the heap has started already");
  }
  std::vector<std::string> complaints;
  Settings settings =
      ParseEnvironment({std::getenv("GOGC"), std::getenv("GODEBUG"), std::getenv("GOMAXPROCS"),
                        std::getenv("MEMLIMIT"), std::getenv("GOMEMLIMIT"),
                        std::getenv("MEMHARDLIMIT"), std::getenv("MEMLIMIT_MINGOGC")},
                       complaints);
  if (absl::Status s = ApplyOptions(options, settings); !s.ok()) return s;
  static LinuxMemory* os = &LinuxMemory::Instance();
  if (settings.use_madv_free) os->UseMadvFree();
  auto* instance = new Instance(*os, settings);
  if (absl::Status s = instance->SetUp(*os); !s.ok()) {
    delete instance;
    return s;
  }
  g_records = new Pool<GcRecord>(instance->memory_);
  SetThreadHooks({&OnAttached, &OnDetaching});
  if (pthread_atfork(&AtforkPrepare, &AtforkParent, &AtforkChild) != 0) {
    return absl::ResourceExhaustedError("tarn: pthread_atfork failed");
  }
  for (const std::string& line : complaints) RawLine().Str(line).WriteTo();
  // release: pairs with the acquire in Get and IfStarted.
  instance_.store(instance, std::memory_order_release);
  return absl::OkStatus();
}

Instance& Instance::StartFromEnvironment() {
  const absl::Status s = Start(Options{});
  if (!s.ok() && !absl::IsAlreadyExists(s)) {
    RawLine().Str(std::string(s.message())).WriteTo();
    Fatal("the heap cannot start");
  }
  return *IfStarted();
}

}  // namespace tarn::rt
