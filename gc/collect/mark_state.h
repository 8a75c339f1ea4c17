// MarkState: the collector's state as a thread that attaches must find it. A handshake round takes
// every attached thread to the next state; a thread that attaches during the round starts there,
// because the driver changes this before it asks (runtime/thread/thread_registry.h, I2).
// Writers: the driver of the cycle. Readers: the attach hook.
#ifndef TARN_GC_COLLECT_MARK_STATE_H_
#define TARN_GC_COLLECT_MARK_STATE_H_

#include <atomic>
#include <cstdint>

namespace tarn::rt {

struct MarkState {
  // relaxed everywhere: the registry's lock orders the driver's writes before the hook's reads.
  std::atomic<uint32_t> barrier_on{0};
  std::atomic<uint32_t> black_gen{0};  // 0: allocate white
  // 1 during the round that scans stacks (H2): a thread that is too late for it is scanned when it
  // attaches. Not later: what it holds then, the thread that it has it from held after its own scan. And
  // nothing may be queued when marking is over, for a dead object that a stale word leads to would be
  // marked without what it leads to.
  std::atomic<uint32_t> scan_attached{0};
};

}  // namespace tarn::rt

#endif  // TARN_GC_COLLECT_MARK_STATE_H_
