// Definitions of the per-thread block and of the runs that a thread without a cache has.
#include "tarn/internal/mutator_block.h"

namespace tarn::internal {

// Zero-initialised, so it takes no space in the file, and only the pages of classes that unattached
// threads try to allocate from are ever touched.
constinit const Run kEmptyRuns[kMaxSpanClasses] = {};

constinit thread_local MutatorBlock t_block TARN_TLS_INITIAL_EXEC;

}  // namespace tarn::internal
