// spike MB SECONDS FREE: 10 MB live; MB of objects come and go at once; then 500 MB of garbage a second
// in steps of 10 ms. With FREE=1 the program asks for its memory back after the spike. Prints resident
// memory over time: bench/rss.py reads it.
#include <peer.h>
#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>

#include "bench/workloads/workload.h"

namespace bench {
namespace {

struct Object {
  peer::Ptr<Object> next;
  uint64_t value;
  uint64_t rest[6];
};
static_assert(sizeof(Object) == 64);

constexpr uint64_t kLiveMb = 10;
constexpr uint64_t kStepMillis = 10;
constexpr uint64_t kPrintSteps = 10;

double ResidentMb() {
  std::FILE* f = std::fopen("/proc/self/statm", "r");
  if (f == nullptr) return 0;
  unsigned long size = 0, resident = 0;
  const bool ok = std::fscanf(f, "%lu %lu", &size, &resident) == 2;
  std::fclose(f);
  return ok ? static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20)
            : 0;
}

void Print(uint64_t start) {
  std::printf("~ rss %.2f s %.1f MB\n", static_cast<double>(Now() - start) / 1e9, ResidentMb());
}

Object* MakeList(uint64_t mb) {
  Object* head = nullptr;
  for (uint64_t i = 0; i < (mb << 20) / sizeof(Object); ++i) {
    Object* o = peer::New<Object>();
    o->value = i;
    o->next = head;
    head = o;
  }
  return head;
}

void FreeList(Object* head) {
  if constexpr (peer::kManual) {
    while (head != nullptr) {
      Object* next = head->next;
      peer::Free(head);
      head = next;
    }
  }
}

// In a frame of its own, so that nothing is left of the list.
[[gnu::noinline]] uint64_t Spike(uint64_t mb) {
  Object* head = MakeList(mb);
  const uint64_t last = head->value;
  FreeList(head);
  return last;
}

[[gnu::noinline]] uint64_t MakeGarbage(uint64_t count, Object* live) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; ++i) {
    Object* o = peer::New<Object>();
    o->next = live;
    o->value = i;
    sum += o->value;
    peer::Free(o);
  }
  return sum;
}

void Run(const Args& args) {
  const uint64_t mb = args.Number(0);
  const uint64_t steps = args.Number(1) * 1000 / kStepMillis;
  Object* live = MakeList(kLiveMb);
  uint64_t sum = Spike(mb);
  const uint64_t start = Now();
  Print(start);
  if (args.Text(2) == "1") {
    peer::FreeOsMemory();
    Print(start);
  }
  for (uint64_t step = 1; step <= steps; ++step) {
    sum += MakeGarbage((uint64_t{5} << 20) / sizeof(Object), live);
    std::this_thread::sleep_until(std::chrono::steady_clock::time_point(
        std::chrono::nanoseconds(start + step * kStepMillis * 1'000'000)));
    if (step % kPrintSteps == 0) Print(start);
  }
  for (const Object* o = live; o != nullptr; o = o->next) sum += o->value;
  std::printf("sum %" PRIu64 "\n", sum);
}

}  // namespace

const Workload kSpike = {"spike", "MB SECONDS FREE", {"1024", "20", "0"}, {"20", "1", "1"}, Run};

}  // namespace bench
