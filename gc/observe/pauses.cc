#include "tarn/pauses.h"

#include <algorithm>

namespace tarn {

const char* HandshakeName(HandshakeKind kind) {
  switch (kind) {
    case HandshakeKind::kSweepOwned:
      return "sweep-owned";
    case HandshakeKind::kBarrierOn:
      return "barrier-on";
    case HandshakeKind::kHazards:
      return "hazards";
    case HandshakeKind::kRoots:
      return "roots";
    case HandshakeKind::kFlush:
      return "flush";
    case HandshakeKind::kBarrierOff:
      return "barrier-off";
    case HandshakeKind::kStop:
      return "stop";
  }
  return "?";
}

uint64_t DurationHistogram::QuantileNs(double share) const {
  const double wanted = std::clamp(share, 0.0, 1.0) * static_cast<double>(count);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += counts[i];
    if (seen != 0 && static_cast<double>(seen) >= wanted) return std::min(BucketEnd(i), max_ns);
  }
  return max_ns;
}

}  // namespace tarn
