// mmap_stress --count N --threads T [--seed X]: threads make N mappings in all, of files, memory files and
// anonymous memory, keep some for a while, drop them, unmap some by hand, and check what they read, beside
// allocation and collections. At the end none may be left. The process's kernel mappings stay bounded on the way,
// and most of them are gone in the end: heap memory that was touched while mappings stood between it stays in
// pieces for the kernel.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tarn/tarn.h"
#include "tests/stress/stress_rng.h"

namespace {

using stress::Rng;

constexpr size_t kFileBytes = size_t{1} << 20;

std::atomic<uint64_t> g_made{0}, g_checked{0}, g_unmapped{0}, g_most{0}, g_most_kernel{0};

[[noreturn]] void Fail(const char* what, uint64_t at) {
  std::fprintf(stderr, "mmap_stress: %s (%" PRIu64 ")\n", what, at);
  std::abort();
}

uint8_t ByteAt(uint64_t i) { return static_cast<uint8_t>(i * 167 + i / 4096 * 13 + 5); }

int MakeFile(bool in_memory) {
  char path[] = "/tmp/mmap_stress.XXXXXX";
  const int fd = in_memory ? memfd_create("mmap_stress", MFD_CLOEXEC) : mkostemp(path, O_CLOEXEC);
  if (fd < 0) Fail("no file", 0);
  if (!in_memory) unlink(path);
  std::vector<uint8_t> data(kFileBytes);
  for (size_t i = 0; i < kFileBytes; ++i) data[i] = ByteAt(i);
  if (pwrite(fd, data.data(), kFileBytes, 0) != static_cast<ssize_t>(kFileBytes)) Fail("write", 0);
  return fd;
}

size_t KernelMappings() {
  std::ifstream maps("/proc/self/maps");
  size_t n = 0;
  for (std::string line; std::getline(maps, line);) ++n;
  return n;
}

void Raise(std::atomic<uint64_t>& most, uint64_t now) {
  uint64_t seen = most.load();
  while (seen < now && !most.compare_exchange_weak(seen, now)) {
  }
}

// Keeps its mapping by a pointer somewhere inside it.
struct Part {
  uint64_t offset = 0;  // in the file, of what `bytes` points to; anonymous: what is written there
  uint64_t length = 0;
  bool is_file = false;
  tarn::gc_ptr<const uint8_t> bytes;
};

class Worker {
 public:
  Worker(uint64_t seed, const int (&files)[2]) : rng_(seed), files_(files) {
    kept_ = tarn::make_gc<tarn::gc_ptr<Part>[]>(kSlots);
  }

  void Step() {
    Part* part = Make();
    Check(*part);
    kept_[rng_.Next() % kSlots] = part;
    if (Part* other = kept_[rng_.Next() % kSlots]) Check(*other);
    if (rng_.Next() % 8 == 0) UnmapOne();
    for (int i = 0; i < 4; ++i) tarn::make_gc<Part>();
  }

 private:
  static constexpr size_t kSlots = 200;

  Part* Make() {
    const uint64_t length = 1 + rng_.Next() % (rng_.Next() % 8 == 0 ? 300'000 : 20'000);
    const uint64_t offset = rng_.Next() % (kFileBytes - length);
    const bool is_file = rng_.Next() % 8 != 0;
    const absl::StatusOr<tarn::gc_mapping> m =
        is_file ? tarn::gc_mmap(files_[rng_.Next() % 2], static_cast<int64_t>(offset), length,
                                PROT_READ, rng_.Next() % 2 ? MAP_SHARED : MAP_PRIVATE)
                : tarn::gc_mmap(-1, 0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (!m.ok()) {
      std::fprintf(stderr, "%s\n", m.status().ToString().c_str());
      Fail("gc_mmap", g_made);
    }
    const uint64_t n = ++g_made;
    if (n % 64 == 0) Raise(g_most, tarn::ReadMappingStats().num_active);
    if (n % 4096 == 0) Raise(g_most_kernel, KernelMappings());
    auto* p = reinterpret_cast<uint8_t*>(m->data());
    if (!is_file) {
      if (p[0] != 0 || p[length - 1] != 0) Fail("anonymous memory is not zero", n);
      p[0] = p[length / 2] = p[length - 1] = static_cast<uint8_t>(offset);
    }
    Part* part = tarn::make_gc<Part>();
    const uint64_t skip = is_file ? rng_.Next() % length : 0;
    part->offset = offset + skip;
    part->length = length - skip;
    part->is_file = is_file;
    part->bytes = p + skip;
    return part;
  }

  static void Check(const Part& part) {
    const uint8_t* p = part.bytes.get();
    const auto wrong = [&](uint64_t i) {
      return p[i] != (part.is_file ? ByteAt(part.offset + i) : static_cast<uint8_t>(part.offset));
    };
    for (uint64_t i : {uint64_t{0}, part.length / 2, part.length - 1}) {
      if (wrong(i)) Fail("wrong contents", part.offset + i);
    }
    for (uint64_t i = 0; part.is_file && i < part.length; i += 997) {
      if (wrong(i)) Fail("wrong contents", part.offset + i);
    }
    ++g_checked;
  }

  void UnmapOne() {
    const size_t i = rng_.Next() % kSlots;
    Part* part = kept_[i];
    if (part == nullptr) return;
    kept_[i] = nullptr;
    const absl::StatusOr<tarn::gc_mapping> m = tarn::FindMapping(part->bytes);
    if (!m.ok() || !m->Unmap().ok()) Fail("Unmap", i);
    std::byte b;
    if (m->Read(0, absl::Span<std::byte>(&b, 1)).ok()) Fail("readable after Unmap", i);
    ++g_unmapped;
  }

  Rng rng_;
  const int (&files_)[2];
  tarn::gc_ptr<Part>* kept_ = nullptr;
};

uint64_t Number(int argc, char** argv, const char* name, uint64_t otherwise) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], name) == 0) return std::strtoull(argv[i + 1], nullptr, 0);
  }
  return otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t count = Number(argc, argv, "--count", 100'000);
  const uint64_t threads = Number(argc, argv, "--threads", 4);
  const uint64_t seed = Number(argc, argv, "--seed", 12345);
  const int files[2] = {MakeFile(false), MakeFile(true)};
  tarn::Collect();
  const size_t before = KernelMappings();
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> all;
  for (uint64_t t = 0; t < threads; ++t) {
    all.emplace_back([&, t] {
      Worker worker(seed + t, files);
      while (g_made < count) worker.Step();
    });
  }
  for (std::thread& t : all) t.join();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  // What a stale word on this stack may hold is little.
  for (int i = 0; i < 3; ++i) std::thread([] { tarn::Collect(); }).join();
  const tarn::MappingStats s = tarn::ReadMappingStats();
  const size_t after = KernelMappings();
  std::printf("%" PRIu64 " made in %.1f s, %" PRIu64 " checks, %" PRIu64
              " unmapped by hand; most active %" PRIu64 ", most kernel mappings %" PRIu64
              " (%zu before, %zu after); %" PRIu64 " left, %" PRIu64 " collections\n",
              g_made.load(), seconds.count(), g_checked.load(), g_unmapped.load(), g_most.load(),
              g_most_kernel.load(), before, after, s.num_active + s.num_unmapped,
              tarn::ReadMemStats().num_gc);
  tarn::VerifyHeapForDebugging();
  if (s.lost != 0 || s.num_active + s.num_unmapped > 4) Fail("left", s.num_active);
  if (after > before + g_most / 2) Fail("kernel mappings left", after);
  if (g_most_kernel > 65'000) Fail("too many kernel mappings", g_most_kernel);
  return 0;
}
