// messages BATCHES PAIRS: pairs of threads; one sends BATCHES linked lists of 64 messages through a
// bounded channel, the other adds them up and drops them. Objects die in another thread than the
// one that made them.
#include <peer.h>

#include <cinttypes>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <vector>

#include "bench/workloads/workload.h"

namespace bench {
namespace {

constexpr uint64_t kBatch = 64;
constexpr uint64_t kCapacity = 16;

struct Message {
  peer::Ptr<Message> next;
  peer::Ptr<char> body;
  uint64_t size;
};

// A bounded queue; `slots` is on the heap of the peer, the rest is not.
class Channel {
 public:
  explicit Channel(peer::Ptr<Message>* slots) : slots_(slots) {}
  void Send(Message* m) {
    std::unique_lock<std::mutex> lock(mutex_);
    has_room_.wait(lock, [this] { return sent_ - received_ < kCapacity; });
    slots_[sent_++ % kCapacity] = m;
    has_messages_.notify_one();
  }
  Message* Receive() {
    std::unique_lock<std::mutex> lock(mutex_);
    has_messages_.wait(lock, [this] { return sent_ != received_; });
    peer::Ptr<Message>& slot = slots_[received_++ % kCapacity];
    Message* m = slot;
    slot = nullptr;
    has_room_.notify_one();
    return m;
  }

 private:
  peer::Ptr<Message>* const slots_;
  std::mutex mutex_;
  std::condition_variable has_room_, has_messages_;
  uint64_t sent_ = 0, received_ = 0;  // guarded by mutex_
};

void Produce(uint64_t batches, uint64_t seed, Channel& channel) {
  Rng rng(seed);
  for (uint64_t i = 0; i < batches; ++i) {
    Message* list = nullptr;
    for (uint64_t j = 0; j < kBatch; ++j) {
      const uint64_t size = 32 + rng.Below(128);
      char* body = peer::NewBytes(size);
      body[0] = body[size - 1] = static_cast<char>(size);
      list = peer::New<Message>(list, body, size);
    }
    channel.Send(list);
  }
}

uint64_t Consume(uint64_t batches, Channel& channel) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < batches; ++i) {
    for (Message* m = channel.Receive(); m != nullptr;) {
      sum += m->size + static_cast<unsigned char>(m->body[0]) +
             static_cast<unsigned char>(m->body[m->size - 1]);
      Message* next = m->next;
      peer::Free(m->body);
      peer::Free(m);
      m = next;
    }
  }
  return sum;
}

void Run(const Args& args) {
  const uint64_t batches = args.Number(0), pairs = args.Number(1);
  auto* slots = peer::NewArray<peer::Ptr<Message>>(pairs * kCapacity);
  std::vector<std::unique_ptr<Channel>> channels;
  for (uint64_t i = 0; i < pairs; ++i) {
    channels.push_back(std::make_unique<Channel>(slots + i * kCapacity));
  }
  std::vector<uint64_t> sums(pairs);
  RunThreads(2 * pairs, [&](uint64_t i) {
    if (i % 2 == 0) {
      Produce(batches, i / 2 + 1, *channels[i / 2]);
    } else {
      sums[i / 2] = Consume(batches, *channels[i / 2]);
    }
  });
  // The channels' slots are known to this frame only.
  asm volatile("" : : "r"(slots) : "memory");
  uint64_t sum = 0;
  for (uint64_t s : sums) sum += s;
  std::printf("%" PRIu64 " messages, sum %" PRIu64 "\n", batches * pairs * kBatch, sum);
}

}  // namespace

const Workload kMessages = {"messages", "BATCHES PAIRS", {"200000", "2"}, {"500", "2"}, Run};

}  // namespace bench
