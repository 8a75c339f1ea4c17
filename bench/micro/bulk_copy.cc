// What gc_copy costs beside memmove, and one shared store, exchange and compare-and-swap beside
// those of std::atomic, all with the barrier off.
//   bulk_copy [--smoke] [google-benchmark flags]
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "tarn/tarn.h"

namespace {

using Slot = tarn::gc_ptr<int>;

struct Arrays {
  explicit Arrays(size_t n) : to(tarn::make_gc<Slot[]>(n)), from(tarn::make_gc<Slot[]>(n)) {
    tarn::gc_fill(from.get(), Slot(tarn::make_gc<int>(1)), n);
    tarn::gc_clear(to.get(), n);
  }
  tarn::gc_root<Slot> to, from;
};

void Sizes(benchmark::internal::Benchmark* b) {
  for (int words : {1, 4, 8, 64, 512, 8192, 1 << 17}) b->Arg(words);
}

void SetBytes(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * state.range(0) * 8);
}

void BM_GcCopy(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  Arrays a(n);
  for (auto _ : state) tarn::gc_copy(a.to.get(), a.from.get(), n);
  SetBytes(state);
}
BENCHMARK(BM_GcCopy)->Apply(Sizes);

void BM_Memmove(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  Arrays a(n);
  for (auto _ : state) {
    std::memmove(static_cast<void*>(a.to.get()), static_cast<const void*>(a.from.get()), n * 8);
    benchmark::ClobberMemory();
  }
  SetBytes(state);
}
BENCHMARK(BM_Memmove)->Apply(Sizes);

void BM_AssignOneByOne(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  Arrays a(n);
  for (auto _ : state) {
    for (size_t i = 0; i < n; ++i) a.to.get()[i] = a.from.get()[i];
    benchmark::ClobberMemory();
  }
  SetBytes(state);
}
BENCHMARK(BM_AssignOneByOne)->Apply(Sizes);

void BM_GcMoveUpByOne(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  Arrays a(n + 1);
  for (auto _ : state) tarn::gc_move(a.to.get() + 1, a.to.get(), n);
  SetBytes(state);
}
BENCHMARK(BM_GcMoveUpByOne)->Apply(Sizes);

void BM_GcClear(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  Arrays a(n);
  for (auto _ : state) tarn::gc_clear(a.to.get(), n);
  SetBytes(state);
}
BENCHMARK(BM_GcClear)->Apply(Sizes);

// `kAtomic` holds an int*; the operations are seq_cst unless named otherwise.
template <class Atomic>
void BM_StoreRelease(benchmark::State& state) {
  auto* a = tarn::make_gc<Atomic>();
  int* p = tarn::make_gc<int>(1);
  for (auto _ : state) a->store(p, std::memory_order_release);
}
template <class Atomic>
void BM_Store(benchmark::State& state) {
  auto* a = tarn::make_gc<Atomic>();
  int* p = tarn::make_gc<int>(1);
  for (auto _ : state) a->store(p);
}
template <class Atomic>
void BM_Exchange(benchmark::State& state) {
  auto* a = tarn::make_gc<Atomic>();
  int* p = tarn::make_gc<int>(1);
  for (auto _ : state) benchmark::DoNotOptimize(p = a->exchange(p));
}
template <class Atomic>
void BM_CompareExchange(benchmark::State& state) {
  auto* a = tarn::make_gc<Atomic>();
  int* p = tarn::make_gc<int>(1);
  int* expected = nullptr;
  for (auto _ : state) {
    benchmark::DoNotOptimize(a->compare_exchange_strong(expected, p));
    expected = p;
  }
}
using Shared = tarn::gc_atomic_ptr<int>;
using Plain = std::atomic<int*>;
BENCHMARK_TEMPLATE(BM_StoreRelease, Shared);
BENCHMARK_TEMPLATE(BM_StoreRelease, Plain);
BENCHMARK_TEMPLATE(BM_Store, Shared);
BENCHMARK_TEMPLATE(BM_Store, Plain);
BENCHMARK_TEMPLATE(BM_Exchange, Shared);
BENCHMARK_TEMPLATE(BM_Exchange, Plain);
BENCHMARK_TEMPLATE(BM_CompareExchange, Shared);
BENCHMARK_TEMPLATE(BM_CompareExchange, Plain);

}  // namespace

int main(int argc, char** argv) {
  std::vector<char*> args(argv, argv + argc);
  std::string smoke = "--benchmark_min_time=0.001";
  for (char*& arg : args) {
    if (std::strcmp(arg, "--smoke") == 0) arg = smoke.data();
  }
  int count = static_cast<int>(args.size());
  args.push_back(nullptr);
  benchmark::Initialize(&count, args.data());
  if (benchmark::ReportUnrecognizedArguments(count, args.data())) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
