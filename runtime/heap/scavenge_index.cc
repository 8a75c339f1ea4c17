#include "runtime/heap/scavenge_index.h"

#include <algorithm>
#include <bit>

#include "runtime/base/bits.h"
#include "runtime/base/check.h"

namespace tarn::rt {
namespace {

// inuse: bits 0-15, last_inuse: 16-25, flags: 26-31, gen: 32-63.
constexpr unsigned kLastShift = 16;
constexpr unsigned kLastBits = 10;
constexpr unsigned kFlagShift = kLastShift + kLastBits;
constexpr unsigned kGenShift = 32;
static_assert(kFlagShift + ScavengeRecord::kFlagBits == kGenShift);
static_assert(kChunkPages < 1u << kLastBits);

// Index of the highest set bit of bits [0, end), ~0 if there is none.
size_t HighestBitBelow(const uint64_t* words, size_t end) {
  size_t i = end / 64;
  uint64_t w = end % 64 == 0 ? 0 : words[i] & BitRange(0, static_cast<unsigned>(end % 64));
  while (w == 0) {
    if (i == 0) return ~size_t{0};
    w = words[--i];
  }
  return i * 64 + 63 - static_cast<size_t>(std::countl_zero(w));
}

}  // namespace

uint64_t ScavengeRecord::Pack() const {
  return uint64_t{inuse} | (uint64_t{last_inuse} << kLastShift) | (uint64_t{flags} << kFlagShift) |
         (uint64_t{gen} << kGenShift);
}

ScavengeRecord ScavengeRecord::Unpack(uint64_t word) {
  ScavengeRecord r;
  r.inuse = static_cast<uint16_t>(word);
  r.last_inuse = static_cast<uint16_t>((word >> kLastShift) & ((1u << kLastBits) - 1));
  r.flags = static_cast<uint8_t>((word >> kFlagShift) & ((1u << kFlagBits) - 1));
  r.gen = static_cast<uint32_t>(word >> kGenShift);
  return r;
}

// The record as of this generation.
ScavengeRecord ScavengeIndex::Rolled(size_t chunk) const {
  ScavengeRecord r = record(chunk);
  if (r.gen != gen_) {
    r.last_inuse = r.inuse;
    r.gen = gen_;
  }
  return r;
}

void ScavengeIndex::Store(size_t chunk, const ScavengeRecord& record) {
  tables_.records[chunk] = record.Pack();
  // keeps I2
  const size_t group = chunk / 64;
  const uint64_t bit = uint64_t{1} << (chunk % 64);
  uint64_t& listed = tables_.listed[group];
  listed = (record.flags & ScavengeRecord::kHasFree) != 0 ? listed | bit : listed & ~bit;
  const uint64_t group_bit = uint64_t{1} << (group % 64);
  uint64_t& groups = tables_.groups[group / 64];
  groups = listed != 0 ? groups | group_bit : groups & ~group_bit;
}

void ScavengeIndex::Alloc(size_t chunk, size_t npages) {
  ScavengeRecord r = Rolled(chunk);
  TARN_CHECK(r.inuse + npages <= kChunkPages);
  r.inuse = static_cast<uint16_t>(r.inuse + npages);
  if (r.inuse == kChunkPages)
    r.flags &= static_cast<uint8_t>(~ScavengeRecord::kHasFree);  // keeps I1
  Store(chunk, r);
}

void ScavengeIndex::Free(size_t chunk, size_t last_page, size_t npages) {
  ScavengeRecord r = Rolled(chunk);
  TARN_CHECK(npages <= r.inuse);
  r.inuse = static_cast<uint16_t>(r.inuse - npages);
  r.flags |= ScavengeRecord::kHasFree;
  Store(chunk, r);
  // keeps I3
  const size_t top = chunk * kChunkPages + last_page + 1;
  free_top_ = std::max(free_top_, top);
  forced_cursor_ = std::max(forced_cursor_, top);
}

void ScavengeIndex::FreeScavenged(size_t chunk, size_t npages) {
  ScavengeRecord r = Rolled(chunk);
  TARN_CHECK(npages <= r.inuse);
  r.inuse = static_cast<uint16_t>(r.inuse - npages);
  Store(chunk, r);
}

void ScavengeIndex::SetEmpty(size_t chunk) {
  ScavengeRecord r = record(chunk);
  r.flags &= static_cast<uint8_t>(~ScavengeRecord::kHasFree);
  Store(chunk, r);
}

void ScavengeIndex::PassOver(size_t chunk) {
  background_cursor_ = std::min(background_cursor_, chunk * kChunkPages);
}

bool ScavengeIndex::WantsCollapse(size_t chunk) const {
  const ScavengeRecord r = record(chunk);
  const bool was_dense = r.gen != gen_ || r.last_inuse >= kDensePages;
  return r.inuse >= kDensePages && was_dense && (r.flags & ScavengeRecord::kCollapsed) == 0;
}

void ScavengeIndex::SetFlag(size_t chunk, uint8_t flag, bool on) {
  ScavengeRecord r = record(chunk);
  r.flags = on ? r.flags | flag : static_cast<uint8_t>(r.flags & ~flag);
  Store(chunk, r);
}

void ScavengeIndex::SetCollapsed(size_t chunk, bool collapsed) {
  SetFlag(chunk, ScavengeRecord::kCollapsed, collapsed);
}

void ScavengeIndex::SetLeftOut(size_t chunk, bool left_out) {
  SetFlag(chunk, ScavengeRecord::kLeftOut, left_out);
}

void ScavengeIndex::NextGeneration() {
  ++gen_;
  background_cursor_ = std::max(background_cursor_, free_top_);
  free_top_ = 0;
}

bool ScavengeIndex::IsEligible(size_t chunk, ScavengeMode mode) const {
  if (mode == ScavengeMode::kForced) return true;
  const ScavengeRecord r = record(chunk);
  // A record of an older generation did not change since: its use was the same when that ended.
  return r.inuse < kDensePages && (r.gen != gen_ || r.last_inuse < kDensePages);
}

size_t ScavengeIndex::ListedBelow(size_t end) const {
  const size_t group = end / 64;
  // The group of `end` itself, if a part of it lies below.
  if (end % 64 != 0 && (tables_.groups[group / 64] >> (group % 64) & 1) != 0) {
    const uint64_t w = tables_.listed[group] & BitRange(0, static_cast<unsigned>(end % 64));
    if (w != 0) return group * 64 + 63 - static_cast<size_t>(std::countl_zero(w));
  }
  const size_t below = HighestBitBelow(tables_.groups, group);
  if (below == ~size_t{0}) return kNoChunk;
  return below * 64 + 63 - static_cast<size_t>(std::countl_zero(tables_.listed[below]));
}

ScavengeIndex::Position ScavengeIndex::Find(ScavengeMode mode) {
  size_t& cursor = mode == ScavengeMode::kForced ? forced_cursor_ : background_cursor_;
  if (cursor == 0) return {};
  const size_t start = (cursor - 1) / kChunkPages;
  for (size_t chunk = ListedBelow(start + 1); chunk != kNoChunk; chunk = ListedBelow(chunk)) {
    if (!IsEligible(chunk, mode)) continue;
    if (chunk != start) cursor = (chunk + 1) * kChunkPages;
    return {chunk, (cursor - 1) % kChunkPages};
  }
  cursor = 0;
  return {};
}

void ScavengeIndex::VerifyChunk(size_t chunk, size_t used, size_t held) const {
  const ScavengeRecord r = record(chunk);
  TARN_CHECK(r.inuse <= used && used <= r.inuse + held);  // I1
  TARN_CHECK(r.last_inuse <= kChunkPages);
  const bool has_free = (r.flags & ScavengeRecord::kHasFree) != 0;
  TARN_CHECK(!(r.inuse == kChunkPages && has_free));  // I1
  const uint64_t listed = tables_.listed[chunk / 64];
  TARN_CHECK(((listed >> (chunk % 64) & 1) != 0) == has_free);  // I2
  TARN_CHECK(((tables_.groups[chunk / 4096] >> (chunk / 64 % 64) & 1) != 0) ==
             (listed != 0));  // I2
}

void ScavengeIndex::VerifyCursor(size_t max_chunks) const {
  const size_t top = ListedBelow(max_chunks);
  TARN_CHECK(top == kNoChunk || top * kChunkPages < forced_cursor_);  // I3
}

}  // namespace tarn::rt
