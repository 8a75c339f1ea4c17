// A program whose system calls for memory fail on demand: the definitions below come before those of
// the C library for everything that is linked statically, tarn included.
//   failing_calls_child CALL NTH COUNT   CALL is mmap, mprotect or madvise; the NTH from start on, COUNT
//                                        of them, fails with ENOMEM
//   failing_calls_child CALL NTH COUNT mappings   the same from when tarn has started, for a program
//                                        of mappings; mmap or mremap
// Prints "started" or why not, what it survived, and "done".
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <thread>
#include <vector>

#include "tarn/tarn.h"

namespace {

struct Plan {
  std::atomic<const char*> call{""};
  uint64_t first = 0, end = 0;
  std::atomic<uint64_t> made{0}, failed{0};

  bool Fails(const char* which) {
    if (std::strcmp(call, which) != 0) return false;
    const uint64_t n = made.fetch_add(1) + 1;
    if (n < first || n >= end) return false;
    failed.fetch_add(1);
    errno = ENOMEM;
    return true;
  }
};
Plan g_plan;

}  // namespace

extern "C" void* mmap(void* p, size_t bytes, int protection, int flags, int fd,
                      off_t offset) noexcept {
  if (g_plan.Fails("mmap")) return MAP_FAILED;
  return reinterpret_cast<void*>(syscall(SYS_mmap, p, bytes, protection, flags, fd, offset));
}
extern "C" void* mremap(void* p, size_t bytes, size_t new_bytes, int flags, ...) noexcept {
  if (g_plan.Fails("mremap")) return MAP_FAILED;
  va_list rest;
  va_start(rest, flags);
  void* to = (flags & MREMAP_FIXED) != 0 ? va_arg(rest, void*) : nullptr;
  va_end(rest);
  return reinterpret_cast<void*>(syscall(SYS_mremap, p, bytes, new_bytes, flags, to));
}
extern "C" int mprotect(void* p, size_t bytes, int protection) noexcept {
  if (g_plan.Fails("mprotect")) return -1;
  return static_cast<int>(syscall(SYS_mprotect, p, bytes, protection));
}
extern "C" int madvise(void* p, size_t bytes, int advice) noexcept {
  if (g_plan.Fails("madvise")) return -1;
  return static_cast<int>(syscall(SYS_madvise, p, bytes, advice));
}

namespace tarn {
namespace {

struct Node {
  gc_ptr<Node> next;
  uint64_t value = 0;
};

// Lists and blocks, dropped and made again; all contents checked. Returns the calls that threw.
int Work() {
  int thrown = 0;
  for (int round = 0; round < 3; ++round) {
    gc_root<Node> head;
    uint64_t length = 0;
    std::vector<gc_root<char>> blocks;
    for (uint64_t i = 0; i < 30000; ++i) {
      try {
        Node* n = make_gc<Node>();
        n->value = i;
        n->next = head.get();
        head = n;
        ++length;
        if (i % 20 == 0) {
          auto* p = static_cast<char*>(AllocateBytes(1000 + i, Scan::kNone));
          for (size_t k = 0; k < 1000 + i; k += 512) {
            if (p[k] != 0) std::abort();
          }
          std::memset(p, 0x5a, 1000 + i);
          blocks.emplace_back(p);
          if (blocks.size() > 300) blocks.clear();
        }
      } catch (const std::bad_alloc&) {
        ++thrown;
      }
    }
    uint64_t n = 0;
    for (const Node* p = head.get(); p != nullptr; p = p->next.get()) ++n;
    if (n != length) std::abort();
    if (round == 0) SetMemoryLimit(9 << 20);  // releases memory from here on
  }
  VerifyHeapForDebugging();
  return thrown;
}

// Mappings among objects, made and dropped; all contents checked. Returns those that were refused.
int MapWork(const char* call) {
  constexpr size_t kBytes = 20'000;
  int refused = 0;
  gc_root<gc_ptr<char>> kept(make_gc<gc_ptr<char>[]>(16));
  Collect();
  g_plan.call = call;
  for (size_t i = 0; i < 200; ++i) {
    const absl::StatusOr<gc_mapping> m =
        gc_mmap(-1, 0, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    auto* block = static_cast<char*>(AllocateBytes(kBytes, Scan::kNone));
    for (size_t k = 0; k < kBytes; ++k) {
      if (block[k] != 0) std::abort();
    }
    std::memset(block, 0x5a, kBytes);
    if (!m.ok()) {
      if (!absl::IsResourceExhausted(m.status())) std::abort();
      ++refused;
      continue;
    }
    auto* p = reinterpret_cast<char*>(m->data());
    for (size_t k = 0; k < kBytes; ++k) {
      if (p[k] != 0) std::abort();
    }
    std::memset(p, static_cast<int>(i), kBytes);
    if (const char* old = kept.get()[i % 16].get()) {
      for (size_t k = 1; k < kBytes; ++k) {
        if (old[k] != old[0]) std::abort();
      }
    }
    kept.get()[i % 16] = p;
    if (i % 20 == 0) Collect();
  }
  for (size_t i = 0; i < 16; ++i) kept.get()[i] = nullptr;
  return refused;
}

int RunMappings(const char* call) {
  int refused = 0;
  std::thread([&] { refused = MapWork(call); }).join();
  for (int i = 0; i < 3; ++i) std::thread([] { Collect(); }).join();
  VerifyHeapForDebugging();
  const MappingStats s = ReadMappingStats();
  std::printf("refused=%d active=%" PRIu64 " lost=%" PRIu64 " failed=%" PRIu64 "\ndone\n", refused,
              s.num_active, s.lost, g_plan.failed.load());
  return 0;
}

int Run(int argc, char** argv) {
  const bool is_for_mappings = argc == 5 && std::strcmp(argv[4], "mappings") == 0;
  if (argc != 4 && !is_for_mappings) return 2;
  g_plan.first = std::strtoull(argv[2], nullptr, 0);
  g_plan.end = g_plan.first + std::strtoull(argv[3], nullptr, 0);
  if (!is_for_mappings) g_plan.call = argv[1];
  Options options;
  options.cage_bytes = size_t{1} << 30;
  const absl::Status status = Init(options);
  if (!status.ok()) {
    std::printf("not started: %s\n", std::string(status.message()).c_str());
    return 0;
  }
  std::printf("started\n");
  std::fflush(stdout);
  if (is_for_mappings) return RunMappings(argv[1]);
  const int thrown = Work();
  std::thread([&] { Work(); }).join();
  std::printf("thrown=%d failed=%" PRIu64 " made=%" PRIu64 "\ndone\n", thrown, g_plan.failed.load(),
              g_plan.made.load());
  return 0;
}

}  // namespace
}  // namespace tarn

int main(int argc, char** argv) { return tarn::Run(argc, argv); }
