// PageEntry: what the marker and the sweeper must know about one page, in one word of a flat table.
// Not here: the span itself (span.h), found from the entry by its page offset.
// I1 An entry is zero while its page is in no span; it is published (release) after the span and
// its
//    contents are initialised, and cleared before the pages are freed.
#ifndef TARN_RUNTIME_HEAP_PAGE_ENTRY_H_
#define TARN_RUNTIME_HEAP_PAGE_ENTRY_H_

#include <cstddef>
#include <cstdint>

namespace tarn::rt {

//  bits 0-31   pages from the first page of the span to this page
//  bits 32-47  span class
//  bit  62     noscan: the elements hold no pointers
//  bit  63     in use
class PageEntry {
 public:
  constexpr PageEntry() = default;
  constexpr explicit PageEntry(uint64_t bits) : bits_(bits) {}
  static constexpr PageEntry Make(uint16_t span_class, bool noscan, size_t offset_pages) {
    return PageEntry((uint64_t{1} << 63) | (uint64_t{noscan} << 62) | (uint64_t{span_class} << 32) |
                     static_cast<uint32_t>(offset_pages));
  }

  constexpr bool in_use() const { return static_cast<int64_t>(bits_) < 0; }
  constexpr bool noscan() const { return (bits_ >> 62) & 1; }
  constexpr uint16_t span_class() const { return static_cast<uint16_t>(bits_ >> 32); }
  constexpr size_t offset_pages() const { return static_cast<uint32_t>(bits_); }
  constexpr uint64_t bits() const { return bits_; }

 private:
  uint64_t bits_ = 0;
};

}  // namespace tarn::rt

#endif  // TARN_RUNTIME_HEAP_PAGE_ENTRY_H_
