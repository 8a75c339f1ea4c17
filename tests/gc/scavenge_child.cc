// What memory does over time, in a process of its own; prints "name value" lines, sizes in KiB.
//   scavenge_child drop MB          makes and drops MB of objects; resident memory over the next 30 s
//   scavenge_child free_os SHAPE    keeps a part of the heap, then FreeOsMemory
//   scavenge_child grow_shrink N    N times: grows by some MB, drops it, gives it back
//   scavenge_child grow_shrink_small N   the same by some 100 KB, for very many times (from 2000 on)
//   scavenge_child refuse_free      the kernel refuses MADV_FREE (seccomp); then as `drop`
//   scavenge_child dump             resident memory that a core file would hold, and that it would not
//   scavenge_child dump_free        the same of a heap that grows and shrinks by 300 MB
//   scavenge_child thp              huge pages of a dense heap after some cycles
//   scavenge_child core REFUSE RELEASE SHAPE   300 MB live and 300 MB free, by SHAPE in `turns` of a
//                                   megabyte or in `blocks`; dies and leaves a core file. With
//                                   REFUSE=1 the kernel knows no MADV_DONTDUMP, with RELEASE=1 the free
//                                   memory is given back before
//   scavenge_child fork             forks while the scavenger works; parent and child go on
//   scavenge_child fork_cow         what a collection in a forked child makes private
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
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
  while (since() < 120'000 && Resident() > before + (mb << 10) / 10) Sleep(20);
  const MemStats s = ReadMemStats();
  Print("before", before);
  Print("after", Resident());
  Print("milliseconds", static_cast<uint64_t>(since()));
  Print("retained_after", (s.heap_sys - s.heap_released) >> 10);
  Print("lazily_free", s.heap_lazily_free >> 10);
  VerifyHeapForDebugging();
  return IsList(kept, kKept) ? 0 : 2;
}

// The kernel of this process does not know this advice from here on. Other system calls pass.
bool RefuseAdvice(unsigned advice) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, advice, 0, 1),
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

void PrintSizes(const std::string& at) {
  FreeOsMemory();
  const MemStats s = ReadMemStats();
  Print((at + "size").c_str(), Statm(0));
  Print((at + "resident").c_str(), Resident());
  Print((at + "mappings").c_str(), CountMappings());
  Print((at + "heap_sys").c_str(), s.heap_sys >> 10);
  Print((at + "heap_inuse").c_str(), s.heap_inuse >> 10);
  Print((at + "heap_retained").c_str(), (s.heap_sys - s.heap_released) >> 10);
  Print((at + "sys").c_str(), s.sys >> 10);
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
    if (i == rounds / 4 || i == rounds) PrintSizes(i == rounds ? "end_" : "early_");
  }
  return IsList(kept, 1 << 20) ? 0 : 2;
}

[[gnu::noinline]] void GrowSmall(int i) {
  KeepAlive(List(static_cast<uint64_t>(1 + i % 7) << 14));
  for (size_t n = 1; n < 6; ++n) AllocateBytes(n << 14, Scan::kNone);
}

int GrowShrinkSmall(int rounds) {
  const int early = std::max(rounds / 100, 1000);  // by then all that is made once is there
  gc_root<Node> kept;
  OnOtherThread([&] { kept = List(1 << 16); });
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i <= rounds; ++i) {
    if (i % 1000 == 0) {
      OnOtherThread([&] { GrowSmall(i); });
      VerifyHeapForDebugging();
    } else {
      GrowSmall(i);
    }
    if (i % 2 == 0) {
      FreeOsMemory();
    } else {
      Collect();
    }
    if (i == early || i == rounds / 2) PrintSizes(i == early ? "early_" : "middle_");
  }
  PrintSizes("end_");
  Print("collections", ReadMemStats().num_gc);
  Print("seconds", static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(
                                             std::chrono::steady_clock::now() - start)
                                             .count()));
  return IsList(kept, 1 << 16) ? 0 : 2;
}

// Of /proc/self/smaps; sizes in KiB.
struct Mapping {
  uintptr_t begin = 0, end = 0;
  uint64_t rss = 0, private_dirty = 0;
  bool is_dumped = true;  // no flag "dd"
};
template <class F>
void ForEachMapping(F&& f) {
  std::FILE* file = std::fopen("/proc/self/smaps", "r");
  if (file == nullptr) std::abort();
  char line[512];
  Mapping m;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    unsigned long a, b;
    if (std::sscanf(line, "%lx-%lx ", &a, &b) == 2) m = {a, b};
    if (std::sscanf(line, "Rss: %lu kB", &a) == 1) m.rss = a;
    if (std::sscanf(line, "Private_Dirty: %lu kB", &a) == 1) m.private_dirty = a;
    if (std::strncmp(line, "VmFlags:", 8) != 0) continue;
    m.is_dumped = std::strstr(line, " dd") == nullptr;
    f(m);
  }
  std::fclose(file);
}

// What a core file holds is what is resident in mappings without the flag "dd".
int Dump() {
  gc_root<Node> kept;
  OnOtherThread([&] { kept = List(200 << 20); });
  Collect();
  Collect();
  uint64_t dumped = 0, left_out = 0, dumped_size = 0;
  ForEachMapping([&](const Mapping& m) {
    (m.is_dumped ? dumped : left_out) += m.rss;
    if (m.is_dumped) dumped_size += (m.end - m.begin) >> 10;
  });
  const MemStats s = ReadMemStats();
  Print("dumped", dumped);
  Print("dumped_size", dumped_size);
  Print("left_out", left_out);
  Print("in_use", s.heap_inuse >> 10);
  return kept != nullptr ? 0 : 2;
}

// What is dumped of a heap that breathes, while it is small and while it is large.
int DumpFree() {
  gc_root<Node> kept;
  OnOtherThread([&] { kept = List(100 << 20); });
  const auto dumped = [] {
    uint64_t kib = 0;
    ForEachMapping([&](const Mapping& m) { kib += m.is_dumped ? m.rss : 0; });
    return kib;
  };
  // Sweeping ends, and what is free is left out, a moment after Collect().
  const auto wait = [&] {
    Sleep(200);
    for (int i = 0; i < 600 && dumped() > (ReadMemStats().heap_inuse >> 10) + (30 << 10); ++i) {
      Sleep(100);
    }
  };
  const auto print = [&](const std::string& at) {
    Print((at + "dumped").c_str(), dumped());
    const MemStats s = ReadMemStats();
    Print((at + "in_use").c_str(), s.heap_inuse >> 10);
    Print((at + "retained").c_str(), (s.heap_sys - s.heap_released) >> 10);
    Print((at + "mappings").c_str(), CountMappings());
  };
  constexpr int kRounds = 8;
  for (int i = 0; i < kRounds; ++i) {
    OnOtherThread([&] {
      gc_root<Node> list(List(300 << 20));
      if (i == kRounds - 1) print("large_");
      if (!IsList(list, 300 << 20)) std::abort();
    });
    Collect();
    if (i == 0 || i == kRounds - 1) wait();
    if (i == 0) print("first_");
  }
  print("last_");
  VerifyHeapForDebugging();
  return IsList(kept, 100 << 20) ? 0 : 2;
}

int Core(bool refuse, bool release, bool in_turns) {
  if (refuse && !RefuseAdvice(MADV_DONTDUMP)) return 98;
  // Free memory lies between what lives, or all of it above.
  static gc_root<Node> kept[300];
  OnOtherThread([in_turns] {
    gc_root<Node> dropped[300];
    for (int i = 0; i < 600; ++i) {
      const bool is_kept = in_turns ? i % 2 == 0 : i < 300;
      const int at = in_turns ? i / 2 : i % 300;
      (is_kept ? kept : dropped)[at] = List(1 << 20);
    }
  });
  if (release) {
    FreeOsMemory();
  } else {
    Collect();
    Sleep(200);  // sweeping ends a moment later
  }
  const MemStats s = ReadMemStats();
  Print("live", s.heap_alloc >> 10);
  Print("retained", (s.heap_sys - s.heap_released) >> 10);
  Print("resident", Resident());
  uint64_t dumped = 0, left_out = 0;
  ForEachMapping([&](const Mapping& m) { (m.is_dumped ? dumped : left_out) += m.rss; });
  Print("dumped", dumped);
  Print("left_out", left_out);
  // To be found in the core file.
  const char text[] = "an object that is alive";
  std::memcpy(kept[123]->value + 1, text, sizeof(text));
  std::printf("object %p\n", static_cast<void*>(kept[123].get()));
  std::fflush(stdout);
  std::abort();
}

// KiB of private memory of this process: pages of objects, side tables, anything else.
struct PrivateMemory {
  uint64_t objects = 0, tables = 0, other = 0;
};
PrivateMemory ReadPrivate(const void* object) {
  PrivateMemory p;
  const auto at = reinterpret_cast<uintptr_t>(object);
  ForEachMapping([&](const Mapping& m) {
    const bool is_heap = m.begin <= at && at < m.end;
    (is_heap ? p.objects : !m.is_dumped ? p.tables : p.other) += m.private_dirty;
  });
  return p;
}

int ForkCow() {
  gc_root<Node> kept;
  OnOtherThread([&] { kept = List(300 << 20); });
  Collect();
  Collect();
  const PrivateMemory parent = ReadPrivate(kept.get());
  Print("parent_objects", parent.objects);
  Print("parent_tables", parent.tables);
  Print("parent_other", parent.other);
  std::fflush(stdout);
  const pid_t pid = fork();
  if (pid < 0) return 3;
  if (pid == 0) {
    const PrivateMemory before = ReadPrivate(kept.get());
    Collect();
    const PrivateMemory after = ReadPrivate(kept.get());
    Print("child_objects_before", before.objects);
    Print("child_tables_before", before.tables);
    Print("child_other_before", before.other);
    Print("child_objects_after", after.objects);
    Print("child_tables_after", after.tables);
    Print("child_other_after", after.other);
    _exit(IsList(kept, 300 << 20) ? 0 : 4);
  }
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return 7;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 8;
}

int HugePages(int tenths) {
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
  for (int i = 0; i < tenths && most < (48 << 10); ++i) {
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
      alarm(300);
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
      for (int k = 0; k < 1500; ++k) {
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
  if (is("grow_shrink_small")) return GrowShrinkSmall(n);
  if (is("dump")) return Dump();
  if (is("dump_free")) return DumpFree();
  if (is("core") && argc > 4) {
    return Core(argv[2][0] == '1', argv[3][0] == '1', std::strcmp(argv[4], "turns") == 0);
  }
  if (is("fork_cow")) return ForkCow();
  if (is("thp")) return HugePages(n);
  if (is("fork")) return Fork();
  if (is("refuse_free")) return RefuseAdvice(MADV_FREE) ? Drop(100) : 98;
  return 99;
}

}  // namespace
}  // namespace tarn

int main(int argc, char** argv) { return tarn::Run(argc, argv); }
