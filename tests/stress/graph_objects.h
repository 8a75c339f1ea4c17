// The objects of graph_stress: six shapes, one per way of finding pointers, all with a checksummed
// header and edges that know what they point to.
// I1 header.sum covers the other header fields and the seed: memory that was freed, cleared or given
//    to another object does not pass Check.
// I2 An edge holds the target's sequence number beside the pointer: a target whose memory holds
//    another good object does not pass Follow.
// I3 A blob's bytes follow from its sequence number.
// Not here: what threads do with the objects (graph_stress.cc).
#ifndef TARN_TESTS_STRESS_GRAPH_OBJECTS_H_
#define TARN_TESTS_STRESS_GRAPH_OBJECTS_H_

#include <cstddef>
#include <cstdint>

#include "tarn/tarn.h"
#include "tests/stress/stress_rng.h"

namespace graph_stress {

using stress::Mix;
using stress::Rng;

enum class Kind : uint32_t { kPair, kBlob, kArray, kWords, kTraced, kBoxed, kEnd };

struct Header {
  uint32_t owner = 0;
  Kind kind = Kind::kPair;
  uint64_t seq = 0;
  uint64_t count = 0;  // edges, or bytes of a blob
  uint64_t sum = 0;
};

struct Pair {
  Header header;
  tarn::gc_ptr<Header> edges[2];
  uint64_t targets[2];
};
// Followed by count ArrayEdges.
struct Array {
  Header header;
};
struct ArrayEdge {
  tarn::gc_ptr<Header> to;
  uint64_t target;
};
// Conservative memory: Header, then count of these. The pointer may lead inside the target.
struct WordEdge {
  tarn::gc_ptr<char> to;
  uint64_t offset;  // of `to` inside the target
  uint64_t target;
  uint64_t noise;  // a word that may name anything
};
class Traced {
 public:
  static constexpr size_t kEdges = 3;
  // Allocates and may collect while half built.
  Traced(const Header& h, bool collect);
  void Trace(tarn::Tracer& t) const;

  Header header;
  tarn::gc_word<tarn::low_bit_codec<7, 3>> edges[kEdges];  // only Trace knows the tag
  uint64_t targets[kEdges] = {};
  tarn::gc_ptr<Header> own;  // made by the constructor
  tarn::gc_word<tarn::low_bit_codec<7, 1>> spare;
};
using BoxedWord = tarn::gc_word<tarn::nan_box_codec<0xfffc>>;
struct Boxed {
  static constexpr size_t kEdges = 4;
  Header header;
  BoxedWord edges[kEdges];
  uint64_t targets[kEdges];
};

// Prints what is wrong, where, and the seed; ends the process.
[[noreturn]] void Wrong(const char* what, const Header* at, uint64_t expected_seq);
void SetSeed(uint64_t seed);

// `bytes` is for the kinds of variable size; 0: a random size.
Header* New(Kind kind, uint32_t owner, Rng& rng, size_t bytes = 0);
// The header of `p`, whose sequence number is `seq`, is whole; so are a blob's bytes (all of a small
// one, a sample of a large one).
void Check(const Header* p, uint64_t seq);
size_t EdgeCount(const Header* p);
void SetEdge(Header* p, size_t i, Header* to, Rng& rng);
// The checked target of an edge, or null.
Header* Follow(const Header* p, size_t i);

}  // namespace graph_stress

#endif  // TARN_TESTS_STRESS_GRAPH_OBJECTS_H_
