// Workloads of many shapes under a memory limit, to see whether the limit holds:
//   limit_shapes list
//   limit_shapes NAME LIVE_PERCENT SECONDS
// The limit comes from MEMLIMIT. A run keeps LIVE_PERCENT of it alive (slots of objects and external
// bytes) and replaces what is alive all the time. It prints one line of key=value: bytes of resident
// memory above that of the empty process at its highest, the limit, work done, collections.
// I1 The sampler and the external blocks use neither tarn nor malloc, so that growth is tarn's or
//    charged to it.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include "tarn/internal/size_class.h"
#include "tarn/tarn.h"

namespace tarn {
namespace {

enum class Life {
  kFifo,    // the oldest dies
  kRandom,  // any one dies
  kBatch,   // all die at once, then as many are made
  kStatic,  // what lives stays; beside it short-lived garbage
  kGrow,    // a tenth at first, all at the end
  kShift,   // all die at once, then as many bytes are made of another size
};

struct Shape {
  const char* name;
  size_t least, most;  // bytes of an object, log-uniform between
  Life life;
  int threads = 1;
  bool pointers = false;     // objects are scanned and refer to each other
  size_t external_each = 0;  // bytes of mapped memory that each object owns
  // Instead of objects: anonymous mappings that the collector owns, which count so.
  std::optional<MappingAccounting> mapped = std::nullopt;
};

constexpr size_t kKiB = 1024, kMiB = size_t{1} << 20;

constexpr Shape kShapes[] = {
    {"tiny_fifo", 16, 16, Life::kFifo},
    {"small_fifo", 32, 128, Life::kFifo},
    {"small_random", 32, 128, Life::kRandom},
    {"small_random_pointers", 48, 48, Life::kRandom, 1, true},
    {"small_batch", 64, 64, Life::kBatch},
    {"small_static", 24, 256, Life::kStatic},
    {"small_grow_pointers", 64, 256, Life::kGrow, 1, true},
    {"small_random_2_threads", 32, 512, Life::kRandom, 2},
    {"small_fifo_4_threads", 32, 512, Life::kFifo, 4},
    {"mixed_random", 16, 64 * kKiB, Life::kRandom},
    {"mixed_random_4_threads", 16, 64 * kKiB, Life::kRandom, 4, true},
    {"mixed_shift", 16, 256 * kKiB, Life::kShift},
    {"medium_fifo", 2 * kKiB, 32 * kKiB, Life::kFifo},
    {"medium_batch_2_threads", 1 * kKiB, 16 * kKiB, Life::kBatch, 2, true},
    {"large_random", 40 * kKiB, 400 * kKiB, Life::kRandom},
    {"large_fifo_2_threads", 64 * kKiB, 2 * kMiB, Life::kFifo, 2},
    {"huge_random", 1 * kMiB, 8 * kMiB, Life::kRandom},
    {"huge_static", 1 * kMiB, 4 * kMiB, Life::kStatic, 1, true},
    {"external_random", 64, 64, Life::kRandom, 1, false, 64 * kKiB},
    {"external_fifo_2_threads", 256, 256, Life::kFifo, 2, true, 256 * kKiB},
    {"mmap_random", 64 * kKiB, 4 * kMiB, Life::kRandom, 1, false, 0, MappingAccounting::kResident},
    {"mmap_static", 64 * kKiB, 4 * kMiB, Life::kStatic, 1, false, 0, MappingAccounting::kResident},
    {"mmap_fifo_2_threads", 64 * kKiB, 4 * kMiB, Life::kFifo, 2, false, 0,
     MappingAccounting::kResident},
    {"mmap_virtual_random", 64 * kKiB, 4 * kMiB, Life::kRandom, 1, false, 0,
     MappingAccounting::kVirtual},
    {"mmap_virtual_batch", 64 * kKiB, 4 * kMiB, Life::kBatch, 1, false, 0,
     MappingAccounting::kVirtual},
};

// Without the pages of the program and its libraries, which come in as they are used.
uint64_t ResidentBytes() {
  char buf[128];
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  const ssize_t n = read(fd, buf, sizeof(buf) - 1);
  close(fd);
  if (n <= 0) return 0;
  buf[n] = 0;
  char* end;
  std::strtoull(buf, &end, 10);
  const uint64_t resident = std::strtoull(end, &end, 10);
  const uint64_t from_files = std::strtoull(end, nullptr, 10);
  return (resident - from_files) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t SlotBytes(size_t bytes) {
  const size_t c = internal::SizeToAlignedClass(bytes, 8);
  return c != 0 ? internal::kClassBytes[c]
                : (bytes + internal::kPageBytes - 1) / internal::kPageBytes * internal::kPageBytes;
}

// How every object begins.
struct Linked {
  gc_ptr<Linked> link;
  uint64_t charge = 0;
};

struct Rng {
  uint64_t state;
  uint64_t Next() {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    return z ^ (z >> 27);
  }
  uint64_t Below(uint64_t n) { return Next() % n; }
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
};

// One thread's share of a workload.
class Worker {
 public:
  Worker(const Shape& shape, uint64_t live_bytes, uint64_t seed)
      : shape_(shape), rng_{seed}, budget_(live_bytes) {
    const size_t least = SlotBytes(shape.least) + shape.external_each;
    slots_ = std::max<size_t>(8, live_bytes / least);
    // The table is part of what lives.
    budget_ -= std::min<uint64_t>(budget_ / 2, slots_ * 8);
    table_ = make_gc<gc_ptr<char>[]>(slots_);
    external_.resize(shape.external_each != 0 ? slots_ : 0);
  }
  ~Worker() {
    for (size_t i = 0; i < external_.size(); ++i) DropExternal(i);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  uint64_t made() const { return made_; }

  void Run(const std::atomic<bool>& stop) {
    if (shape_.life == Life::kGrow) return Grow(stop);
    Fill(budget_, stop);
    while (!stop.load(std::memory_order_relaxed)) {
      for (int i = 0; i < 64 && !stop.load(std::memory_order_relaxed); ++i) Step(stop);
    }
  }

 private:
  size_t PickSize() {
    const double ratio = static_cast<double>(shape_.most) / static_cast<double>(shape_.least);
    size_t n = shape_.least;
    if (ratio > 1) {
      double u = rng_.Unit();
      if (shape_.life == Life::kShift) u = (u + static_cast<double>(phase_ % 4)) / 4;
      n = static_cast<size_t>(static_cast<double>(shape_.least) * __builtin_pow(ratio, u));
    }
    return std::min(n, shape_.most);
  }

  void DropExternal(size_t i) {
    if (external_.empty() || external_[i] == nullptr) return;
    munmap(external_[i], shape_.external_each);
    external_[i] = nullptr;
    AdjustExternalMemory(-static_cast<int64_t>(shape_.external_each));
  }

  void Drop(size_t i) {
    char* p = table_.get()[i].get();
    if (p == nullptr) return;
    live_ -= reinterpret_cast<Linked*>(p)->charge;
    DropExternal(i);
    table_.get()[i] = nullptr;
  }

  char* New(size_t bytes) {
    if (shape_.mapped) {
      const absl::StatusOr<gc_mapping> m = gc_mmap(-1, 0, bytes, PROT_READ | PROT_WRITE,
                                                   MAP_PRIVATE | MAP_ANONYMOUS, *shape_.mapped);
      if (m.ok()) return reinterpret_cast<char*>(m->data());
      std::fprintf(stderr, "limit_shapes: %s\n", m.status().ToString().c_str());
      std::exit(1);
    }
    return shape_.pointers
               ? reinterpret_cast<char*>(make_gc_tail<Linked, char>(bytes - sizeof(Linked)))
               : static_cast<char*>(AllocateBytes(bytes, Scan::kNone));
  }

  char* Make(size_t bytes) {
    char* p = New(bytes);
    std::memset(p + sizeof(Linked), 1, bytes - sizeof(Linked));
    made_ += bytes;
    return p;
  }

  void Put(size_t i) {
    const size_t bytes = PickSize();
    const uint64_t charge = SlotBytes(bytes) + shape_.external_each;
    Drop(i);
    while (live_ + charge > budget_) Drop(NextVictim());
    if (shape_.external_each != 0) {
      // Charged first: room is made before the memory is touched.
      AdjustExternalMemory(static_cast<int64_t>(shape_.external_each));
    }
    char* p = Make(bytes);
    reinterpret_cast<Linked*>(p)->charge = charge;
    if (shape_.pointers) {
      auto* other = reinterpret_cast<Linked*>(table_.get()[rng_.Below(slots_)].get());
      // The other's own link is cut, so that chains stay short.
      if (other != nullptr) other->link = nullptr;
      reinterpret_cast<Linked*>(p)->link = other;
    }
    table_.get()[i] = p;
    live_ += charge;
    if (shape_.external_each != 0) {
      external_[i] = mmap(nullptr, shape_.external_each, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    }
  }

  size_t NextVictim() {
    if (shape_.life == Life::kRandom) {
      for (int i = 0; i < 32; ++i) {
        const size_t at = rng_.Below(slots_);
        if (table_.get()[at] != nullptr) return at;
      }
    }
    while (table_.get()[oldest_] == nullptr) oldest_ = (oldest_ + 1) % slots_;
    return oldest_;
  }

  void Fill(uint64_t bytes, const std::atomic<bool>& stop) {
    const uint64_t most = SlotBytes(shape_.most) + shape_.external_each;
    while (live_ + most < bytes && !stop.load(std::memory_order_relaxed)) PutNext();
  }
  void PutNext() {
    next_ = (next_ + 1) % slots_;
    Put(next_);
  }

  void Step(const std::atomic<bool>& stop) {
    switch (shape_.life) {
      case Life::kFifo:
      case Life::kGrow:
        return PutNext();
      case Life::kRandom:
        return Put(rng_.Below(slots_));
      case Life::kBatch:
      case Life::kShift:
        for (size_t i = 0; i < slots_; ++i) Drop(i);
        ++phase_;
        return Fill(budget_, stop);
      case Life::kStatic:
        Make(PickSize());
        return;
    }
  }

  void Grow(const std::atomic<bool>& stop) {
    const uint64_t whole = budget_;
    for (uint64_t tenth = 1; !stop.load(std::memory_order_relaxed); ++tenth) {
      budget_ = whole / 40 * std::min<uint64_t>(40, 4 + tenth);
      Fill(budget_, stop);
      for (uint64_t until = made_ + whole; made_ < until && !stop.load(std::memory_order_relaxed);)
        PutNext();
    }
  }

  const Shape& shape_;
  Rng rng_;
  uint64_t budget_;
  size_t slots_;
  gc_root<gc_ptr<char>> table_;
  std::vector<void*> external_;
  uint64_t live_ = 0;
  uint64_t made_ = 0;
  size_t next_ = 0, oldest_ = 0;
  uint64_t phase_ = 0;
};

int RunShape(const Shape& shape, uint64_t live_percent, double seconds) {
  const uint64_t empty = ResidentBytes();
  const auto limit = static_cast<uint64_t>(SetMemoryLimit(-1));
  if (limit == static_cast<uint64_t>(kNoLimit)) {
    std::fprintf(stderr, "limit_shapes: set MEMLIMIT\n");
    return 2;
  }
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> peak{0}, made{0}, above{0}, samples{0};
  std::thread sampler([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      const uint64_t now = ResidentBytes();
      const uint64_t grown = now > empty ? now - empty : 0;
      if (grown > peak.load()) peak.store(grown);
      if (grown > limit + limit / 50) above.fetch_add(1);
      samples.fetch_add(1);
      usleep(500);
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < shape.threads; ++t) {
    threads.emplace_back([&, t] {
      const uint64_t share = limit / 100 * live_percent / static_cast<uint64_t>(shape.threads);
      Worker worker(shape, share, static_cast<uint64_t>(t) + 1);
      worker.Run(stop);
      made.fetch_add(worker.made());
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  const MemStats at_end = ReadMemStats();
  stop.store(true);
  for (std::thread& t : threads) t.join();
  sampler.join();
  const MemStats s = ReadMemStats();
  std::printf("shape=%s limit=%" PRIu64 " peak=%" PRIu64 " ratio=%.4f above=%" PRIu64 "/%" PRIu64
              " made_mib=%" PRIu64 " cycles=%" PRIu64 " gc_cpu=%.3f limited_cycle=%" PRIu64
              " limited_bytes=%" PRIu64 "\n",
              shape.name, limit, peak.load(),
              static_cast<double>(peak.load()) / static_cast<double>(limit), above.load(),
              samples.load(), made.load() >> 20, s.num_gc, s.gc_cpu_fraction, s.last_limited_cycle,
              s.limited_bytes);
  std::printf("  allocated=%" PRIu64 " in_spans=%" PRIu64 " free_backed=%" PRIu64 " tables=%" PRIu64
              " goal=%" PRIu64 " limited_bytes=%" PRIu64 "\n",
              at_end.heap_alloc, at_end.heap_inuse, at_end.heap_idle - at_end.heap_released,
              at_end.gc_sys + at_end.mspan_sys, at_end.next_gc, at_end.limited_bytes);
  return 0;
}

int Run(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "list") == 0) {
    for (const Shape& s : kShapes) std::printf("%s\n", s.name);
    return 0;
  }
  if (argc != 4) return 2;
  for (const Shape& s : kShapes) {
    if (std::strcmp(s.name, argv[1]) == 0) {
      return RunShape(s, std::strtoull(argv[2], nullptr, 10), std::strtod(argv[3], nullptr));
    }
  }
  return 2;
}

}  // namespace
}  // namespace tarn

int main(int argc, char** argv) { return tarn::Run(argc, argv); }
