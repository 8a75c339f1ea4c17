#include "tests/stress/graph_objects.h"

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace graph_stress {
namespace {

uint64_t g_seed;
std::atomic<uint64_t> g_seq{0};
constexpr uintptr_t kBox = uintptr_t{0xfffc} << 48;
constexpr size_t kWordEdgesBehind = sizeof(Header);

uint64_t SumOf(const Header& h) {
  return Mix(h.seq ^ g_seed) + Mix(h.count + (uint64_t{h.owner} << 40)) +
         static_cast<uint64_t>(h.kind);
}

Header MakeHeader(Kind kind, uint32_t owner, uint64_t count) {
  Header h{owner, kind, g_seq.fetch_add(1, std::memory_order_relaxed) + 1, count, 0};
  h.sum = SumOf(h);
  return h;
}

// Mostly small, sometimes up to 60 KiB.
size_t RandomBytes(Rng& rng) {
  const uint64_t r = rng.Below(1000);
  if (r < 900) return 1 + rng.Below(256);
  if (r < 990) return 1 + rng.Below(4096);
  return 1 + rng.Below(60 << 10);
}

unsigned char BlobByte(uint64_t seq, uint64_t i) {
  return static_cast<unsigned char>(seq * 31 + i * 7 + (i >> 8));
}

WordEdge* WordEdges(Header* p) {
  return reinterpret_cast<WordEdge*>(reinterpret_cast<char*>(p) + kWordEdgesBehind);
}

}  // namespace

void SetSeed(uint64_t seed) { g_seed = seed; }

void Wrong(const char* what, const Header* at, uint64_t expected_seq) {
  std::fprintf(stderr,
               "graph_stress: seed %" PRIu64 ": %s at %p: expected object %" PRIu64
               ", found owner %u kind %u seq %" PRIu64 " count %" PRIu64 " sum %" PRIx64 "\n",
               g_seed, what, static_cast<const void*>(at), expected_seq, at->owner,
               static_cast<unsigned>(at->kind), at->seq, at->count, at->sum);
  std::abort();
}

Traced::Traced(const Header& h, bool collect) {
  const Header child = MakeHeader(Kind::kPair, h.owner, 2);
  Pair* pair = tarn::make_gc<Pair>();
  pair->header = child;
  own = &pair->header;
  if (collect) tarn::Collect();
  if (own->seq != child.seq || own->sum != child.sum) {
    Wrong("child of an object under construction", own, child.seq);
  }
  spare.store(reinterpret_cast<uintptr_t>(own.get()) | 1);
  header = h;  // from now on it is what it says
}

void Traced::Trace(tarn::Tracer& t) const {
  // All zero is the moment before construction; half built must not be seen.
  if (header.seq == 0 && own != nullptr) Wrong("Trace of a half-built object", &header, 0);
  t.VisitRange(edges, edges + kEdges);
  t.Visit(own);
  t.Visit(spare);
}

Header* New(Kind kind, uint32_t owner, Rng& rng, size_t bytes) {
  if (bytes == 0) bytes = RandomBytes(rng);
  switch (kind) {
    case Kind::kPair: {
      Pair* p = tarn::make_gc<Pair>();
      p->header = MakeHeader(kind, owner, 2);
      return &p->header;
    }
    case Kind::kBlob: {
      Header* p = tarn::make_gc_tail<Header, unsigned char>(bytes);
      unsigned char* content = tarn::gc_tail<unsigned char>(p);
      if (std::any_of(content, content + bytes, [](unsigned char c) { return c != 0; })) {
        Wrong("memory not zeroed", p, 0);
      }
      *p = MakeHeader(kind, owner, bytes);
      for (size_t i = 0; i < bytes; ++i) content[i] = BlobByte(p->seq, i);
      return p;
    }
    case Kind::kArray: {
      const size_t n = bytes / sizeof(ArrayEdge) + 1;
      Array* p = tarn::make_gc_tail<Array, ArrayEdge>(n);
      p->header = MakeHeader(kind, owner, n);
      return &p->header;
    }
    case Kind::kWords: {
      const size_t n = bytes / sizeof(WordEdge) + 1;
      auto* p = static_cast<Header*>(
          tarn::AllocateBytes(kWordEdgesBehind + n * sizeof(WordEdge), tarn::Scan::kConservative));
      *p = MakeHeader(kind, owner, n);
      return p;
    }
    case Kind::kTraced:
      return &tarn::make_gc<Traced>(MakeHeader(kind, owner, Traced::kEdges), rng.OneIn(500))
                  ->header;
    default: {
      Boxed* p = tarn::make_gc<Boxed>();
      p->header = MakeHeader(Kind::kBoxed, owner, Boxed::kEdges);
      return &p->header;
    }
  }
}

void Check(const Header* p, uint64_t seq) {
  if (p->seq != seq || p->sum != SumOf(*p)) Wrong("wrong header", p, seq);
  if (p->kind == Kind::kBlob) {
    const unsigned char* bytes = tarn::gc_tail<unsigned char>(const_cast<Header*>(p));
    const uint64_t step = p->count < 512 ? 1 : p->count / 256;
    for (uint64_t i = 0; i < p->count; i += step) {
      if (bytes[i] != BlobByte(seq, i)) Wrong("wrong byte of a blob", p, seq);
    }
  } else if (p->kind == Kind::kTraced) {
    const auto* t = reinterpret_cast<const Traced*>(p);
    if (t->own->sum != SumOf(*t->own) || t->own->owner != p->owner) {
      Wrong("wrong child of a traced object", t->own, 0);
    }
  }
}

size_t EdgeCount(const Header* p) { return p->kind == Kind::kBlob ? 0 : p->count; }

void SetEdge(Header* p, size_t i, Header* to, Rng& rng) {
  const uint64_t target = to == nullptr ? 0 : to->seq;
  switch (p->kind) {
    case Kind::kPair: {
      auto* o = reinterpret_cast<Pair*>(p);
      o->edges[i] = to;
      o->targets[i] = target;
      return;
    }
    case Kind::kArray: {
      ArrayEdge& e = tarn::gc_tail<ArrayEdge>(reinterpret_cast<Array*>(p))[i];
      e.to = to;
      e.target = target;
      return;
    }
    case Kind::kWords: {
      WordEdge& e = WordEdges(p)[i];
      e.offset = rng.Below(sizeof(Header));
      e.to = to == nullptr ? nullptr : reinterpret_cast<char*>(to) + e.offset;
      e.target = target;
      e.noise = to == nullptr ? rng.Next() : reinterpret_cast<uintptr_t>(to) + rng.Below(1 << 20);
      return;
    }
    case Kind::kTraced: {
      auto* o = reinterpret_cast<Traced*>(p);
      o->edges[i].store(to == nullptr ? 0 : reinterpret_cast<uintptr_t>(to) | 3);
      o->targets[i] = target;
      return;
    }
    default: {
      auto* o = reinterpret_cast<Boxed*>(p);
      o->edges[i].store(to == nullptr ? 0 : reinterpret_cast<uintptr_t>(to) | kBox);
      o->targets[i] = target;
    }
  }
}

Header* Follow(const Header* from, size_t i) {
  auto* p = const_cast<Header*>(from);
  Header* to;
  uint64_t target;
  switch (p->kind) {
    case Kind::kPair:
      to = reinterpret_cast<Pair*>(p)->edges[i];
      target = reinterpret_cast<Pair*>(p)->targets[i];
      break;
    case Kind::kArray: {
      ArrayEdge& e = tarn::gc_tail<ArrayEdge>(reinterpret_cast<Array*>(p))[i];
      to = e.to;
      target = e.target;
      break;
    }
    case Kind::kWords: {
      const WordEdge& e = WordEdges(p)[i];
      to = e.to == nullptr ? nullptr : reinterpret_cast<Header*>(e.to.get() - e.offset);
      target = e.target;
      break;
    }
    case Kind::kTraced:
      to = reinterpret_cast<Header*>(reinterpret_cast<Traced*>(p)->edges[i].load() & ~uintptr_t{3});
      target = reinterpret_cast<Traced*>(p)->targets[i];
      break;
    default:
      to = reinterpret_cast<Header*>(reinterpret_cast<Boxed*>(p)->edges[i].load() & ~kBox);
      target = reinterpret_cast<Boxed*>(p)->targets[i];
  }
  if (to != nullptr) Check(to, target);
  return to;
}

}  // namespace graph_stress
