// ScavengeIndex: in which chunk to look for free memory to give back to the system.
// Memory near the top goes first, since allocation prefers the bottom; a chunk that was densely
// used in this cycle or at the end of the last one is left alone, since it will soon be used again.
// Not here: which pages of the chunk (page_bits.h), how much (the scavenger), the release itself.
// I1 inuse <= 512; a chunk with inuse == 512 has no free memory and is not listed.
// I2 A chunk is listed (its bit in listed_ set) exactly if its record has kHasFree; a group bit in
//    groups_ is set exactly if one of the group's 64 chunks is listed.
// I3 No listed chunk lies above the forced cursor. Pages freed in this generation lie below free_top_.
// Locking: external (the heap lock), the search too. The alternative, a search without the lock
// over atomic records with cursors that a free marks, misses frees between the searcher and its
// cursor; listing chunks in a two-level bitmap makes the search short enough not to need it. Cost:
// 8 bytes and a bit per chunk; O(1) per allocation and free; the search skips 4096 chunks a step.
#ifndef TARN_RUNTIME_HEAP_SCAVENGE_INDEX_H_
#define TARN_RUNTIME_HEAP_SCAVENGE_INDEX_H_

#include <cstddef>
#include <cstdint>

#include "runtime/heap/page_bits.h"

namespace tarn::rt {

// Background scavenging spares dense chunks; forced scavenging (memory limit, FreeOSMemory) takes
// all.
enum class ScavengeMode { kBackground, kForced };

// A region with this many of its pages in use, or more, is dense: 96.875 %.
constexpr size_t DenseOf(size_t pages) { return pages * 31 / 32; }

// What the index knows about a chunk; packed into a word, zero for a chunk that was never used.
struct ScavengeRecord {
  static constexpr unsigned kFlagBits = 6;
  static constexpr uint8_t kHasFree = 1;    // may have pages that are free and not scavenged
  static constexpr uint8_t kCollapsed = 2;  // made of huge pages, as far as it is known
  static constexpr uint8_t kLeftOut = 4;    // core dumps leave it out (page_dump.cc)

  uint16_t inuse = 0;       // pages in use, page caches included
  uint16_t last_inuse = 0;  // inuse at the end of the generation before `gen`
  uint32_t gen = 0;         // generation of the last change
  uint8_t flags = 0;

  uint64_t Pack() const;
  static ScavengeRecord Unpack(uint64_t word);
};

class ScavengeIndex {
 public:
  static constexpr size_t kDensePages = DenseOf(kChunkPages);

  struct Tables {
    uint64_t* records = nullptr;  // one per chunk
    uint64_t* listed = nullptr;   // one bit per chunk
    uint64_t* groups = nullptr;   // one bit per 64 chunks
  };
  // Where to search next: chunk, and the page in it to start at, going down.
  struct Position {
    size_t chunk = kNoChunk;
    size_t page = 0;
  };
  static constexpr size_t kNoChunk = ~size_t{0};

  constexpr ScavengeIndex() = default;
  // `groups` must be accessible, the others for the chunks that calls name.
  explicit constexpr ScavengeIndex(const Tables& tables) : tables_(tables) {}

  // `npages` pages of `chunk` came into use.
  void Alloc(size_t chunk, size_t npages);
  // `npages` pages of `chunk` became free, not scavenged; `last_page` is the highest of them.
  void Free(size_t chunk, size_t last_page, size_t npages);
  // `npages` pages of `chunk` became free and are scavenged: nothing to look for.
  void FreeScavenged(size_t chunk, size_t npages);
  // Nothing in `chunk` is left to release.
  void SetEmpty(size_t chunk);
  // What `chunk` has left is not for background scavenging in this generation.
  void PassOver(size_t chunk);
  // `chunk` is dense and was so when the last generation ended, and is not collapsed yet.
  bool WantsCollapse(size_t chunk) const;
  // It is made of huge pages now, or no longer: a part of it was released.
  void SetCollapsed(size_t chunk, bool collapsed);
  void SetLeftOut(size_t chunk, bool left_out);
  // A collection cycle ended: what is in use now counts as the last generation's use.
  void NextGeneration();

  // The highest chunk at or below the cursor of `mode` worth looking at; moves the cursor down to
  // it.
  Position Find(ScavengeMode mode);

  // The highest listed chunk below `end`, kNoChunk if there is none.
  size_t ListedBelow(size_t end) const;

  ScavengeRecord record(size_t chunk) const {
    return ScavengeRecord::Unpack(tables_.records[chunk]);
  }
  uint32_t generation() const { return gen_; }
  // Checks the chunk's record; `used` is the number of its pages in use, of which the scavenger may
  // hold up to `held` that the record does not count.
  void VerifyChunk(size_t chunk, size_t used, size_t held) const;
  // Checks I3 among chunks [0, max_chunks).
  void VerifyCursor(size_t max_chunks) const;

 private:
  friend struct ScavengeIndexPeer;

  void SetFlag(size_t chunk, uint8_t flag, bool on);
  void Store(size_t chunk, const ScavengeRecord& record);
  ScavengeRecord Rolled(size_t chunk) const;
  bool IsEligible(size_t chunk, ScavengeMode mode) const;

  Tables tables_;
  uint32_t gen_ = 0;
  // One above the page to search from, 0: nothing to search.
  size_t forced_cursor_ = 0;
  size_t background_cursor_ = 0;
  // One above the highest page freed in this generation.
  size_t free_top_ = 0;
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_SCAVENGE_INDEX_H_
