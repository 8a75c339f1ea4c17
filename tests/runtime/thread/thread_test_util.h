// Shared by the thread tests: sizes, seeds, and a team of attached threads.
#ifndef TARN_TESTS_RUNTIME_THREAD_THREAD_TEST_UTIL_H_
#define TARN_TESTS_RUNTIME_THREAD_THREAD_TEST_UTIL_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/thread/handshake.h"
#include "runtime/thread/mutator.h"
#include "runtime/thread/runtime_scope.h"
#include "runtime/thread/sanitizer.h"
#include "runtime/thread/thread_registry.h"

namespace tarn::rt {

// Sanitized builds run about ten times slower.
constexpr int kSlowdown = TARN_ASAN || TARN_TSAN ? 10 : 1;

// TARN_TEST_SEED replays a run; TARN_TEST_SCALE multiplies its length.
inline uint64_t TestSeed() {
  const char* text = std::getenv("TARN_TEST_SEED");
  const uint64_t seed = text != nullptr ? std::strtoull(text, nullptr, 0) : std::random_device()();
  std::printf("TARN_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}
inline int TestScale() {
  const char* text = std::getenv("TARN_TEST_SCALE");
  return text != nullptr ? std::atoi(text) : 1;
}

// splitmix64
class TestRng {
 public:
  explicit TestRng(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t n) { return Next() % n; }

 private:
  uint64_t state_;
};

inline void SleepMicros(int64_t n) { std::this_thread::sleep_for(std::chrono::microseconds(n)); }

// Waits until `done()`; fails the test after a minute.
template <class F>
void WaitUntil(F&& done) {
  const auto start = std::chrono::steady_clock::now();
  while (!done()) {
    SleepMicros(100);
    if (std::chrono::steady_clock::now() - start > std::chrono::minutes(1)) {
      std::fprintf(stderr, "a test waited for a minute in vain\n");
      std::abort();
    }
  }
}

// Calls body(i) for i = 1, 2, ... at most `rounds` times, but for no more than about `seconds`: with
// many threads for each CPU a round lasts a rotation of the scheduler. Returns how often it did.
template <class F>
int ForRounds(int rounds, F&& body, int seconds = 2) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds * TestScale());
  int i = 0;
  while (i < rounds * TestScale() && (i < 3 || std::chrono::steady_clock::now() < end)) body(++i);
  return i;
}

// One attached thread of a test. The plain counters are written in handshake functions and by the
// thread, and read by the asker after the round: a missing happens-before shows under TSan.
struct Worker {
  int answers = 0;
  int wrong_moment = 0;      // the function ran inside the runtime
  bool in_critical = false;  // the thread's own
  std::atomic<bool> stop{false};
  std::atomic<bool> ready{false};
  Mutator* mutator = nullptr;
  std::thread thread;
};

inline Worker* WorkerOf(Mutator& m) { return reinterpret_cast<Worker*>(m.gc); }

// The function of most rounds.
inline void CountAnswer(Mutator& m, void*) {
  Worker* worker = WorkerOf(m);
  if (worker == nullptr) return;
  ++worker->answers;
  if (worker->in_critical) ++worker->wrong_moment;
}

class Team {
 public:
  using Body = std::function<void(Worker&)>;
  Team() = default;
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team() { Join(); }

  // Starts a thread that attaches with `options` and runs body(worker) until worker.stop.
  Worker& Add(Body body, const ThreadOptions& options = {}) {
    workers_.push_back(std::make_unique<Worker>());
    Worker& worker = *workers_.back();
    worker.thread = std::thread([&worker, body = std::move(body), options] {
      const absl::Status status = AttachCurrentThread(options);
      ASSERT_TRUE(status.ok()) << status;
      worker.mutator = Mutator::Current();
      {
        RuntimeScope scope;
        worker.mutator->gc = reinterpret_cast<MutatorGc*>(&worker);
      }
      worker.ready = true;
      body(worker);
      EXPECT_TRUE(DetachCurrentThread().ok());
    });
    WaitUntil([&] { return worker.ready.load(); });
    return worker;
  }
  void Stop() {
    for (auto& worker : workers_) worker->stop = true;
  }
  void Join() {
    Stop();
    for (auto& worker : workers_) {
      if (worker->thread.joinable()) worker->thread.join();
    }
  }
  std::vector<std::unique_ptr<Worker>>& workers() { return workers_; }

 private:
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace tarn::rt

#endif  // TARN_TESTS_RUNTIME_THREAD_THREAD_TEST_UTIL_H_
