// What the calls about mappings have in common: errors as statuses, and handles.
#ifndef TARN_GC_API_MAPPING_ERRORS_H_
#define TARN_GC_API_MAPPING_ERRORS_H_

#include <cstddef>

#include "absl/status/status.h"
#include "tarn/gc_mmap.h"

namespace tarn {

// "tarn: gc_mmap: ..." for an errno, never OK. `why` may be null: then the system's words.
absl::Status MappingError(const char* what, int error, const char* why = nullptr);

gc_mapping MakeMapping(std::byte* data, size_t size);

}  // namespace tarn

#endif  // TARN_GC_API_MAPPING_ERRORS_H_
