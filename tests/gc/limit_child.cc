// What tests of memory limits run in a process of its own; the limits come from the environment.
//   limit_child settings                prints the limits in force
//   limit_child set                     what SetMemoryLimit and SetHardLimit return
//   limit_child hard THREADS BYTES      fills the heap to the hard limit three times and recovers
//   limit_child external                external bytes start collections
//   limit_child external_alone          the same without any allocation
//   limit_child external_hard           external bytes and the hard limit
//   limit_child underflow               gives back more external bytes than were charged
//   limit_child too_much PERCENT SECS   keeps PERCENT of the soft limit alive and goes on allocating
//   limit_child callback                the same, until the callback comes; then makes room
//   limit_child lower                   lowers the limit under a heap that is larger
//   limit_child grow MIB                allocates and touches so many MiB, of which 10 stay alive
#include <dirent.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "tarn/tarn.h"
#include "tests/gc/gc_test_util.h"

namespace tarn {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t kMiB = int64_t{1} << 20;

struct Node {
  gc_ptr<Node> next;
  uint64_t value = 0;
  uint64_t padding[6] = {};
};

int Settings() {
  const MemStats s = ReadMemStats();
  std::printf("soft=%" PRIu64 " hard=%" PRIu64 "\n", s.memory_limit, s.hard_limit);
  return 0;
}

int Set() {
  for (auto* set : {&SetMemoryLimit, &SetHardLimit}) {
    std::printf("%d", (*set)(-1) == kNoLimit);
    std::printf("%d", (*set)(100 * kMiB) == kNoLimit);
    std::printf("%d", (*set)(-5) == 100 * kMiB);
    std::printf("%d", (*set)(kNoLimit) == 100 * kMiB);
    std::printf("%d", (*set)(-1) == kNoLimit);
  }
  std::printf("\n");
  const int steps[][2] = {{0, 50}, {-1, 50},  {101, 50}, {20, 50},
                          {0, 20}, {100, 20}, {1, 100},  {50, 1}};
  for (const auto& [percent, before] : steps) std::printf("%d", SetGcCpuLimit(percent) == before);
  std::printf("\n");
  return 0;
}

// A list as long as the limit allows. Returns its length, or 0 if an object was hurt.
uint64_t FillWithNodes() {
  gc_root<Node> head;
  uint64_t n = 0;
  try {
    for (;;) {
      Node* node = make_gc<Node>();
      node->value = ++n;
      node->next = head.get();
      head = node;
    }
  } catch (const std::bad_alloc&) {
  }
  uint64_t expected = n;
  // The object of the failed call is not there; all others are whole.
  const Node* p = head.get();
  if (p != nullptr && p->value == expected - 1) --expected;
  for (; p != nullptr; p = p->next.get(), --expected) {
    if (p->value != expected) return 0;
  }
  return expected == 0 ? n : 0;
}

uint64_t FillWithBytes(size_t bytes) {
  std::vector<gc_root<char>> all;
  all.reserve(1 << 20);
  try {
    for (;;) {
      auto* p = static_cast<char*>(AllocateBytes(bytes, Scan::kNone));
      std::memset(p, static_cast<char>(all.size()), bytes);
      all.emplace_back(p);
    }
  } catch (const std::bad_alloc&) {
  }
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t k : {size_t{0}, bytes / 2, bytes - 1}) {
      if (all[i].get()[k] != static_cast<char>(i)) return 0;
    }
  }
  return all.size() * bytes;
}

int Hard(int threads, size_t bytes) {
  const auto limit = static_cast<uint64_t>(SetHardLimit(-1));
  for (int round = 0; round < 3; ++round) {
    std::atomic<uint64_t> filled{0};
    std::atomic<int> bad{0};
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t) {
      all.emplace_back([&] {
        uint64_t n = 0;
        // Who comes late may find the others holding all there is: they will let go of it.
        for (int tries = 0; n == 0 && tries < 1000; ++tries) {
          if (tries != 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
          n = bytes == 0 ? FillWithNodes() * sizeof(Node) : FillWithBytes(bytes);
        }
        if (n == 0) bad.fetch_add(1);
        filled.fetch_add(n);
      });
    }
    for (std::thread& t : all) t.join();
    VerifyHeapForDebugging();
    const MemStats s = ReadMemStats();
    if (bad != 0) return 3;
    if (s.hard_limit_refusals == 0 || s.limited_bytes > limit + limit / 50) return 4;
    // With several threads one may have failed while others held memory, and gone before them.
    if (filled < limit / (threads == 1 ? 2 : 3)) return 5;
  }
  // And on below it.
  for (int i = 0; i < 100000; ++i) make_gc<Node>();
  std::printf("recovered\n");
  return 0;
}

int External() {
  SetGcPercent(100);
  Collect();
  const uint64_t before = ReadMemStats().num_gc;
  // 64 MiB stay, in steps of a MiB, then each is replaced. No heap memory is taken at all.
  for (int i = 0; i < 64; ++i) AdjustExternalMemory(kMiB);
  const auto wait_until = Clock::now() + std::chrono::seconds(20);
  while (ReadMemStats().num_gc == before && Clock::now() < wait_until) make_gc<Node>();
  const MemStats grown = ReadMemStats();
  Collect();
  const MemStats at_rest = ReadMemStats();
  for (int i = 0; i < 64; ++i) AdjustExternalMemory(-kMiB);
  Collect();
  const MemStats after = ReadMemStats();
  std::printf("started=%d external=%" PRIu64 " goal_ok=%d back=%d\n", grown.num_gc > before,
              at_rest.external,
              at_rest.next_gc >= 128 * uint64_t{kMiB} && at_rest.next_gc < 140 * uint64_t{kMiB},
              after.external == 0 && after.next_gc < 16 * uint64_t{kMiB});
  // The member type: moves, resets, ends.
  {
    external_bytes a(3 * kMiB);
    external_bytes b(std::move(a));
    external_bytes c;
    c = std::move(b);
    c.reset(5 * kMiB);
    if (a.get() != 0 || b.get() != 0 || ReadMemStats().external != 5 * kMiB) return 3;
    c.reset(-7);
    if (ReadMemStats().external != 0) return 4;
    c.reset(kMiB);
  }
  return ReadMemStats().external == 0 ? 0 : 5;
}

// The first thing that the program does with the heap, and all of it.
int ExternalAlone() {
  for (int i = 0; i < 64; ++i) AdjustExternalMemory(kMiB);
  const auto wait_until = Clock::now() + std::chrono::seconds(20);
  while (ReadMemStats().num_gc == 0 && Clock::now() < wait_until) usleep(1000);
  std::printf("started=%d\n", ReadMemStats().num_gc > 0);
  return 0;
}

int ExternalHard() {
  const int64_t limit = SetHardLimit(-1);
  AdjustExternalMemory(limit);
  try {
    AllocateBytes(static_cast<size_t>(kMiB), Scan::kNone);
    return 3;
  } catch (const std::bad_alloc&) {
  }
  AdjustExternalMemory(-limit);
  AllocateBytes(static_cast<size_t>(kMiB), Scan::kNone);
  std::printf("recovered\n");
  return 0;
}

int Underflow() {
  AdjustExternalMemory(100);
  AdjustExternalMemory(-300);
  AdjustExternalMemory(-300);
  AdjustExternalMemory(7);
  std::printf("external=%" PRIu64 "\n", ReadMemStats().external);
  return 0;
}

int64_t CpuOfThreads(const char* prefix) {
  DIR* dir = opendir("/proc/self/task");
  if (dir == nullptr) return 0;
  long long ticks = 0;
  while (dirent* e = readdir(dir)) {
    char path[300], text[1024];
    std::snprintf(path, sizeof(path), "/proc/self/task/%s/stat", e->d_name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    const ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0) continue;
    text[n] = 0;
    const char* name = std::strchr(text, '(');
    const char* rest = std::strrchr(text, ')');
    if (name == nullptr || rest == nullptr) continue;
    if (std::strncmp(name + 1, prefix, std::strlen(prefix)) != 0) continue;
    long long user = 0, system = 0;
    std::sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld", &user, &system);
    ticks += user + system;
  }
  closedir(dir);
  return ticks * 1000000000 / sysconf(_SC_CLK_TCK);
}

// A list of so many bytes, kept.
void KeepAlive(gc_root<Node>& head, uint64_t bytes) {
  for (uint64_t n = 0; n < bytes / sizeof(Node); ++n) {
    Node* node = make_gc<Node>();
    node->next = head.get();
    head = node;
  }
}

int TooMuch(uint64_t percent, double seconds) {
  const auto limit = static_cast<uint64_t>(SetMemoryLimit(-1));
  gc_root<Node> head;
  KeepAlive(head, limit / 100 * percent);
  const auto start = Clock::now();
  const uint64_t cycles = ReadMemStats().num_gc;
  timespec before, after;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  const int64_t gc_before = CpuOfThreads("tarn");
  uint64_t made = 0;
  while (std::chrono::duration<double>(Clock::now() - start).count() < seconds) {
    for (int i = 0; i < 100; ++i, ++made) make_gc<Node>();
  }
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const double cpu = static_cast<double>(after.tv_sec - before.tv_sec) +
                     static_cast<double>(after.tv_nsec - before.tv_nsec) / 1e9;
  const MemStats s = ReadMemStats();
  std::printf("made=%" PRIu64 " cycles=%" PRIu64
              " limited=%d gc_cpu_fraction=%.3f "
              "gc_threads_of_cpu=%.3f process_cpu=%.2f limited_bytes=%" PRIu64 "\n",
              made, s.num_gc - cycles, s.last_limited_cycle != 0, s.gc_cpu_fraction,
              static_cast<double>(CpuOfThreads("tarn") - gc_before) / 1e9 / cpu, cpu,
              s.limited_bytes);
  return 0;
}

struct CallbackState {
  std::atomic<int> calls{0};
  std::atomic<bool> allocated{false};
  std::thread::id thread;
};

int Callback() {
  static CallbackState state;
  const auto limit = static_cast<uint64_t>(SetMemoryLimit(-1));
  const bool set = SetLimiterCallback(
      [](void* arg) {
        auto* s = static_cast<CallbackState*>(arg);
        s->thread = std::this_thread::get_id();
        // It may use the heap, collect, and set itself again.
        gc_root<Node> node = make_gc<Node>();
        Collect();
        node->next = make_gc<Node>();
        SetLimiterCallback([](void* a) { static_cast<CallbackState*>(a)->calls.fetch_add(1); }, s);
        s->allocated.store(true);
        s->calls.fetch_add(1);
      },
      &state);
  if (!set) return 3;
  gc_root<Node> head;
  KeepAlive(head, limit / 100 * 120);
  const auto until = Clock::now() + std::chrono::seconds(60);
  while (state.calls.load() == 0 && Clock::now() < until) make_gc<Node>();
  if (state.calls.load() == 0) return 4;
  if (!state.allocated.load() || state.thread == std::this_thread::get_id()) return 5;
  head = nullptr;
  SetLimiterCallback(nullptr, nullptr);
  const int calls = state.calls.load();
  for (int i = 0; i < 1000000; ++i) make_gc<Node>();
  std::printf("called, quiet afterwards=%d\n", state.calls.load() == calls);
  return 0;
}

uint64_t Resident() {
  unsigned long pages = 0, shared = 0, size = 0;
  FILE* f = std::fopen("/proc/self/statm", "r");
  if (f == nullptr || std::fscanf(f, "%lu %lu %lu", &size, &pages, &shared) != 3) return 0;
  std::fclose(f);
  return (pages - shared) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

int Lower() {
  {
    std::vector<gc_root<char>> all;
    for (int i = 0; i < 100; ++i) {
      auto* p = static_cast<char*>(AllocateBytes(static_cast<size_t>(kMiB), Scan::kNone));
      std::memset(p, 1, static_cast<size_t>(kMiB));
      all.emplace_back(p);
    }
  }
  const uint64_t full = Resident();
  SetMemoryLimit(30 * kMiB);
  // Nothing is allocated from here on.
  const auto until = Clock::now() + std::chrono::seconds(20);
  while (ReadMemStats().limited_bytes > 30 * uint64_t{kMiB} && Clock::now() < until) usleep(10000);
  std::printf("full=%d low=%d counted=%d\n", full > 100 * uint64_t{kMiB},
              Resident() < 36 * uint64_t{kMiB},
              ReadMemStats().limited_bytes <= 30 * uint64_t{kMiB});
  return 0;
}

int Grow(int64_t mib) {
  std::vector<gc_root<char>> kept(160);  // 10 MiB
  for (int64_t i = 0; i < mib * 16; ++i) {
    constexpr size_t kBytes = 64 << 10;
    auto* p = static_cast<char*>(AllocateBytes(kBytes, Scan::kNone));
    std::memset(p, 1, kBytes);
    if (i % 10 == 0) kept[static_cast<size_t>(i / 10) % kept.size()] = p;
  }
  std::printf("survived %" PRIu64 " collections\n", ReadMemStats().num_gc);
  return 0;
}

int Run(int argc, char** argv) {
  if (argc < 2) return 2;
  const auto is = [&](const char* what, int args) {
    return argc == args + 2 && std::strcmp(argv[1], what) == 0;
  };
  if (is("settings", 0)) return Settings();
  if (is("set", 0)) return Set();
  if (is("hard", 2)) return Hard(std::atoi(argv[2]), static_cast<size_t>(std::atoll(argv[3])));
  if (is("external", 0)) return External();
  if (is("external_hard", 0)) return ExternalHard();
  if (is("underflow", 0)) return Underflow();
  if (is("too_much", 2)) return TooMuch(std::strtoull(argv[2], nullptr, 0), std::atof(argv[3]));
  if (is("external_alone", 0)) return ExternalAlone();
  if (is("callback", 0)) return Callback();
  if (is("lower", 0)) return Lower();
  if (is("grow", 1)) return Grow(std::atoll(argv[2]));
  return 2;
}

}  // namespace
}  // namespace tarn

int main(int argc, char** argv) { return tarn::Run(argc, argv); }
