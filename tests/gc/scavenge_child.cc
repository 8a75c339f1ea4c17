// What memory does over time, in a process of its own; prints "name value" lines, sizes in KiB.
//   scavenge_child drop MB          makes and drops MB of objects; resident memory over the next 30 s
//   scavenge_child free_os SHAPE    keeps a part of the heap, then FreeOsMemory
//   scavenge_child grow_shrink N    N times: grows by some MB, drops it, gives it back
//   scavenge_child refuse_free      the kernel refuses MADV_FREE (seccomp); then as `drop`
//   scavenge_child dump             resident memory that a core file would hold, and that it would not
//   scavenge_child thp              huge pages of a dense heap after some cycles
//   scavenge_child fork             forks while the scavenger works; parent and child go on
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tarn/tarn.h"

namespace tarn {
namespace {

struct Node {
  uint64_t value[7] = {};
  gc_ptr<Node> next;
};

void Print(const char* name, uint64_t value) {
  std::printf("%s %" PRIu64 "\n", name, value);
  std::fflush(stdout);
}

// Fields of /proc/self/statm: 0 size, 1 resident. KiB.
uint64_t Statm(int field) {
  std::FILE* f = std::fopen("/proc/self/statm", "r");
  if (f == nullptr) std::abort();
  unsigned long v[2] = {};
  if (std::fscanf(f, "%lu %lu", &v[0], &v[1]) != 2) std::abort();
  std::fclose(f);
  return v[field] * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) / 1024;
}
uint64_t Resident() { return Statm(1); }

// What the ledger says of the heap, KiB.
uint64_t Retained() {
  const MemStats s = ReadMemStats();
  return (s.heap_sys - s.heap_released) >> 10;
}

uint64_t CountMappings() {
  std::FILE* f = std::fopen("/proc/self/maps", "r");
  if (f == nullptr) std::abort();
  uint64_t n = 0;
  for (int c; (c = std::fgetc(f)) != EOF;) n += c == '\n' ? 1 : 0;
  std::fclose(f);
  return n;
}

void Sleep(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

template <class F>
void OnOtherThread(F&& f) {
  std::thread(std::forward<F>(f)).join();
}

Node* List(uint64_t bytes) {
  Node* list = nullptr;
  for (uint64_t n = bytes / sizeof(Node); n > 0; --n) {
    Node* node = make_gc<Node>();
    node->value[0] = n;
    node->next = list;
    list = node;
  }
  return list;
}
bool IsList(Node* list, uint64_t bytes) {
  for (uint64_t n = 1; n <= bytes / sizeof(Node); ++n, list = list->next) {
    if (list == nullptr || list->value[0] != n) return false;
  }
  return list == nullptr;
}

int Drop(uint64_t mb) {
  gc_root<Node> kept;
  constexpr uint64_t kKept = 10 << 20;
  OnOtherThread([&] { kept = List(kKept); });
  const uint64_t before = Resident();
  OnOtherThread([&] {
    Node* list = List(mb << 20);
    Print("peak", Resident());
    Print("retained_at_peak", Retained());
    KeepAlive(list);
  });
  // The heap goal falls, and all is free and backed; the second one says that it was free for a whole
  // cycle.
  Collect();
  Collect();
  const auto start = std::chrono::steady_clock::now();
  const auto since = [&] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 start)
        .count();
  };
  // 10 % of the old use is enough for the caller to see that it fell.
  while (since() < 30'000 && Resident() > before + (mb << 10) / 10) Sleep(20);
  const MemStats s = ReadMemStats();
  Print("before", before);
  Print("after", Resident());
  Print("milliseconds", static_cast<uint64_t>(since()));
  Print("retained_after", (s.heap_sys - s.heap_released) >> 10);
  Print("lazily_free", s.heap_lazily_free >> 10);
  VerifyHeapForDebugging();
  return IsList(kept, kKept) ? 0 : 2;
}

// The kernel of this process knows no MADV_FREE from here on. Other system calls pass.
bool RefuseMadvFree() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_FREE, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 22),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Keeps the first 200 MB and every tenth megabyte of 400 more.
int FreeOs(const char* shape) {
  const uint64_t start = Resident();
  const bool lists = std::strcmp(shape, "small") == 0;
  const size_t size = std::strcmp(shape, "medium") == 0 ? 4096 : 300'000;
  std::vector<gc_root<void>> kept;
  OnOtherThread([&] {
    for (uint64_t mb = 0; mb < 600; ++mb) {
      const bool keep = mb < 200 || mb % 10 == 0;
      if (lists) {
        Node* list = List(1 << 20);
        if (keep) kept.emplace_back(list);
        continue;
      }
      for (size_t i = 0; i < (1 << 20) / size; ++i) {
        void* p = AllocateBytes(size, Scan::kNone);
        std::memset(p, 1, size);
        if (keep) kept.emplace_back(p);
      }
    }
  });
  Print("peak", Resident() - start);
  FreeOsMemory();
  const uint64_t resident = Resident();
  const MemStats s = ReadMemStats();
  Print("resident", resident - start);
  Print("live", s.heap_alloc >> 10);
  Print("in_use", s.heap_inuse >> 10);
  Print("retained", (s.heap_sys - s.heap_released) >> 10);
  system(
      "awk '/^[0-9a-f]+-/{n=$1\" \"$6$7$8$9} /^Rss/{r=$2} /^VmFlags/{if(r>100)print n, r, $0}' "
      "/proc/$PPID/smaps");
  VerifyHeapForDebugging();
  return 0;
}

int GrowShrink(int rounds) {
  gc_root<Node> kept;
  OnOtherThread([&] { kept = List(1 << 20); });
  for (int i = 0; i <= rounds; ++i) {
    OnOtherThread([&] {
      KeepAlive(List(static_cast<uint64_t>(1 + i % 7) << 20));
      for (size_t n = 1; n < 40; ++n) AllocateBytes(n << 15, Scan::kNone);
    });
    if (i % 2 == 0) {
      FreeOsMemory();
    } else {
      Collect();
    }
    if (i % 50 == 0) VerifyHeapForDebugging();
    if (i == rounds / 4 || i == rounds) {
      FreeOsMemory();
      const MemStats s = ReadMemStats();
      const std::string at = i == rounds ? "end_" : "early_";
      Print((at + "size").c_str(), Statm(0));
      Print((at + "mappings").c_str(), CountMappings());
      Print((at + "heap_sys").c_str(), s.heap_sys >> 10);
      Print((at + "heap_inuse").c_str(), s.heap_inuse >> 10);
      Print((at + "heap_retained").c_str(), (s.heap_sys - s.heap_released) >> 10);
      Print((at + "sys").c_str(), s.sys >> 10);
    }
  }
  return IsList(kept, 1 << 20) ? 0 : 2;
}

// What a core file holds is what is resident in mappings without the flag "dd".
int Dump() {
  gc_root<Node> kept;
  OnOtherThread([&] { kept = List(200 << 20); });
  Collect();
  Collect();
  std::FILE* f = std::fopen("/proc/self/smaps", "r");
  if (f == nullptr) return 2;
  char line[512];
  uint64_t rss = 0, dumped = 0, left_out = 0;
  while (std::fgets(line, sizeof(line), f) != nullptr) {
    unsigned long kib;
    if (std::sscanf(line, "Rss: %lu kB", &kib) == 1) rss = kib;
    if (std::strncmp(line, "VmFlags:", 8) == 0) {
      (std::strstr(line, " dd") != nullptr ? left_out : dumped) += rss;
    }
  }
  std::fclose(f);
  const MemStats s = ReadMemStats();
  Print("dumped", dumped);
  Print("left_out", left_out);
  Print("in_use", s.heap_inuse >> 10);
  return kept != nullptr ? 0 : 2;
}

int HugePages() {
  gc_root<Node> kept;
  OnOtherThread([&] { kept = List(64 << 20); });
  const auto huge = [] {
    std::FILE* f = std::fopen("/proc/self/smaps_rollup", "r");
    if (f == nullptr) std::abort();
    char line[256];
    unsigned long kib = 0;
    while (std::fgets(line, sizeof(line), f) != nullptr) {
      if (std::sscanf(line, "AnonHugePages: %lu kB", &kib) == 1) break;
    }
    std::fclose(f);
    return kib;
  };
  uint64_t most = 0;
  for (int i = 0; i < 100 && most < (48 << 10); ++i) {
    if (i < 5) Collect();
    Sleep(100);
    most = std::max<uint64_t>(most, huge());
  }
  Print("huge", most);
  VerifyHeapForDebugging();
  return IsList(kept, 64 << 20) ? 0 : 2;
}

int Fork() {
  gc_root<Node> kept;
  OnOtherThread([&] { kept = List(1 << 20); });
  for (int i = 0; i < 10; ++i) {
    OnOtherThread([] { KeepAlive(List(60 << 20)); });
    Collect();
    Collect();
    Sleep(i * 2);
    const pid_t pid = fork();
    if (pid < 0) return 3;
    if (pid == 0) {
      alarm(60);
      OnOtherThread([] { KeepAlive(List(60 << 20)); });
      Collect();
      FreeOsMemory();
      VerifyHeapForDebugging();
      const MemStats s = ReadMemStats();
      if (s.heap_sys - s.heap_released > (20 << 20)) _exit(4);
      // The child's own scavenger.
      OnOtherThread([] { KeepAlive(List(60 << 20)); });
      Collect();
      Collect();
      for (int k = 0; k < 300; ++k) {
        const MemStats now = ReadMemStats();
        if (now.heap_sys - now.heap_released < (40 << 20)) _exit(IsList(kept, 1 << 20) ? 0 : 5);
        Sleep(100);
      }
      _exit(6);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) != pid) return 7;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      Print("child", static_cast<uint64_t>(status));
      return 8;
    }
  }
  VerifyHeapForDebugging();
  return IsList(kept, 1 << 20) ? 0 : 2;
}

int Run(int argc, char** argv) {
  const auto is = [&](const char* what) { return std::strcmp(argv[1], what) == 0; };
  const int n = argc > 2 ? std::atoi(argv[2]) : 0;
  if (argc < 2) return 99;
  if (is("drop")) return Drop(static_cast<uint64_t>(n));
  if (is("free_os")) return FreeOs(argv[2]);
  if (is("grow_shrink")) return GrowShrink(n);
  if (is("dump")) return Dump();
  if (is("thp")) return HugePages();
  if (is("fork")) return Fork();
  if (is("refuse_free")) return RefuseMadvFree() ? Drop(100) : 98;
  return 99;
}

}  // namespace
}  // namespace tarn

int main(int argc, char** argv) { return tarn::Run(argc, argv); }
