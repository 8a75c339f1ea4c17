// server REQUESTS THREADS SESSIONS: each thread handles requests on SESSIONS sessions of its own. A
// request is parsed into headers, adds an item to a random session, which keeps its last 16 or so,
// and is answered with a list of chunks; all but the item is dropped then. Printed: how long a
// request takes, as the threads see it.
#include <peer.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "bench/workloads/workload.h"

namespace bench {
namespace {

constexpr uint64_t kHeaders = 8;
constexpr uint64_t kChunks = 12;
constexpr uint64_t kMaxItems = 16;

struct Header {
  peer::Ptr<Header> next;
  peer::Ptr<char> name, value;
  uint64_t number;
};
struct Item {
  peer::Ptr<Item> next;
  peer::Ptr<char> body;
  uint64_t number;
};
struct Session {
  peer::Ptr<Item> items;
  uint64_t count, requests;
};
struct Chunk {
  peer::Ptr<Chunk> next;
  uint64_t words[7];
};

char* MarkedBytes(uint64_t size, uint64_t number) {
  char* bytes = peer::NewBytes(size);
  bytes[0] = bytes[size - 1] = static_cast<char>(number);
  return bytes;
}

Header* Parse(Rng& rng) {
  Header* headers = nullptr;
  for (uint64_t i = 0; i < kHeaders; ++i) {
    const uint64_t number = rng.Next();
    char* name = MarkedBytes(16, number);
    headers = peer::New<Header>(headers, name, MarkedBytes(24 + number % 64, number), number);
  }
  return headers;
}

void Drop(Item* items) {
  while (peer::kManual && items != nullptr) {
    Item* next = items->next;
    peer::Free(items->body);
    peer::Free(items);
    items = next;
  }
}

void AddItem(Session* session, uint64_t number) {
  if (session->count == kMaxItems) {
    Item* items = session->items;
    session->items = nullptr;
    session->count = 0;
    Drop(items);
  }
  char* body = MarkedBytes(32 + number % 256, number);
  session->items = peer::New<Item>(session->items, body, number);
  ++session->count;
  ++session->requests;
}

// A checksum of what is sent.
uint64_t Respond(const Header* headers, const Session* session) {
  Chunk* chunks = nullptr;
  const Header* h = headers;
  for (uint64_t i = 0; i < kChunks; ++i) {
    Chunk* c = peer::New<Chunk>();
    c->next = chunks;
    c->words[0] = h->number ^ static_cast<unsigned char>(h->value[0]);
    c->words[i % 6 + 1] = session->requests;
    chunks = c;
    h = h->next;
    if (h == nullptr) h = headers;
  }
  uint64_t sum = 0;
  while (chunks != nullptr) {
    for (uint64_t w : chunks->words) sum = sum * 31 + w;
    Chunk* next = chunks->next;
    peer::Free(chunks);
    chunks = next;
  }
  for (const Item* item = session->items; item != nullptr; item = item->next) {
    sum += item->number ^ static_cast<unsigned char>(item->body[0]);
  }
  return sum;
}

void Drop(Header* headers) {
  while (peer::kManual && headers != nullptr) {
    Header* next = headers->next;
    peer::Free(headers->name);
    peer::Free(headers->value);
    peer::Free(headers);
    headers = next;
  }
}

struct Outcome {
  uint64_t sum = 0;
  Histogram requests;
};

void RunThread(uint64_t requests, uint64_t sessions, uint64_t seed, Outcome& outcome) {
  Rng rng(seed);
  auto* table = peer::NewArray<peer::Ptr<Session>>(sessions);
  for (uint64_t i = 0; i < sessions; ++i) table[i] = peer::New<Session>();
  uint64_t last = Now();
  for (uint64_t i = 0; i < requests; ++i) {
    Header* headers = Parse(rng);
    Session* session = table[rng.Below(sessions)];
    AddItem(session, headers->number);
    outcome.sum += Respond(headers, session);
    Drop(headers);
    const uint64_t now = Now();
    outcome.requests.Add(now - last);
    last = now;
  }
}

void Run(const Args& args) {
  const uint64_t requests = args.Number(0), threads = args.Number(1), sessions = args.Number(2);
  std::vector<Outcome> outcomes(threads);
  RunThreads(threads,
             [&](uint64_t i) { RunThread(requests / threads, sessions, i + 1, outcomes[i]); });
  for (uint64_t i = 1; i < threads; ++i) {
    outcomes[0].sum += outcomes[i].sum;
    outcomes[0].requests.Merge(outcomes[i].requests);
  }
  outcomes[0].requests.Print("requests");
  std::printf("%" PRIu64 " requests, sum %" PRIu64 "\n", requests / threads * threads,
              outcomes[0].sum);
}

}  // namespace

const Workload kServer = {
    "server", "REQUESTS THREADS SESSIONS", {"3000000", "2", "50000"}, {"10000", "2", "500"}, Run};

}  // namespace bench
